"""Cost of one advection step with this solver and with the transform libraries of others.

The libraries are measured in turn, round after round in one process, so that whatever else the
machine does falls on all of them, and the medians are compared. A library that is not installed is
named and left out. Each must give the same field after a step.
"""

import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import numba
import numpy as np
import torch

from co2net_phys import __version__
from co2net_phys.errors import UsageError
from co2net_phys.solvers.constants import EARTH_RADIUS_M
from co2net_phys.solvers.equations import AdvectionDiffusion
from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.time_integration import lawson_rk4
from co2net_phys.solvers.winds import SteadyWind
from co2net_phys.validation.advection_problem import (
    DIFFUSIVITY,
    AdvectionProblem,
    Array,
    TransformLibrary,
    advection_problem,
)
from co2net_phys.validation.solver_peers import Dinosaur, Ducc, SHTns, TorchHarmonics

SAMPLE_SECONDS = 0.1
"""A sample repeats a call until it lasts about this long, as a run does: a single step after the
turn of another library would find its tables out of the cache."""

OURS = "co2phys-numba"
"""What the others are compared with."""


class Ours:
    """This solver: ``lawson_rk4`` of ``AdvectionDiffusion``, as a run takes it."""

    def __init__(self, problem: AdvectionProblem, backend: Any) -> None:
        dtype = torch.float32 if problem.single else torch.float64
        self._harmonics = SphericalHarmonics(
            problem.grid, problem.truncation, EARTH_RADIUS_M, dtype, backend=backend
        )
        self._problem, self._dtype = problem, dtype
        u, v = (torch.from_numpy(wind).to(dtype) for wind in (problem.u, problem.v))
        equation = AdvectionDiffusion(self._harmonics, SteadyWind(u, v), DIFFUSIVITY)
        step = lawson_rk4(equation, problem.time_step)
        self.step = lambda spectrum: step(spectrum, 0.0)

    def start(self) -> Any:
        """See :class:`TransformLibrary`."""
        return self.analyse(torch.from_numpy(self._problem.tracers).to(self._dtype))

    def analyse(self, nodal: Any) -> Any:
        """See :class:`TransformLibrary`."""
        return self._harmonics.to_modal(nodal)

    def round_trip(self, spectrum: Any) -> Any:
        """See :class:`TransformLibrary`."""
        return self._harmonics.to_modal(self._harmonics.to_nodal(spectrum))

    def values(self, spectrum: Any) -> Array:
        """See :class:`TransformLibrary`."""
        return np.asarray(self._harmonics.to_nodal(spectrum).double().numpy())


@dataclass(frozen=True)
class Library:
    """How to set one up, and where it comes from."""

    build: Callable[[AdvectionProblem], TransformLibrary]
    package: str | None
    """Distribution to install; None of this one."""
    single: bool = True
    """Whether it knows float32."""


LIBRARIES = {
    OURS: Library(lambda problem: Ours(problem, "numba"), None),
    "co2phys-torch": Library(lambda problem: Ours(problem, "torch"), None),
    "torch-harmonics": Library(TorchHarmonics, "torch-harmonics"),
    "shtns": Library(SHTns, "shtns", single=False),
    "ducc0": Library(Ducc, "ducc0"),
    "dinosaur": Library(Dinosaur, "dinosaur-dycore"),
}
"""By the name that is printed."""


