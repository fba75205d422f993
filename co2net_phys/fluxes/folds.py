"""Cross-validation by site: what each member of an ensemble learns from, and what judges it.

Section 3.3 of Upton et al. (2024, doi:10.5194/acp-24-2555-2024): the sites are cut into ten folds;
each member is judged by the towers of one of them and by two years of the inversions that it has
not seen. Stations that measure mole fractions, which the paper has not, are cut in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from co2net_phys.errors import DataError

FOLDS = 10
HELD_OUT_YEARS = 2


@dataclass(frozen=True)
class Fold:
    """The part of the data of one member."""

    number: int
    training_sites: tuple[str, ...]
    validation_sites: tuple[str, ...]
    training_years: tuple[int, ...]
    validation_years: tuple[int, ...]
    validation_stations: tuple[str, ...] = ()


def make_folds(
    sites: Sequence[str],
    years: Sequence[int] = (),
    stations: Sequence[str] = (),
    *,
    count: int = FOLDS,
    held_out_years: int = HELD_OUT_YEARS,
    seed: int = 0,
) -> tuple[Fold, ...]:
    """Draw `count` folds; no site or station validates two of them.

    They depend on the seed and on what there is, not on its order.

    Parameters
    ----------
    sites
        Codes of the towers, in any order.
    years
        Those that all inversions cover whole; none without that constraint.
    stations
        Codes of those that report mole fractions, at any time that is compared; where they are
        fewer than `count`, some folds hold out none.

    Raises
    ------
    DataError
        There are fewer sites than folds, fewer than two folds, or no year is left to learn from.
    """
    codes, calendar = sorted(set(sites)), sorted(set(years))
    if count < 2 or len(codes) < count:
        raise DataError(
            f"towers: {len(codes)} sites do not make {count} folds; ask for between 2 and "
            f"{max(len(codes), 2)} folds"
        )
    if calendar and len(calendar) <= held_out_years:
        raise DataError(
            f"inversions: {len(calendar)} whole years, {held_out_years} of them held out, leave "
            "none to learn from; give a longer record or hold out fewer years"
        )
    shuffled = np.random.default_rng([seed, 0]).permutation(codes)
    observing = np.random.default_rng([seed, 2]).permutation(sorted(set(stations)))
    folds = []
    for number, held_out in enumerate(np.array_split(shuffled, count)):
        validation = set(held_out.tolist())
        random = np.random.default_rng([seed, 1, number])
        unseen = set(random.permutation(calendar)[:held_out_years].astype(int).tolist())
        folds.append(
            Fold(
                number,
                tuple(code for code in codes if code not in validation),
                tuple(sorted(validation)),
                tuple(year for year in calendar if year not in unseen),
                tuple(sorted(unseen)),
                tuple(sorted(observing[number::count].tolist())),
            )
        )
    return tuple(folds)
