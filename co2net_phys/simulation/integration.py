"""How a world is carried from one output to the next, whichever scheme does it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.errors import UsageError
from co2net_phys.regridding import ConservativeRegridder, LatLonGrid
from co2net_phys.simulation.config import SimulationConfig
from co2net_phys.simulation.forcing import NODE_INTERVAL
from co2net_phys.simulation.world import World
from co2net_phys.solvers import (
    AdvectionDiffusion,
    check_time_step,
    lawson_rk4,
    stable_time_step,
)
from co2net_phys.solvers.blow_up import BlowUpGuard

Step = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True)
class Integration:
    """A scheme at work on a world.

    Attributes
    ----------
    name
        Of the scheme or of the time integrator.
    reason
        Why it was chosen, one clause.
    time_step
        Seconds; divides the output interval.
    steps_per_output
        Steps between two outputs.
    step
        ``step(state, time)``, one step later.
    initial
        State at `World.first_second`: modal (K, T+1, T+1) or nodal (K, nlat, nlon) tracers.
    """

    world: World
    name: str
    reason: str
    time_step: float
    steps_per_output: int
    step: Step
    initial: Tensor

    @property
    def is_modal(self) -> bool:
        """Whether the state holds coefficients rather than cell values."""
        return self.initial.is_complex()

    def outputs(
        self, done: int = 0, state: Tensor | None = None
    ) -> Iterator[tuple[int, float, Tensor]]:
        """Endless sequence of (number, seconds, state) from output number `done` on.

        `state` is that of the output before; without it the sequence begins with the initial one.

        Raises
        ------
        NumericalError
            The state has blown up or is not finite; says after which step, where and why.
        """
        guard = BlowUpGuard(self.time_step, self.world.harmonics)
        if state is None or done == 0:
            state, done = _laid_out(self.initial), 1
            guard.check(state, 0, self.time(0))
            yield 0, self.time(0), state
        state = _laid_out(state)
        for number in count(done):
            last = number * self.steps_per_output
            for steps in range(last - self.steps_per_output, last):
                state = self.step(state, self.time(steps))
                guard.check(state, steps + 1, self.time(steps + 1))
            state = _laid_out(state)
            yield number, self.time(last), state

    def time(self, steps: int) -> float:
        """Seconds after so many steps: a multiple of the step, so that round-off cannot add up."""
        return self.world.first_second + steps * self.time_step

    def nodal(self, state: Tensor) -> Tensor:
        """Values (K, nlat, nlon) on the transport grid."""
        return self.world.harmonics.to_nodal(state) if self.is_modal else state

    def modal(self, state: Tensor) -> Tensor:
        """Coefficients (K, T+1, T+1)."""
        return state if self.is_modal else self.world.harmonics.to_modal(state)

    def on_output_grid(self, state: Tensor) -> NDArray[np.float64]:
        """Values (K, nlat, nlon) to write.

        Of coefficients the series is summed at the nodes; cell values are averaged by area, as a
        series would ring where they have edges.
        """
        if self.is_modal:
            values = self.world.harmonics.synthesise(state, self.world.output_grid)
            return np.asarray(values.numpy(), dtype=np.float64)
        grid, wanted = self.world.harmonics.grid, self.world.output_grid
        if grid == wanted:
            return np.asarray(state.numpy())
        regrid = ConservativeRegridder(LatLonGrid.of_solver(grid), LatLonGrid.of_solver(wanted))
        return regrid(state.numpy())


def integration(world: World, config: SimulationConfig) -> Integration:
    """Return the scheme that `config` asks for.

    Raises
    ------
    NumericalError
        The user's step is unstable; the message says the largest that is not.
    UsageError
        The user's step does not divide the output interval, or options contradict each other.
    """
    equation = AdvectionDiffusion(
        world.harmonics,
        world.wind,
        config.diffusivity,
        world.source,
        config.hyperdiffusivity,
        form=config.form,
        decay=config.decay,
    )
    if config.scheme == "monotone":
        return _monotone(world, config, equation)
    if config.integrator == "rk4":
        time_step = time_step_of(world, config)
        step, name, reason = lawson_rk4(equation, time_step), "rk4", "the default"
    else:
        name, reason, time_step, step = _chosen(world, config, equation)
    return Integration(
        world, name, reason, time_step, _steps(config, time_step), step, world.initial
    )


def _chosen(
    world: World, config: SimulationConfig, equation: AdvectionDiffusion
) -> tuple[str, str, float, Step]:
    """Leave the choice, or the check of the user's, to the solver."""
    from co2net_phys.solvers.integrators import Choice, choose

    def chosen(time_step: float | None) -> Choice:
        return choose(
            equation,
            (config.frames - 1) * config.output_every - world.first_second,
            config.output_every,
            time_step,
            config.integrator,
            start=world.first_second,
        )

    _steps(config, config.time_step)
    choice = chosen(config.time_step)
    if world.source is not None and config.time_step is None and choice.time_step > NODE_INTERVAL:
        choice = chosen(_dividing(config.output_every, NODE_INTERVAL))
    return choice.name, choice.reason, choice.time_step, choice.step


def _monotone(world: World, config: SimulationConfig, equation: AdvectionDiffusion) -> Integration:
    from co2net_phys.solvers.monotone import monotone, suggested_monotone_time_step

    time_step = config.time_step
    if time_step is None:
        longest = suggested_monotone_time_step(equation)
        longest = min(longest, NODE_INTERVAL) if world.source is not None else longest
        time_step = _dividing(config.output_every, longest)
    return Integration(
        world,
        "monotone",
        "as asked for: no new extremes, stable with any step",
        time_step,
        _steps(config, time_step),
        monotone(equation, time_step),
        world.initial_nodal,
    )


def time_step_of(world: World, config: SimulationConfig) -> float:
    """Return the user's step if RK4 is stable with it, else the longest that divides the interval.

    Raises
    ------
    NumericalError
        The user's step is unstable; the message says the largest that is not.
    UsageError
        The user's step does not divide the output interval.
    """
    if config.time_step is not None:
        check_time_step(
            config.time_step,
            world.harmonics,
            world.wind.max_speed,
            interval=config.output_every,
        )
        _steps(config, config.time_step)
        return config.time_step
    longest = stable_time_step(world.harmonics, world.wind.max_speed)
    longest = min(longest, NODE_INTERVAL) if world.source is not None else longest
    return _dividing(config.output_every, longest)


def _dividing(interval: float, longest: float) -> float:
    """The longest step not above `longest` that divides `interval`."""
    return interval / max(math.ceil(interval / longest), 1)  # calm air has no longest step


def _steps(config: SimulationConfig, time_step: float | None) -> int:
    """Steps between two outputs; refuses a step that does not divide the interval."""
    if time_step is None:
        return 0
    ratio = config.output_every / time_step
    if ratio < 0.5 or abs(ratio - round(ratio)) > 1e-9 * max(ratio, 1.0):
        raise UsageError(
            f"--time-step {time_step:g} s does not divide --output-every "
            f"{config.output_every:g} s; choose one that does"
        )
    return round(ratio)


def _laid_out(state: Tensor) -> Tensor:
    """A copy in the one memory layout that a restart has too.

    Sums run in the order of the memory, so that another layout could change the last bit.
    """
    return state.resolve_conj().clone(memory_format=torch.contiguous_format)
