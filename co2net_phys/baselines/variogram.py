"""How unlike two places are, by their distance: variogram models and their fit."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from pykrige.ok import OrdinaryKriging as PyKrige
from torch import Tensor

from co2net_phys.baselines.sphere import unit_vectors

SAMPLE_FRAMES = 40
"""Training frames, evenly spread, that a variogram is fitted to."""

FEWEST_PLACES = 6
"""Places a frame must have for its variogram to count: PyKrige sorts the pairs into six bins."""

NUGGET_FLOOR = 1e-3
"""Smallest nugget as a fraction of the sill; keeps the kriging system well conditioned."""

SHORTEST_RANGE_DEGREES = 1.0
"""Smallest range a fit may return; networks on a 2°×3° grid cannot resolve less."""

SAME_PLACE = 1e-6
"""Radians (6 m on Earth) within which two stations are in the same place."""

ANTIPODE_DEGREES = 180.0
"""Longest distance on a sphere, where a variogram without a sill stops rising."""

LONGEST_GAUSSIAN_RANGE_DEGREES = 90.0
"""Longest range of a Gaussian variogram that a fit may return.

No Gaussian of great-circle distance is valid on the sphere, because its kink at the antipode gives
negative Legendre coefficients. They sum to 1.4e-6 of the sill at a range of 90° and to 3.7e-3 at
150°: the first is covered by `NUGGET_FLOOR` for hundreds of stations, the second for none.
"""

DEFAULT_PARAMETERS = (1.0, 60.0, NUGGET_FLOOR)
"""Used where the data are constant, when every variogram gives the same constant field."""


def linear(distance: Tensor, reach: Tensor) -> Tensor:
    """Rises as distance / reach; `reach` is the antipode's distance, so to 1 there."""
    rise: Tensor = distance / reach
    return rise


def power(distance: Tensor, exponent: Tensor) -> Tensor:
    """Rises as (distance / 180°)^exponent, to 1 at the antipode."""
    rise: Tensor = (distance / ANTIPODE_DEGREES) ** exponent
    return rise


def gaussian(distance: Tensor, reach: Tensor) -> Tensor:
    """Rises as 1 − exp(−(7 distance / 4 reach)²): to 0.95 at the range `reach`."""
    rise: Tensor = -torch.expm1(-(1.75 * distance / reach).square())
    return rise


def spherical(distance: Tensor, reach: Tensor) -> Tensor:
    """Rises as 3h/2 − h³/2, h = distance / reach, to 1 at the range `reach`."""
    h = (distance / reach).clamp(max=1.0)
    rise: Tensor = h * (1.5 - 0.5 * h.square())
    return rise


def exponential(distance: Tensor, reach: Tensor) -> Tensor:
    """Rises as 1 − exp(−3 distance / reach): to 0.95 at the range `reach`."""
    rise: Tensor = -torch.expm1(-3.0 * distance / reach)
    return rise


MODELS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "linear": linear,
    "power": power,
    "gaussian": gaussian,
    "spherical": spherical,
    "exponential": exponential,
}
"""Variogram shapes from 0 to 1, the five of the CO2-Net paper (table 17), with PyKrige's names.

γ(d) = sill · shape(d, p) + nugget, where p is PyKrige's range in degrees or exponent. A linear or
power variogram has no sill: the semivariance at the antipode takes its place, and what is added to
every covariance thereby changes nothing, since kriging weights sum to one. With great-circle
distance all but the Gaussian are valid on the sphere, the power variogram for exponents up to 1
(Gneiting 2013, https://doi.org/10.3150/12-BEJSP06).
"""

_BOUNDS: dict[str, tuple[float, float]] = {
    "linear": (ANTIPODE_DEGREES, ANTIPODE_DEGREES),
    "power": (0.0, 1.0),
    "gaussian": (SHORTEST_RANGE_DEGREES, LONGEST_GAUSSIAN_RANGE_DEGREES),
    "spherical": (SHORTEST_RANGE_DEGREES, float("inf")),
    "exponential": (SHORTEST_RANGE_DEGREES, float("inf")),
}
"""Smallest and largest second parameter that a fit may return."""


