"""What the data of the flux models hold: names, dimensions, units. The contract between the parts.

Sign: every flux is positive into the air. NEE is in grams of carbon per square metre of *land* and
day, so a cell gives NEE · land fraction · cell area.

Files, as `co2net_phys.fluxes.simulate` writes them and the readers take them:

* drivers store: the ten `DRIVERS` on (time, latitude, longitude), daily; those that do not change
  in time may lack that dimension; `LAND_FRACTION` and `CELL_AREA` on (latitude, longitude). NaN
  where there is no land of the 18 regions.
* NEE store: `NEE` on (time, latitude, longitude), the same axes and land fraction.
* inversions: `REGIONAL_NEE` on (member, time, region), one time a month (its first day).
* background fluxes: mole fluxes of `BACKGROUND_FLUXES`, and of `FIRE` if that is known, on (time,
  latitude, longitude).

Drivers, NEE and inversions are in the units of `DRIVERS` and `QUANTITIES` and say so, "gC" for "g"
if that is clearer; where the unit is 1 it may be left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.units import unit_conversion
from co2net_phys.errors import DataError


@dataclass(frozen=True)
class Quantity:
    """Description of one variable; CF has standard names for a few of them only."""

    long_name: str
    units: str
    standard_name: str | None = None
    comment: str | None = None

    @property
    def attributes(self) -> dict[str, str]:
        """CF attributes to write with the variable."""
        given = {
            "standard_name": self.standard_name,
            "long_name": self.long_name,
            "units": self.units,
            "comment": self.comment,
        }
        # CF-1.11, section 3.1.2: say whether kelvins are a temperature or a difference of two.
        scale = {"units_metadata": "temperature: on_scale"} if self.units == "K" else {}
        return {name: value for name, value in given.items() if value is not None} | scale


DRIVERS: Mapping[str, Quantity] = {
    "WAI2": Quantity("Water availability index", "1"),
    "MSC_EVIRpot": Quantity(
        "Mean seasonal cycle of enhanced vegetation index times global radiation", "W m-2"
    ),
    "MSC_FparLST": Quantity(
        "Mean seasonal cycle of absorbed share of photosynthetic radiation times daytime surface "
        "temperature in degrees Celsius",
        "degC",
    ),
    "MIN_MSC_NDWI": Quantity(
        "Least value of the mean seasonal cycle of the normalised difference water index", "1"
    ),
    "AMP_Band4": Quantity("Amplitude of the seasonal cycle of the reflectance in band 4", "1"),
    "MSC_LST_Night": Quantity("Mean seasonal cycle of the night surface temperature", "K"),
    "Rg_VIMSC": Quantity(
        "Mean seasonal cycle of the normalised difference vegetation index times potential "
        "radiation",
        "W m-2",
    ),
    "AMP_MSC_NDVI": Quantity(
        "Amplitude of the mean seasonal cycle of the normalised difference vegetation index", "1"
    ),
    "Tair": Quantity("Air temperature", "K", "air_temperature"),
    "AMP_MSC_WAI": Quantity(
        "Amplitude of the mean seasonal cycle of the water availability index", "1"
    ),
}
"""The inputs of a flux model, in order: table A2 of Upton et al. (2024),
doi:10.5194/acp-24-2555-2024.

Only WAI2 and Tair know the weather of the day; the others are the mean seasonal cycle, or one
number for each place.
"""

DAILY_DRIVERS = ("WAI2", "Tair")
"""Drivers with a value of their own for each day."""

STATIC_DRIVERS = ("MIN_MSC_NDWI", "AMP_Band4", "AMP_MSC_NDVI", "AMP_MSC_WAI")
"""Drivers with one value for each place."""

LAND_FRACTION = "land_fraction"
"""Share of a cell that is land of one of the 18 regions."""

CELL_AREA = "cell_area"
"""Area of a cell, m2."""

NEE = "nee"
"""Net ecosystem exchange, g m-2 d-1 of carbon, positive into the air, per area of land."""

QUALITY = "quality"
"""Share of a day's half-hours that were measured or filled with confidence, 0…1."""

REGIONAL_NEE = "regional_nee"
"""Sum of NEE over a region and a month, Pg of carbon, positive into the air."""

BACKGROUND_FLUXES = ("fossil", "ocean")
"""Fluxes other than NEE that station mole fractions hold, taken as known."""

FIRE = "fire"
"""A further one that real air holds; the synthetic world has no fires."""

# CF has a standard name for the downward flux alone; with the opposite sign it would be wrong here.
_NEE_COMMENT = (
    "Positive into the air: minus surface_net_downward_mass_flux_of_carbon_dioxide_expressed_as_"
    "carbon_due_to_all_land_processes, without fires and inland waters."
)

