"""Long roll-outs of emulators beside the truth: burden, error growth, profiles, columns, scales.

All methods go on in step through one reading of the store, and only sums are kept of the fields:
memory does not grow with their number of levels and cells times frames. A method that blows up is
reported and scored no further; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.columns.network import Persistence
from co2net_phys.columns.rollout import ColumnModel, Frame, rollout
from co2net_phys.columns.store import ColumnStore, Fields
from co2net_phys.errors import NumericalError
from co2net_phys.metrics import latitude_weights, zonal_spectrum
from co2net_phys.solvers.constants import EARTH_RADIUS_M, GRAVITY, SECONDS_PER_DAY

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Course:
    """What became of the tracer of one method, or of the truth; NaN after a blow-up."""

    burden: Floats
    """(n,) mass in the atmosphere, kg."""
    rmse: Floats
    """(n,) error against the truth, weighted by mass of air, kg kg-1; zeros of the truth."""
    profile: Floats
    """(L,) mass fraction, mean over time and the air of each level, kg kg-1."""
    column: Floats
    """(H, W) column burden, mean over time, kg m-2."""
    power: Floats
    """(K,) zonal spectrum of the column burden, mean over area and time, (kg m-2)²."""
    blown_up: int | None = None
    """Frames until the roll-out blew up; None where it did not."""


@dataclass(frozen=True)
class Stability:
    """Roll-outs of several methods from one start, and the truth."""

    times: NDArray[Any]
    """(n,) numpy or cftime times of the frames predicted."""
    days: Floats
    """(n,) lead time."""
    latitude: Floats
    longitude: Floats
    pressure: Floats
    """(L,) mean pressure in the middle of each level, Pa."""
    layer_mass: Floats
    """(L,) mean mass of air per area of each level, kg m-2."""
    truth: Course
    methods: Mapping[str, Course]


def compare_rollouts(
    models: Mapping[str, ColumnModel],
    store: ColumnStore,
    start: int,
    steps: int,
    device: torch.device | str = "cpu",
    on_step: Callable[[int], None] = lambda step: None,
) -> Stability:
    """Roll out every model from frame `start` for `steps` frames; see `rollout` for what it raises.

    A `NumericalError` is caught: it ends the roll-out of that model alone.
    """
    runs = {name: rollout(model, store, start, steps, device) for name, model in models.items()}
    return compare_courses(runs, store, start, steps, on_step)


def persisted(store: ColumnStore, start: int, steps: int) -> Iterator[Frame]:
    """Return the roll-out of persistence."""
    return rollout(Persistence(), store, start, steps)


def compare_courses(
    runs: Mapping[str, Iterator[Frame]],
    store: ColumnStore,
    start: int,
    steps: int,
    on_step: Callable[[int], None] = lambda step: None,
) -> Stability:
    """Compare what several methods made of the frames from `start` on, made now or read.

    A `NumericalError` while one is made ends that one alone.
    """
    area = cell_areas(store)
    tallies = {name: _Tally(store.latitude, steps) for name in runs}
    truth, mass = _Tally(store.latitude, steps), np.zeros((store.levels, *store.shape))
    for step in range(steps):
        frame = [start + step]
        known, air = store.tracer(frame)[0], store.air_mass(frame)[0]
        truth.add(known, known, air, area)
        mass += air / steps
        for name, tally in tallies.items():
            field = _next(runs[name], tally)
            if field is not None:
                tally.add(field, known, air, area)
        on_step(step + 1)
    seconds = store.seconds[start : start + steps] - store.seconds[start - 1]
    layers = (mass * area).sum(axis=(1, 2)) / (store.shape[1] * area.sum())
    return Stability(
        times=store.times.values[start : start + steps],
        days=seconds / SECONDS_PER_DAY,
        latitude=store.latitude,
        longitude=store.longitude,
        pressure=_middles(layers),
        layer_mass=layers,
        truth=truth.course(),
        methods={name: tally.course() for name, tally in tallies.items()},
    )


def cell_areas(store: ColumnStore) -> Floats:
    """Area (H, 1) of the cells of each row, m²; all cells together are the sphere."""
    rows, columns = store.shape
    sphere = 4 * np.pi * EARTH_RADIUS_M**2
    return latitude_weights(store.latitude)[:, None] * sphere / (rows * columns)


def _next(run: Iterator[Frame], tally: _Tally) -> Fields | None:
    """The next field of a roll-out; None if it has blown up."""
    if tally.blown_up is not None:
        return None
    try:
        return next(run)[1]
    except NumericalError:
        tally.blown_up = tally.count + 1
        return None


def _middles(layers: Floats) -> Floats:
    """Pressure (L,) in the middle of layers of these masses, Pa, from the ground up."""
    above = np.cumsum(layers[::-1])[::-1]
    return np.asarray(GRAVITY * (above - layers / 2))


class _Tally:
    """Sums over the frames of one roll-out."""

    def __init__(self, latitude: Floats, steps: int) -> None:
        self.latitude, self.steps = latitude, steps
        self.count = 0
        self.blown_up: int | None = None
        self.burden, self.rmse = np.full(steps, np.nan), np.full(steps, np.nan)
        self.profile: Floats | float = 0.0
        self.column: Floats | float = 0.0
        self.power: Floats | float = 0.0

    def add(self, field: Fields, truth: Fields, air: Floats, area: Floats) -> None:
        """Take in a tracer (L, H, W), kg kg-1, with its truth, air (L, H, W) and areas (H, 1)."""
        tracer, mass = field.astype(np.float64), air * area  # kg kg-1, kg
        column = (tracer * air).sum(axis=0)  # (H, W) kg m-2
        self.burden[self.count] = (column * area).sum()
        self.rmse[self.count] = np.sqrt((mass * (tracer - truth) ** 2).sum() / mass.sum())
        self.profile += (mass * tracer).sum(axis=(1, 2)) / mass.sum(axis=(1, 2))
        self.column += column
        self.power += zonal_spectrum(column[None], self.latitude).power
        self.count += 1

    def course(self) -> Course:
        """Return the means over all frames; NaN if the roll-out did not reach the last."""
        share = 1 / self.steps if self.blown_up is None else np.nan
        return Course(
            burden=self.burden,
            rmse=self.rmse,
            profile=np.asarray(self.profile * share),
            column=np.asarray(self.column * share),
            power=np.asarray(self.power * share),
            blown_up=self.blown_up,
        )
