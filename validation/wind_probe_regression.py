"""How much of the wind the weather at the input holds: a linear fit, the rival of a probe.

In balance the wind follows from the gradient of pressure or height (geostrophy), and it moves heat
and moisture. A fit for each row of cells, of anomalies on anomalies in the cell and their slopes,
finds what of this is linear. It reads what the network reads at one frame, a few cells at a time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.store import TrainingStore
from co2net_phys.model import WIND

Array = NDArray[np.float64]

WEATHER = ("ps", "gph", "tas", "huss")
"""Fields that the fit reads, as far as the store has them."""

EVERY = 4
"""The fit takes every fourth training frame; the frames between are nearly the same."""


def regressed_wind(
    store: TrainingStore, training: NDArray[np.int64], scored: NDArray[np.int64]
) -> Array:
    """Wind (2, n, H, W), m/s, at the frames `scored` by a fit to the frames `training`.

    u and v of each row are fitted to the value and both slopes of each field of `WEATHER`, all as
    anomalies from the mean of their cell over the training frames. Without any such field it is
    that mean.
    """
    training = training[::EVERY]
    names = tuple(name for name in WEATHER if name in store.auxiliaries)
    mean = _fields(store, WIND, training).mean(axis=1, keepdims=True)
    wind = np.moveaxis(_fields(store, WIND, training) - mean, 0, -1)  # (n, H, W, 2)
    usual = _fields(store, names, training).mean(axis=1, keepdims=True)
    known = _predictors(_fields(store, names, training) - usual)  # (n, H, W, P)
    new = _predictors(_fields(store, names, scored) - usual)
    predicted = np.empty((2, len(scored), *store.shape))
    for row in range(store.shape[0]):
        columns, targets = (np.concatenate(x[:, row]) for x in (known, wind))  # (n·W, P), (n·W, 2)
        scale = np.maximum(columns.std(axis=0), np.finfo(np.float64).tiny)
        weights = np.linalg.lstsq(columns / scale, targets, rcond=1e-8)[0]  # (P, 2)
        predicted[:, :, row] = np.moveaxis(new[:, row] / scale @ weights, -1, 0)
    return predicted + mean


def _fields(store: TrainingStore, names: tuple[str, ...], frames: NDArray[np.int64]) -> Array:
    """Fields (K, n, H, W) of K variables, which may be none."""
    fields = [store.field(name, frames) for name in names]
    return np.array(fields, dtype=np.float64).reshape(len(names), len(frames), *store.shape)


def _predictors(fields: Array) -> Array:
    """Value, eastward and northward slope of each field (K, n, H, W), as (n, H, W, 3 K)."""
    east = np.roll(fields, -1, axis=-1) - np.roll(fields, 1, axis=-1)
    north = np.gradient(fields, axis=-2)
    return np.moveaxis(np.concatenate([fields, east, north]), 0, -1)
