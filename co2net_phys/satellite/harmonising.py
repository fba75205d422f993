"""GOSAT on the scale of OCO: a linear model fitted where both saw the same place on one day.

Gridded GOSAT values are the independent variable, OCO's the dependent one (paper, "Fusion of OCO
and GOSAT Data"). Ordinary least squares takes the GOSAT values as exact; their noise makes the
slope too small, by the factor that `LinearMap.reliability` estimates. Deming's regression counts
the noise of both. Reference: Fuller (1987), "Measurement Error Models", sections 1.1 and 1.3.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from co2net_phys.baselines.sphere import unit_vectors
from co2net_phys.errors import DataError, UsageError
from co2net_phys.satellite.gridding import Cells
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import Floats
from co2net_phys.solvers.constants import EARTH_RADIUS_M

logger = logging.getLogger(__name__)

Regression = Literal["ordinary", "deming"]

MINIMUM_COINCIDENCES = 30
"""Fewer pairs fix a slope to no better than about a fifth; the model is refused."""

COINCIDENCE_KILOMETRES = 25.0
"""Largest distance between the centres of the cells of a pair; GOSAT's footprint is 10 km wide."""

_RELIABLE = 0.9
"""A slope that noise shrinks by more than a tenth is worth a warning."""


@dataclass(frozen=True)
class Coincidences:
    """Pairs on one day within a distance: GOSAT, and the mean of the OCO cells around it.

    All (n,), µmol mol-1: values and their standard errors.
    """

    gosat: Floats
    gosat_error: Floats
    oco: Floats
    oco_error: Floats

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.gosat)

    @classmethod
    def joined(cls, *parts: Coincidences) -> Coincidences:
        """Return the pairs of all parts; none of none."""
        names = ("gosat", "gosat_error", "oco", "oco_error")
        return cls(*(np.concatenate([np.empty(0), *(getattr(p, n) for p in parts)]) for n in names))


@dataclass(frozen=True)
class LinearMap:
    """OCO = intercept + slope · GOSAT, in µmol mol-1.

    Attributes:
        slope, intercept: 1 and µmol mol-1.
        slope_error, intercept_error: their standard errors.
        centre: mean GOSAT value of the pairs, where slope and level are uncorrelated, µmol mol-1.
        level_error: standard error of the mapped value at the centre, µmol mol-1.
        residual: standard deviation of OCO about the line, µmol mol-1.
        count: pairs behind the fit.
        reliability: share of the variance of the GOSAT values that is not noise; the slope by
            ordinary least squares is too small by this factor.
        regression: "ordinary", "deming" or "none".
    """

    slope: float
    intercept: float
    slope_error: float
    intercept_error: float
    centre: float
    level_error: float
    residual: float
    count: int
    reliability: float
    regression: str

    def __call__(self, cells: Cells) -> Cells:
        """GOSAT cells on the scale of OCO; the errors of the fit are added to their own."""
        variance = (
            (self.slope * cells.standard_error) ** 2
            + self.level_error**2
            + ((cells.xco2 - self.centre) * self.slope_error) ** 2
        )
        mapped = self.intercept + self.slope * cells.xco2
        return replace(cells, xco2=mapped, standard_error=np.sqrt(variance))


IDENTITY = LinearMap(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 1.0, "none")
"""GOSAT as it is."""


def find_coincidences(
    gosat: Cells, oco: Cells, region: Region, kilometres: float = COINCIDENCE_KILOMETRES
) -> Coincidences:
    """Pair each GOSAT value with the mean of the OCO values of its day within a distance.

    Raises:
        UsageError: the distance is negative.
    """
    if not kilometres >= 0:
        raise UsageError(f"coincidence distance {kilometres:g} km is negative; give 0 or more")
    # Half a metre more, so that 0 km still means "the same cell" after round-off.
    chord = 2 * np.sin((kilometres * 1e3 + 0.5) / (2 * EARTH_RADIUS_M))
    pairs = []
    for day in np.intersect1d(gosat.day, oco.day):
        one, other = gosat.take(gosat.day == day), oco.take(oco.day == day)
        near = cKDTree(_unit_vectors(other, region)).query_ball_point(
            _unit_vectors(one, region), chord, return_sorted=True
        )
        for place, found in enumerate(near):
            if found:
                errors = other.standard_error[found]
                pairs.append(
                    (
                        one.xco2[place],
                        one.standard_error[place],
                        other.xco2[found].mean(),
                        np.sqrt((errors**2).sum()) / len(found),
                    )
                )
    return Coincidences(*np.array(pairs, dtype=np.float64).reshape(-1, 4).T)


