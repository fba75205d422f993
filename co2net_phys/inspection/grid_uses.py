"""What gridded files are good for, with the command line to run next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from co2net_phys.data.schema import CO2, STATION_CO2
from co2net_phys.data.store import open_store
from co2net_phys.data.tracers import read_tracers
from co2net_phys.data.units import mole_fraction_factor
from co2net_phys.data.winds import read_wind
from co2net_phys.errors import DataError
from co2net_phys.inspection.naming import CMIP_NAMES
from co2net_phys.inspection.patterns import pattern_of
from co2net_phys.inspection.recognition import (
    CARBONTRACKER,
    CMIP5,
    CMIP6,
    RECONSTRUCTION,
    SYSTEM_STORES,
    WIND,
)
from co2net_phys.inspection.report import GridReport, LevelReport, Report, Use, VariableReport
from co2net_phys.inspection.sources import reason_of
from co2net_phys.inspection.store_uses import physics_bridge, uses_of_store


@dataclass(frozen=True)
class Places:
    """What must be chosen of the variables of a file to get one map a time.

    Attributes:
        levels: of every variable that has some.
        entries: first entry of every dimension that is neither time, level nor horizontal.
    """

    levels: Mapping[str, LevelReport]
    entries: Mapping[str, str]


PREPARE = "a training store"
_GASES = ("co2s", "co2", "co23D")
_LONGEST_STEP = 2 * 86400.0
"""Seconds; tracers seen more rarely tell nothing of the wind."""


def uses_of(
    report: Report,
    run: Sequence[Path],
    frequencies: Mapping[str, Mapping[Path, str]],
    places: Places,
) -> tuple[Use, ...]:
    """What a series is good for; where it is not, why.

    Args:
        report: of the series.
        run: files of the whole run or series.
        frequencies: of every variable of a CMIP run, by file.
        places: what must be chosen to get a map.
    """
    if report.product in SYSTEM_STORES:
        known = uses_of_store(SYSTEM_STORES[report.product], report.files[0])
        return (*known, *(_of_fields(report, places) if report.kind == "grid" else ()))
    if report.kind == "store":
        return _of_store(report, places)
    if report.product == CARBONTRACKER:
        return (_prepare(report, "carbontracker", "ct.zarr", run),)
    is_global = report.grid is not None and report.grid.coverage == "global"
    if report.product in (CMIP5, CMIP6):
        first = (_of_run(report, frequencies, is_global),)
        return (*first, *(_of_fields(report, places) if is_global else ()))
    if report.product == WIND:
        return (Use("the wind that tracers tell", (), "made by `co2phys recover-wind`"),)
    if not is_global:
        return (Use("looking at it", (), "no command takes it: it is no global map"),)
    return _of_fields(report, places) or (
        Use("looking at it", (), "it holds no variable that a command knows"),
    )


def _prepare(
    report: Report, product: str, output: str, paths: Sequence[Path], allowed: Sequence[Path] = ()
) -> Use:
    """`co2phys data prepare` on all files."""
    patterns, note = pattern_of(paths, allowed)
    words = ["co2phys", "data", "prepare", product]
    for pattern in patterns:
        words += ["--input", pattern]
    words += _units_words(report.variables)
    return Use(PREPARE, (*words, "--output", output), _joined(note, _errors_in(report)))


def _of_run(report: Report, frequencies: Mapping[str, Mapping[Path, str]], is_global: bool) -> Use:
    """A store of a CMIP run, if its CO2 is there."""
    gas = next((name for name in _GASES if name in frequencies), None)
    if not is_global:
        return Use(PREPARE, (), "not possible: the grid does not cover the globe")
    if not any(variable.schema_name for variable in report.variables):
        return Use(PREPARE, (), "not possible: a store has no place for this variable")
    if gas is None:
        return Use(PREPARE, (), "needs co2s (or co2 on levels) of the same run: fetch it, too")
    usual = set(frequencies[gas].values())
    main: list[Path] = []
    further: list[Path] = []
    ignored: list[Path] = []  # the reader leaves these variables out by itself
    for name, files in frequencies.items():
        if name not in CMIP_NAMES or (name in _GASES and name != gas):
            ignored += files
            continue
        for path, frequency in files.items():
            (main if frequency in usual or frequency == "fx" else further).append(path)
    use = _prepare(report, "cmip6", "cmip6.zarr", sorted(main), ignored)
    words = list(use.command)
    for pattern in pattern_of(sorted(further), ignored)[0] if further else ():
        words[-2:-2] = ["--auxiliary", pattern]
    return Use(use.purpose, tuple(words), use.note)


def _of_store(report: Report, places: Places) -> tuple[Use, ...]:
    (path,) = report.files
    if report.product == RECONSTRUCTION:
        words = ("co2phys", "evaluate", "--prediction", path, "--truth", "truth.zarr")
        return (
            Use("being scored", words, "with the store that holds the true field"),
            _plot(path),
        )
    uses = list(physics_bridge(path) or (_training(report, path),))
    for variable in report.variables:
        if variable.schema_name == CO2:
            uses += [_plot(path)]
            uses += _recovery(report, Path(path), variable, places)
    return tuple(uses)


def _training(report: Report, path: str) -> Use:
    """`co2phys train`, if the store holds observations; from these alone where it has no field."""
    names = {variable.name for variable in report.variables}
    if STATION_CO2 not in names:
        return Use("training", (), f"not possible: it has no observations ({STATION_CO2})")
    note = _store_error(path)
    words: tuple[str, ...] = ("co2phys", "train", "--data", path, "--size", "XS")
    words += ("--output", "runs/first")
    if CO2 not in names:
        words += ("--target", "stations", "--background", "kriging")
    return Use("training", () if note else words, note)


def _plot(path: str) -> Use:
    return Use("a map", ("co2phys", "plot", path, "--output", "map.png"))


def _store_error(path: str) -> str:
    try:
        open_store(path, need_target=False)
    except DataError as error:
        return f"not yet: {reason_of(error, Path(path))}"
    return ""


def _of_fields(report: Report, places: Places) -> tuple[Use, ...]:
    """Winds to carry with, tracers to be carried, tracers that tell the wind."""
    names = {variable.schema_name: variable for variable in report.variables}
    path, uses = Path(report.files[0]), []
    if {"uas", "vas"} <= names.keys():
        uses.append(_of_wind(report, path, names["uas"], places))
    if CO2 in names:
        uses += _of_tracer(report, path, names[CO2], places)
    elif report.time is not None and report.time.count > 2 and _suits_harmonics(report.grid):
        uses += _of_other_tracers(path)
    if report.product not in (CMIP5, CMIP6) and CO2 in names and names[CO2].name == CO2:
        uses.append(_training(report, str(path)))
    return tuple(uses)


def _place(
    variable: VariableReport, places: Places, prefix: str
) -> tuple[list[str], float | None, dict[str, str]]:
    """Words, level and selection that lead to one map of a variable."""
    level = None
    words: list[str] = []
    levels = places.levels.get(variable.name)
    if levels is not None and levels.count > 1:
        level = levels.last if levels.lowest in ("last", "unknown") else levels.first
        words = [f"--{prefix}level", f"{level:g}"] if level is not None else []
    chosen = {name: entry for name, entry in places.entries.items() if name in variable.dimensions}
    for name, entry in chosen.items():
        words += [f"--{prefix}select", f"{name}={entry}"]
    return words, level, chosen


def _of_wind(report: Report, path: Path, variable: VariableReport, places: Places) -> Use:
    words, level, select = _place(variable, places, "")
    start = ["co2phys", "simulate", "--winds", str(path), *words]
    end = ("--initial", "hills", "--duration", "48h", "--output", "carried.nc")
    purpose = "wind that carries CO2"
    try:
        read_wind(path, level=level, select=select)
    except DataError as error:
        if "--steady" not in str(error):
            return Use(purpose, (), f"not possible: {reason_of(error, path)}")
        start.append("--steady")
    more = len(report.files) - 1
    note = f"the first of {more + 1} files; join them for longer" if more else ""
    if report.time is None or report.time.count == 1:
        note = _joined(note, "the wind is held steady")
    note = _joined(note, "choose the --level that you mean" if level is not None else "")
    return Use(purpose, (*start, *end), note)


def _of_tracer(report: Report, path: Path, variable: VariableReport, places: Places) -> list[Use]:
    words, _, _ = _place(variable, places, "initial-")
    simulate = ["co2phys", "simulate", "--winds", "solid-body", "--initial", str(path)]
    simulate += ["--initial-var", variable.name, *words]
    if variable.units_option:
        simulate += ["--initial-units", variable.units_option.partition("=")[2]]
    simulate += ["--duration", "48h", "--output", "carried.nc"]
    known = bool(variable.schema_units or variable.units_option)
    uses = [Use("CO2 to be carried", tuple(simulate), "with any --winds")] if known else []
    return uses + _recovery(report, path, variable, places)


def _recovery(report: Report, path: Path, variable: VariableReport, places: Places) -> list[Use]:
    """`co2phys recover-wind` from one tracer."""
    step = None if report.time is None else report.time.step
    if report.time is None or report.time.count < 3 or step is None or step > _LONGEST_STEP:
        return []
    if not _suits_harmonics(report.grid):
        note = "not possible: the grid is neither Gaussian nor one of equal cells; regrid it first"
        return [Use("recovering the wind", (), note)]
    words, level, select = _place(variable, places, "")
    recover = ("co2phys", "recover-wind", str(path), "--tracer", variable.name, *words)
    try:
        read_tracers(path, [variable.name], level=level, select=select)
    except DataError as error:
        return [Use("recovering the wind", (), f"not possible: {reason_of(error, path)}")]
    return [Use("recovering the wind", (*recover, "--output", "wind.nc"))]


def _suits_harmonics(grid: GridReport | None) -> bool:
    """Whether spherical harmonics can be computed on a global grid: Gaussian, or of equal cells."""
    if grid is None or grid.latitude is None or grid.latitude_step is None:
        return False
    half = grid.latitude_step / 2
    equal = all(abs(90 - abs(end) - half) < 0.01 * half for end in grid.latitude)
    return grid.kind == "Gaussian" or (grid.kind == "regular" and equal)


def _of_other_tracers(path: Path) -> list[Use]:
    """Tracers other than CO2 that are found by their attributes."""
    try:
        series = read_tracers(path)
        for field in series.fields:
            mole_fraction_factor(field.units, where="", standard_name=field.standard_name)
    except DataError:
        return []
    words = ["co2phys", "recover-wind", str(path)]
    for name in series.names:
        words += ["--tracer", name]
    return [Use("recovering the wind", (*words, "--output", "wind.nc"))]


def _units_words(variables: Sequence[VariableReport]) -> list[str]:
    return [w for v in variables if v.units_option for w in ("--units", v.units_option)]


def _errors_in(report: Report) -> str:
    """A warning where a reader would refuse the files."""
    errors = [p for p in report.problems if p.severity == "error" and p.topic != "units"]
    if any(v.units_option for v in report.variables):
        return "only if you know that the units are really these"
    return "after the errors above are mended" if errors else ""


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
