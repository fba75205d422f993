"""Predicted NEE beside whatever is known of it: true NEE, inversions, towers, bridges."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.atomic import is_zarr_store
from co2net_phys.data.kinds import NEE
from co2net_phys.data.opening import open_dataset
from co2net_phys.errors import DataError, UsageError
from co2net_phys.fluxes.bridge_check import check_bridges
from co2net_phys.fluxes.inversions import Inversions, read_inversions
from co2net_phys.fluxes.prior_nee import PriorNee
from co2net_phys.fluxes.regions import monthly_sums
from co2net_phys.fluxes.schema import REGIONAL_NEE, TROPIC, daily_axis
from co2net_phys.fluxes.scores import regional_scores, tower_scores
from co2net_phys.fluxes.towers import LEAST_QUALITY
from co2net_phys.fluxes.world_folder import WorldFolder
from co2net_phys.regridding import LatLonGrid

Array = NDArray[np.float64]
Months = NDArray[np.datetime64]

LOG = logging.getLogger(__name__)

TRUTH, INVERSIONS, TOWERS, BRIDGES = "truth", "inversions", "towers", "bridges"
"""Names of what NEE is compared with, in scores."""


@dataclass(frozen=True)
class Exchange:
    """NEE of one method, on disk."""

    name: str
    nee: PriorNee

    @cached_property
    def _summary(self) -> tuple[Array, Array]:
        return self.nee.summary()

    @cached_property
    def monthly(self) -> tuple[Array, Months]:
        """Sums (M, 18) over regions and whole months, PgC, and the months (M,)."""
        return monthly_sums(self._summary[1], self.days)

    @property
    def days(self) -> Months:
        """(T,) datetime64[D]."""
        return self.nee.days

    def during(self, days: Months) -> Exchange:
        """The same on some of its days."""
        source = self.nee.source
        stores = [
            store.isel(time=np.isin(daily_axis(store, source), days)) for store in self.nee.stores
        ]
        return Exchange(self.name, PriorNee(stores, source))

    @property
    def mean(self) -> Array:
        """Map (nlat, nlon) of the mean over the year, g m-2 d-1."""
        return np.asarray(self._summary[0].mean(axis=0))


def open_exchange(path: Path, name: str | None = None) -> Exchange:
    """Open an NEE store; its name is that of the model that made it.

    Raises
    ------
    DataError
        It cannot be read, or holds no daily NEE.
    """
    dataset = open_dataset(path, NEE)
    title = str(dataset.attrs.get("title", ""))
    found = title.removeprefix("Output of ") if title.startswith("Output of ") else path.stem
    return Exchange(name or found, PriorNee([dataset], str(path)))


class Reference:
    """What NEE is compared with: a folder, a store of true NEE, or inversions.

    Parameters
    ----------
    path
        See `co2net_phys.fluxes.world_folder` for what a folder may hold.

    Raises
    ------
    DataError
        It cannot be read, or holds neither true NEE nor inversions.
    """

    def __init__(self, path: Path) -> None:
        self.source = str(path)
        self.folder: WorldFolder | None = None
        self.truth: Exchange | None = None
        self.inversions: Inversions | None = None
        if path.is_dir() and not is_zarr_store(path):
            self.folder = WorldFolder(path)
            if self.folder.has_nee():
                self.truth = open_exchange(self.folder.nee(), "truth")
            if self.folder.has_inversions():
                self.inversions = self.folder.inversions()
        elif REGIONAL_NEE in open_dataset(path):
            self.inversions = read_inversions(path)
        else:
            self.truth = open_exchange(path, "truth")
        if self.truth is None and self.inversions is None:
            raise DataError(f"{path}: holds neither nee.zarr nor inversions.nc; give one of them")

    def of_same_time(self, methods: Sequence[Exchange]) -> list[Exchange]:
        """Cut true NEE, if there is any, and methods to the days that all have; the methods.

        Says so where it leaves days out, so that no method is compared on days of its own.

        Raises
        ------
        DataError
            There is no such day.
        """
        known = [] if self.truth is None else [self.truth]
        everything = [*known, *methods]
        days = reduce(np.intersect1d, [one.days for one in everything])
        if not len(days):
            raise DataError(
                f"{methods[0].nee.source}: time: no day in common with what it is compared with; "
                "choose another --truth, or compare others"
            )
        if max(len(one.days) for one in everything) > len(days):
            LOG.warning("only %s to %s is compared, which all have", days[0], days[-1])
            everything = [one.during(days) for one in everything]
        if self.truth is not None:
            self.truth = everything[0]
        return everything[len(known) :]

    @property
    def monthly(self) -> tuple[str, Array, Months]:
        """Name, sums (M, 18) in PgC and months (M,) of the truth, or else of the inversions."""
        if self.truth is not None:
            return ("truth", *self.truth.monthly)
        assert self.inversions is not None
        return "mean of the inversions", self.inversions.mean, self.inversions.months

    def scores(self, method: Exchange) -> dict[str, Any]:
        """All scores that can be told of a method, by what it is compared with."""
        found: dict[str, Any] = {}
        if self.truth is not None:
            found[TRUTH] = _regional(method, *self.truth.monthly)
        if self.inversions is not None:
            found[INVERSIONS] = _regional(method, self.inversions.mean, self.inversions.months)
        if self.folder is not None and self.folder.has_towers():
            found[TOWERS] = self._at_towers(method)
        if self.folder is not None and (bridges := self.folder.bridges()) is not None:
            found[BRIDGES] = check_bridges(bridges, method.nee)
        return found

    @cached_property
    def _towers(self) -> _TowerDays:
        assert self.folder is not None
        drivers = self.folder.drivers()
        table = self.folder.towers(drivers)
        usable = np.isfinite(table.nee) & (table.quality >= LEAST_QUALITY)
        site, day = np.nonzero(usable)
        pixels = [drivers.pixel_at(one.latitude, one.longitude) for one in table.sites]
        return _TowerDays(
            site, table.days[day], table.nee[usable], np.array(pixels), drivers.grid,
            {number: one.code for number, one in enumerate(table.sites)},
            np.array([abs(one.latitude) < TROPIC for one in table.sites]),
        )  # fmt: skip

    def _at_towers(self, method: Exchange) -> dict[str, Any]:
        """Scores at the towers of the tropics and at the others, on the days of both."""
        towers = self._towers
        if not towers.grid.is_like(method.nee.grid):
            raise DataError(
                f"{method.nee.source}: latitude, longitude: differ from the drivers of "
                f"{self.source}; make NEE from these drivers"
            )
        series = method.nee.series(towers.pixels)
        place = (towers.day - method.days[0]).astype(np.int64)
        inside = (place >= 0) & (place < len(series))
        found = {}
        for name, wanted in (("tropical", towers.tropical), ("other", ~towers.tropical)):
            chosen = inside & wanted[towers.site]
            if chosen.any():
                site = towers.site[chosen]
                predicted = series[place[chosen], site]
                found[name] = tower_scores(predicted, towers.nee[chosen], site, towers.codes)
        return found


@dataclass(frozen=True)
class _TowerDays:
    """Good days at towers, one after the other."""

    site: NDArray[np.int64]
    day: NDArray[np.datetime64]
    nee: Array
    pixels: NDArray[np.int64]
    """(S, 2) row and column of each tower."""
    grid: LatLonGrid
    codes: dict[int, str]
    tropical: NDArray[np.bool_]
    """(S,)."""


def _regional(method: Exchange, reference: Array, months: Months) -> dict[str, Any]:
    """Scores by region, of the months that both have."""
    sums, own = method.monthly
    common = np.intersect1d(own, months)
    if not len(common):
        raise DataError(
            f"{method.nee.source}: time: no month in common with what it is compared with; "
            "choose another --truth"
        )
    return regional_scores(sums[np.isin(own, common)], reference[np.isin(months, common)], common)


def mean_cycles(sums: Array, months: Months) -> Array:
    """Mean (12, K) of each month of the year of sums (M, K); NaN where there is none."""
    number = months.astype("datetime64[M]").astype(np.int64) % 12
    cycles = np.full((12, sums.shape[1]), np.nan)
    for month in np.unique(number):
        cycles[month] = sums[number == month].mean(axis=0)
    return cycles


def open_all(paths: Sequence[Path]) -> list[Exchange]:
    """Open predictions; those of one name get their file beside it.

    Raises
    ------
    DataError
        One cannot be read.
    UsageError
        A file is given twice.
    """
    repeated = [path for number, path in enumerate(paths) if path in paths[:number]]
    if repeated:
        raise UsageError(f"--prediction {repeated[0]}: is given twice; give it once")
    found = [open_exchange(path) for path in paths]
    names = [TRUTH, *(one.name for one in found)]
    of_files = [path.stem for path in paths]
    return [
        one
        if names.count(one.name) == 1
        else Exchange(f"{one.name} ({file if of_files.count(file) == 1 else path})", one.nee)
        for one, path, file in zip(found, paths, of_files, strict=True)
    ]
