"""Methods that need no learning library: what a learned one must beat to be worth its cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from co2net_phys.satellite.points import Days, Floats, Points, Samples

DAYS_OF_YEAR = 365.25


@dataclass(frozen=True)
class LinearFit:
    """Penalised least squares of standardised columns."""

    centre: Floats
    spread: Floats
    slopes: Floats
    level: float

    @classmethod
    def of(cls, design: Floats, values: Floats, penalty: float) -> LinearFit:
        """Fit values (n,) by columns (n, p): minimise mean squared error + penalty·|slopes|²."""
        centre, spread = design.mean(axis=0), design.std(axis=0)
        spread = np.where(spread > 1e-9 * np.abs(centre), spread, np.inf)  # constants: no slope
        scaled = (design - centre) / spread
        level = float(values.mean())
        normal = scaled.T @ scaled / len(values) + penalty * np.eye(scaled.shape[1])
        slopes = np.linalg.solve(normal, scaled.T @ (values - level) / len(values))
        return cls(centre, spread, slopes, level)

    def __call__(self, design: Floats) -> Floats:
        """Values (n,) of columns (n, p)."""
        return np.asarray(self.level + (design - self.centre) / self.spread @ self.slopes)


@dataclass(frozen=True)
class Ridge:
    """XCO2 as a linear function of all features."""

    penalty: float = 1e-3
    """In units of the variance of a feature."""

    def fit(self, samples: Samples) -> LinearPredictor:
        """Return the fitted method."""
        design = samples.require_complete().features.astype(np.float64)
        return LinearPredictor(LinearFit.of(design, samples.xco2, self.penalty))


@dataclass(frozen=True)
class LinearPredictor:
    """What `Ridge` has learned."""

    linear: LinearFit

    def predict(self, points: Points) -> Floats:
        """XCO2 (n,), µmol mol-1."""
        return self.linear(points.features.astype(np.float64))


@dataclass(frozen=True)
class TrendAndSeason:
    """One value a day for the whole region: a line in time and two harmonics of the year."""

    penalty: float = 1e-4
    """As in `Ridge`; keeps a record of a few months from being continued wildly."""

    def fit(self, samples: Samples) -> SeasonPredictor:
        """Return the fitted method."""
        design = _season(samples.time)
        return SeasonPredictor(LinearFit.of(design, samples.xco2, self.penalty))


@dataclass(frozen=True)
class SeasonPredictor:
    """What `TrendAndSeason` has learned."""

    linear: LinearFit

    def predict(self, points: Points) -> Floats:
        """XCO2 (n,), µmol mol-1."""
        return self.linear(_season(points.time))


@dataclass(frozen=True)
class NearestDay:
    """The mean of the region on the nearest day with samples; of two equally near, of both."""

    def fit(self, samples: Samples) -> NearestDayPredictor:
        """Return the fitted method."""
        days, index = np.unique(samples.time.astype("datetime64[D]"), return_inverse=True)
        means = np.bincount(index, weights=samples.xco2) / np.bincount(index)
        return NearestDayPredictor(days, means)


@dataclass(frozen=True)
class NearestDayPredictor:
    """What `NearestDay` has learned: days in order, and their means."""

    days: Days
    means: Floats

    def predict(self, points: Points) -> Floats:
        """XCO2 (n,), µmol mol-1."""
        asked = points.time.astype("datetime64[D]")
        after = np.searchsorted(self.days, asked).clip(0, len(self.days) - 1)
        before = (after - 1).clip(0)
        gaps = [np.abs((self.days[i] - asked).astype(np.int64)) for i in (before, after)]
        sides = [self.means[i] for i in (before, after)]
        nearer = np.where(gaps[0] < gaps[1], *sides)
        return np.where(gaps[0] == gaps[1], (sides[0] + sides[1]) / 2, nearer)


def _season(time: Days) -> Floats:
    """Years since 2000 and two harmonics of the year (n, 5)."""
    days = (time.astype("datetime64[D]") - np.datetime64("2000-01-01")).astype(np.float64)
    years = days / DAYS_OF_YEAR
    waves = [wave(2 * np.pi * k * years) for k in (1, 2) for wave in (np.sin, np.cos)]
    return np.stack([years, *waves], axis=1)
