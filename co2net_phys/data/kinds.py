"""Which kind of store of this package an open file is, by as few names as tell the kinds apart.

What else belongs in each is said where it is read: `co2net_phys.data.schema`, and the schemas of
the systems, which lie above this package.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import xarray as xr

from co2net_phys.data.schema import CO2, STATION_CO2
from co2net_phys.errors import DataError

MAP = frozenset({"latitude", "longitude"})


@dataclass(frozen=True)
class StoreKind:
    """One kind of store.

    Attributes
    ----------
    holds
        What is in it, in words.
    remedy
        Where to get one.
    signs
        Sets of variables, one of which a store of this kind has.
    dimensions
        That it has.
    """

    holds: str
    remedy: str
    signs: tuple[frozenset[str], ...]
    dimensions: frozenset[str] = field(default=MAP)

    def matches(self, dataset: xr.Dataset) -> bool:
        """Whether an open file is of this kind."""
        names, dimensions = set(dataset.variables), set(dataset.sizes)
        return self.dimensions <= dimensions and any(sign <= names for sign in self.signs)


SURFACE = StoreKind(
    "surface CO2",
    "give a training store, of `co2phys simulate --preset twin` or `co2phys data prepare`",
    (frozenset({CO2}), frozenset({STATION_CO2})),
)
PREDICTION = StoreKind(SURFACE.holds, "give a file of `co2phys reconstruct`", SURFACE.signs)
SAMPLES = StoreKind(
    "samples of satellites",
    "give a store of `co2phys data fuse`",
    (frozenset({"xco2", "features"}),),
    frozenset({"sample", "feature"}),
)
XCO2_MAPS = StoreKind(
    "maps of XCO2",
    "give daily maps, of `co2phys reconstruct` or `co2phys simulate --preset satellites`",
    (frozenset({"xco2"}),),
    MAP | {"time"},
)
COLUMNS = StoreKind(
    "columns of a tracer",
    "give a store of `co2phys simulate --preset columns`",
    (frozenset({"mmrbc", "emibc"}),),
    MAP | {"level"},
)
DRIVERS = StoreKind(
    "drivers of flux models",
    "give drivers.zarr of `co2phys simulate --preset carbon-world`, or the like",
    (frozenset({"WAI2", "MSC_EVIRpot"}),),
)
NEE = StoreKind(
    "NEE of all land",
    "give a file of `co2phys reconstruct` with a flux model, or nee.zarr of a carbon world",
    (frozenset({"nee"}),),
    MAP | {"time"},
)
INVERSIONS = StoreKind(
    "regional NEE of inversions",
    "give inversions.nc of `co2phys simulate --preset carbon-world`, or the like",
    (frozenset({"regional_nee"}),),
    frozenset({"member", "region"}),
)

KINDS = (SURFACE, SAMPLES, XCO2_MAPS, COLUMNS, DRIVERS, NEE, INVERSIONS)


def kind_of(dataset: xr.Dataset) -> StoreKind | None:
    """The kind of an open file, None if it is no store of this package."""
    return next((kind for kind in KINDS if kind.matches(dataset)), None)


def refuse_other_kind(dataset: xr.Dataset, source: str, wanted: StoreKind) -> None:
    """Refuse a file that is known to be of another kind; one of no known kind may be anything.

    Raises
    ------
    DataError
        naming what `source` holds, and what to give.
    """
    found = None if wanted.matches(dataset) else kind_of(dataset)
    if found is not None:
        raise DataError(f"{source}: holds {found.holds}, not {wanted.holds}; {wanted.remedy}")
