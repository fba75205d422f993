"""An inversion of a training store: its windows, its statistics, its size."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.baselines import BASELINES
from co2net_phys.data.schema import CO2
from co2net_phys.data.splits import split_frames, split_of
from co2net_phys.data.stations import Station
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import Windows
from co2net_phys.errors import DataError
from co2net_phys.inversion.cycling import (
    Belief,
    Cycle,
    EnsembleCycle,
    VariationalCycle,
    Window,
    priors_of,
)
from co2net_phys.inversion.four_dimensional_variational import Draws
from co2net_phys.inversion.letkf import localisation
from co2net_phys.inversion.observation_operator import (
    Observations,
    StationOperator,
    observation_errors,
)
from co2net_phys.inversion.prior_flux import FileFlux, InventedFlux, PriorFlux
from co2net_phys.inversion.settings import InversionSettings
from co2net_phys.inversion.station_scores import StationScores
from co2net_phys.inversion.transport_model import TransportModel

FIRST_GUESS_WINDOW = 8
"""Frames that a baseline sees when it makes the first guess, and of which the mean is taken."""

Frames = NDArray[np.int64]
FREE = "free"
"""Name under which the run without assimilation is kept beside what a method hands on."""


class Inversion:
    """Everything to invert one period of a store.

    Parameters
    ----------
    store
        Winds and observations; its gridded CO2 is read by a baseline that makes the first guess,
        in the training block, and by nothing else.
    settings
        What is assumed and how it is solved.
    frames
        Those to write, consecutive.
    training, held_out
        Stations to assimilate, and stations to compare with only.
    spin_up
        Frames before the first one to write, as far as the store has them.
    flux_file
        Prior fluxes; those of the twin world without one.

    Raises
    ------
    DataError
        The store lacks winds, observations or frames, or the flux file is of no use.
    UsageError
        Settings contradict each other.
    """

    def __init__(
        self,
        store: TrainingStore,
        settings: InversionSettings,
        frames: Frames,
        training: Sequence[Station],
        held_out: Sequence[Station],
        *,
        spin_up: int = 0,
        flux_file: Path | None = None,
    ) -> None:
        self.store, self.settings, self.frames = store, settings, frames
        if len(frames) < 2:
            raise DataError(f"{store.source}: one frame to invert; choose a longer period")
        self.training, self.held_out = tuple(training), tuple(held_out)
        self.transport = TransportModel(
            store, settings.truncation, exchange=settings.exchange, diffusivity=settings.diffusivity
        )
        grid, clock = self.transport.harmonics.grid, self.transport.clock
        self.flux: PriorFlux = (
            InventedFlux(self.transport.geography, clock)
            if flux_file is None
            else FileFlux(flux_file, grid, clock)
        )
        settings.check(self.flux.components)
        self._indices = {
            name: store.station_indices([station.code for station in group])
            for name, group in (("training", self.training), ("held_out", self.held_out))
        }
        self._operators = {
            name: StationOperator(group, settings.truncation)
            for name, group in (("training", self.training), ("held_out", self.held_out))
        }
        self._train_frames = split_frames(store, split_of(store, FIRST_GUESS_WINDOW), "train")
        self._errors = observation_errors(
            store,
            self._train_frames,
            self._indices["training"],
            settings.observation_error,
            settings.representation,
        )
        first = max(0, int(frames[0]) - spin_up)
        length, reach = (
            max(1, round(seconds / store.time_step))
            for seconds in (settings.window, settings.observation_window or settings.window)
        )
        self.spans = _spans(first, int(frames[-1]), length, reach)
        self.priors = priors_of(
            settings,
            self.flux.components,
            self.transport.harmonics,
            torch.from_numpy(self.transport.geography.land),
        )
        self.cycle = self._cycle()

    def window(self, number: int) -> Window:
        """Transport and observations of a window; its first frame is the last one of the former."""
        first, following, last = self.spans[number]
        frames = np.arange(first, last + 1)
        values = self.store.observations(frames, self._indices["training"]).astype(np.float64)
        if number:  # seen by the window before
            values[0] = np.nan
        lasting = max(1.0, self.settings.error_memory / self.store.time_step)
        # What several windows look at counts but once in all.
        times_seen = max(1.0, (last - first) / (following - first))
        observations = Observations(torch.from_numpy(values), self._errors, lasting * times_seen)
        model = self.transport.window(frames, self.flux, self.settings.flux_period)
        return Window(number, model, observations, following - first)

    def plan(self) -> dict[str, Any]:
        """Sizes, and the time that a step takes on this machine."""
        window, settings = self.window(0), self.settings
        windows = len(self.spans)
        step = self._seconds_per_step()
        steps = sum((last - first) * window.model.steps_per_frame for first, _, last in self.spans)
        columns = settings.members + (settings.method == "4dvar")
        runs = settings.iterations + 1 if settings.method == "4dvar" else 1
        count = (settings.truncation + 1) ** 2
        # Nodal fields alive at once: of the steps between two frames, or of the whole analysis.
        held = 60 if settings.method == "4dvar" else 6 * window.model.frames
        state_bytes = 16 * columns * count * window.model.frames
        nodal_bytes = 8 * int(np.prod(self.transport.harmonics.grid.shape))
        entries = len(window.model.forcing.moles) * (len(self.flux.components) + 3)
        read = np.arange(self.spans[0][0], self.frames[-1] + 1)
        observed = self.store.observations(read, self._indices["training"])
        problem = {"control_size": self.control_size} if settings.method == "4dvar" else {}
        return {
            "method": settings.method,
            "truncation": settings.truncation,
            "transport_grid": list(self.transport.harmonics.grid.shape),
            "frames": len(self.frames),
            "spin_up_frames": int(self.frames[0] - self.spans[0][0]),
            "windows": windows,
            "observations": int(np.isfinite(observed).sum()),
            "training_stations": len(self.training),
            "held_out_stations": len(self.held_out),
            "components": list(self.flux.components),
            **problem,
            "members": settings.members,
            "steps": steps,
            "time_step_s": window.model.time_step,
            "memory_bytes": int(state_bytes + nodal_bytes * (entries + held * columns)),
            "expected_seconds": steps * runs * step,
        }

    @property
    def control_size(self) -> int:
        """Numbers that 4D-Var seeks in the first window."""
        priors, periods = self.priors, self.window(0).model.periods
        return priors.initial.size + priors.factor_error(periods).size

    @property
    def pieces(self) -> int:
        """Pieces of work in each window, for a progress bar."""
        return self.settings.iterations if self.settings.method == "4dvar" else 1

    def begin(self) -> Belief:
        """What is believed before the first window."""
        first_guess = self._first_guess()
        return {**self.cycle.begin(first_guess), FREE: first_guess}

    def without_assimilation(self, window: Window, start: Tensor) -> Tensor:
        """Modal states (F, l, m) of a window from `start` with the prior fluxes."""
        with torch.no_grad():
            return window.model.states(start, self.priors.factors()[None])

    def reported(self, frame: int) -> dict[str, NDArray[np.float32]]:
        """CO2 that each group of stations reports in a frame."""
        return {
            group: self.store.observations([frame], indices)[0]
            for group, indices in self._indices.items()
        }

    def scores(self, sums: Mapping[str, list[float]] | None = None) -> StationScores:
        """Adds up errors at the stations, from `sums` on."""
        return StationScores(self._operators, sums)

    def _cycle(self) -> Cycle:
        operator, settings = self._operators["training"], self.settings
        if settings.method == "4dvar":
            return VariationalCycle(settings, self.priors, operator)
        grid = self.transport.harmonics.grid
        closeness = localisation(grid, self.training, settings.localisation)
        return EnsembleCycle(settings, self.priors, operator, closeness)

    def _first_guess(self) -> Tensor:
        """Modal field (l, m) at the first frame."""
        first, name = self.spans[0][0], self.settings.first_guess
        indices = self._indices["training"]
        if name == "uniform":
            frames = np.arange(first, min(first + FIRST_GUESS_WINDOW, len(self.store)))
            mean = float(np.nanmean(self.store.observations(frames, indices)))
            nodal = torch.full(self.transport.harmonics.grid.shape, mean, dtype=torch.float64)
            return self.transport.harmonics.to_modal(nodal)
        if first < FIRST_GUESS_WINDOW - 1:
            raise DataError(
                f"{self.store.source}: --first-guess {name} needs {FIRST_GUESS_WINDOW - 1} frames "
                "before the first one; begin later or take --first-guess uniform"
            )
        method = BASELINES[name].fit(
            self.store, self._train_frames, indices, window=FIRST_GUESS_WINDOW
        )
        windows = Windows(
            self.store, np.array([first]), indices, FIRST_GUESS_WINDOW, with_target=False
        )
        with torch.no_grad():
            field = method(windows.batch([0])).fields[CO2][0, 0].double()
        return self.transport.from_store_grid(field)

    def _seconds_per_step(self) -> float:
        """Of all members together, with the gradient where there is one; the first is warm-up."""
        window, belief = self.window(0), self.begin()
        short = replace(window, model=replace(window.model, frames=2), advance=1)
        short = replace(
            short, observations=replace(window.observations, values=window.observations.values[:2])
        )
        cycle = self.cycle
        if isinstance(cycle, VariationalCycle):
            problem = cycle.problem(short, belief)
            columns = self.settings.members + 1
            draws = Draws.of(0, problem.control.size, (2, len(self.training)), [0])
            white = draws.centre.expand(columns, -1)

            def work() -> object:
                return problem.gradient(white, draws)
        else:

            def work() -> object:
                return cycle.assimilate(short, belief, lambda done: None)

        work()
        started = time.perf_counter()
        work()
        return (time.perf_counter() - started) / window.model.steps_per_frame


def _spans(first: int, last: int, length: int, reach: int) -> list[tuple[int, int, int]]:
    """(first frame, that of the next window, last frame looked at) of every window.

    A remainder shorter than half a window goes to the one before.
    """
    spans = []
    while first < last:
        following = first + length
        if last - following < length / 2:
            following = last
        spans.append((first, following, min(max(first + reach, following), last)))
        first = following
    return spans
