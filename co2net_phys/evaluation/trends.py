"""Growth and yearly cycle of truth and prediction, where a record is long enough."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.metrics import trend_comparison
from co2net_phys.products.observation_raster import calendar_name, calendar_seconds

Floats = NDArray[np.floating[Any]]

YEARS = 2.0
"""Shortest record whose growth and yearly cycle can be told apart."""

FEWEST = 20

_YEAR_S = 365.25 * 86400
_ROUNDING_S = 32 * 86400.0
"""Two years of monthly means lack a month between the first and the last."""


def trend_of(times: NDArray[Any], predicted: Floats, true: Floats) -> dict[str, Any] | None:
    """Trends of two series (n,) at times (n,), see `co2net_phys.metrics.trend_comparison`.

    Values of one time are averaged. None for less than two years or too few values.
    """
    known = ~np.isnan(true)
    if not known.any():
        return None
    seconds = calendar_seconds(times[known], calendar_name(times))[0]
    moments, first, index = np.unique(seconds, return_index=True, return_inverse=True)
    if len(moments) < FEWEST or np.ptp(moments) < YEARS * _YEAR_S - _ROUNDING_S:
        return None
    count = np.bincount(index)
    found, means = (np.bincount(index, weights=x[known]) / count for x in (predicted, true))
    return dict(trend_comparison(found, means, moments, _year_phase(times[known][first])))


def _year_phase(times: NDArray[Any]) -> Floats:
    """Share of the calendar year gone by (n,), 0…1."""
    date = xr.DataArray(times, dims="time").dt
    day = (date.hour.values * 3600.0 + date.minute.values * 60.0 + date.second.values) / 86400.0
    return np.asarray((date.dayofyear.values - 1.0 + day) / date.days_in_year.values)
