"""Libraries that only the bridges need."""

from __future__ import annotations

import importlib
from typing import Any

from co2net_phys.errors import UsageError


def optional_library(name: str) -> Any:
    """Import a module of scikit-learn or dtaidistance.

    Raises
    ------
    UsageError
        It is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(
            f"{name.partition('.')[0]} is not installed; pip install 'co2phys[fluxes]'"
        ) from error