def same_place(latitude: Tensor, longitude: Tensor) -> Tensor:
    """Label (S,) of the place of each station, 0…G−1; stations within 6 m share one."""
    points = (unit_vectors(latitude, longitude) / SAME_PLACE).round()
    place: Tensor = torch.unique(points, dim=0, return_inverse=True)[1]
    return place


def merge_places(values: Tensor, place: Tensor) -> Tensor:
    """Mean (B, G) over the stations that report at each place, NaN where none does.

    `values` is (B, S) with NaN where missing, `place` the labels (S,) of `same_place`.
    """
    reports = torch.isfinite(values)
    shape = (len(values), int(place.max()) + 1)
    total = values.new_zeros(shape).index_add(1, place, torch.where(reports, values, 0.0))
    count = values.new_zeros(shape).index_add(1, place, reports.to(values))
    return torch.where(count > 0, total / count.clamp(min=1.0), torch.nan)


def fit_variogram(
    values: NDArray[np.float64],
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    model: str,
) -> tuple[float, float, float]:
    """Partial sill, range in degrees and nugget: medians of PyKrige's fits to single frames.

    `values` is (n, S) in µmol mol-1 with NaN where missing; at most `SAMPLE_FRAMES` of the n
    frames are used. The sills are in (µmol mol-1)². Constant frames tell nothing and are skipped.
    Of a power variogram the second parameter is the exponent, see `MODELS`.
    """
    place = same_place(torch.from_numpy(latitude), torch.from_numpy(longitude))
    _, first = np.unique(place.numpy(), return_index=True)
    merged = merge_places(torch.from_numpy(values), place).numpy()  # (n, G)
    useful = np.flatnonzero(np.isfinite(merged).sum(axis=1) >= FEWEST_PLACES)
    chosen = useful[np.linspace(0, len(useful) - 1, min(SAMPLE_FRAMES, len(useful))).astype(int)]
    fits = []
    for frame in merged[chosen]:
        there = np.isfinite(frame)
        fit = _fit_frame(frame[there], latitude[first][there], longitude[first][there], model)
        if fit is not None:
            fits.append(fit)
    typical = np.median(fits or [np.array(DEFAULT_PARAMETERS)], axis=0)
    sill, reach, nugget = (float(value) for value in typical)
    sill = max(sill, NUGGET_FLOOR * nugget)
    smallest, largest = _BOUNDS[model]
    return sill, min(max(reach, smallest), largest), max(nugget, NUGGET_FLOOR * sill)


def _fit_frame(
    values: NDArray[np.float64],
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    model: str,
) -> NDArray[np.float64] | None:
    """Parameters of one frame by PyKrige, as in `MODELS`; None where data are (nearly) constant.

    Where the best power is steeper than 1, the best valid one is 1: the linear variogram.
    """
    if np.ptp(values) < 1e-6 * max(1.0, float(np.abs(values).max())):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fitted = PyKrige(
                longitude % 360.0,
                latitude,
                values,
                variogram_model=model,
                coordinates_type="geographic",
                pseudo_inv=True,
                enable_statistics=False,
            )
        except ValueError:  # its bounds collapse where the data barely vary
            return None
    parameters = _standard(model, np.asarray(fitted.variogram_model_parameters, dtype=np.float64))
    if not np.isfinite(parameters).all() or parameters[0] + parameters[2] <= 0:
        return None
    if model == "power" and parameters[1] > 1.0:
        straight = _fit_frame(values, latitude, longitude, "linear")
        return None if straight is None else np.array([straight[0], 1.0, straight[2]])
    return parameters


def _standard(model: str, fitted: NDArray[np.float64]) -> NDArray[np.float64]:
    """PyKrige's parameters of a model as those of `MODELS`."""
    if model == "linear":
        slope, nugget = fitted
        return np.array([slope * ANTIPODE_DEGREES, ANTIPODE_DEGREES, nugget])
    if model == "power":
        scale, exponent, nugget = fitted
        return np.array([scale * ANTIPODE_DEGREES**exponent, exponent, nugget])
    return fitted
