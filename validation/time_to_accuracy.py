"""How long it takes to be so accurate: Gaussian hills in the non-divergent deformational flow.

Judged at half of the period, when the tracer is drawn out most, against exact trajectories. For
each method the smallest truncation that reaches the target is looked for, then the fewest
Runge–Kutta steps or the cheapest number of semi-Lagrangian ones, and that run is timed.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from co2net_phys.errors import UsageError
from co2net_phys.solvers.equations import AdvectionDiffusion
from co2net_phys.solvers.grid import Grid
from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.time_integration import Step, stable_time_step
from co2net_phys.solvers.winds import DeformationalFlow, TabulatedWind, Wind
from co2net_phys.validation.transport_cases import gaussian_hills
from co2net_phys.validation.transport_diagnostics import area_shares, error_norms
from co2net_phys.validation.transport_flows import PERIOD, flow
from co2net_phys.validation.transport_schemes import spectral_step

METHODS = ("rk4-laboratory", "rk4-rotating", "semi-lagrangian")
"""RK4 with the whole wind explicit; with the mean rotation exact; the semi-Lagrangian scheme."""

TRUNCATIONS = (21, 31, 42, 53, 63, 79, 85, 95, 106, 119, 127, 159, 170)
"""Candidates, in ascending order."""

DURATION = PERIOD / 2.0
"""Simulated time, s."""

SEMI_LAGRANGIAN_STEPS = (2, 4, 8, 16)
"""Numbers of steps that are tried without a stability limit. The fewest are not the cheapest: the
paths of a longer step take more substeps and end farther away."""

TRIALS = 8
"""Numbers of Runge–Kutta steps that are tried at one truncation."""

WIND_DEGREE = 5
"""Of the interpolation in time of sampled winds."""


@dataclass(frozen=True)
class Reached:
    """The cheapest run found of one method; without numbers if none reached the target."""

    method: str
    wind: str
    threads: int
    target: float
    truncation: int | None = None
    steps: int | None = None
    """To half of the period."""
    l2_mid: float | None = None
    """Error of that run."""
    seconds: float | None = None
    """Median wall time of the steps."""
    speedup: float | None = None
    """Time of RK4 in the laboratory frame over that of this one."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def time_to_accuracy(
    targets: Sequence[float] = (1e-3, 1e-6),
    *,
    wind: str = "analytic",
    wind_interval: float = 10800.0,
    threads: int = 2,
    repeats: int = 3,
    truncations: Sequence[int] = TRUNCATIONS,
    progress: Callable[[int, int], None] | None = None,
) -> list[Reached]:
    """The cheapest run of each method for each target.

    Args:
        targets: relative l2 errors at half of the period.
        wind: "analytic", known everywhere, or "sampled": given at the nodes of the grid every
            ``wind_interval`` and interpolated in time, for trajectories in space as well.
        wind_interval: s.
        threads: for all methods.
        repeats: timings of each run, interleaved.
        truncations: candidates.
        progress: called with the searches done and their number.

    Raises:
        UsageError: an unknown kind of wind, or a target that is not positive.
    """
    if wind not in ("analytic", "sampled"):
        raise UsageError(f"unknown wind {wind!r}: choose analytic or sampled")
    if not all(target > 0 for target in targets):
        raise UsageError(f"targets must be positive, got {', '.join(map(str, targets))}")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = []
        for n, target in enumerate(targets):
            runs = {}
            for k, method in enumerate(METHODS):
                runs[method] = _search(method, target, wind, wind_interval, truncations)
                if progress is not None:
                    progress(n * len(METHODS) + k + 1, len(METHODS) * len(targets))
            seconds = _timed({m: run for m, run in runs.items() if run is not None}, repeats)
            found += [
                _report(method, wind, threads, target, run, seconds) for method, run in runs.items()
            ]
        return found
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class _Run:
    """One method at one size."""

    method: str
    equation: AdvectionDiffusion
    steps: int

    def go(self) -> tuple[Tensor, float]:
        """Modal tracer at half of the period, and the seconds that it took."""
        harmonics, time_step = self.equation.harmonics, DURATION / self.steps
        state = harmonics.to_modal(torch.from_numpy(_hills(harmonics, 0.0)))
        self.new_step()(state, 0.0)  # compiles what is compiled
        started = time.perf_counter()
        step = self.new_step()
        for n in range(self.steps):
            state = step(state, n * time_step)
        return state, time.perf_counter() - started

    def new_step(self) -> Step:
        scheme = "semi-lagrangian" if self.method == "semi-lagrangian" else "spectral"
        return spectral_step(scheme, self.equation, DURATION / self.steps)

    def error(self) -> float:
        harmonics = self.equation.harmonics
        field = harmonics.to_nodal(self.go()[0]).numpy()
        return _l2(harmonics, field)


