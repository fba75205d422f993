"""Fits the bridge of each region to gridded NEE."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from co2net_phys.errors import DataError, NumericalError
from co2net_phys.fluxes.bridges import Bridge
from co2net_phys.fluxes.clustering import cluster, stratified_sample
from co2net_phys.fluxes.prior_nee import PriorNee
from co2net_phys.fluxes.regions import region_fractions
from co2net_phys.fluxes.schema import REGION_CODES
from co2net_phys.fluxes.sparse_regression import relaxed_lasso


@dataclass(frozen=True)
class BridgeSettings:
    """How bridges are fitted."""

    clusters: int = 8
    """Groups of pixels in a region."""
    candidates: int = 100
    """Pixels of a region that the regression chooses from."""
    threshold: float = 0.95
    """R² that a bridge must reach."""
    test_blocks: int = 5
    """Parts of the time that are left out in turn."""
    most_pixels: int = 2000
    """Pixels of a region that are compared with one another; of a larger region, drawn at random.
    Distances take the square of it in memory."""
    seed: int = 0


def fit_bridges(
    prior: PriorNee,
    settings: BridgeSettings | None = None,
    progress: Callable[[int], None] = lambda regions: None,
) -> tuple[Bridge, ...]:
    """Fit the bridges of all 18 regions; `progress` is told how many are done.

    Pixels are compared by their mean seasonal cycles, daily sums are what a bridge is fitted to.

    Raises
    ------
    DataError
        NEE is missing on land, a region has no land on the grid, or its bridge misses the
        threshold.
    """
    settings = settings or BridgeSettings()
    cycles, sums = prior.summary()
    fractions = region_fractions(prior.grid)
    chosen = [
        _candidates(number, cycles, fractions[number], settings, prior.source)
        for number in range(len(REGION_CODES))
    ]
    series = prior.series(np.concatenate(chosen))
    bridges, first = [], 0
    for number, pixels in enumerate(chosen):
        inputs = series[:, first : first + len(pixels)]
        bridges.append(
            _bridge(prior, REGION_CODES[number], pixels, inputs, sums[:, number], settings)
        )
        first += len(pixels)
        progress(number + 1)
    return tuple(bridges)


def _candidates(
    number: int,
    cycles: NDArray[np.float64],
    fraction: NDArray[np.float64],
    settings: BridgeSettings,
    source: str,
) -> NDArray[np.int64]:
    """Pixels (S, 2) of a region, some of every kind."""
    pixels = np.argwhere(fraction > 0)
    if len(pixels) == 0:
        raise DataError(
            f"{source}: region {REGION_CODES[number]} has no cell; give NEE on a finer grid"
        )
    random = np.random.default_rng([settings.seed, number])
    if len(pixels) > settings.most_pixels:
        kept = random.choice(len(pixels), settings.most_pixels, replace=False)
        pixels = pixels[np.sort(kept)]
    groups = cluster(cycles[:, pixels[:, 0], pixels[:, 1]].T, settings.clusters, settings.seed)
    return pixels[stratified_sample(groups, settings.candidates, random)]


def _bridge(
    prior: PriorNee,
    code: str,
    pixels: NDArray[np.int64],
    inputs: NDArray[np.float64],
    target: NDArray[np.float64],
    settings: BridgeSettings,
) -> Bridge:
    try:
        fit = relaxed_lasso(
            inputs, target, prior.days, threshold=settings.threshold, blocks=settings.test_blocks
        )
    except NumericalError as error:
        raise DataError(
            f"{prior.source}: nee: bridge of region {code} from {len(pixels)} pixels: {error}; "
            "ask for more candidates or a lower threshold"
        ) from error
    used = np.flatnonzero(fit.coefficients)
    rows, columns = pixels[used].T
    return Bridge(
        region=code,
        latitude=tuple(prior.grid.latitude[rows].tolist()),
        longitude=tuple(prior.grid.longitude[columns].tolist()),
        coefficients=tuple(fit.coefficients[used].tolist()),
        intercept=fit.intercept,
        alpha=fit.alpha,
        training_r2=fit.training_r2,
        test_r2=fit.test_r2,
        candidates=len(pixels),
    )
