"""Station files against a prediction: which observations count, and what it says of each."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.stations import Station
from co2net_phys.errors import DataError
from co2net_phys.evaluation.pairs import Floats, Pairs
from co2net_phys.evaluation.sampling import Maps, at_observations, monthly_means
from co2net_phys.products.observation_raster import Heights, stations_and_codes
from co2net_phys.products.observations import in_brief, source_of
from co2net_phys.products.times import months_of

_logger = logging.getLogger(__name__)

Mask = NDArray[np.bool_]

COMPLETE = 0.95
"""Share of a month that the maps must cover for a monthly mean to count.

A block of maps begins a window's length after its first day, so a whole month may lack hours.
"""


class Observed(NamedTuple):
    """Observations with what the prediction says of them.

    Attributes:
        pairs: observed and predicted values.
        described: how many there are, of when, and what was left out and why; see `observed`.
    """

    pairs: Pairs
    described: dict[str, Any]


def observed(
    table: xr.Dataset,
    maps: Maps,
    codes: Sequence[str] = (),
    period: tuple[str | None, str | None] = (None, None),
) -> Observed:
    """Pair every usable observation of a table with the prediction at its time and place.

    A measurement is paired with the prediction at its own time and place, a monthly mean with the
    mean of the prediction over that month. Of a tower the highest intake counts, unless `codes`
    tell its heights apart; moving platforms are left out, and so are the monthly means of a site
    that has single measurements.

    Args:
        table: of CO2, from `co2net_phys.products.station_files.read`.
        maps: the prediction.
        codes: of the stations that the prediction knows of.
        period: first and last time as ISO text, which may be cut short; None for no limit.

    Returns:
        Pairs, and "observations", "sites", "first", "last", "left_out" (numbers by reason); with
        monthly means also "months": their "count" and the "least_coverage" by maps.

    Raises
    ------
    DataError
        No observation lies within the maps and the period.
    """
    heights: Heights = "all" if any(code.endswith("magl") for code in codes) else "highest"
    stations, names = stations_and_codes(table, heights=heights)
    series = table["series_index"].values
    position = {station.code: index for index, station in enumerate(stations)}
    station = np.array([position.get(name, -1) for name in names], dtype=np.int64)[series]
    monthly = table["is_monthly_mean"].values.astype(bool)[series]
    dropped = Counter(json.loads(table.attrs["dropped"]))
    keep = _usable(table, station, monthly, period, dropped)
    coverage: dict[str, Any] = {}
    predicted = np.full(len(station), np.nan)
    covered = np.zeros(len(station), dtype=bool)
    if (chosen := keep & ~monthly).any():
        predicted[chosen], covered[chosen] = _at_measurements(
            table.isel(observation=chosen), maps, stations, station[chosen]
        )
    if (chosen := keep & monthly).any():
        predicted[chosen], covered[chosen], coverage = _over_months(
            table.isel(observation=chosen), maps, stations, station[chosen]
        )
    _count(dropped, "outside the times of the prediction", keep & ~monthly & ~covered)
    _count(dropped, "month not covered by the prediction", keep & monthly & ~covered)
    keep &= covered
    if not keep.any():
        raise DataError(_nothing_left(table, maps, period))
    pairs = Pairs(
        stations, station[keep], table["time"].values[keep], table["co2"].values[keep],
        predicted[keep],
    )  # fmt: skip
    _warn_of_missing(pairs, maps)
    return Observed(pairs, _described(pairs, dropped, coverage))


def _usable(
    table: xr.Dataset,
    station: NDArray[np.int64],
    monthly: Mask,
    period: tuple[str | None, str | None],
    dropped: Counter[str],
) -> Mask:
    """Which observations are of a station, of the period, and of the right kind."""
    keep = station >= 0
    _count(dropped, "lower intake, moving, or without position", ~keep)
    beside = keep & monthly & np.isin(station, station[keep & ~monthly])
    _count(dropped, "monthly mean beside measurements", beside)
    keep &= ~beside
    inside = within(np.datetime_as_string(table["time"].values, unit="s"), period)
    _count(dropped, "outside --start and --end", keep & ~inside)
    return keep & inside


def _count(dropped: Counter[str], reason: str, mask: Mask) -> None:
    dropped[reason] += int(np.count_nonzero(mask))


def _at_measurements(
    table: xr.Dataset, maps: Maps, stations: Sequence[Station], station: NDArray[np.int64]
) -> tuple[Floats, Mask]:
    """The prediction at single measurements (n,), and whether maps cover them."""
    place = []
    for axis in ("latitude", "longitude"):
        nominal = np.array([getattr(site, axis) for site in stations])[station]
        own = table[axis].values.astype(np.float64)
        place.append(np.where(np.isfinite(own), own, nominal))
    return at_observations(maps, table["time"].values, place[0], place[1])


def _over_months(
    table: xr.Dataset, maps: Maps, stations: Sequence[Station], station: NDArray[np.int64]
) -> tuple[Floats, Mask, dict[str, Any]]:
    """Means of the prediction over the months of monthly means (n,), as the others, and "months".

    "months" gives their number and the least share of one that maps cover.
    """
    sites, own = np.unique(station, return_inverse=True)
    north, east = (
        np.array([getattr(stations[site], axis) for site in sites])
        for axis in ("latitude", "longitude")
    )
    months, means, share = monthly_means(maps, north, east)
    mine = months_of(table["time"].values)
    index = np.minimum(np.searchsorted(months, mine), len(months) - 1)
    covered = (months[index] == mine) & (share[index] >= COMPLETE)
    used = np.unique(index[covered])
    least = float(share[used].min()) if used.size else None
    values = np.where(covered, means[index, own], np.nan)
    return values, covered, {"count": len(used), "least_coverage": least}


def within(labels: NDArray[np.str_], period: tuple[str | None, str | None]) -> Mask:
    """Which ISO labels (n,) lie in a period; its ends may be cut short, and both are within."""
    inside = np.ones(len(labels), dtype=bool)
    first, last = period
    if first is not None:
        inside &= labels >= first
    if last is not None:
        inside &= labels.astype(f"<U{len(last)}") <= last
    return inside


def _nothing_left(table: xr.Dataset, maps: Maps, period: tuple[str | None, str | None]) -> str:
    if not table.sizes["observation"]:
        return f"{source_of(table)}: holds no observation; give files of measurements"
    times, frames = table["time"].values, maps.dataset["time"]
    span = f"{str(times.min())[:10]} to {str(times.max())[:10]}"
    ends = frames.isel(time=[0, -1]).dt.strftime("%Y-%m-%d").values
    limits = " and --start, --end" if any(period) else ""
    return (
        f"{source_of(table)}: no observation ({span}) at a fixed site falls into the times of "
        f"{maps.source} ({ends[0]} to {ends[1]}){limits}; give station files of the same years"
    )


def _warn_of_missing(pairs: Pairs, maps: Maps) -> None:
    lost = np.isnan(pairs.predicted)
    if lost.any():
        codes = pairs.where(lost).codes
        _logger.warning(
            "%s: is missing at %d observations (%s), whose scores are therefore missing",
            *(maps.source, int(lost.sum()), in_brief(codes)),
        )


def _described(pairs: Pairs, dropped: Counter[str], coverage: dict[str, Any]) -> dict[str, Any]:
    return {
        "observations": len(pairs.time),
        "sites": len(pairs.codes),
        "first": f"{pairs.time.min()}Z",
        "last": f"{pairs.time.max()}Z",
        "left_out": {reason: count for reason, count in dropped.items() if count},
        **({"months": coverage} if coverage else {}),
    }