def _search(
    method: str, target: float, wind: str, interval: float, truncations: Sequence[int]
) -> _Run | None:
    for truncation in truncations:
        harmonics = _harmonics(truncation)
        projected = harmonics.to_modal(torch.from_numpy(_hills(harmonics, DURATION)))
        if _l2(harmonics, harmonics.to_nodal(projected).numpy()) > target:
            continue  # not even the exact tracer can be represented so well
        rotation = 0.0 if method == "rk4-laboratory" else flow("nondivergent").rotation
        field = _wind(harmonics, wind, interval)
        equation = AdvectionDiffusion(harmonics, field, rotation=rotation)
        if method == "semi-lagrangian":
            run = _cheapest_semi_lagrangian(equation, target)
        else:
            run = _fewest_runge_kutta(method, equation, target)
        if run is not None:
            return run
    return None


def _cheapest_semi_lagrangian(equation: AdvectionDiffusion, target: float) -> _Run | None:
    runs = [_Run("semi-lagrangian", equation, steps) for steps in SEMI_LAGRANGIAN_STEPS]
    good = [run for run in runs if run.error() <= target]
    return min(good, key=lambda run: run.go()[1], default=None)


def _fewest_runge_kutta(method: str, equation: AdvectionDiffusion, target: float) -> _Run | None:
    speed = float(torch.hypot(*equation.explicit_wind(0.0)).max())
    steps = math.ceil(DURATION / stable_time_step(equation.harmonics, speed, courant=1.0))
    previous = math.inf
    for _ in range(TRIALS):
        run = _Run(method, equation, steps)
        error = run.error()
        if error <= target:
            return run
        if error > 0.8 * previous:
            return None  # more steps no longer help
        previous = error
        # Of order 4 in time, as long as the truncation does not hold the error up.
        steps = math.ceil(steps * min(max((error / target) ** 0.25, 1.15), 2.0))
    return None


def _timed(runs: dict[str, _Run], repeats: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {method: [] for method in runs}
    for _ in range(repeats):
        for method, run in runs.items():
            taken[method].append(run.go()[1])
    return {method: median(seconds) for method, seconds in taken.items()}


def _report(
    method: str,
    wind: str,
    threads: int,
    target: float,
    run: _Run | None,
    seconds: dict[str, float],
) -> Reached:
    if run is None:
        return Reached(method, wind, threads, target)
    reference = seconds.get("rk4-laboratory")
    return Reached(
        method,
        wind,
        threads,
        target,
        run.equation.harmonics.truncation,
        run.steps,
        run.error(),
        seconds[method],
        None if reference is None else reference / seconds[method],
    )


@lru_cache(maxsize=4)
def _harmonics(truncation: int) -> SphericalHarmonics:
    return SphericalHarmonics(Grid.gaussian(truncation), truncation)


@lru_cache(maxsize=4)
def _wind(harmonics: SphericalHarmonics, kind: str, interval: float) -> Wind:
    exact = DeformationalFlow(harmonics)
    if kind == "analytic":
        return exact
    # A few records beyond the end, so that the interpolation is centred throughout.
    count = math.ceil(DURATION / interval) + 1 + WIND_DEGREE
    times = interval * (np.arange(count) - WIND_DEGREE // 2)
    records = [exact(float(moment)) for moment in times]
    u, v = (torch.stack([torch.broadcast_tensors(*r)[k] for r in records]) for k in (0, 1))
    return TabulatedWind.from_arrays(times, u, v, degree=WIND_DEGREE)


@lru_cache(maxsize=8)
def _hills(harmonics: SphericalHarmonics, moment: float) -> Any:
    latitude, longitude = (angle.numpy() for angle in harmonics.coordinates())
    origin = flow("nondivergent").origin(latitude, longitude, moment)
    return gaussian_hills(origin.latitude, origin.longitude)


def _l2(harmonics: SphericalHarmonics, field: Any) -> float:
    weights = area_shares(harmonics.grid)
    error = error_norms(field, _hills(harmonics, DURATION), weights)["l2"]
    return error if math.isfinite(error) else math.inf