def fit_linear_map(pairs: Coincidences, regression: Regression = "ordinary") -> LinearMap:
    """Fit OCO as a linear function of GOSAT.

    Warns where noise in the GOSAT values shrinks an ordinary slope by more than a tenth.

    Raises:
        DataError: fewer pairs than `MINIMUM_COINCIDENCES`, or GOSAT values that hardly differ.
        UsageError: unknown regression.
    """
    if regression not in get_args(Regression):
        raise UsageError(f"regression {regression!r}: choose one of {get_args(Regression)}")
    if len(pairs) < MINIMUM_COINCIDENCES:
        raise DataError(
            f"GOSAT: xco2: {len(pairs)} coincidences with OCO where at least "
            f"{MINIMUM_COINCIDENCES} are needed; give more days, a larger --coincidence-distance, "
            "or pass --unmapped-gosat to take GOSAT as it is"
        )
    spread = pairs.gosat.var()
    noise = float((pairs.gosat_error**2).mean())
    if not spread > 1e-12 * (1 + pairs.gosat.mean() ** 2):
        raise DataError("GOSAT: xco2: all coincidences have one value; give more days")
    reliability = float(np.clip(1 - noise / spread, 0.0, 1.0))
    if regression == "deming":
        return _deming(pairs, reliability)
    if reliability < _RELIABLE:
        logger.warning(
            "GOSAT: noise is %.0f %% of the variance of the coincidences; the slope of ordinary "
            "least squares is too small by about that much: consider --regression deming",
            100 * (1 - reliability),
        )
    return _ordinary(pairs, reliability)


def _ordinary(pairs: Coincidences, reliability: float) -> LinearMap:
    """Ordinary least squares with the classical standard errors."""
    count, centre = len(pairs), float(pairs.gosat.mean())
    away = pairs.gosat - centre
    squares, level = float(away @ away), float(pairs.oco.mean())
    slope = float(away @ (pairs.oco - level)) / squares
    misfit = pairs.oco - level - slope * away
    residual = float(np.sqrt(misfit @ misfit / (count - 2)))
    slope_error, level_error = residual / np.sqrt(squares), residual / np.sqrt(count)
    return LinearMap(
        slope,
        level - slope * centre,
        float(slope_error),
        float(np.hypot(level_error, centre * slope_error)),
        centre,
        float(level_error),
        residual,
        count,
        reliability,
        "ordinary",
    )


def _deming(pairs: Coincidences, reliability: float) -> LinearMap:
    """Deming's regression: errors in both, in the ratio of their mean variances; jackknife errors.

    The ratio must be that of all that moves a pair off the line; OCO and GOSAT errors beyond their
    standard errors are taken to be in the same ratio.
    """
    ratio = float((pairs.oco_error**2).mean() / max((pairs.gosat_error**2).mean(), 1e-12))
    count, centre = len(pairs), float(pairs.gosat.mean())
    level = float(pairs.oco.mean())
    x, y = pairs.gosat - centre, pairs.oco - level
    sums = np.array([x @ x, x @ y, y @ y])
    slope = float(_deming_slope(sums, ratio))
    # Without pair i, a sum of products about the new means is smaller by n/(n − 1) of its product.
    without = sums[:, None] - count / (count - 1) * np.stack([x * x, x * y, y * y])
    slope_error = float(np.sqrt((count - 1) * _deming_slope(without, ratio).var()))
    misfit = pairs.oco - level - slope * (pairs.gosat - centre)
    residual = float(np.sqrt(misfit @ misfit / (count - 2)))
    level_error = residual / np.sqrt(count)
    return LinearMap(
        slope,
        level - slope * centre,
        slope_error,
        float(np.hypot(level_error, centre * slope_error)),
        centre,
        float(level_error),
        residual,
        count,
        reliability,
        "deming",
    )


def _deming_slope(sums: Floats, ratio: float) -> Floats:
    """Slopes (...) for errors whose variances are in `ratio` (y to x).

    Args:
        sums: of products about the means (3, ...): of x with x, x with y, y with y.
        ratio: see above.
    """
    sxx, sxy, syy = sums
    half = (syy - ratio * sxx) / 2
    return np.asarray((half + np.sqrt(half**2 + ratio * sxy**2)) / sxy)


def _unit_vectors(cells: Cells, region: Region) -> NDArray[np.float64]:
    """Unit vectors (n, 3) to the centres of cells."""
    places = region.latitude[cells.row], region.longitude[cells.column]
    return unit_vectors(*map(torch.from_numpy, places)).numpy()
