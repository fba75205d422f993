"""Options as a pydantic model; what is wrong with them in one line."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from co2net_phys.errors import UsageError

Model = TypeVar("Model", bound=BaseModel)

UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
"""What pydantic calls an option that a model, or a data class, does not have."""


def validated(kind: type[Model], options: Mapping[str, Any], listed: str = "") -> Model:
    """Return options as a model of a kind.

    Args:
        kind: of the model.
        options: by name.
        listed: what lists the options there are, said to those who give others; else all are named.

    Raises
    ------
    UsageError
        naming the first wrong option and what was given for it.
    """
    try:
        return kind(**options)
    except ValidationError as error:
        raise UsageError(first_problem(error, kind.model_fields, listed)) from error


def first_problem(
    error: ValidationError, known: Collection[str], listed: str = "", whose: str = "option"
) -> str:
    """Return in one line which option is wrong first, how, and what was given for it.

    Args:
        error: of pydantic.
        known: names of the options there are.
        listed: see `validated`.
        whose: what they are, such as `option of this network`.
    """
    first = error.errors()[0]
    text = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:  # of options together: the message says it all
        return text
    where = ".".join(map(str, first["loc"]))
    if first["type"] in UNKNOWN:
        remedy = _instead(str(first["loc"][-1]), known, listed)
        return f"{where}: no such {whose}; {remedy}"
    # What was given for an option that is missing is all the others.
    given = "" if first["type"] == "missing" else f"; got {first['input']!r:.60}"
    return f"{where}: {text}{given}"


def _instead(name: str, known: Collection[str], listed: str) -> str:
    """What to write for a name that no option has."""
    near = " or ".join(get_close_matches(name, known))
    if near:
        return f"did you mean {near}?" + (f" {listed}" if listed else "")
    return listed or f"choose from {', '.join(known)}"
