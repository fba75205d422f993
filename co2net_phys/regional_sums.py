"""Scores of long records in bounded memory: sums over the cells of each region at each time.

A score over a year of maps needs no more of them at once than a few: every score of
`co2net_phys.metrics.score` follows from sums over the cells of a region, taken map by map. The
conventions are those of `co2net_phys.metrics`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.regions import region_mask
from co2net_phys.metrics import latitude_weights

Floats = NDArray[np.floating[Any]]
Sums = Mapping[str, Floats]

_SUMMED = (
    *("weight", "error", "absolute", "squared"),
    *("anomaly_product", "predicted_anomaly", "true_anomaly"),
    *("predicted", "true", "predicted_square", "true_square", "product"),
)
"""What is summed over cells, in this order, each times the relative area of the cell."""

_HALVINGS = 50
"""Of the interval that holds a median: the last is 1e-15 of the largest error."""

_ROUND_OFF = 1e-13
"""A variance this small a part of the mean square is that of a constant."""


class RegionalSums:
    """Area-weighted sums (time, region) of errors, anomalies and second moments.

    Attributes:
        regions: names of the regions, from `co2net_phys.data.regions.REGIONS`.
        latitude, longitude: cell centres (lat,), (lon,) in degrees.
    """

    def __init__(
        self,
        regions: Sequence[str],
        latitude: NDArray[Any],
        longitude: NDArray[Any],
        climatology: NDArray[Any],
    ):
        self.regions = tuple(regions)
        self.latitude, self.longitude = latitude, longitude
        masks = np.stack([region_mask(name, latitude, longitude) for name in regions])
        areas = masks * latitude_weights(latitude)[:, None]
        self._areas = areas.reshape(len(self.regions), -1).T  # (lat * lon, region)
        self._climatology = np.asarray(climatology, dtype=np.float64).ravel()
        # Second moments about a typical level lose no digits to the 400 that all values share.
        known = self._climatology[np.isfinite(self._climatology)]
        self._level = float(known.mean()) if known.size else 0.0
        self._rows: list[Floats] = []
        self._errors: list[NDArray[np.float32]] = []

    def _table(self, region: str) -> dict[str, Floats]:
        """The sums (time,) of one region by name."""
        rows = np.concatenate(self._rows)[:, self.regions.index(region)]
        return dict(zip(_SUMMED, rows.T, strict=True))

    def add(self, prediction: NDArray[Any], truth: NDArray[Any]) -> None:
        """Add maps (time, lat, lon), which follow those added before in time."""
        y = np.asarray(prediction, dtype=np.float64).reshape(len(prediction), -1)
        u = np.asarray(truth, dtype=np.float64).reshape(len(truth), -1)
        valid = ~np.isnan(u - self._climatology)
        lost = valid & ~np.isfinite(y)  # a prediction that is missing makes the score NaN
        y, u = np.where(valid & ~lost, y, self._level), np.where(valid, u, self._level)
        climatology = np.where(valid, self._climatology, self._level)
        missing = np.where(valid, 0.0, np.nan) + np.where(lost, np.inf, 0.0)
        absolute = (np.abs(y - u) + missing).astype(np.float32)
        self._errors.append(absolute.reshape(truth.shape))
        error, dy, du = y - u, y - climatology, u - climatology
        py, pu = y - self._level, u - self._level
        known = valid.astype(np.float64)
        summed = (
            *(known, error, np.abs(error), error**2),
            *(dy * du, dy**2, du**2),
            *(py, pu, py**2, pu**2, py * pu),
        )
        sums = np.stack([field @ self._areas for field in summed], axis=-1)
        spoilt = (lost.astype(np.float64) @ self._areas) > 0  # (time, region)
        of_prediction = [name not in ("weight", "true_anomaly", "true", "true_square")
                         for name in _SUMMED]  # fmt: skip
        sums[spoilt[..., None] & np.array(of_prediction)] = np.nan
        self._rows.append(sums)

    def of(self, region: str) -> dict[str, Floats]:
        """The sums (time,) of one region by name, over times with a valid cell."""
        table = self._table(region)
        seen = table["weight"] > 0
        return {name: sums[seen] for name, sums in table.items()}

    def mean_series(self, region: str) -> tuple[Floats, Floats]:
        """Area means (time,) of prediction and truth, over cells whose truth is known."""
        table = self._table(region)
        area = np.where(table["weight"] > 0, table["weight"], np.nan)
        return table["predicted"] / area + self._level, table["true"] / area + self._level

    def scores(self, region: str) -> dict[str, float]:
        """The scores of `co2net_phys.metrics.score` in one region."""
        sums = self.of(region)
        if not sums["weight"].size:
            return dict.fromkeys((*SCORES, "global_mean_drift"), float("nan"))
        return {name: float(score(sums)) for name, score in SCORES.items()} | {
            "global_mean_drift": self._drift(region)
        }

    def _drift(self, region: str) -> float:
        """Growth of the area-mean error over the record, by a fitted straight line."""
        prediction, truth = self.mean_series(region)
        step = np.flatnonzero(np.isfinite(truth))
        if step.size < 2:
            return float("nan")
        slope, _ = np.polyfit(step, (prediction - truth)[step], deg=1)
        return float(slope * (truth.size - 1))

    def median_abs_error(self) -> float:
        """Absolute error that half of area and time stays below, globally, to seven digits.

        As `co2net_phys.metrics.median_abs_error`, by halving the interval that it lies in: the
        cells of a row have one weight, so counting below a value needs one sorted list a row.
        """
        rows = [np.concatenate([part[:, row].ravel() for part in self._errors])
                for row in range(len(self.latitude))]  # fmt: skip
        rows = [np.sort(row[~np.isnan(row)]) for row in rows]
        if not any(row.size for row in rows) or any(np.isinf(row[-1:]).any() for row in rows):
            return float("nan")
        area = latitude_weights(self.latitude)
        half = sum(weight * row.size for weight, row in zip(area, rows, strict=True)) / 2
        low, high = 0.0, max(float(row[-1]) for row in rows if row.size)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            below = sum(weight * np.searchsorted(row, middle, side="right")
                        for weight, row in zip(area, rows, strict=True))  # fmt: skip
            low, high = (low, middle) if below >= half else (middle, high)
        return high

    def spreads(self, region: str) -> tuple[float, float]:
        """Standard deviations of prediction and truth over time and area, in their unit."""
        sums = self.of(region)
        predicted, true = (np.sqrt(_variance(sums, name)) for name in ("predicted", "true"))
        return float(predicted), float(true)


def _rmse(sums: Sums) -> Floats:
    return np.asarray(np.sqrt(sums["squared"] / sums["weight"]).mean(axis=-1))


def _acc(sums: Sums) -> Floats:
    scale = np.sqrt(_total(sums["predicted_anomaly"]) * _total(sums["true_anomaly"]))
    return _ratio(_total(sums["anomaly_product"]), scale)


def _bias(sums: Sums) -> Floats:
    return _ratio(_total(sums["error"]), _total(sums["weight"]))


def _mae(sums: Sums) -> Floats:
    return _ratio(_total(sums["absolute"]), _total(sums["weight"]))


def _correlation(sums: Sums) -> Floats:
    weight = _total(sums["weight"])
    predicted, true = (_variance(sums, name) for name in ("predicted", "true"))
    means = [_ratio(_total(sums[name]), weight) for name in ("predicted", "true")]
    covariance = _ratio(_total(sums["product"]), weight) - means[0] * means[1]
    return _ratio(covariance, np.sqrt(predicted * true))


def _r2(sums: Sums) -> Floats:
    return 1.0 - _ratio(_total(sums["squared"]), _variance(sums, "true") * _total(sums["weight"]))


SCORES: Mapping[str, Callable[[Sums], Floats]] = {
    "rmse": _rmse,
    "acc": _acc,
    "bias": _bias,
    "mae": _mae,
    "correlation": _correlation,
    "r2": _r2,
}
"""From sums (..., time), as of `RegionalSums.of`, to scores (...), so also of resampled times."""


def _variance(sums: Sums, name: str) -> Floats:
    """Variance over time and area, exactly 0 where it is nothing but round-off."""
    weight = _total(sums["weight"])
    square = _ratio(_total(sums[f"{name}_square"]), weight)
    variance = square - _ratio(_total(sums[name]), weight) ** 2
    return np.where(variance <= _ROUND_OFF * square, 0.0, variance)


def _total(values: Floats) -> Floats:
    return np.asarray(values.sum(axis=-1))


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Quotient, NaN where the denominator is not positive."""
    positive = np.asarray(denominator > 0)
    return np.divide(numerator, denominator, out=np.full(positive.shape, np.nan), where=positive)
