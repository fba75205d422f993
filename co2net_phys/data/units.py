"""Factors from a file's units attribute to the units used inside: µmol mol-1 and m s-1.

The attribute decides; values are only used to refuse an attribute that they contradict.
Units are read with pint in the UDUNITS dialect of cf_xarray.
"""

import logging
import re
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.errors import DataError

MOLAR_MASS_CO2 = 44.0095
"""Molar mass of carbon dioxide in g mol-1 (IUPAC atomic weights)."""

MOLAR_MASS_DRY_AIR = 28.9647
"""Molar mass of dry air in g mol-1 (US Standard Atmosphere composition)."""

MICROMOL_PER_MOL = 1e6
"""µmol mol-1 in one mol mol-1."""

# Fractions that are names rather than products of units; pint lacks all but the first three.
_NAMED_FRACTIONS = {
    "%": 1e-2,
    "percent": 1e-2,
    "ppm": 1e-6,
    "ppmv": 1e-6,
    "partspermillion": 1e-6,
    "ppb": 1e-9,
    "ppbv": 1e-9,
    "partsperbillion": 1e-9,
    "ppt": 1e-12,
    "pptv": 1e-12,
}

# Common in files, but unknown to the registry (or, for mb, a millibarn).
_SPELLINGS = {"mb": "mbar", "millibars": "mbar", "Kelvin": "K", "degrees_C": "degC", "C": "degC"}

# No whole CO2 field of the Earth's air lies outside these bounds (µmol mol-1); they are used only
# together with a wrong power of ten that would bring every value inside them.
_LOWEST_CREDIBLE = 100.0
_HIGHEST_CREDIBLE = 2000.0
_REMEDY = "pass --initial-units (for example ppm) if the attribute is wrong"


def mole_fraction_factor(
    units: str, *, where: str, standard_name: str = "", remedy: str = _REMEDY
) -> float:
    """Return the factor that turns values in ``units`` into a mole fraction in µmol mol-1.

    Args:
        units: the units attribute, for example ``"mol mol-1"``, ``"1e-6"``, ``"ppm"``.
        where: ``"<file>: variable '<name>'"``, the beginning of an error message.
        standard_name: the CF standard name; a mass fraction needs one that says so.
        remedy: what to do about other units, the end of an error message.

    Raises:
        DataError: the units are not those of a mole fraction (or of a declared CO2 mass fraction).
    """
    is_mass_fraction = standard_name.startswith("mass_fraction_of_carbon_dioxide")
    text = re.sub(r"[\s(]+dry([\s_]air)?\)?$", "", units.strip(), flags=re.IGNORECASE)
    fraction, tokens = _fraction_and_unit_words(text)
    kinds = {_dimension(token) for token in tokens}
    if fraction is None or not kinds <= {"[mass]", "[substance]"} or len(kinds) > 1:
        raise DataError(f"{where} has units '{units}', which is not a mole fraction; {remedy}")
    if "[mass]" in kinds and not is_mass_fraction:
        raise DataError(
            f"{where} has units '{units}', a mass fraction, but its standard_name "
            f"('{standard_name}') is not mass_fraction_of_carbon_dioxide_in_air; {remedy}"
        )
    if "[substance]" in kinds and is_mass_fraction:
        raise DataError(
            f"{where} has units '{units}' but standard_name '{standard_name}', "
            f"which contradict each other; {remedy}"
        )
    molar_ratio = MOLAR_MASS_DRY_AIR / MOLAR_MASS_CO2 if is_mass_fraction else 1.0
    return fraction * molar_ratio * MICROMOL_PER_MOL


def to_micromol_per_mol(
    values: NDArray[np.floating[Any]], units: str, *, where: str, standard_name: str = ""
) -> NDArray[np.float64]:
    """Return ``values`` (any shape) in µmol mol-1 as float64, refusing a contradicted attribute.

    Raises:
        DataError: the units are not a mole fraction, or the values prove them wrong.
    """
    factor = mole_fraction_factor(units, where=where, standard_name=standard_name)
    refuse_contradicted_units(values, factor, units=units, where=where)
    return np.asarray(values, dtype=np.float64) * factor


