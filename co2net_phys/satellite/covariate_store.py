"""Covariates of several stores together, opened for the cells of a region."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from co2net_phys.data.atomic import is_zarr_store
from co2net_phys.data.kinds import StoreKind
from co2net_phys.data.opening import open_dataset
from co2net_phys.errors import DataError
from co2net_phys.satellite.cell_means import CellMeans
from co2net_phys.satellite.covariate_map import CovariateMap
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import COVARIATES

FINER = 0.9
"""A store whose centres are closer than this share of the cells' spacing is averaged over them."""

KIND = StoreKind(
    "covariates",
    "give those of `co2phys data fuse`",
    tuple(frozenset({name}) for name in COVARIATES),
)

logger = logging.getLogger(__name__)


class Covariates:
    """All covariates that several stores hold together; the first store with a name gives it.

    Attributes:
        names: covariates that are there, in the order of the schema.
    """

    def __init__(self, maps: Sequence[CovariateMap]) -> None:
        self._of = {name: one for one in reversed(maps) for name in one.names}
        self.maps = tuple(maps)
        self.names = tuple(name for name in COVARIATES if name in self._of)
        absent = [name for name in COVARIATES if name not in self._of]
        if not self.names:
            raise DataError(
                f"{', '.join(one.source for one in maps) or 'no files'}: no covariate at all, "
                f"expected {', '.join(list(COVARIATES)[:4])}, …; give a store of covariates"
            )
        if absent:
            logger.warning("covariates: no %s; done without", ", ".join(absent))

    def map_of(self, name: str) -> CovariateMap:
        """The store that holds a covariate of `names`."""
        return self._of[name]


def open_covariates(*paths: str | Path, region: Region | None = None) -> Covariates:
    """Open stores of covariates lazily, see `co2net_phys.satellite.schema`.

    Args:
        paths: of the stores.
        region: whose cells will be asked for: finer stores are averaged over them, and maps of the
            whole circle may begin anywhere. Without it, places are looked up in every store as is.

    Raises:
        DataError: one cannot be read or breaks the schema, or there is no covariate.
    """
    return Covariates([_opened(open_dataset(path, KIND), str(path), region) for path in paths])


def covariate_files(*places: Path) -> list[Path]:
    """Stores and files among `places`; a folder stands for all that it holds, by name.

    Raises:
        DataError: a folder holds none.
    """
    found: list[Path] = []
    for place in places:
        if not place.is_dir() or is_zarr_store(place):
            found.append(place)
            continue
        inside = sorted(path for path in place.iterdir() if path.suffix in (".zarr", ".nc", ".nc4"))
        if not inside:
            raise DataError(f"{place}: holds no .zarr or .nc; give a folder of covariates")
        found += inside
    return found


def _opened(dataset: xr.Dataset, source: str, region: Region | None) -> CovariateMap:
    """A store, as means over the cells of a region where it is finer."""
    if region is None:
        return CovariateMap(dataset, source)
    found = CovariateMap(dataset, source, (region.west + region.east) / 2)
    is_finer = found.spacing < FINER * region.spacing
    return CellMeans(dataset, source, region) if is_finer else found
