"""Flux towers joined with the drivers at their places: what a flux model is trained on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.errors import DataError
from co2net_phys.fluxes.drivers import DriverStore
from co2net_phys.fluxes.fluxnet import TowerRecord, read_tower_record
from co2net_phys.fluxes.schema import DRIVERS
from co2net_phys.fluxes.sites import Site

Array = NDArray[np.float64]

LOG = logging.getLogger(__name__)

LEAST_QUALITY = 0.8
"""Share of good half-hours below which a day is not used, as in Tramontana et al. (2016),
doi:10.5194/bg-13-4291-2016."""

_TEMPERATURE = list(DRIVERS).index("Tair")


@dataclass(frozen=True)
class TowerTable:
    """Daily exchange and drivers at S towers over T days."""

    sites: tuple[Site, ...]
    days: NDArray[np.datetime64]
    """(T,) datetime64[D]."""
    inputs: NDArray[np.float32]
    """(S, T, 10) the drivers in order and in their units."""
    nee: Array
    """(S, T) g m-2 d-1 of carbon, NaN where there is none."""
    quality: Array
    """(S, T) share of good half-hours, 0 where there is no value."""

    def samples(
        self, sites: Sequence[int] | NDArray[np.int64], least_quality: float = LEAST_QUALITY
    ) -> tuple[NDArray[np.float32], Array, NDArray[np.int64]]:
        """Drivers (n, 10), NEE (n,) and the number of the site (n,) of every usable day."""
        chosen = np.asarray(sites, dtype=np.int64)
        usable = np.isfinite(self.nee[chosen]) & (self.quality[chosen] >= least_quality)
        which, day = np.nonzero(usable)
        site = chosen[which]
        return self.inputs[site, day], self.nee[site, day], site


def find_records(folder: str | Path) -> tuple[Path, ...]:
    """Files of a folder that may be tower records (``*.csv`` with ``FLX`` in front, ``*.nc``).

    Raises:
        DataError: there is none.
    """
    place = Path(folder)
    found = sorted([*place.glob("FLX_*.csv"), *place.glob("*.nc")])
    if not found:
        raise DataError(f"{place}: no FLX_*.csv or *.nc file; give the folder of the tower records")
    return tuple(found)


def join_towers(paths: Sequence[Path], sites: Sequence[Site], drivers: DriverStore) -> TowerTable:
    """Read tower records and join each with the drivers of the cell that its tower stands in.

    The tower's own air temperature takes the place of the cell's where it was measured. Towers
    outside the land of the store are left out with a warning.

    Raises:
        DataError: a record is unreadable, not daily, or of a site that the list lacks; two are of
            one site; none can be used.
    """
    by_code = {site.code: site for site in sites}
    found: dict[str, tuple[Site, TowerRecord, tuple[int, int]]] = {}
    for path in paths:
        record = read_tower_record(path)
        if record.resolution != "daily":
            raise DataError(f"{path}: monthly values; give the daily or half-hourly file")
        if record.site not in by_code:
            raise DataError(f"{path}: site {record.site!r} is not in the site list; add it")
        if record.site in found:
            raise DataError(f"{path}: a second record of {record.site!r}; keep one")
        site = by_code[record.site]
        pixel = drivers.pixel_at(site.latitude, site.longitude)
        if pixel is None or not _places(record, drivers)[1].any():
            LOG.warning("%s: no land with drivers there on its days; the tower is left out", path)
            continue
        found[record.site] = site, record, pixel
    if not found:
        raise DataError(f"{drivers.source}: no tower has days and land in it; check both periods")
    chosen, records, pixels = zip(*found.values(), strict=True)
    inputs = drivers.at(np.arange(len(drivers.days)), np.array(pixels)).transpose(1, 0, 2).copy()
    nee, quality = np.full(inputs.shape[:2], np.nan), np.zeros(inputs.shape[:2])
    for row, record in enumerate(records):
        place, inside = _places(record, drivers)
        own = record.air_temperature[inside]
        measured = np.isfinite(own)
        inputs[row, place[measured], _TEMPERATURE] = own[measured]
        nee[row, place], quality[row, place] = record.nee[inside], record.quality[inside]
    return TowerTable(chosen, drivers.days, inputs, nee, quality)


def _places(
    record: TowerRecord, drivers: DriverStore
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Positions among the days of the store, and which days of the record have one."""
    place = (record.times.astype("datetime64[D]") - drivers.days[0]).astype(np.int64)
    inside = (place >= 0) & (place < len(drivers.days))
    return place[inside], inside


def site_coordinates(sites: Sequence[Site]) -> dict[str, xr.Variable]:
    """Coordinates of the `site` dimension."""
    north = {"standard_name": "latitude", "units": "degrees_north"}
    east = {"standard_name": "longitude", "units": "degrees_east"}
    code = {"long_name": "site code", "cf_role": "timeseries_id"}
    return {
        "site_code": xr.Variable("site", np.array([s.code for s in sites], dtype=object), code),
        "site_latitude": xr.Variable("site", [s.latitude for s in sites], north),
        "site_longitude": xr.Variable("site", [s.longitude for s in sites], east),
    }
