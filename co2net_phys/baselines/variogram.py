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

DEFAULT_PARAMETERS = (1.0, 60.0, NUGGET_FLOOR)
"""Used where the data are constant, when every variogram gives the same constant field."""


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
    "spherical": spherical,
    "exponential": exponential,
}
"""Variogram shapes from 0 to 1, with PyKrige's names and meaning of the range.

Both are valid with great-circle distance on the sphere (Gneiting 2013,
https://doi.org/10.3150/12-BEJSP06).
"""


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
    if not fits:
        return DEFAULT_PARAMETERS
    sill, reach, nugget = (float(value) for value in np.median(np.array(fits), axis=0))
    sill = max(sill, NUGGET_FLOOR * nugget)
    return sill, max(reach, SHORTEST_RANGE_DEGREES), max(nugget, NUGGET_FLOOR * sill)


def _fit_frame(
    values: NDArray[np.float64],
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    model: str,
) -> NDArray[np.float64] | None:
    """PyKrige's parameters for one frame; None where the data are (nearly) constant."""
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
    parameters = np.asarray(fitted.variogram_model_parameters, dtype=np.float64)
    return (
        parameters if np.isfinite(parameters).all() and parameters[0] + parameters[2] > 0 else None
    )
