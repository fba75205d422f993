"""Options as a pydantic model; what is wrong with them in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from co2net_phys.errors import UsageError

Model = TypeVar("Model", bound=BaseModel)


def validated(kind: type[Model], options: Mapping[str, Any]) -> Model:
    """Return options as a model of a kind.

    Raises
    ------
    UsageError
        naming the first wrong option and what was given for it.
    """
    try:
        return kind(**options)
    except ValidationError as error:
        first = error.errors()[0]
        text = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:  # of options together: the message says it all
            raise UsageError(text) from error
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{where}: {text}; got {first['input']!r}") from error
