"""Days at towers, one after the other: what the first constraint learns from."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from co2net_phys.errors import DataError
from co2net_phys.fluxes.schema import DRIVERS, NEE
from co2net_phys.fluxes.towers import LEAST_QUALITY, TowerTable


@dataclass(frozen=True)
class TowerRecords:
    """n days with NEE and all drivers."""

    drivers: NDArray[np.float32]
    """(n, drivers) in their units."""
    nee: NDArray[np.float32]
    """(n,) g m-2 d-1."""
    site: NDArray[np.int64]
    """(n,) position in `codes`."""
    codes: tuple[str, ...]
    """Of the sites."""
    source: str
    """For messages."""
    names: tuple[str, ...] = tuple(DRIVERS)
    """Of the drivers."""

    def __len__(self) -> int:
        return len(self.nee)

    @property
    def reporting(self) -> tuple[str, ...]:
        """Codes of the sites that have a record."""
        return tuple(self.codes[place] for place in np.unique(self.site))

    def of_sites(self, codes: Collection[str]) -> TowerRecords:
        """Records of some sites.

        Raises
        ------
        DataError
            There are none.
        """
        wanted = np.array([code in codes for code in self.codes])[self.site]
        if not wanted.any():
            raise DataError(f"{self.source}: nee: no record at {', '.join(sorted(codes)[:6])}")
        return replace(
            self, drivers=self.drivers[wanted], nee=self.nee[wanted], site=self.site[wanted]
        )

    def statistics(self) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation of NEE and each driver.

        Raises
        ------
        DataError
            One does not vary.
        """
        columns = {NEE: self.nee} | dict(zip(self.names, self.drivers.T, strict=True))
        found = {}
        for name, values in columns.items():
            mean, deviation = values.mean(dtype=np.float64), values.std(dtype=np.float64)
            if not deviation > 1e-6 * abs(mean):
                raise DataError(
                    f"{self.source}: {name}: does not vary between days and sites; give more sites"
                )
            found[name] = (float(mean), float(deviation))
        return found


def tower_records(
    table: TowerTable, source: str, *, least_quality: float = LEAST_QUALITY
) -> TowerRecords:
    """The days of a table with NEE, all drivers and enough good half-hours.

    Raises
    ------
    DataError
        No day is left.
    """
    drivers, nee, site = table.samples(np.arange(len(table.sites)), least_quality)
    known = np.isfinite(drivers).all(axis=1)
    if not known.any():
        raise DataError(
            f"{source}: nee: no day has NEE, all drivers and a quality of {least_quality:g}; "
            "lower the least quality or fill the drivers"
        )
    codes = tuple(one.code for one in table.sites)
    return TowerRecords(drivers[known], nee[known].astype(np.float32), site[known], codes, source)
