"""Observations and what a prediction says of the same place and time, in one list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.stations import Station
from co2net_phys.errors import UsageError

Floats = NDArray[np.floating[Any]]
Groups = Mapping[str, Sequence[str]]
"""Codes of stations by what the prediction has to do with them."""


@dataclass(frozen=True)
class Pairs:
    """Observed and predicted values, each of one station.

    Attributes:
        stations: (S,) the stations, sorted by code.
        station: (n,) position of each pair's station.
        time: (n,) datetime64 or cftime.
        observed, predicted: (n,) in the unit of the variable; a prediction may be NaN.
    """

    stations: tuple[Station, ...]
    station: NDArray[np.int64]
    time: NDArray[Any]
    observed: Floats
    predicted: Floats

    def at(self, codes: Sequence[str]) -> Pairs:
        """The pairs of some stations, which keep their positions."""
        wanted = np.array([station.code in set(codes) for station in self.stations], dtype=bool)
        return self.where(wanted[self.station])

    def where(self, mask: NDArray[np.bool_]) -> Pairs:
        """The pairs for which `mask` (n,) is true."""
        chosen = {name: getattr(self, name)[mask] for name in _ARRAYS}
        return replace(self, **chosen)

    @property
    def codes(self) -> list[str]:
        """Codes of the stations that have a pair."""
        return [self.stations[index].code for index in np.unique(self.station)]


_ARRAYS = ("station", "time", "observed", "predicted")


def of_series(
    stations: Sequence[Station], times: NDArray[Any], observed: Floats, predicted: Floats
) -> Pairs:
    """Pairs of series (n, S) at common times (n,), leaving out what was not observed."""
    known = ~np.isnan(observed)
    time, station = np.nonzero(known)
    return Pairs(tuple(stations), station, times[time], observed[known], predicted[known])


def checked_codes(held_out: Sequence[str], codes: Sequence[str], where: str) -> list[str]:
    """The codes that a user holds out.

    Raises
    ------
    UsageError
        One is not among `codes`, the stations of `where`.
    """
    absent = [code for code in held_out if code not in codes]
    if absent or not held_out:
        raise UsageError(
            f"--held-out {','.join(held_out)}: no observation of "
            f"{', '.join(absent) or 'any station'} in {where}; give codes such as "
            f"{','.join(list(codes)[:3])}"
        )
    return list(held_out)
