"""What the satellite system reads and writes: soundings, covariates, features, samples.

The contract between the readers, the simulator and the networks. Names, units and dimensions are
given here and nowhere else.

Covariates live in one or several stores (Zarr or NetCDF), each with one grid and one time axis:
`latitude` and `longitude` (degrees, ascending, equally spaced cell centres of the region's grid or
of a coarser one) and, for what changes, `time` (days, ascending). A variable of cadence "static"
has dimensions (latitude, longitude), "daily" and "slow" ones have (time, latitude, longitude); of
a slow one (vegetation index every eight days, land use every year) the last step on or before a
day counts.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from co2net_phys.errors import DataError

Floats = NDArray[np.float64]

LEVELS = 20
"""Pressure levels of an ACOS retrieval (OCO-2, OCO-3 and GOSAT alike), from space to surface."""

SENSORS = {"oco2": 1, "oco3": 2, "gosat": 4}
"""Code of each sensor: bits, so that the source of a fused value is the sum of its sensors."""

OCO = SENSORS["oco2"] | SENSORS["oco3"]
"""Mask of the two sensors that share one retrieval and are averaged without adjustment."""


@dataclass(frozen=True)
class Soundings:
    """Retrievals of XCO2 along the tracks of one or several satellites, in any order.

    Attributes:
        time: of the measurement (n,), UTC, datetime64[ms].
        latitude, longitude: centre of the footprint (n,), degrees north and east (−180…180).
        xco2: bias-corrected column mean in dry air (n,), µmol mol-1.
        uncertainty: its standard deviation by measurement noise alone (n,), µmol mol-1.
        sensor: code of `SENSORS` (n,).
        quality_flag: 0 good, 1 bad (n,).
        operation_mode: 0 nadir, 1 glint, 2 target, 3 transition, 4 area map; −1 unknown (n,).
        averaging_kernel: normalised column averaging kernel (n, levels), 1.
        pressure_weight: share of the column's dry air that each level stands for (n, levels), 1.
        pressure: of the levels (n, levels), hPa, from space to surface.
        apriori_profile: dry mole fraction that the retrieval started from (n, levels), µmol mol-1.
        apriori_xco2: its column mean (n,), µmol mol-1.
        surface_pressure: retrieved (n,), hPa.
    """

    time: NDArray[np.datetime64]
    latitude: Floats
    longitude: Floats
    xco2: Floats
    uncertainty: Floats
    sensor: NDArray[np.int8]
    quality_flag: NDArray[np.int8]
    operation_mode: NDArray[np.int8]
    averaging_kernel: Floats
    pressure_weight: Floats
    pressure: Floats
    apriori_profile: Floats
    apriori_xco2: Floats
    surface_pressure: Floats

    def __post_init__(self) -> None:
        """Refuse arrays of different lengths.

        Raises:
            DataError: naming the array.
        """
        for field in fields(self):
            values = getattr(self, field.name)
            if len(values) != len(self.time) or values.ndim not in (1, 2):
                raise DataError(
                    f"soundings: {field.name!r} has shape {values.shape}, expected "
                    f"{len(self.time)} soundings first; pass arrays of one length"
                )

    def __len__(self) -> int:
        """Number of soundings."""
        return len(self.time)

    @property
    def day(self) -> NDArray[np.datetime64]:
        """Day of each sounding (n,), UTC, datetime64[D]."""
        return self.time.astype("datetime64[D]")

    def take(self, index: NDArray[Any]) -> Self:
        """Return the soundings of a boolean mask (n,) or of positions (m,)."""
        return type(self)(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @classmethod
    def joined(cls, *parts: Soundings) -> Self:
        """Return the soundings of all parts (at least one), one after another."""
        return cls(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)}
        )


Cadence = Literal["static", "slow", "daily"]


@dataclass(frozen=True)
class Covariate:
    """One environmental covariate: unit, how often it changes, what stands for it."""

    units: str
    cadence: Cadence
    long_name: str


LAND_USES = ("cropland", "forest", "orchard", "mountain", "urban", "water")
"""Land-use classes of the paper; their fractions of a cell sum to 1."""

COVARIATES: dict[str, Covariate] = {
    "elevation": Covariate("m", "static", "Surface elevation"),
    "ndvi": Covariate("1", "slow", "Normalised difference vegetation index"),
    "population_density": Covariate("km-2", "slow", "People per square kilometre"),
    **{
        f"{use}_fraction": Covariate("1", "slow", f"Fraction of the cell that is {use}")
        for use in LAND_USES
    },
    "evaporation": Covariate("mm d-1", "daily", "Evaporation"),
    "precipitation": Covariate("mm d-1", "daily", "Precipitation"),
    "surface_pressure": Covariate("hPa", "daily", "Surface air pressure"),
    "relative_humidity": Covariate("%", "daily", "Near-surface relative humidity"),
    "sunshine_duration": Covariate("h d-1", "daily", "Sunshine duration"),
    "temperature": Covariate("degC", "daily", "Near-surface air temperature"),
    "wind_speed": Covariate("m s-1", "daily", "Near-surface wind speed"),
    "gross_domestic_product": Covariate("USD km-2", "slow", "Gross domestic product per area"),
    "district_population": Covariate("1", "slow", "Inhabitants of the district"),
    "net_primary_productivity": Covariate("g m-2 d-1", "slow", "Net uptake of carbon by plants"),
}
"""The 19 covariates (paper, table 2 and the "additional data"), in the order of the features."""

LAND_USE_COVARIATES = tuple(f"{use}_fraction" for use in LAND_USES)
WEATHER = tuple(name for name, covariate in COVARIATES.items() if covariate.cadence == "daily")

NEIGHBOURHOOD = ("elevation", "ndvi", "population_density", *LAND_USE_COVARIATES)
"""Covariates that the paper's table 2 marks for spatial convolution: their means over the
surroundings of a cell are features too."""

NEIGHBOURHOOD_CELLS = 5
"""Width of these surroundings in cells of the covariate's own grid, or of the region if wider."""

