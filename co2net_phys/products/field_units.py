"""From a variable's units attribute to the schema's unit, and values that prove it wrong."""

import logging
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.schema import CO2, VARIABLES
from co2net_phys.data.units import mole_fraction_factor, unit_conversion, wind_factor
from co2net_phys.errors import DataError

_logger = logging.getLogger(__name__)

STANDARD_GRAVITY = 9.80665
"""m s-2 (WMO, CGPM 1901): geopotential divided by it is geopotential height."""

_UNREADABLE = "\N{REPLACEMENT CHARACTER}"

_EXAMPLE_UNITS: dict[str, tuple[str, ...]] = {
    CO2: ("ppm", "mol mol-1"),
    "ps": ("Pa", "hPa"),
    "huss": ("kg/kg", "g/kg"),
    "tas": ("K", "degC"),
    "uas": ("m/s", "cm/s"),
    "vas": ("m/s", "cm/s"),
}

# Hulls of what the Earth's air near the ground can be, in the units of the schema. A whole sample
# of a field inside them proves nothing; one value outside proves the units (or the file) wrong.
_CREDIBLE: dict[str, tuple[float, float]] = {
    CO2: (100.0, 20_000.0),
    "ps": (30_000.0, 120_000.0),
    "huss": (-1e-3, 0.1),
    "tas": (150.0, 360.0),
    "uas": (-200.0, 200.0),
    "vas": (-200.0, 200.0),
    "gph": (-2_000.0, 10_000.0),
    "oro": (-2_000.0, 10_000.0),
}

_FILL_VALUES = (-9999.0, -999.0, -999.99, -999.9, -99999.0, -999999.0)
_LARGEST_VALUE = 1e15
"""No quantity read here reaches it; 1e20, 9.96921e36 and -1e34 are fill values."""


def conversion(
    name: str, units: str, *, where: str, standard_name: str = "", option: str
) -> tuple[float, float]:
    """Return (factor, summand) that bring values in ``units`` into the schema's unit of ``name``.

    Args:
        name: name in the schema.
        units: the units attribute, or what the user says it should be.
        where: ``"<file>: variable '<name>'"``.
        standard_name: the CF standard name.
        option: name of the file's variable, for the remedy ``--units <option>=…``.

    Raises:
        DataError: the units are unknown or of another kind.
    """
    remedy = remedy_for(name, option)
    if not units.strip():
        raise DataError(f"{where} has no units attribute; {remedy}")
    if _UNREADABLE in units:  # the µ of Latin-1: without it the rest would be a unit of its own
        raise DataError(f"{where} has units that are not UTF-8 text ('{units}'); {remedy}")
    if name == CO2:
        factor = mole_fraction_factor(
            units, where=where, standard_name=standard_name, remedy=remedy
        )
        return factor, 0.0
    try:
        if name in ("uas", "vas"):
            return wind_factor(units, where=where), 0.0
        if name == "gph" and _is_geopotential(units):
            return 1.0 / STANDARD_GRAVITY, 0.0
        return unit_conversion(units, VARIABLES[name].units, where=where)
    except DataError as error:
        raise DataError(
            f"{where} has units '{units}', which cannot be converted to "
            f"'{VARIABLES[name].units}'; {remedy}"
        ) from error


def remedy_for(name: str, option: str, example: str = "") -> str:
    """Return the end of an error message about units, with the usual ones for example."""
    usual = VARIABLES[name].units if name in VARIABLES else "1"
    example = example or _EXAMPLE_UNITS.get(name, (usual,))[0]
    shown = f"'{option}={example}'" if " " in example else f"{option}={example}"
    return f"pass --units {option}=<true units>, for example {shown}"


def refuse_incredible(
    values: NDArray[np.floating[Any]], name: str, *, units: str, where: str, option: str
) -> None:
    """Raise if values in the schema's unit of ``name`` cannot be what they are called.

    Args:
        values: a sample of the field, any shape; NaN is ignored.
        name: name in the schema; another name is not judged.
        units: the file's units attribute, to be named.
        where: ``"<file>: variable '<name>'"``.
        option: name of the file's variable.

    Raises:
        DataError: a negative mole fraction, or values outside of what is credible.
    """
    finite = values[np.isfinite(values)]
    if name not in _CREDIBLE or finite.size == 0:
        return
    lowest, highest = float(finite.min()), float(finite.max())
    least, most = _CREDIBLE[name]
    unit = VARIABLES[name].units
    if name == CO2 and lowest < 0 and highest >= least:
        raise DataError(
            f"{where} has {np.count_nonzero(finite < 0)} negative mole fractions in a sample of "
            f"{finite.size} (lowest {lowest:.4g} {unit}); declare its fill value (_FillValue) or "
            "leave this file out"
        )
    if lowest < least or highest > most:
        raise DataError(
            f"{where} has units '{units}', contradicted by its values: they would be "
            f"{lowest:.4g} to {highest:.4g} {unit}; "
            f"{remedy_for(name, option, _fitting_example(name, units, lowest, highest))}"
        )


def _fitting_example(name: str, units: str, lowest: float, highest: float) -> str:
    """Return units in which values that are incredible in ``units`` would be credible, or ""."""
    least, most = _CREDIBLE[name]
    for example in _EXAMPLE_UNITS.get(name, ()):
        try:
            factor, summand = conversion(name, units, where="", option="")
            other, offset = conversion(name, example, where="", option="")
        except DataError:  # units that only the standard_name explains
            return ""
        ends = [(value - summand) / factor * other + offset for value in (lowest, highest)]
        if least <= ends[0] and ends[1] <= most:
            return example
    return ""


def without_fill_values(
    values: NDArray[np.floating[Any]], found: Counter[str] | None = None
) -> NDArray[np.floating[Any]]:
    """Return values with NaN for fill values that the file does not declare.

    These are -999 and its like, and everything beyond 1e15 (1e20, 9.96921e36, -1e34, infinity):
    nothing that is read here can have such a value.

    Args:
        values: as decoded by xarray, any shape.
        found: receives how often each one occurs.
    """
    with np.errstate(invalid="ignore"):
        suspect = np.abs(values) >= _LARGEST_VALUE
        for fill in _FILL_VALUES:
            suspect |= values == values.dtype.type(fill)
    if not suspect.any():
        return values
    if found is not None:
        found.update(f"{value:g}" for value in values[suspect].ravel().tolist())
    return np.where(suspect, values.dtype.type(np.nan), values)


def warn_of_fill_values(found: Counter[str], where: str, sample: str) -> None:
    """Say once for a series that a sample of it holds undeclared fill values."""
    if found:
        shown = ", ".join(f"{value} ({count} times)" for value, count in found.most_common(3))
        _logger.warning(
            "%s holds undeclared fill values in %s: %s; they count as missing here and in the "
            "rest of the series",
            *(where, sample, shown),
        )


def _is_geopotential(units: str) -> bool:
    try:
        factor, _ = unit_conversion(units, "m2 s-2", where="")
    except DataError:
        return False
    return abs(factor - 1.0) < 1e-12