@dataclass(frozen=True)
class Speed:
    """What was measured of one library at one size."""

    backend: str
    truncation: int
    dtype: str
    threads: int
    fields: int
    ms_per_step: float | None = None
    """Median time of a step of all fields, ms; None if it could not be measured."""
    ms_transform_pair: float | None = None
    """Median time of synthesis and analysis of all fields, ms."""
    error: float | str | None = None
    """Largest difference of the tracers after a step from this solver's, relative to the largest
    tracer; or why there is no measurement."""
    relative: float | None = None
    """Time of a step over that of this solver."""
    cores: float | None = None
    """Processor time over wall time: about ``threads`` if the library does as it is told."""
    megabytes: float | None = None
    """Growth of the process by setting up and the first step, compiled code included, MB."""
    version: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure_speed(
    truncation: int,
    *,
    fields: int = 1,
    dtype: str = "float64",
    threads: int = 1,
    rounds: int = 15,
    libraries: tuple[str, ...] = tuple(LIBRARIES),
) -> list[Speed]:
    """Time the step and the transforms of each library at one size.

    Args:
        truncation: T.
        fields: tracers carried at once.
        dtype: "float64" or "float32".
        threads: for every library.
        rounds: samples of each.
        libraries: names out of :data:`LIBRARIES`.

    Raises:
        UsageError: a size that makes no sense on this machine.
    """
    if dtype not in ("float32", "float64"):
        raise UsageError(f"unknown dtype {dtype!r}: choose float32 or float64")
    most = int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    if not 1 <= threads <= most:
        raise UsageError(f"threads must be 1 to {most} on this machine, got {threads}")
    if fields < 1 or rounds < 1:
        raise UsageError(f"fields and rounds must be at least 1, got {fields} and {rounds}")
    problem = advection_problem(truncation, fields, dtype == "float32", threads)
    with _threads(threads):
        ready, absent = _set_up(problem, libraries)
        steps = _interleaved({name: one.library.step for name, one in ready.items()}, ready, rounds)
        pairs = _interleaved(
            {name: one.library.round_trip for name, one in ready.items()}, ready, rounds
        )
    reference = ready.get(OURS)
    found = []
    for name in libraries:
        size = Speed(name, truncation, dtype, threads, fields)
        if name in absent:
            found.append(replace(size, error=absent[name]))
            continue
        wall, cores = steps[name]
        measured = replace(
            size, ms_per_step=1e3 * wall, ms_transform_pair=1e3 * pairs[name][0], cores=cores,
            megabytes=ready[name].megabytes, version=_version(LIBRARIES[name]),
        )  # fmt: skip
        if reference is not None:
            error = _difference(ready[name].after, reference.after)
            measured = replace(measured, error=error, relative=wall / steps[OURS][0])
        found.append(measured)
    return found


@dataclass(frozen=True)
class _Ready:
    library: TransformLibrary
    spectrum: Any
    """Of the tracers at the start."""
    after: Array
    """Tracers after a step."""
    megabytes: float | None


def _set_up(
    problem: AdvectionProblem, names: tuple[str, ...]
) -> tuple[dict[str, _Ready], dict[str, str]]:
    """The libraries that can be measured, and why the others cannot."""
    ready: dict[str, _Ready] = {}
    absent: dict[str, str] = {}
    for name in names:
        entry = LIBRARIES[name]
        if problem.single and not entry.single:
            absent[name] = "knows no float32"
            continue
        try:
            _version(entry)
            before = _resident_megabytes()
            with _nothing_on_standard_output():
                library = entry.build(problem)
            spectrum = library.start()
            after = library.values(library.step(spectrum))
            library.round_trip(spectrum)
        except (ImportError, PackageNotFoundError):
            absent[name] = f"not installed: pip install {entry.package}"
            continue
        now = _resident_megabytes()
        grown = None if before is None or now is None else now - before
        ready[name] = _Ready(library, spectrum, after, grown)
    return ready, absent


def _interleaved(
    calls: dict[str, Callable[[Any], Any]], ready: dict[str, _Ready], rounds: int
) -> dict[str, tuple[float, float]]:
    """Median wall time of a call in s, and processor over wall time, by library."""
    repeats = {
        name: max(1, round(SAMPLE_SECONDS / _sample(call, ready[name].spectrum, 1)[0]))
        for name, call in calls.items()
    }
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            samples[name].append(_sample(call, ready[name].spectrum, repeats[name]))
    return {
        name: (median(wall for wall, _ in taken), median(cpu / wall for wall, cpu in taken))
        for name, taken in samples.items()
    }


def _sample(call: Callable[[Any], Any], spectrum: Any, repeats: int) -> tuple[float, float]:
    """Wall and processor time of one call, s."""
    processor, wall = time.process_time(), time.perf_counter()
    for _ in range(repeats):
        call(spectrum)
    wall = time.perf_counter() - wall
    return wall / repeats, (time.process_time() - processor) / repeats


def _version(library: Library) -> str:
    """Version of what is installed; PackageNotFoundError if it is not."""
    return __version__ if library.package is None else version(library.package)


def _difference(values: Array, reference: Array) -> float:
    return float(np.abs(values - reference).max() / np.abs(reference).max())


def _resident_megabytes() -> float | None:
    """Memory of this process, MB; None where the system does not say."""
    statistics = Path("/proc/self/statm")
    if not statistics.is_file():
        return None
    return int(statistics.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(count)
    numba.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        numba.set_num_threads(before[1])


@contextmanager
def _nothing_on_standard_output() -> Iterator[None]:
    """Send what a C library prints to standard error: standard output is for the result."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
