"""Look at every file, group what belongs together, and report; what cannot be read is no end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.errors import DataError
from co2net_phys.inspection import grid_series, stations
from co2net_phys.inspection.opening import open_to_inspect
from co2net_phys.inspection.recognition import recognise
from co2net_phys.inspection.report import Problem, Report
from co2net_phys.inspection.sources import Sources, expand, reason_of

Found = grid_series.GridHeader | stations.StationFile


def inspect(
    inputs: Iterable[str | Path] | Sources, progress: Callable[[int], None] | None = None
) -> list[Report]:
    """Reports of all series in the files, then one of each file that cannot be read.

    Of gridded files the headers and the times are read, and of the first file of each series one
    record; station files are read whole.

    Args:
        inputs: files, folders, patterns, or what `expand` made of them.
        progress: called with the number of files looked at.
    """
    sources = inputs if isinstance(inputs, Sources) else expand(inputs)
    failures = list(sources.failures)
    headers: list[grid_series.GridHeader] = []
    networks: dict[tuple[str, ...], list[stations.StationFile]] = {}
    for number, path in enumerate(sources.files, start=1):
        try:
            found = _looked_at(path)
        except DataError as error:
            failures.append((path, reason_of(error, path)))
        else:
            if isinstance(found, stations.StationFile):
                networks.setdefault(found.group, []).append(found)
            else:
                headers.append(found)
        if progress is not None:
            progress(number)
    reports = _of_series(headers, failures)
    reports += [stations.report_of(files) for files in networks.values()]
    return reports + [_unreadable(path, reason) for path, reason in failures]


def _looked_at(path: Path) -> Found:
    """What one file is.

    Raises
    ------
    DataError
        It cannot be read.
    """
    if not path.is_dir():
        with explained_reading_errors(path), path.open("rb") as stream:
            start = stream.read(4)
        is_binary = start[:3] == b"CDF" or start in (b"\x89HDF", b"GRIB") or b"\0" in start
        named = path.name.lower().endswith((".nc", ".nc4", ".cdf", ".netcdf"))
        if not is_binary and not named and start[:2] != b"\x1f\x8b":
            return stations.station_file(path)
    dataset, problems = open_to_inspect(path)
    with dataset, explained_reading_errors(path):
        origin = recognise(dataset, path)
        if origin.kind != "stations":
            return grid_series.header_of(dataset, path, origin, problems)
    return stations.station_file(path)


def _of_series(
    headers: Sequence[grid_series.GridHeader], failures: list[tuple[Path, str]]
) -> list[Report]:
    groups = grid_series.grouped(headers)
    reports = []
    for group in groups:
        try:
            reports.append(grid_series.report_of(group, groups))
        except DataError as error:
            failures.append((group[0].path, reason_of(error, group[0].path)))
    return reports


def _unreadable(path: Path, reason: str) -> Report:
    return Report(
        kind="unreadable",
        product="",
        title=f"cannot be read: {reason}",
        files=(str(path),),
        problems=(Problem("error", "files", reason),),
    )
