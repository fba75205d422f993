"""The constraints beside towers, year by year: regional totals, and monthly means at stations."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.errors import DataError
from co2net_phys.fluxes.bridges import BridgeOperator
from co2net_phys.fluxes.drivers import DriverStore
from co2net_phys.fluxes.inversions import Inversions
from co2net_phys.fluxes.physics_bridge import PhysicsBridge
from co2net_phys.fluxes.regions import cell_areas, region_areas, region_fractions
from co2net_phys.fluxes.samples import RegionalSample, StationSample

MONTHS_A_YEAR = 12


class RegionalYears:
    """Whole years for which there are drivers and all inversions.

    Attributes
    ----------
    years
        The years.
    digests
        SHA-256 of the bridges and of the inversions.

    Parameters
    ----------
    drivers
        Of all days.
    bridges
        Of R regions, on the grid of the drivers.
    inversions
        Their monthly totals.

    Raises
    ------
    DataError
        There is no such year.
    """

    def __init__(
        self, drivers: DriverStore, bridges: BridgeOperator, inversions: Inversions
    ) -> None:
        self._drivers, self._bridges = drivers, bridges
        self._values = inversions.nee[..., bridges.regions]
        self._months = inversions.months
        self.digests = {
            "bridges": _digest(
                bridges.pixels, bridges.regions, bridges.coefficients, bridges.intercepts
            ),
            "inversions": _digest(inversions.months, inversions.nee),
        }
        areas = region_areas(region_fractions(drivers.grid), cell_areas(drivers.grid))
        self._area = torch.from_numpy(areas[bridges.regions]).float()
        self._kept: dict[int, RegionalSample] = {}
        years = np.unique(self._months.astype("datetime64[Y]").astype(int) + 1970)
        self.years = tuple(int(year) for year in years if self._is_whole(int(year)))
        if not self.years:
            raise DataError(
                f"{drivers.source}: time: no whole year that the inversions have as well; give "
                "longer records"
            )

    def sample(self, year: int) -> RegionalSample:
        """All days of a year at the pixels of the bridges; kept for the next time."""
        if year not in self._kept:
            dates = self._drivers.days
            days = np.flatnonzero(dates.astype("datetime64[Y]") == _january(year))
            months = np.isin(self._months, _months_of(year))
            numbers = dates[days].astype("datetime64[M]").astype(np.int64) % MONTHS_A_YEAR
            self._kept[year] = RegionalSample(
                torch.from_numpy(self._drivers.at(days, self._bridges.pixels)),
                torch.from_numpy(numbers),
                torch.from_numpy(self._values[:, months]).float(),
                self._area,
            )
        return self._kept[year]

    def _is_whole(self, year: int) -> bool:
        months = _months_of(year)
        first, last = months[0].astype("datetime64[D]"), (months[-1] + 1).astype("datetime64[D]")
        days = self._drivers.days
        covered = days[0] <= first and last <= days[-1] + 1
        return bool(covered and np.isin(months, self._months).all())


class StationYears:
    """Years with months for which there are observations and the drivers of all that they know of.

    Attributes
    ----------
    codes
        Of the S stations.
    reporting
        Codes of those that report in any of these months.
    years
        The years.
    digests
        SHA-256 of the bridge.

    Parameters
    ----------
    drivers
        Of all days.
    bridge
        To the stations.

    Raises
    ------
    DataError
        There is no such month, or no station reports in any.
    """

    def __init__(self, drivers: DriverStore, bridge: PhysicsBridge) -> None:
        self._drivers, self._bridge = drivers, bridge
        self.codes = bridge.codes
        self._pixels = np.argwhere(drivers.land)
        self._response = bridge.at_pixels(drivers.grid, self._pixels).float()
        self._covered = self._months_with_drivers()
        found = np.unique(bridge.months[self._covered].astype("datetime64[Y]").astype(int) + 1970)
        self.years = tuple(int(year) for year in found)
        if not self.years:
            raise DataError(
                f"{drivers.source}: time: no month that the stations' observations know of; give "
                "drivers of the time of the observations and of the months before"
            )
        reports = torch.isfinite(bridge.observed[self._covered]).any(0).tolist()
        self.reporting = tuple(
            code for code, has_report in zip(self.codes, reports, strict=True) if has_report
        )
        if not self.reporting:
            raise DataError(
                f"{drivers.source}: time: no station reports while there are drivers; give a "
                "bridge to other stations or months"
            )
        self.digests = {
            "bridges": _digest(
                bridge.months, bridge.response, bridge.baseline, bridge.observed, bridge.error
            )
        }

    def sample(self, year: int, first_day: int = 0, day_step: int = 1) -> StationSample:
        """Months of a year on all land; of each every `day_step`-th day from `first_day` on."""
        bridge = self._bridge
        chosen = self._covered & (bridge.months.astype("datetime64[Y]") == _january(year))
        rows = np.flatnonzero(chosen)
        begin = bridge.months[rows[0]] - (bridge.lags - 1)
        month = self._drivers.days.astype("datetime64[M]")
        of_month = (self._drivers.days - month.astype("datetime64[D]")).astype(int)
        wanted = (month >= begin) & (month <= bridge.months[rows[-1]])
        days = np.flatnonzero(wanted & (of_month % day_step == first_day))
        return StationSample(
            torch.from_numpy(self._drivers.at(days, self._pixels)),
            torch.from_numpy((month[days] - begin).astype(np.int64)),
            self._response[rows],
            bridge.baseline[rows].float(),
            bridge.observed[rows].float(),
            bridge.error[rows].float(),
        )

    def _months_with_drivers(self) -> NDArray[np.bool_]:
        """(I,) whether the drivers have all days of a month and of the L − 1 before it."""
        first, last = self._drivers.days[[0, -1]]
        begin = (self._bridge.months - (self._bridge.lags - 1)).astype("datetime64[D]")
        end = (self._bridge.months + 1).astype("datetime64[D]")
        return np.asarray((begin >= first) & (end <= last + 1))


def _digest(*arrays: NDArray[Any] | Tensor) -> str:
    """SHA-256 of what arrays hold."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.asarray(array).tobytes())
    return digest.hexdigest()


def _january(year: int) -> np.datetime64:
    return np.datetime64(f"{year:04d}", "Y")


def _months_of(year: int) -> NDArray[np.datetime64]:
    first = _january(year).astype("datetime64[M]")
    return np.asarray(np.arange(first, first + MONTHS_A_YEAR))
