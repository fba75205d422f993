"""What is left out together: sites, regions, boxes, or a few folds of them."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from co2net_phys.crossvalidation.records import Integers, MonthlyRecords
from co2net_phys.data.regions import CONTINENT_CODES, OCEAN_CODE, continent_raster
from co2net_phys.errors import DataError

By = Literal["site", "region", "block"]
WAYS: tuple[By, ...] = get_args(By)

BLOCK_DEGREES = 20
"""Side of the boxes of "block"."""

FEWEST_GROUPS = 3
"""One to leave out and two to learn from."""


def series_groups(records: MonthlyRecords, by: By) -> NDArray[np.str_]:
    """Name (S,) of what each series is left out with.

    "site" is the site code with all its series; "region" the continent, or the ocean; "block" a
    box of 20° × 20°.
    """
    if by == "site":
        return records.codes
    if by == "region":
        names = {code: name for name, code in CONTINENT_CODES.items()}
        codes = _raster_codes(records)
        return np.array([names.get(code, "ocean and islands") for code in codes.tolist()])
    north = np.floor(np.minimum(records.latitude, 89.9) / BLOCK_DEGREES) * BLOCK_DEGREES
    east = np.floor(((records.longitude + 180) % 360 - 180) / BLOCK_DEGREES) * BLOCK_DEGREES
    return np.array([f"{y:g} N {x:g} E" for y, x in zip(north, east, strict=True)])


def folds_of(names: NDArray[np.str_], count: int, seed: int) -> Integers:
    """Number (S,) of the fold of each series: names dealt out at random to `count` folds.

    Raises
    ------
    DataError
        There are fewer names than folds.
    """
    groups, label = np.unique(names, return_inverse=True)
    if groups.size < count:
        raise DataError(
            f"{groups.size} groups of sites are fewer than {count} folds; lower --folds"
        )
    dealt = np.empty(groups.size, dtype=np.int64)
    dealt[np.random.default_rng(seed).permutation(groups.size)] = np.arange(groups.size) % count
    return np.asarray(dealt[label])


def left_out_groups(
    records: MonthlyRecords, by: By, folds: int | None, seed: int
) -> tuple[Integers, NDArray[np.str_]]:
    """Number (S,) of the group of each series, and the name (S,) that it is left out by.

    Each name is a group of its own, or `folds` random groups are made of them.

    Raises
    ------
    DataError
        There are fewer than three groups, or fewer than folds.
    """
    names = series_groups(records, by)
    if np.unique(names).size < FEWEST_GROUPS:
        raise DataError(
            f"{records.source}: {np.unique(names).size} groups by {by} are too few to leave one "
            "out; give more sites"
        )
    if folds is not None:
        return folds_of(names, folds, seed), names
    return np.unique(names, return_inverse=True)[1].astype(np.int64), names


def _raster_codes(records: MonthlyRecords) -> Integers:
    """Continent code (S,) of the cell of each series; ocean for small islands."""
    raster = continent_raster()
    size = 180 / raster.shape[0]
    row = np.minimum((records.latitude + 90) / size, raster.shape[0] - 1).astype(np.int64)
    column = ((records.longitude + 180) / size).astype(np.int64) % raster.shape[1]
    codes = raster[row, column].astype(np.int64)
    return np.where(np.isin(codes, list(CONTINENT_CODES.values())), codes, OCEAN_CODE)
