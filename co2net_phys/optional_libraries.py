"""Libraries that only some systems need."""

from __future__ import annotations

import importlib
from typing import Any

from co2net_phys.errors import UsageError


def optional_library(name: str, extra: str) -> Any:
    """Import a module of a library that an extra of the package brings.

    Parameters
    ----------
    name
        Of the module, such as "sklearn.cluster".
    extra
        Name of the extra, such as "fluxes".

    Raises
    ------
    UsageError
        It is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(
            f"{name.partition('.')[0]} is not installed; pip install 'co2phys[{extra}]'"
        ) from error
