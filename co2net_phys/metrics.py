"""How good a reconstruction is: area-weighted scores on the grid, in regions and at stations.

Conventions throughout:

* fields are arrays (time, lat, lon) in µmol mol⁻¹;
* weights are (lat,) from `latitude_weights`, or (lat, lon);
* a mask is boolean, (lat, lon) or (time, lat, lon), True where cells count;
* a cell whose truth or climatology is NaN has no weight; a NaN prediction of a known truth makes
  the score NaN, so that a method cannot gain by leaving out hard cells;
* a score over no cells, or one that would divide by zero variance, is NaN.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from co2net_phys.data.regions import latitude_bounds, region_mask
from co2net_phys.errors import UsageError

Floats = NDArray[np.float64]


def latitude_weights(latitude: ArrayLike) -> Floats:
    """Relative area (lat,) of each row of cells, normalised to mean 1.

    The area between two latitudes is proportional to the difference of their sines, so rows are
    weighted by sin(north edge) − sin(south edge) with edges midway between centres.

    Args:
        latitude: cell centres (lat,) in degrees north, ascending or descending.

    Raises:
        UsageError: a latitude beyond ±90, fewer than two, or not strictly monotonic.
    """
    areas = np.abs(np.diff(np.sin(np.radians(latitude_bounds(latitude)))))
    return np.asarray(areas / areas.mean(), dtype=np.float64)


def rmse(
    prediction: ArrayLike, truth: ArrayLike, weights: ArrayLike, mask: ArrayLike | None = None
) -> float:
    """Mean over time of the root of the area-mean squared error, in µmol mol⁻¹.

    RMSE = mean_t sqrt(Σ α (y − u)² / Σ α), the definition of the CO2-Net paper; times without
    a valid cell are left out.
    """
    cells = _cells(prediction, truth, weights, mask)
    total = cells.weights.sum(axis=1)
    squared = (cells.weights * (cells.prediction - cells.truth) ** 2).sum(axis=1)
    roots = np.sqrt(squared[total > 0] / total[total > 0])
    return _ratio(roots.sum(), roots.size)


def mae(
    prediction: ArrayLike, truth: ArrayLike, weights: ArrayLike, mask: ArrayLike | None = None
) -> float:
    """Mean absolute error over area and time, in µmol mol⁻¹."""
    cells = _cells(prediction, truth, weights, mask)
    return _weighted_mean(np.abs(cells.prediction - cells.truth), cells.weights)


def bias(
    prediction: ArrayLike, truth: ArrayLike, weights: ArrayLike, mask: ArrayLike | None = None
) -> float:
    """Mean of prediction minus truth over area and time, in µmol mol⁻¹."""
    cells = _cells(prediction, truth, weights, mask)
    return _weighted_mean(cells.prediction - cells.truth, cells.weights)


def acc(
    prediction: ArrayLike,
    truth: ArrayLike,
    climatology: ArrayLike,
    weights: ArrayLike,
    mask: ArrayLike | None = None,
) -> float:
    """Anomaly correlation coefficient over time and grid, uncentred.

    ACC = Σ α (y − C)(u − C) / sqrt(Σ α (y − C)² · Σ α (u − C)²), sums over time and cells. The
    mean anomaly is not removed again: an error of the mean level lowers the score.

    Args:
        prediction: y (time, lat, lon).
        truth: u (time, lat, lon).
        climatology: C, a scalar, (lat, lon) or (time, lat, lon), in the units of the truth.
        weights: α (lat,) or (lat, lon).
        mask: cells that count, (lat, lon) or (time, lat, lon).
    """
    reference = np.asarray(climatology, dtype=np.float64)
    # NaN in the climatology makes the true anomaly NaN, which takes away the cell's weight.
    cells = _cells(np.subtract(prediction, reference), np.subtract(truth, reference), weights, mask)
    y, u = cells.prediction, cells.truth
    scale = np.sqrt((cells.weights * y**2).sum() * (cells.weights * u**2).sum())
    return _ratio((cells.weights * y * u).sum(), scale)


def correlation(
    prediction: ArrayLike, truth: ArrayLike, weights: ArrayLike, mask: ArrayLike | None = None
) -> float:
    """Weighted Pearson correlation over time and grid, in −1…1."""
    cells = _cells(prediction, truth, weights, mask)
    y, u = _centred(cells.prediction, cells.weights), _centred(cells.truth, cells.weights)
    scale = np.sqrt((cells.weights * y**2).sum() * (cells.weights * u**2).sum())
    return _ratio((cells.weights * y * u).sum(), scale)


def r2(
    prediction: ArrayLike, truth: ArrayLike, weights: ArrayLike, mask: ArrayLike | None = None
) -> float:
    """Explained variance 1 − Σ α (y − u)² / Σ α (u − ū)²: 1 is perfect, 0 as good as the mean."""
    cells = _cells(prediction, truth, weights, mask)
    residual = (cells.weights * (cells.prediction - cells.truth) ** 2).sum()
    spread = (cells.weights * _centred(cells.truth, cells.weights) ** 2).sum()
    return 1.0 - _ratio(residual, spread)


def global_mean_drift(
    prediction: ArrayLike, truth: ArrayLike, weights: ArrayLike, mask: ArrayLike | None = None
) -> float:
    """Growth of the area-mean error over the whole record, in µmol mol⁻¹.

    The slope of a straight line fitted to the area-mean error, times the length of the record:
    0 for a constant bias, and the difference of the two errors for two times.
    """
    cells = _cells(prediction, truth, weights, mask)
    total = cells.weights.sum(axis=1)
    step = np.flatnonzero(total > 0)
    if step.size < 2:
        return float("nan")
    error = (cells.weights * (cells.prediction - cells.truth)).sum(axis=1)[step] / total[step]
    slope, _ = np.polyfit(step, error, deg=1)
    return float(slope * (total.size - 1))


def score(
    prediction: ArrayLike,
    truth: ArrayLike,
    latitude: ArrayLike,
    longitude: ArrayLike,
    climatology: ArrayLike,
    regions: Iterable[str] = (),
) -> dict[str, Any]:
    """All scores of a reconstruction on a grid.

    Args:
        prediction: (time, lat, lon) in µmol mol⁻¹.
        truth: (time, lat, lon) in µmol mol⁻¹, NaN where unknown.
        latitude: cell centres (lat,) in degrees north.
        longitude: cell centres (lon,) in degrees east, either convention.
        climatology: scalar, (lat, lon) or (time, lat, lon) in µmol mol⁻¹.
        regions: names from `co2net_phys.data.regions.REGIONS`.

    Returns:
        "rmse", "acc", "mae", "bias", "correlation", "r2", "global_mean_drift", and "regions":
        for each name its "rmse", "acc" and "bias".

    Raises:
        UsageError: shapes disagree, or a region is unknown.
    """
    weights = latitude_weights(latitude)

    def regional(mask: ArrayLike | None) -> dict[str, Any]:
        return {
            "rmse": rmse(prediction, truth, weights, mask),
            "acc": acc(prediction, truth, climatology, weights, mask),
            "bias": bias(prediction, truth, weights, mask),
        }

    return regional(None) | {
        "mae": mae(prediction, truth, weights),
        "correlation": correlation(prediction, truth, weights),
        "r2": r2(prediction, truth, weights),
        "global_mean_drift": global_mean_drift(prediction, truth, weights),
        "regions": {name: regional(region_mask(name, latitude, longitude)) for name in regions},
    }


def station_scores(
    prediction_at_sites: ArrayLike, observed: ArrayLike, codes: Sequence[str]
) -> dict[str, Any]:
    """Scores at stations, for each site and for all observations together.

    Unlike `rmse`, which averages over time, these are roots of plain means over observations.

    Args:
        prediction_at_sites: (time, S) in µmol mol⁻¹.
        observed: (time, S) in µmol mol⁻¹, NaN where nothing was observed.
        codes: the S station codes.

    Returns:
        "pooled", and "sites" by code: each with "rmse", "bias", "correlation" and "n".

    Raises:
        UsageError: shapes disagree, or a code occurs twice.
    """
    predicted = np.asarray(prediction_at_sites, dtype=np.float64)
    truth = np.asarray(observed, dtype=np.float64)
    if predicted.shape != truth.shape or truth.ndim != 2 or truth.shape[1] != len(codes):
        raise UsageError(
            f"predictions {predicted.shape}, observations {truth.shape} and {len(codes)} station"
            " codes do not match: expected (time, station) twice, and one code for each station"
        )
    if len(set(codes)) < len(codes):
        raise UsageError("a station code occurs twice: merge the series of each site first")
    sites = {code: _series_scores(predicted[:, i], truth[:, i]) for i, code in enumerate(codes)}
    return {"sites": sites, "pooled": _series_scores(predicted.ravel(), truth.ravel())}


def sample_at(
    field: ArrayLike,
    latitude: ArrayLike,
    longitude: ArrayLike,
    site_lat: ArrayLike,
    site_lon: ArrayLike,
    method: Literal["bilinear", "nearest"] = "bilinear",
) -> Floats:
    """Values of a global field at sites.

    Longitude is periodic; beyond the outermost rows the field is constant towards the pole.

    Args:
        field: (..., lat, lon).
        latitude: cell centres (lat,) in degrees north, ascending or descending.
        longitude: cell centres (lon,) in degrees east around the globe, either convention.
        site_lat: (S,) degrees north.
        site_lon: (S,) degrees east, either convention.
        method: "bilinear" in degrees, or "nearest" cell.

    Returns:
        Values (..., S). NaN where a cell with non-zero weight is NaN.

    Raises:
        UsageError: unknown method, or coordinates that do not fit the field or the globe.
    """
    values = np.asarray(field, dtype=np.float64)
    lat, lon = np.asarray(latitude, dtype=np.float64), np.asarray(longitude, dtype=np.float64)
    if values.ndim < 2 or values.shape[-2:] != (lat.size, lon.size):
        raise UsageError(
            f"field {values.shape} does not end in (lat, lon) = ({lat.size}, {lon.size}):"
            " transpose it or pass its own coordinates"
        )
    if method not in ("bilinear", "nearest"):
        raise UsageError(f"unknown sampling method {method!r}: choose bilinear or nearest")
    rows, row_shares = _latitude_neighbours(lat, np.atleast_1d(site_lat))
    columns, column_shares = _longitude_neighbours(lon, np.atleast_1d(site_lon))
    if method == "nearest":
        row_shares, column_shares = _all_or_nothing(row_shares), _all_or_nothing(column_shares)
    result = np.zeros(values.shape[:-2] + rows.shape[1:])
    for row, row_share in zip(rows, row_shares, strict=True):
        for column, column_share in zip(columns, column_shares, strict=True):
            share = row_share * column_share
            # A missing neighbour must not spoil a site that lies exactly on another point.
            result += np.where(share > 0, values[..., row, column] * share, 0.0)
    return result


class _Cells(NamedTuple):
    """Aligned arrays (time, cell); cells without a valid truth have weight and truth 0."""

    prediction: Floats
    truth: Floats
    weights: Floats


def _cells(
    prediction: ArrayLike, truth: ArrayLike, weights: ArrayLike, mask: ArrayLike | None
) -> _Cells:
    """Flatten the grid, drop what the mask excludes and weigh what remains."""
    y, u = np.asarray(prediction, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    counted = np.ones(u.shape[1:], dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
    if y.shape != u.shape or u.ndim != 3 or counted.shape not in (u.shape, u.shape[1:]):
        raise UsageError(
            f"prediction {y.shape}, truth {u.shape} and mask {counted.shape} must share"
            " (time, lat, lon), the mask perhaps without time: regrid or select before scoring"
        )
    alpha = np.asarray(weights, dtype=np.float64)
    alpha = np.broadcast_to(alpha[:, None] if alpha.ndim == 1 else alpha, u.shape[1:])
    inside = counted.any(axis=0) if counted.ndim == 3 else counted  # (lat, lon)
    y, u, alpha = y[:, inside], u[:, inside], alpha[inside]  # (time, cell), (cell,)
    valid = ~np.isnan(u)
    if counted.ndim == 3:
        valid &= counted[:, inside]
    return _Cells(np.where(valid, y, 0.0), np.where(valid, u, 0.0), valid * alpha)


def _series_scores(predicted: Floats, observed: Floats) -> dict[str, float | int]:
    """Scores of one series (n,), leaving out missing observations."""
    # As one map of n equal cells the grid's scores apply: (time, lat, lon) = (1, n, 1).
    y, u, equal = predicted[None, :, None], observed[None, :, None], np.ones(observed.size)
    return {
        "rmse": rmse(y, u, equal),
        "bias": bias(y, u, equal),
        "correlation": correlation(y, u, equal),
        "n": int((~np.isnan(observed)).sum()),
    }


def _latitude_neighbours(latitude: Floats, sites: NDArray[Any]) -> tuple[NDArray[np.intp], Floats]:
    """Rows (2, S) on both sides of each site and their shares (2, S)."""
    latitude_bounds(latitude)  # raises where the axis is no latitude axis
    order = np.argsort(latitude)
    position = np.interp(sites, latitude[order], np.arange(latitude.size))  # clamps at the ends
    lower = np.minimum(position.astype(np.intp), latitude.size - 2)
    upper_share = position - lower
    return order[np.stack([lower, lower + 1])], np.stack([1 - upper_share, upper_share])


def _longitude_neighbours(
    longitude: Floats, sites: NDArray[Any]
) -> tuple[NDArray[np.intp], Floats]:
    """Columns (2, S) on both sides of each site, around the globe, and their shares (2, S)."""
    wrapped = longitude % 360.0
    order = np.argsort(wrapped)
    west = wrapped[order]
    gaps = np.diff(np.append(west, west[0] + 360.0))
    if longitude.size < 2 or gaps.min() <= 0 or gaps.max() > 2 * np.median(gaps):
        raise UsageError(
            "longitude must go once around the globe without gaps or repeated columns"
            " to be sampled at stations"
        )
    target = np.asarray(sites, dtype=np.float64) % 360.0
    left = np.searchsorted(west, target, side="right") - 1  # −1: west of the first column
    share = ((target - west[left]) % 360.0) / gaps[left]
    right = (left + 1) % west.size
    return order[np.stack([left, right])], np.stack([1 - share, share])


def _weighted_mean(values: Floats, weights: Floats) -> float:
    return _ratio((weights * values).sum(), weights.sum())


def _centred(values: Floats, weights: Floats) -> Floats:
    """Deviations from the weighted mean, exactly 0 where they are nothing but round-off."""
    deviations = values - _weighted_mean(values, weights)
    raw, centred = ((weights * x**2).sum() for x in (values, deviations))
    return np.zeros_like(deviations) if centred <= 1e-28 * raw else deviations


def _all_or_nothing(shares: Floats) -> Floats:
    """Shares (2, S) of two neighbours, all given to the nearer one; a tie goes to the first."""
    second = shares[1] > 0.5
    return np.stack([~second, second]).astype(np.float64)


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator > 0 else float("nan")
