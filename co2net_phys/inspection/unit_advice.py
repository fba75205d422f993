"""Whether units can be converted and believed, and which ones would fit the values instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.schema import CO2, VARIABLES
from co2net_phys.errors import DataError
from co2net_phys.inspection.report import Problem
from co2net_phys.products.field_units import conversion, refuse_incredible

_CANDIDATES: Mapping[str, tuple[str, ...]] = {
    CO2: ("ppm", "mol mol-1", "ppb", "percent"),
    "ps": ("Pa", "hPa"),
    "huss": ("kg kg-1", "g kg-1"),
    "tas": ("K", "degC"),
    "uas": ("m s-1",),
    "vas": ("m s-1",),
    "gph": ("m", "m2 s-2"),
    "oro": ("m",),
}


@dataclass(frozen=True)
class UnitAdvice:
    """What became of the units of one variable.

    Attributes:
        schema_units: units after the conversion, empty where there is none.
        option: value of ``--units`` that would help, empty where none is needed or known.
        problems: that they cannot be converted, or that the values contradict them.
    """

    schema_units: str = ""
    option: str = ""
    problems: tuple[Problem, ...] = ()


def advise(
    variable: str,
    schema: str,
    attributes: Mapping[str, Any],
    values: NDArray[np.floating[Any]],
    assumed: str = "",
) -> UnitAdvice:
    """Try the units attribute of a variable on a sample of it.

    Args:
        variable: name in the file.
        schema: name in a training store.
        attributes: of the variable.
        values: sample in the file's units; NaN where missing.
        assumed: units that the product documents, for a file without the attribute.
    """
    units = str(attributes.get("units", "")).strip() or assumed
    problem = _objection(variable, schema, units, str(attributes.get("standard_name", "")), values)
    if problem is None:
        return UnitAdvice(VARIABLES[schema].units)
    fitting = next(
        (text for text in _CANDIDATES[schema] if not _objection("", schema, text, "", values)), ""
    )
    if np.isfinite(values).any() and not fitting:
        problem += "; no usual unit fits the values"
    option = f"{variable}={fitting}" if fitting and np.isfinite(values).any() else ""
    if option:
        problem += f" (the values would fit '{fitting}')"
    return UnitAdvice("", option, (Problem("error", "units", problem),))


def _objection(
    variable: str,
    schema: str,
    units: str,
    standard_name: str,
    values: NDArray[np.floating[Any]],
) -> str | None:
    """What speaks against the units, in the words of the readers; None if nothing does."""
    where = f"variable '{variable}'"
    try:
        factor, summand = conversion(
            schema, units, where=where, standard_name=standard_name, option=variable
        )
        converted = np.asarray(values, dtype=np.float64) * factor + summand
        refuse_incredible(converted, schema, units=units, where=where, option=variable)
    except DataError as error:
        return str(error)
    return None
