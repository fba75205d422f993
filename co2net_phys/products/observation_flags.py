"""Which measurements to keep: quality flags, selections, concerns, hours of the day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.products.observations import kept, series_of

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Selection:
    """What to keep beside the rule that rejected and missing values never are.

    Attributes:
        large_scale: only air that represents large scales: ``obs_flag`` 1, second character of the
            quality flag ".", no assimilation concern.
        local_hours: continuous data only at hours of well-mixed air, see `at_suitable_hours`.
        assimilated: only what CarbonTracker assimilated (``CT_assim`` 1), where a file says so.
    """

    large_scale: bool = True
    local_hours: bool = True
    assimilated: bool = False


SELECTIONS: Mapping[str, Selection] = {
    "representative": Selection(),
    "all-hours": Selection(local_hours=False),
    "assimilated": Selection(assimilated=True),
    "valid": Selection(large_scale=False, local_hours=False),
}
"""Selections by the name that the command line takes; the first is the default."""

AFTERNOON, NIGHT = (12.0, 16.0), (0.0, 4.0)
"""Local solar hours [first, last) of well-mixed air, and of free-tropospheric air at summits."""

MOUNTAIN_METRES = 2000.0
"""Ground at least this high is a mountain, unless a tower of `TOWER_METRES` stands on it."""

TOWER_METRES = 50.0

MOUNTAIN_TOPS = frozenset(
    {
        *("CMN", "HDP", "IZO", "JFJ", "KAS", "LLN", "MBO", "MKN", "MLO", "MWO", "NWR", "OMP"),
        *("OXK", "PDM", "PRS", "PUY", "RBA", "SNP", "SPL", "SSL", "VAC", "WLG", "ZSF", "ZUG"),
    }
)
"""Sites on ridges and summits whatever their elevation: there the afternoon brings valley air."""

_UNSELECTED = ("all", "hourly")  # tags begin so where the provider left hours to the user
_POLAR_CAP = 85.0  # degrees; closer to a pole the hour of the day means nothing


def retained(masks: Mapping[str, Mask], dropped: Counter[str], size: int) -> Mask:
    """The measurements that pass every mask; ``dropped`` counts the others by the first failed."""
    passing = np.ones(size, dtype=bool)
    for reason, mask in masks.items():
        dropped[reason] += int(np.count_nonzero(passing & ~mask))
        passing &= mask
    return passing


def flag_masks(flags: NDArray[np.str_], selection: Selection) -> dict[str, Mask]:
    """Masks of NOAA's three-character flags: first "." is not rejected, second "." is background.

    The third character only informs.
    """
    masks = {"rejected by flag": np.array([flag[:1] == "." for flag in flags], dtype=bool)}
    if selection.large_scale:
        masks["not background by flag"] = np.array([flag[1:2] == "." for flag in flags], dtype=bool)
    return masks


def local_solar_hour(time: NDArray[np.datetime64], longitude: NDArray[Any]) -> NDArray[np.float64]:
    """Mean solar hour of the day, in [0, 24)."""
    seconds = (time - time.astype("datetime64[D]")) / np.timedelta64(1, "s")
    return np.asarray((seconds / 3600.0 + np.asarray(longitude, dtype=np.float64) / 15.0) % 24.0)


def is_mountain(site: str, elevation: float, height: float) -> bool:
    """Whether a site samples as a mountain: a known summit, or high ground without a tall tower."""
    is_tower = np.isfinite(height) and height >= TOWER_METRES
    high = np.isfinite(elevation) and elevation >= MOUNTAIN_METRES
    return site in MOUNTAIN_TOPS or bool(high and not is_tower)


def at_suitable_hours(table: xr.Dataset) -> xr.Dataset:
    """The table with unselected continuous data only at hours when models can represent them.

    That is the local afternoon (12 to 16 h mean solar time), and the night (0 to 4 h) at mountain
    sites. The rule spares flasks, monthly means, moving platforms, places within 5° of a pole, and
    datasets whose provider has selected already (any tag but allvalid, allhours, all, hourly).
    """
    series = series_of(table)
    ruled = np.array(
        [
            one.project.endswith("insitu")
            and one.selection_tag.startswith(_UNSELECTED)
            and not (one.is_mobile or one.is_monthly_mean)
            for one in series
        ],
        dtype=bool,
    )
    heights = [is_mountain(s.site, s.elevation, s.series_height) for s in series]
    hours = np.where(np.array(heights)[:, None], NIGHT, AFTERNOON)
    index = table["series_index"].values
    hour = local_solar_hour(table["time"].values, table["longitude"].values)
    is_polar = np.abs(table["latitude"].values) >= _POLAR_CAP
    suits = (hour >= hours[index, 0]) & (hour < hours[index, 1])
    return kept(table, suits | ~ruled[index] | is_polar, "hour of the day")