WEEK_DAYS = 7
"""Length of the trailing mean of the weather that ends with the day itself, in days."""

MONTH_DAYS = 30
"""The same for what plants remember longer, in days."""

MONTHLY_WEATHER = ("evaporation", "precipitation", "sunshine_duration", "temperature")

TIME_FEATURES = (
    "years_since_2015",
    "annual_sine",
    "annual_cosine",
    "semiannual_sine",
    "semiannual_cosine",
)


def feature_names(available: Collection[str] = tuple(COVARIATES)) -> tuple[str, ...]:
    """Names of the features that can be made from the covariates `available`, in their order.

    All covariates give 46, as many as in the paper, which does not list them: 19 covariates, 9
    means over surroundings, 7 weekly and 4 monthly means of weather, position (2), time (5).
    """
    present = [name for name in COVARIATES if name in available]
    return (
        *present,
        *(f"{name}_around" for name in NEIGHBOURHOOD if name in present),
        *(f"{name}_week" for name in WEATHER if name in present),
        *(f"{name}_month" for name in MONTHLY_WEATHER if name in present),
        "latitude",
        "longitude",
        *TIME_FEATURES,
    )


FEATURES = feature_names()
"""The 46 features of a sample."""

SAMPLE_VARIABLES = {
    "time": "days since 1970-01-01",
    "latitude": "degrees_north",
    "longitude": "degrees_east",
    "row": "1",
    "column": "1",
    "xco2": "umol mol-1",
    "xco2_standard_error": "umol mol-1",
    "sounding_count": "1",
    "source": "1",
    "features": "1",
}
"""Variables of a samples store and their units: all (sample,), but features (sample, feature).

One sample is one cell of the region on one day. `row` and `column` count from the south-west
corner; `source` is a sum of codes of `SENSORS`; the coordinate `feature` holds the features' names,
whose units are those of the covariates; the attribute `region` holds the region as JSON.
"""
