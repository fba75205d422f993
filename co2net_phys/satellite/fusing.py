"""From Lite files and covariates to the samples store, one day after another.

OCO-2 and OCO-3 are averaged on the grid; GOSAT is mapped onto their scale by a line fitted on all
coincidences, and fills cells and days that they did not see. Two passes over the files, the first
one for the coincidences: a day is all that is in memory.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.atomic import atomic_target
from co2net_phys.data.writer import is_zarr_path
from co2net_phys.errors import DataError, UsageError
from co2net_phys.provenance import provenance_attributes
from co2net_phys.satellite.covariate_store import Covariates, open_covariates
from co2net_phys.satellite.gridding import (
    Cells,
    Weighting,
    fill_with,
    grid_soundings,
    is_oco,
    merge_sensors,
)
from co2net_phys.satellite.harmonising import (
    COINCIDENCE_KILOMETRES,
    IDENTITY,
    Coincidences,
    LinearMap,
    Regression,
    find_coincidences,
    fit_linear_map,
)
from co2net_phys.satellite.lite_file import Tally, lite_day, lite_sensor, read_lite, shown_files
from co2net_phys.satellite.region import Region, day_of
from co2net_phys.satellite.samples import SampleWriter, build_samples
from co2net_phys.satellite.schema import Soundings

logger = logging.getLogger(__name__)

Watch = Callable[[Sequence[np.datetime64]], Iterable[np.datetime64]]
"""Passes the days of the files through, for a progress bar."""


@dataclass(frozen=True)
class FusionOptions:
    """How soundings become samples.

    Attributes:
        weighting: of the soundings of a cell: "equal" (the paper's) or "precision".
        coincidence_kilometres: largest distance of a GOSAT and an OCO cell that are a pair.
        regression: of OCO on GOSAT: "ordinary" (the paper's) or "deming".
        unmapped_gosat: take GOSAT as it is, without a model.
        accept_unflagged: take files without quality flags as good throughout.
        first, last: days, both included; all days of the files if empty.
    """

    weighting: Weighting = "equal"
    coincidence_kilometres: float = COINCIDENCE_KILOMETRES
    regression: Regression = "ordinary"
    unmapped_gosat: bool = False
    accept_unflagged: bool = False
    first: str = ""
    last: str = ""

    def __post_init__(self) -> None:
        """Check the days.

        Raises:
            UsageError: not dates, or the last is before the first.
        """
        if self._until < self._since:
            raise UsageError(f"--last {self.last} is before --first {self.first}; swap them")

    @property
    def _since(self) -> np.datetime64:
        return day_of(self.first or "0001-01-01", "--first")

    @property
    def _until(self) -> np.datetime64:
        return day_of(self.last or "9999-12-31", "--last")

    def is_wanted(self, days: NDArray[np.datetime64]) -> NDArray[np.bool_]:
        """Which days (n,) lie in the period."""
        return np.asarray((days >= self._since) & (days <= self._until))


@dataclass(frozen=True)
class Fusion:
    """What a fusion did: samples written, soundings counted, the model of GOSAT."""

    samples: int
    tally: Tally
    gosat: LinearMap


def fuse(
    files: Sequence[str | Path],
    covariates: Sequence[str | Path],
    region: Region,
    output: str | Path,
    options: FusionOptions | None = None,
    *,
    command: str | Sequence[str] = "",
    overwrite: bool = False,
    watch: Watch = lambda days: days,
) -> Fusion:
    """Write the samples store of a region from Lite files and stores of covariates.

    Args:
        files: Lite files of OCO-2, OCO-3 and GOSAT in any order.
        covariates: stores, see `co2net_phys.satellite.schema`.
        region: the grid.
        output: Zarr store to write.
        options: see `FusionOptions`; those of the paper if none.
        command: command line for the store's history.
        overwrite: whether an existing store is replaced.
        watch: called with the days of each pass over the files.

    Raises:
        DataError: a file cannot be read, nothing is left after the flags and in the region, the
            covariates do not cover it, there are too few coincidences, or the store cannot be
            written.
    """
    chosen, target = options or FusionOptions(), Path(output)
    if not is_zarr_path(target):
        raise UsageError(f"--output {target}: samples are written as Zarr; end it in .zarr")
    if not files:
        raise UsageError("no Lite files; give those of OCO-2, OCO-3 or GOSAT")
    known = open_covariates(*covariates, region=region)
    record = SoundingRecord(files, region, chosen)
    with atomic_target(target, overwrite=overwrite) as temporary:
        model = record.gosat_model(watch)
        writer, tally, incomplete = SampleWriter(temporary), Tally(), 0
        for soundings, counts in record.days(watch):
            tally += counts
            cells = _fused(grid_soundings(soundings, region, chosen.weighting), model)
            samples = build_samples(cells, known, region)
            complete = np.isfinite(samples["features"].values).all(axis=1)
            incomplete += int((~complete).sum())
            if complete.any():
                writer.append(samples.isel(sample=complete))
        tally.require_some(record.label)
        _check_incomplete(incomplete, writer.count, known)
        attributes = provenance_attributes(
            "XCO2 of satellites on a regional grid, with covariates",
            "Daily XCO2 of OCO-2, OCO-3 and GOSAT in cells of a region, GOSAT on the scale of OCO, "
            "with environmental covariates as features.",
            command,
            None,
            [Path(path) for path in (*files, *covariates)],
            asdict(chosen) | {"region": asdict(region)},
        )
        attributes |= {"source": "XCO2 Lite files of OCO-2, OCO-3 or GOSAT (ACOS)"}
        attributes |= {"comment": "Retrievals from satellites, averaged.", "cdm_data_type": "Point"}
        attributes |= {"region": region.as_json(), "gosat_model": json.dumps(asdict(model))}
        writer.close(attributes)
    return Fusion(writer.count, tally, model)


class SoundingRecord:
    """The Lite files of a period, read day by day.

    Raises:
        DataError: a file does not say its satellite or day, or none lies in the period.
    """

    def __init__(self, files: Sequence[str | Path], region: Region, options: FusionOptions) -> None:
        self.label = shown_files(files)
        self._region, self._options = region, options
        self._files: dict[np.datetime64, list[Path]] = {}
        for path in sorted(map(Path, files)):
            day = lite_day(path)
            # A file may hold the end of the day before and the beginning of the day after.
            if options.is_wanted(day + np.arange(-1, 2)).any():
                self._files.setdefault(day, []).append(path)
        if not self._files:
            raise DataError(
                f"{self.label}: time: no file of the wanted days; change --first, --last"
            )
        self._sensors = {lite_sensor(path) for paths in self._files.values() for path in paths}

    def days(self, watch: Watch) -> Iterator[tuple[Soundings, Tally]]:
        """Soundings of one or a few whole days at a time, in order, and the counts of the files."""
        return self._read(sorted(self._files), watch)

    def require_readable(self) -> None:
        """Open the first file of each satellite.

        Raises:
            DataError: it cannot be read, or is no Lite file.
        """
        paths = [path for day in sorted(self._files) for path in self._files[day]]
        for path in {lite_sensor(path): path for path in reversed(paths)}.values():
            read_lite(path, self._region, accept_unflagged=self._options.accept_unflagged)

    def described(self) -> dict[str, Any]:
        """What there is, in plain values: files, sensors, first and last day of the files."""
        return {
            "files": sum(map(len, self._files.values())),
            "sensors": sorted(self._sensors),
            "first_day": str(min(self._files)),
            "last_day": str(max(self._files)),
        }

    def gosat_model(self, watch: Watch) -> LinearMap:
        """The model that maps GOSAT onto OCO, from all coincidences; none where one is missing.

        Raises:
            DataError: too few coincidences.
        """
        if "gosat" not in self._sensors:
            return IDENTITY
        if self._options.unmapped_gosat or self._sensors == {"gosat"}:
            logger.warning("GOSAT is taken as it is, not mapped onto the scale of OCO")
            return IDENTITY
        pairs = []
        for soundings, _ in self._read(sorted(self._files), watch):
            cells = grid_soundings(soundings, self._region, self._options.weighting)
            oco = is_oco(cells)
            pairs.append(
                find_coincidences(
                    cells.take(~oco),
                    merge_sensors(cells.take(oco)),
                    self._region,
                    self._options.coincidence_kilometres,
                )
            )
        return fit_linear_map(Coincidences.joined(*pairs), self._options.regression)

    def _read(
        self, days: Sequence[np.datetime64], watch: Watch
    ) -> Iterator[tuple[Soundings, Tally]]:
        """Yield a day when the files of the next one have been read, since files overlap."""
        waiting: list[Soundings] = []
        for day in watch(days):
            tally = Tally()
            for path in self._files[day]:
                found, counts = read_lite(
                    path, self._region, accept_unflagged=self._options.accept_unflagged
                )
                waiting.append(found.take(self._options.is_wanted(found.day)))
                tally += Tally(counts.total, counts.good, len(waiting[-1]))
            pool = Soundings.joined(*waiting)
            is_complete = pool.day < day
            waiting = [pool.take(~is_complete)]
            yield pool.take(is_complete), tally
        if waiting:
            yield waiting[0], Tally()


def _check_incomplete(incomplete: int, complete: int, covariates: Covariates) -> None:
    """Warn of samples that lack a covariate, or refuse if all do."""
    sources = ", ".join(one.source for one in covariates.maps)
    if not complete:
        raise DataError(
            f"{sources}: a covariate is missing at all {incomplete} cells that were observed; "
            "fill it or leave its store out"
        )
    if incomplete:
        logger.warning(
            "%s: a covariate is missing at %d observed cells; they are left out",
            sources,
            incomplete,
        )


def _fused(cells: Cells, model: LinearMap) -> Cells:
    """OCO-2 and OCO-3 averaged, with mapped GOSAT where neither has seen the cell that day."""
    oco = is_oco(cells)
    return fill_with(merge_sensors(cells.take(oco)), model(cells.take(~oco)))
