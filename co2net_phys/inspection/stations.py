"""Station files: what they measured, and what the flags leave of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.stations import load_stations
from co2net_phys.errors import DataError
from co2net_phys.inspection.opening import captured_warnings
from co2net_phys.inspection.patterns import pattern_of
from co2net_phys.inspection.report import DatasetReport, Problem, Report, StationReport, Use
from co2net_phys.inspection.sources import reason_of
from co2net_phys.inspection.tracers import tracer_of
from co2net_phys.products.observation_duplicates import merged, with_one_selection
from co2net_phys.products.observation_flags import SELECTIONS, at_suitable_hours
from co2net_phys.products.observations import Part, Series, observation_table, series_of
from co2net_phys.products.station_files import Kind, kind_of, read_file

PRODUCTS: dict[Kind, str] = {
    "ObsPack NetCDF": "ObsPack",
    "NOAA text": "NOAA text",
    "station table": "station table",
    "observations": "co2phys observations",
}
LIST = "station list"
MERGED = "merged with another record"
_POLE = 89.0
_CO2_UNITS = ("ppm", "mol mol-1", "ppb")
_OTHER_UNITS = ("ppb", "mol mol-1", "ppm")


@dataclass(frozen=True)
class StationFile:
    """One station file, read.

    Attributes:
        path: of the file.
        kind: what it is.
        tracer: lower-case formula.
        release: name of the ObsPack or the like; empty if unknown.
        valid, representative: series and measurements that pass these selections.
        dropped: records left out by "representative", by reason.
        warnings: of the reader, without the file's name.
        bytes: size.
        units: that were taken instead of those of the file, empty if these are right.
        objection: what speaks against the units of the file.
    """

    path: Path
    kind: Kind
    tracer: str
    release: str
    valid: Sequence[Part]
    representative: Sequence[Part]
    dropped: Counter[str]
    warnings: tuple[str, ...]
    bytes: int
    units: str = ""
    objection: str = ""

    @property
    def is_list(self) -> bool:
        """Whether it names stations, but holds no measurements."""
        return self.kind == "station table" and not self.dropped and not _size(self.valid)

    @property
    def group(self) -> tuple[str, ...]:
        """Equal for files that are reported together."""
        own = str(self.path) if self.kind in ("station table", "observations") else ""
        return self.kind, self.tracer, self.release, self.units, own


def station_file(path: Path) -> StationFile:
    """Read one station file whole.

    Raises
    ------
    DataError
        It cannot be read or is no station file.
    """
    kind = kind_of(path)
    tracer, release = tracer_of(path, kind)
    units, objection = _fitting_units(path, tracer)
    with captured_warnings() as told:
        representative, dropped = read_file(path, tracer, SELECTIONS["representative"], units)
    with captured_warnings():
        valid, _ = read_file(path, tracer, SELECTIONS["valid"], units)
    warnings = tuple(text.replace(f"{path}: ", "") for text in dict.fromkeys(told))
    return StationFile(
        *(path, kind, tracer, release, valid, representative, +dropped, warnings),
        *(path.stat().st_size, units or "", objection),
    )


def _fitting_units(path: Path, tracer: str) -> tuple[str | None, str]:
    """Units that fit the values where those of the file do not, and what speaks against these.

    Raises
    ------
    DataError
        Something else is wrong with the file.
    """
    try:
        with captured_warnings():
            read_file(path, tracer, SELECTIONS["representative"])
    except DataError as error:
        if "--units" not in str(error):
            raise
        objection, refusal = reason_of(error, path), error
    else:
        return None, ""
    for units in _CO2_UNITS if tracer == "co2" else _OTHER_UNITS:
        try:
            with captured_warnings():
                read_file(path, tracer, SELECTIONS["representative"], units)
        except DataError:
            continue
        return units, f"{objection} (the values would fit '{units}')"
    raise refusal


def report_of(files: Sequence[StationFile]) -> Report:
    """The report of the files of one network."""
    first = files[0]
    tracer = first.tracer
    valid = observation_table(tracer, [part for file in files for part in file.valid])
    dropped = sum((file.dropped for file in files), Counter[str]())
    table = observation_table(
        tracer, [part for file in files for part in file.representative], dropped
    )
    with captured_warnings() as told:
        chosen = merged(at_suitable_hours(with_one_selection(table)))
    rejected = {k: v for k, v in json.loads(chosen.attrs["dropped"]).items() if v}
    records = int(table.sizes["observation"]) + sum(dropped.values())
    series = series_of(valid)
    stations = StationReport(
        tracer,
        str(valid[tracer].attrs["units"]),
        records,
        int(valid.sizes["observation"]),
        int(chosen.sizes["observation"]),
        rejected,
        len({one.site for one in series}),
        sum(bool(np.isnan(one.site_latitude)) for one in series),
        _datasets(valid, chosen),
    )
    # What rule 1 of `observation_duplicates` leaves out is not among the reasons.
    unexplained = records - int(chosen.sizes["observation"]) - sum(rejected.values())
    problems = tuple(
        Problem("error", "units", f"{file.path.name}: {file.objection}")
        for file in files
        if file.objection
    )
    problems += _problems(stations, unexplained, _told(files, told))
    product = LIST if first.is_list else PRODUCTS[first.kind]
    return Report(
        kind="station list" if first.is_list else "stations",
        product=product,
        title=_title(first, product, stations),
        files=tuple(str(file.path) for file in files),
        bytes=sum(file.bytes for file in files),
        identity={"release": first.release} if first.release else {},
        stations=stations,
        problems=problems,
        uses=_uses(files, stations),
    )


def _size(parts: Sequence[Part]) -> int:
    return sum(records.time.size for _, records in parts)


def _title(first: StationFile, product: str, stations: StationReport) -> str:
    if first.is_list:
        return f"{product}: {len(stations.datasets)} stations without measurements"
    name = first.release or f"{stations.tracer.upper()} at stations"
    return f"{product}: {name}"


def _datasets(valid: xr.Dataset, chosen: xr.Dataset) -> tuple[DatasetReport, ...]:
    keys = [_key(one) for one in series_of(chosen)]
    counts = Counter(keys[index] for index in chosen["series_index"].values.tolist())
    index, tracer = valid["series_index"].values, str(valid.attrs["tracer"])
    times, values = valid["time"].values, valid[tracer].values
    # The table is sorted by series.
    edges = np.searchsorted(index, np.arange(valid.sizes["series"] + 1))
    reports = []
    for one, start, end in zip(series_of(valid), edges[:-1], edges[1:], strict=True):
        span, own = times[start:end], values[start:end]
        reports.append(
            DatasetReport(
                one.dataset, one.site, one.site_name, one.project, one.laboratory,
                one.selection_tag, one.site_latitude, one.site_longitude, one.elevation,
                one.series_height, bool(one.is_mobile), bool(one.is_monthly_mean),
                int(end - start), counts[_key(one)],
                f"{span[0]}Z" if span.size else None, f"{span[-1]}Z" if span.size else None,
                _longest_gap(span),
                float(own.min()) if own.size else None, float(own.max()) if own.size else None,
            )
        )  # fmt: skip
    return tuple(reports)


def _key(series: Series) -> tuple[str, str, str]:
    return series.site, series.dataset, f"{series.series_height:g}"


def _longest_gap(times: NDArray[Any]) -> float | None:
    if times.size < 2:
        return None
    return float(np.diff(times).max() / np.timedelta64(1, "s") / 86400)


def _told(files: Sequence[StationFile], further: Sequence[str]) -> list[str]:
    """What the readers warned of, each once."""
    told: dict[str, list[Path]] = {}
    for file in files:
        for text in file.warnings:
            told.setdefault(text, []).append(file.path)
    lines = [
        text if len(files) == 1 else f"{text} ({paths[0].name}{_more(paths)})"
        for text, paths in told.items()
    ]
    return [*lines, *(text.partition(": ")[2] or text for text in further)]


def _more(paths: Sequence[Path]) -> str:
    return f" and {len(paths) - 1} more files" if len(paths) > 1 else ""


def _problems(
    stations: StationReport, other_selections: int, told: Sequence[str]
) -> tuple[Problem, ...]:
    problems = [Problem("warning", "files", text) for text in told]
    for reason, count in stations.rejected.items():
        if reason == MERGED:
            continue  # the reader has warned of it
        share = count / max(stations.records, 1)
        text = f"{count} of {stations.records} records ({share:.1%}) are left out: {reason}"
        problems.append(Problem("note", "flags", text))
    if other_selections > 0:
        text = f"{other_selections} records are of datasets given in another selection too"
        problems.append(Problem("note", "flags", text))
    if stations.records and not stations.representative:
        text = "no measurement stands for large scales; try --selection valid"
        problems.append(Problem("warning", "flags", text))
    problems += _place_problems(stations)
    if stations.tracer != "co2":
        text = (
            f"the tracer is {stations.tracer.upper()}: --tracer {stations.tracer} prepares it, "
            "but a network reconstructs CO2"
        )
        problems.append(Problem("note", "values", text))
    return tuple(problems)


def _place_problems(stations: StationReport) -> list[Problem]:
    """Heights, places and platforms that need care."""
    problems = []
    heights: dict[str, set[float]] = {}
    for one in stations.datasets:
        if np.isfinite(one.intake_height):
            heights.setdefault(one.site, set()).add(round(one.intake_height, 1))
    for site, found in heights.items():
        if len(found) > 1:
            shown = ", ".join(f"{height:g}" for height in sorted(found))
            text = f"{site} is sampled at {len(found)} heights ({shown} m): they stay apart"
            problems.append(Problem("note", "place", text))
    for what, names in (
        (
            "platforms that move (ships, aircraft)",
            [d.dataset for d in stations.datasets if d.is_mobile],
        ),
        (
            "without a place on a map",
            [d.dataset for d in stations.datasets if np.isnan(d.latitude)],
        ),
        ("at a pole", [d.dataset for d in stations.datasets if abs(d.latitude) > _POLE]),
    ):
        if names:
            more = f" and {len(names) - 4} more" if len(names) > 4 else ""
            problems.append(Problem("note", "place", f"{what}: {', '.join(names[:4])}{more}"))
    return problems


def _uses(files: Sequence[StationFile], stations: StationReport) -> tuple[Use, ...]:
    patterns, note = pattern_of([file.path for file in files])
    inputs = [word for pattern in patterns for word in ("--input", pattern)]
    beside = [word for pattern in patterns for word in ("--stations", pattern)]
    is_monthly = all(one.is_monthly_mean for one in stations.datasets)
    product, files_of = ("cmip6", "CanESM5/*.nc") if is_monthly else ("carbontracker", "CT2022*.nc")
    start = ("co2phys", "data", "prepare", product, "--input", files_of)
    prepare = (*start, *beside, "--output", f"{product}.zarr")
    if files[0].is_list:
        return (
            Use("sites of a training store", prepare, "CO2 of the product is taken there"),
            *_simulated(files[0].path),
        )
    uses = []
    if files[0].kind != "observations":
        words = ["co2phys", "data", "prepare", "stations", *inputs]
        words += ["--units", files[0].units] if files[0].units else []
        words += ["--tracer", stations.tracer] if stations.tracer != "co2" else []
        words += [] if stations.representative else ["--selection", "valid"]
        if files[0].units:
            note = "only if you know that the units are really these"
        uses.append(Use("one file of observations", (*words, "--output", "observations.nc"), note))
    if stations.tracer == "co2" and not files[0].units:
        uses.append(Use("stations of a training store", prepare))
    return tuple(uses)


def _simulated(path: Path) -> tuple[Use, ...]:
    """Whether `co2phys simulate --stations` takes a list."""
    words = ("co2phys", "simulate", "--preset", "twin", "--stations", str(path))
    purpose = "stations of a twin"
    try:
        load_stations(path)
    except DataError as error:
        return (Use(purpose, (), f"not yet: {reason_of(error, path)}"),)
    return (Use(purpose, (*words, "--days", "60", "--output", "twin.zarr")),)
