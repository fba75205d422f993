"""Observations taken from the gridded CO2 itself: an identical twin, where only sites are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.stations import Station
from co2net_phys.metrics import sample_at
from co2net_phys.regridding import LatLonGrid

TWIN_COMMENT = (
    "Identical twin: co2s_station holds no measurements, it is co2s of this store interpolated "
    "bilinearly to the sites, without noise."
)
"""Comment of the variable and of the store."""


class TwinStations:
    """Samples the CO2 of a store at sites, frame by frame, by the operator of the scores.

    Parameters
    ----------
    stations
        Sites.
    grid
        Of the store.
    """

    def __init__(self, stations: Sequence[Station], grid: LatLonGrid) -> None:
        self.stations = tuple(stations)
        self._axes = grid.latitude, grid.longitude
        self._latitude = np.array([station.latitude for station in stations])
        self._longitude = np.array([station.longitude for station in stations])

    def __call__(self, co2: NDArray[Any]) -> NDArray[np.float32]:
        """Return (..., S) in µmol mol-1 of CO2 (..., nlat, nlon)."""
        values = sample_at(co2, *self._axes, self._latitude, self._longitude)
        return np.asarray(values, dtype=np.float32)
