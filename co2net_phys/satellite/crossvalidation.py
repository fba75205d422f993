"""Methods against ways of leaving out: how much better random splits look than they should.

In a cross-validation every sample is predicted once in every scheme, by a method that has not seen
its block. The errors of two schemes are therefore pairs, and what a random split gains over a
blocked one is known with its own interval. A hold-out tests each method once, on other samples in
each scheme.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from co2net_phys.errors import UsageError
from co2net_phys.metrics import cluster_difference, root_mean_square
from co2net_phys.satellite.folds import (
    BLOCKS,
    TILE_DEGREES,
    Blocks,
    Fold,
    block_labels,
    hold_out,
    k_folds,
)
from co2net_phys.satellite.network import NetworkPredictor, ResNetLSTM
from co2net_phys.satellite.points import Floats, Integers, Method, Samples, prediction
from co2net_phys.satellite.scores import SAMPLES, ends, scores

FOLDS = 5
SCHEMES: tuple[Blocks, ...] = ("sample", "pass", "day", "month", "tile")
"""The random split, in which neighbours leak, and the blocked ones to compare it with."""

JUDGED_BY: Blocks = "week"
"""Blocks that intervals draw: the same in all schemes, and longer than weather lasts."""

Train = Callable[[Samples, Samples, Blocks], ResNetLSTM]
"""Trains a network on the first samples, and stops by its error at the second, which are blocks."""


@dataclass(frozen=True)
class LearnedFusion:
    """The network as a method: keeps samples back from what it learns, to stop in time.

    They come from the training part of a fold, never from its test, and are blocks of the kind that
    the scheme leaves out: a network that stops by whole days does not do what the paper does with
    random samples.

    Attributes
    ----------
    train
        See `Train`.
    validation_share
        Of the samples, kept back.
    blocks
        What is kept back together; None: what the scheme leaves out, days without a scheme.
    seed
        Of the choice.
    """

    train: Train
    validation_share: float = 0.1
    blocks: Blocks | None = None
    seed: int = 0

    def for_scheme(self, scheme: Blocks) -> LearnedFusion:
        """Return the method that stops by blocks of the scheme, unless it has blocks of its own."""
        return self if self.blocks else replace(self, blocks=scheme)

    def fit(self, samples: Samples) -> NetworkPredictor:
        """Return the trained network."""
        blocks = self.blocks or "day"
        split = hold_out(block_labels(samples, blocks), self.validation_share, self.seed)
        network = self.train(samples.at(split.training), samples.at(split.test), blocks)
        return NetworkPredictor(network)


@dataclass(frozen=True)
class Outcome:
    """What every method predicted in every scheme."""

    samples: Samples
    predictions: Mapping[Blocks, Mapping[str, Floats]]
    """XCO2 (n,) by scheme and method, µmol mol-1; NaN at samples that were not tested."""
    tested: Mapping[Blocks, Integers]
    """Positions of the samples that were tested, by scheme: all of them but in a hold-out."""

    @property
    def weeks(self) -> Integers:
        """Block (n,) of each sample that intervals draw."""
        return block_labels(self.samples, JUDGED_BY)


def splits_of(
    samples: Samples,
    schemes: Sequence[Blocks],
    folds: int,
    seed: int,
    tile_degrees: float = TILE_DEGREES,
    share: float | None = None,
) -> dict[Blocks, list[Fold]]:
    """Return what is left out, by scheme: folds, or one hold-out; see `crossvalidate`.

    Raises
    ------
    UsageError
        No scheme, an unknown one, or a share that is none.
    DataError
        Samples with gaps, or fewer blocks than folds.
    """
    known = ", ".join(BLOCKS)
    if not schemes:
        raise UsageError(f"--schemes: choose of {known}")
    for scheme in schemes:
        if scheme not in BLOCKS:
            raise UsageError(f"--schemes {scheme!r}: choose of {known}")
    samples.require_complete()
    splits = {}
    for scheme in schemes:
        labels = block_labels(samples, scheme, tile_degrees)
        splits[scheme] = (
            k_folds(labels, folds, seed) if share is None else [hold_out(labels, share, seed)]
        )
    return splits


def crossvalidate(
    samples: Samples,
    methods: Mapping[str, Method],
    schemes: Sequence[Blocks] = SCHEMES,
    folds: int = FOLDS,
    seed: int = 0,
    tile_degrees: float = TILE_DEGREES,
    share: float | None = None,
    progress: Callable[[str, float], None] = lambda what, share: None,
) -> Outcome:
    """Predict every sample, or a share of them, by every method in every scheme.

    Args:
        samples: without gaps.
        methods: by the name that tables show.
        schemes: blocks that are left out together.
        folds: in each scheme.
        seed: of the folds.
        tile_degrees: side of the tiles of the scheme "tile".
        share: of the samples that is held out, once; None: all of them, in folds.
        progress: called before each fit with what is fitted and the share done.

    Raises
    ------
    DataError, UsageError
        No method; or see `splits_of`.
    """
    if not methods:
        raise UsageError("--methods: name one or more")
    # All schemes are made before any fit: one that cannot be made must not cost hours.
    splits = splits_of(samples, schemes, folds, seed, tile_degrees, share)
    found: dict[Blocks, dict[str, Floats]] = {}
    done, fits = 0, len(methods) * sum(map(len, splits.values()))
    for scheme, parts in splits.items():
        found[scheme] = {name: np.full(len(samples), np.nan) for name in methods}
        fitting = {
            name: method.for_scheme(scheme) if isinstance(method, LearnedFusion) else method
            for name, method in methods.items()
        }
        for number, fold in enumerate(parts, start=1):
            training, test = samples.at(fold.training), samples.at(fold.test)
            for name, method in fitting.items():
                progress(f"{scheme}, fold {number} of {len(parts)}, {name}", done / fits)
                found[scheme][name][fold.test] = prediction(method.fit(training), test)
                done += 1
    progress("done", 1.0)
    tested = {
        scheme: np.sort(np.concatenate([fold.test for fold in parts]))
        for scheme, parts in splits.items()
    }
    return Outcome(samples, found, tested)


def score_rows(outcome: Outcome, replicates: int = SAMPLES) -> list[dict[str, Any]]:
    """One row for each scheme and method, see `scores.scores`; plain values for JSON."""
    observed, weeks = outcome.samples.xco2, outcome.weeks
    rows = []
    for scheme, by_method in outcome.predictions.items():
        at = outcome.tested[scheme]
        for name, predicted in by_method.items():
            found = scores(observed[at], predicted[at], weeks[at], replicates)
            rows.append({"scheme": scheme, "method": name, **found})
    return rows


def leak_rows(outcome: Outcome, replicates: int = SAMPLES) -> list[dict[str, Any]]:
    """What each method seems to lose when neighbours are left out too.

    A row has the RMSE of the random split and of the blocked one, their "ratio", and their
    "difference", blocked minus random, with its interval and the p-value of no difference.

    Raises
    ------
    UsageError
        The random split "sample" is not among the schemes, or a hold-out gives no pairs.
    """
    if "sample" not in outcome.predictions:
        raise UsageError("schemes: without 'sample' there is no random split to compare with")
    if any(len(tested) < len(outcome.samples) for tested in outcome.tested.values()):
        raise UsageError("a hold-out tests other samples in each scheme; take folds to compare")
    random, rows = outcome.predictions["sample"], []
    for scheme, by_method in outcome.predictions.items():
        for name, predicted in by_method.items() if scheme != "sample" else ():
            one, other = (values - outcome.samples.xco2 for values in (predicted, random[name]))
            apart = cluster_difference(
                one, other, outcome.weeks, replicates, statistic=root_mean_square
            )
            blocked_rmse, random_rmse = (float(root_mean_square(e)) for e in (one, other))
            rows.append(
                {
                    "method": name,
                    "scheme": scheme,
                    "random_rmse": random_rmse,
                    "blocked_rmse": blocked_rmse,
                    "ratio": blocked_rmse / random_rmse if random_rmse > 0 else float("nan"),
                    "difference": {**ends(apart), "p_value": apart.p_value},
                }
            )
    return rows