def refuse_contradicted_units(
    values: NDArray[np.floating[Any]],
    factor: float,
    *,
    units: str,
    where: str,
    option: str = "--initial-units",
) -> None:
    """Raise if ``values`` (any shape, in ``units``) cannot be CO2 in those units.

    Args:
        values: CO2 as stored in the file; NaN is ignored.
        factor: what `mole_fraction_factor` returned for ``units``.
        units: the units attribute.
        where: ``"<file>: variable '<name>'"``.
        option: that gives the true units, for the message.

    Raises:
        DataError: a mole fraction exceeds 1, or the whole field is a power of a thousand away
            from what CO2 can be (the attribute says ppm, the values are mol mol-1).
    """
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)] * factor
    if finite.size == 0:
        return
    lowest, highest = float(finite.min()), float(finite.max())
    above_one = max(abs(lowest), abs(highest)) > MICROMOL_PER_MOL
    if above_one or _is_off_by_a_power_of_thousand(lowest, highest):
        raise DataError(
            f"{where} has units '{units}', contradicted by its values: they would be "
            f"{lowest:.4g} to {highest:.4g} ppm of CO2; pass {option} with the true units "
            "(for example ppm)"
        )


def wind_factor(units: str, *, where: str) -> float:
    """Return the factor that turns a wind component in ``units`` into m s-1.

    Raises:
        DataError: ``units`` is empty or not a speed.
    """
    try:
        return float(_registry()(units).to("m s-1").magnitude)
    except Exception as error:  # pint raises many unrelated types for malformed text
        shown = f"units '{units}'" if units.strip() else "no units attribute"
        raise DataError(
            f"{where} has {shown}, where a wind speed such as 'm s-1' is needed; "
            "correct the units attribute"
        ) from error


def unit_conversion(units: str, wanted: str, *, where: str) -> tuple[float, float]:
    """Return (factor, summand) that turn values in ``units`` into ``wanted``: hPa to Pa, °C to K.

    Raises:
        DataError: ``units`` is unknown or of another kind.
    """
    registry = _registry()
    try:
        known = registry.parse_units(_SPELLINGS.get(units, units))
        points = registry.Quantity(np.array([0.0, 1.0]), known).to(registry.parse_units(wanted))
        zero, one = (float(value) for value in points.magnitude)
    except Exception as error:  # pint raises many unrelated types for malformed text
        raise DataError(
            f"{where} has units '{units}', which cannot be converted to '{wanted}'; "
            "convert it, or correct the units attribute"
        ) from error
    return one - zero, zero


def _is_off_by_a_power_of_thousand(lowest: float, highest: float) -> bool:
    """Tell whether all values become credible CO2 only after a factor 1000**k, k not 0."""
    if lowest <= 0 or (highest >= _LOWEST_CREDIBLE and lowest <= _HIGHEST_CREDIBLE):
        return False
    factors = (1e-12, 1e-9, 1e-6, 1e-3, 1e3, 1e6, 1e9, 1e12)
    return any(lowest * f >= _LOWEST_CREDIBLE and highest * f <= _HIGHEST_CREDIBLE for f in factors)


def _fraction_and_unit_words(text: str) -> tuple[float | None, list[str]]:
    """Return the value of one unit as a pure number (None if it is not one) and its unit words."""
    named = _NAMED_FRACTIONS.get(re.sub(r"[\s_]", "", text).lower())
    if named is not None:
        return named, []
    try:
        return _positive(float(text)), []  # pint would read "1.e-6" as elementary charges
    except ValueError:
        pass
    try:
        value = float(_registry()(text).to("dimensionless").magnitude) if text else None
    except Exception:  # pint raises many unrelated types for malformed text
        value = None
    without_numbers = re.sub(r"\d+\.?\d*[eE][-+]?\d+", "", text)
    return _positive(value), re.findall(r"[^\W\d_]+", without_numbers)


def _positive(value: float | None) -> float | None:
    """Return a usable scale, None for zero, negative or non-finite ones."""
    return value if value is not None and np.isfinite(value) and value > 0 else None


def _dimension(word: str) -> str:
    """Return pint's dimension of one unit word, for example ``"[mass]"``."""
    try:
        return str(_registry()(word).dimensionality)
    except Exception:  # an unknown word; its own text is never an accepted dimension
        return word


@lru_cache(maxsize=1)
def _registry() -> Any:
    """Return the UDUNITS-flavoured pint registry, built on first use because that takes 0.5 s."""
    # Loading the dialect makes pint report each unit that it redefines, which is intended.
    logger = logging.getLogger("pint.util")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        from cf_xarray.units import units
    finally:
        logger.setLevel(level)
    return units
