"""How the inputs of an emulator are scaled: moments of training frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.columns.network_config import COMPRESSED, WIND, ColumnConfig, Scaling
from co2net_phys.columns.schema import SURFACE_INPUTS, VARIABLES
from co2net_phys.columns.store import ColumnStore
from co2net_phys.data.windows import Indices, window_ends
from co2net_phys.errors import UsageError
from co2net_phys.metrics import latitude_weights

MOST_FRAMES = 48
"""Pairs of frames, evenly spread over the training block, that the moments are taken from."""

NEGLIGIBLE = 1e-6
"""Share of the largest increment of a level: where nothing ever happens an error counts the same
as where it is this small."""

FROM_DATA = {*("latitude", "columns", "levels", "statistics", "increment", "thickness", "interval")}
"""Fields of `ColumnConfig` that nobody chooses."""

Floats = NDArray[np.float64]


def column_config(
    store: ColumnStore, block: Indices, kind: type[ColumnConfig] = ColumnConfig, /, **sizes: Any
) -> ColumnConfig:
    """Return the configuration of an emulator for the grid, levels and scales of a store.

    Parameters
    ----------
    store
        Where the fields come from.
    block
        Frames of the training block; no other one is read.
    kind
        Of the network.
    sizes
        Fields of `ColumnConfig` that are not to have their defaults.

    Raises
    ------
    DataError
        The block has no two consecutive frames, or values are missing.
    UsageError
        Sizes contradict one another, or are not to be chosen.
    """
    for name in FROM_DATA & sizes.keys():
        raise UsageError(f"model.{name}: follows from the data; leave it out")
    ends = window_ends(store, block, 2)
    chosen = np.unique(np.linspace(0, len(ends) - 1, MOST_FRAMES).round().astype(np.int64))
    frames, rows = ends[chosen], latitude_weights(store.latitude)
    return kind(
        latitude=tuple(store.latitude.tolist()),
        columns=len(store.longitude),
        levels=store.levels,
        statistics={name: _scalings(store, name, frames, rows) for name in VARIABLES},
        increment=_increments(store, frames, rows),
        thickness=tuple(zip(*np.diff(store.bounds)[..., 0].tolist(), strict=True)),
        interval=store.time_step,
        **sizes,
    )


def _scalings(store: ColumnStore, name: str, frames: Indices, rows: Floats) -> tuple[Scaling, ...]:
    """Scale, mean and spread of a variable at each of its levels."""
    values = store.variable(name, frames)
    levels = [values] if name in SURFACE_INPUTS else [values[:, n] for n in range(store.levels)]
    return tuple(_scaling(name, level.astype(np.float64), rows) for level in levels)


def _scaling(name: str, values: Floats, rows: Floats) -> Scaling:
    """Of values (n, H, W); the scale of what spans decades is its mean.

    What is much smaller than the mean is as good as nothing: a smaller scale would spend the range
    of the input on the far tails of plumes.
    """
    scale, entering = 1.0, values
    if name in COMPRESSED:
        scale = _mean(values, rows) or 1.0
        entering = np.arcsinh(values / scale)
    mean = 0.0 if name in WIND else _mean(entering, rows)
    spread = float(np.sqrt(_mean((entering - mean) ** 2, rows)))
    # What never changes enters as 0, but for rounding.
    return scale, mean, spread if spread > 1e-6 * abs(mean) else max(abs(mean), 1.0)


def _increments(store: ColumnStore, frames: Indices, rows: Floats) -> tuple[float, ...]:
    """Root mean square change of the tracer from the frame before, by level, kg kg-1."""
    change = store.tracer(frames).astype(np.float64) - store.tracer(frames - 1)
    size = np.array([np.sqrt(_mean(change[:, n] ** 2, rows)) for n in range(store.levels)])
    floor = NEGLIGIBLE * size.max() if size.max() > 0 else 1.0
    return tuple(np.maximum(size, floor).tolist())


def _mean(values: Floats, rows: Floats) -> float:
    """Mean over frames and area of values (n, H, W), whose rows have the areas (H,)."""
    return float((values.mean(axis=(0, 2)) * rows).mean())