QUANTITIES: Mapping[str, Quantity] = {
    LAND_FRACTION: Quantity("Share of land", "1", "land_area_fraction"),
    CELL_AREA: Quantity("Area of the cell", "m2", "cell_area"),
    NEE: Quantity("Net ecosystem exchange of carbon", "g m-2 d-1", comment=_NEE_COMMENT),
    QUALITY: Quantity("Share of good half-hours in the day", "1"),
    REGIONAL_NEE: Quantity(
        "Net ecosystem exchange of carbon in a region and month", "Pg", comment=_NEE_COMMENT
    ),
    "fossil": Quantity(
        "CO2 from fuels and cement", "umol m-2 s-1", "surface_upward_mole_flux_of_carbon_dioxide"
    ),
    "ocean": Quantity(
        "CO2 exchange of the ocean", "umol m-2 s-1", "surface_upward_mole_flux_of_carbon_dioxide"
    ),
}
"""Variables other than the drivers."""


@dataclass(frozen=True)
class Region:
    """One of the regions of the Regional Carbon Cycle Assessment and Processes, phase 2."""

    code: str
    name: str


REGIONS: tuple[Region, ...] = (
    Region("USA", "United States"),
    Region("CAN", "Canada"),
    Region("CAM", "Central America"),
    Region("NSA", "Northern South America"),
    Region("BRA", "Brazil"),
    Region("SSA", "Southwest South America"),
    Region("EU", "Europe"),
    Region("NAF", "Northern Africa"),
    Region("EQAF", "Equatorial Africa"),
    Region("SAF", "Southern Africa"),
    Region("RUS", "Russia"),
    Region("CAS", "Central Asia"),
    Region("MIDE", "Mideast"),
    Region("CHN", "China"),
    Region("KAJ", "Korea and Japan"),
    Region("SAS", "South Asia"),
    Region("SEAS", "Southeast Asia"),
    Region("OCE", "Oceania"),
)
"""The 18 regions in the order of table A1; the position is the number of a region everywhere."""

REGION_CODES = tuple(region.code for region in REGIONS)
"""Abbreviations of the regions, in order."""

GLOBE = "GLOBAL"
"""Name of the sum of all regions in scores."""

TROPIC = 23.44
"""Degrees of latitude: nearer the equator, towers count as tropical."""

TROPICS, EXTRATROPICS = "TROPICS", "EXTRATROPICS"
"""Names of the sum of the tropical regions, and of all others, in scores."""

TROPICAL_REGIONS = ("CAM", "NSA", "BRA", "EQAF", "SEAS")
"""Regions that lie mostly within 23.4 degrees of the equator and carry most of its forest."""


def require(
    dataset: xr.Dataset, source: str, variables: tuple[str, ...], dimensions: tuple[str, ...]
) -> None:
    """Refuse a dataset that lacks a variable, has it in other units, or whose axes do not ascend.

    Drivers that do not change may lack the time.

    Raises:
        DataError: naming `source`, the variable and the remedy.
    """
    for name in variables:
        if name not in dataset:
            raise DataError(
                f"{source}: no variable {name!r}; it needs {', '.join(variables)} "
                "(make one with `co2phys simulate --preset carbon-world`)"
            )
        found = set(dataset[name].dims) | ({"time"} if name in DRIVERS else set())
        if found != set(dimensions):
            raise DataError(
                f"{source}: {name}: dimensions are {dataset[name].dims}; expected {dimensions}"
            )
        _require_units(dataset[name], f"{source}: {name}")
    for axis in ("time", "latitude", "longitude"):
        if axis in dimensions:
            _require_axis(dataset, axis, source)


def daily_axis(dataset: xr.Dataset, source: str) -> NDArray[np.datetime64]:
    """Days (T,), datetime64[D], of a dataset with one value a day.

    Raises:
        DataError: the calendar is another, or a day is missing or repeated.
    """
    times = dataset["time"].values
    if not np.issubdtype(times.dtype, np.datetime64):
        raise DataError(f"{source}: time: its calendar is not Gregorian; convert the time axis")
    days = times.astype("datetime64[D]")
    if np.any(np.diff(days) != np.timedelta64(1, "D")):
        raise DataError(f"{source}: time: is not one value a day; average or fill it first")
    return np.asarray(days)


def _require_axis(dataset: xr.Dataset, axis: str, source: str) -> None:
    if axis not in dataset.indexes:
        raise DataError(f"{source}: no axis {axis!r}; give it as a dimension with its values")
    values = dataset[axis].values
    if not np.all(values[1:] > values[:-1]):
        raise DataError(f"{source}: {axis}: does not ascend; sort it first")


def _require_units(array: xr.DataArray, where: str) -> None:
    """Refuse other units than those of the quantity; for "gC" the library knows only "g"."""
    expected = {**DRIVERS, **QUANTITIES}[str(array.name)].units
    units = str(array.attrs.get("units", ""))
    if units == expected:
        return
    of_mass = re.sub(r"\b([kTP]?g) ?C\b", r"\1", units)
    factor, offset = unit_conversion(of_mass, expected, where=where)
    if abs(factor - 1) > 1e-9 or abs(offset) > 1e-9:
        raise DataError(f"{where}: units are {units!r}; convert it to {expected!r}")
