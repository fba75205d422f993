"""How fast files become a training store, and on what the time goes.

A set of files like CarbonTracker's is written to a folder, read, regridded and written as a store,
all by the functions of `co2phys data prepare`. The functions of each stage are wrapped by a clock
while this runs; their seconds add up over threads, which work at the same time, so that the stages
together may take longer than the wall clock says.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from co2net_phys.data.interpolation import BilinearInterpolator
from co2net_phys.data.writer_partial import PartialStore
from co2net_phys.errors import UsageError
from co2net_phys.products import carbontracker
from co2net_phys.products.field_source import FieldSource
from co2net_phys.regridding.conservative import ConservativeRegridder
from co2net_phys.store_building import BuildOptions, StorePlan, build_store, plan_store
from co2net_phys.validation.loader_speed import resident_megabytes

STAGES: Mapping[str, Sequence[tuple[type, str]]] = {
    "reading": ((FieldSource, "read"),),
    "regridding": (
        (ConservativeRegridder, "__call__"),
        (BilinearInterpolator, "__call__"),
        (BilinearInterpolator, "wind"),
    ),
    "writing": ((PartialStore, "write"),),
}
"""Methods whose time is that of a stage. Reading holds the opening of files and decompression,
writing holds compression and waiting for the disk."""

FIELDS = {
    "co2": ("level", 390.0, 3.0, "micromol mol-1"),
    "temperature": ("level", 285.0, 8.0, "K"),
    "specific_humidity": ("level", 0.008, 0.001, "kg kg-1"),
    "u": ("level", 0.0, 5.0, "m s-1"),
    "v": ("level", 0.0, 5.0, "m s-1"),
    "gph": ("boundary", 200.0, 90.0, "m"),
    "pressure": ("boundary", 98_000.0, 900.0, "Pa"),
}
"""Variables of the files: vertical dimension, mean, standard deviation, units."""

RECORDS_A_DAY = 8
SAMPLE_SECONDS = 0.01
MEGABYTE = 2.0**20


@dataclass(frozen=True)
class PrepareSpeed:
    """What one build of a store took.

    Attributes:
        grid: of the store; that of the files is 2x3, so that 2x3 needs no regridding.
        frames, workers: of the build.
        input_megabytes: size of the files, compressed.
        store_megabytes: values of the store, before compression.
        plan_seconds: reading coordinates and a sample of the values.
        seconds: from then on to the finished store.
        frames_per_second, megabytes_per_second: frames and values of the store in these.
        stage_seconds: of each of `STAGES`, summed over threads, planning left out.
        stage_shares: of the stages together.
        before_megabytes, peak_megabytes: resident memory of the process at the start and the most
            seen during plan and build; None where the system does not say.
    """

    grid: str
    frames: int
    workers: int
    input_megabytes: float
    store_megabytes: float
    plan_seconds: float
    seconds: float
    frames_per_second: float
    megabytes_per_second: float
    stage_seconds: Mapping[str, float]
    stage_shares: Mapping[str, float]
    before_megabytes: float | None
    peak_megabytes: float | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure_prepare(
    folder: Path,
    *,
    days: int = 4,
    levels: int = 34,
    grids: Sequence[str] = ("2x3", "3x4"),
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[PrepareSpeed]:
    """Write ``days`` files of ``levels`` layers into an empty folder and make a store on each grid.

    Checksums of the files are not taken.

    Args:
        folder: that files and stores are written to.
        days: files, of 8 records each.
        levels: layers in a file; one of them is read.
        grids: of the stores, such as "2x3", or "source".
        workers: threads that read and regrid.
        progress: told the files and stores done, and those to do.

    Raises:
        UsageError: too few days, layers, workers or grids, or no grid.
        DataError: the folder cannot be written.
    """
    if days < 2 or levels < 1 or workers < 1 or not grids:
        raise UsageError("days are at least 2, levels and workers 1, and one grid is needed")
    paths = []
    for day in range(days):
        paths.append(write_day(folder, day, levels))
        progress(day + 1, days + len(grids))
    found = []
    for number, grid in enumerate(grids):
        found.append(_measured(paths, grid, workers, folder / f"store-{number}.zarr"))
        progress(days + number + 1, days + len(grids))
    return found


def write_day(folder: Path, day: int, levels: int) -> Path:
    """Write one file on the grid of CarbonTracker, zlib-compressed, one record in a chunk.

    The values are noise, the same in all layers but for their fall with height. Real files may be
    compressed to another size, and chunked in another way.
    """
    date = np.datetime64("2010-01-01") + day
    path = folder / f"CT2022.molefrac_glb3x2_{date}.nc"
    random = np.random.default_rng(day)
    sizes = {"level": levels, "boundary": levels + 1, "latitude": 90, "longitude": 120}
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", None)
        for name, size in sizes.items():
            file.createDimension(name, size)
        axes = {
            "time": (date - np.datetime64("2000-01-01")).astype(int)
            + (1.5 + 3 * np.arange(RECORDS_A_DAY)) / 24,
            "level": np.arange(1.0, levels + 1),
            "latitude": np.arange(-89.0, 90, 2),
            "longitude": np.arange(-178.5, 180, 3),
        }
        for name, values in axes.items():
            file.createVariable(name, "f8", (name,))[:] = values
        file["time"].units = "days since 2000-01-01 00:00:00 UTC"
        for name, (vertical, mean, deviation, units) in FIELDS.items():
            shape = RECORDS_A_DAY, sizes[vertical], 90, 120
            dimensions = ("time", vertical, "latitude", "longitude")
            made = file.createVariable(
                name, "f4", dimensions, chunksizes=(1, *shape[1:]), zlib=True, complevel=1
            )
            made.units = units
            fall = np.linspace(1.0, 0.1, shape[1])[:, None, None]  # pressure falls with height
            noise = random.normal(0.0, deviation, (RECORDS_A_DAY, 1, 90, 120))
            made[:] = ((mean + noise) * fall).astype(np.float32)
    return path


@dataclass
class _Clock:
    """Seconds in each stage; a stage within itself counts once."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    lock: threading.Lock = field(default_factory=threading.Lock)
    inside: threading.local = field(default_factory=threading.local)

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose time is added to the stage."""

        def wrapper(*arguments: Any, **options: Any) -> Any:
            if getattr(self.inside, stage, False):
                return function(*arguments, **options)
            setattr(self.inside, stage, True)
            started = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                spent = time.perf_counter() - started
                setattr(self.inside, stage, False)
                with self.lock:
                    self.seconds[stage] += spent

        return wrapper


@contextmanager
def _clocked() -> Iterator[_Clock]:
    """Wrap the methods of all stages by a clock."""
    clock = _Clock()
    with ExitStack() as stack:
        for stage, methods in STAGES.items():
            for owner, name in methods:
                usual = getattr(owner, name)
                setattr(owner, name, clock.timed(stage, usual))
                stack.callback(setattr, owner, name, usual)
        yield clock


@contextmanager
def _most_memory() -> Iterator[list[float]]:
    """Watch the resident memory; the list holds its largest value, or nothing."""
    largest: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLE_SECONDS):
            now = resident_megabytes()
            if now is not None:
                largest[:] = [max([now, *largest])]

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield largest
    finally:
        over.set()
        watcher.join()


def _measured(paths: Sequence[Path], grid: str, workers: int, output: Path) -> PrepareSpeed:
    before, started = resident_megabytes(), time.perf_counter()
    with _most_memory() as largest:
        plan = plan_store(carbontracker.read(paths), BuildOptions(grid=grid), where=str(paths[0]))
        planned = time.perf_counter()
        with _clocked() as clock:
            build_store(plan, output, attributes={"id": "bench"}, workers=workers)
        seconds = time.perf_counter() - planned
    peak = max([before or 0.0, *largest]) if before is not None else None
    return _speed(plan, paths, clock, workers, (planned - started, seconds), (before, peak))


def _speed(
    plan: StorePlan,
    paths: Sequence[Path],
    clock: _Clock,
    workers: int,
    seconds: tuple[float, float],
    memory: tuple[float | None, float | None],
) -> PrepareSpeed:
    total = sum(clock.seconds.values())
    size = plan.expected_bytes / MEGABYTE
    return PrepareSpeed(
        grid=plan.options.grid,
        frames=len(plan),
        workers=workers,
        input_megabytes=sum(path.stat().st_size for path in paths) / MEGABYTE,
        store_megabytes=size,
        plan_seconds=seconds[0],
        seconds=seconds[1],
        frames_per_second=len(plan) / seconds[1],
        megabytes_per_second=size / seconds[1],
        stage_seconds=clock.seconds,
        stage_shares={stage: spent / total for stage, spent in clock.seconds.items()},
        before_megabytes=memory[0],
        peak_megabytes=memory[1],
    )
