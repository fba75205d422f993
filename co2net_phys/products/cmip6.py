"""CMIP6 model output (and CMIP5, which is alike): many files, one variable each.

CO2 is ``co2s`` (at the surface, 1e-06) where there is one, else ``co2`` (mol mol-1) on model
levels, of which the lowest is taken, or on pressure levels. There the ground cuts through the
lowest levels: in every column the lowest one with a value counts, and models that go on below the
ground give what they extrapolate. The same holds for ``gph``, which is ``zg``. Others are ``tas``,
``uas``, ``vas``, ``huss``, ``ps``, and ``oro`` from ``orog``.

Times stay in the calendar of the model (noleap, 360_day) and as the files say, in the middle of
the month or day for means.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.data.schema import CO2
from co2net_phys.errors import DataError
from co2net_phys.products.cmip6_identity import Identity, identity, refuse_mixed_runs
from co2net_phys.products.files import open_product_file
from co2net_phys.products.levels import choose_level
from co2net_phys.products.merging import merged
from co2net_phys.products.recipes import recipe
from co2net_phys.products.series import FileLayout, series, warn_of_gaps
from co2net_phys.products.times import TimeAxis, seconds_of, time_axis

_logger = logging.getLogger(__name__)

_GASES = ("co2s", "co2", "co23D")
"""Names of CO2, the best first."""

_SCHEMA_NAMES = {"co2s": CO2, "co2": CO2, "co23D": CO2, "orog": "oro", "zg": "gph"} | {
    name: name for name in ("tas", "uas", "vas", "huss", "ps")
}

_STEPS = {"mon": 30.4375 * 86400, "day": 86400.0, "6hr": 21600.0, "3hr": 10800.0, "1hr": 3600.0}


def read(
    paths: Sequence[Path],
    *,
    variables: Sequence[str] | None = None,
    level: float | None = None,
    units: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Return the files of one run as one lazy Dataset on the times that its variables share.

    The values of the first records are looked at, the rest only when it is computed.

    Args:
        paths: files of one model, experiment and member, in any order.
        variables: names in the files; default those of the schema. Others keep name and units.
        level: of variables on levels, in the units of the file; default the lowest.
        units: true units of a variable whose attribute is wrong or missing, by its name.

    Raises:
        DataError: naming the file: nothing of use, several runs or frequencies, variables on
            different grids or without a time in common, wrong units, or files that are no series.
    """
    identities = {Path(path): _identity(Path(path)) for path in paths}
    chosen = _chosen(identities, variables)
    refuse_mixed_runs(chosen)
    by_variable: dict[str, list[FileLayout]] = {}
    for path, entry in chosen.items():
        by_variable.setdefault(entry.variable, []).append(_layout(path, entry, level, units or {}))
    parts = {name: series(layouts) for name, layouts in by_variable.items()}
    order = sorted(parts, key=lambda name: name not in _GASES)
    dataset = merged({name: (by_variable[name][0].path, parts[name]) for name in order})
    dataset.attrs["source"] = _run_in_words(next(iter(chosen.values())))
    warn_of_gaps(dataset, next(iter(chosen)))
    return dataset


def _identity(path: Path) -> Identity:
    with open_product_file(path) as dataset:
        return identity(dataset, path)


def _chosen(
    identities: Mapping[Path, Identity], variables: Sequence[str] | None
) -> dict[Path, Identity]:
    """Return the files to be read; the others are told."""
    found = {entry.variable for entry in identities.values()}
    wanted = set(variables or ())
    if variables is None:
        gas = next((name for name in _GASES if name in found), None)
        wanted = {name for name in _SCHEMA_NAMES if name not in _GASES or name == gas}
    for name in sorted(set(variables or ()) - found):
        listed = ", ".join(sorted(found))
        raise DataError(
            f"{next(iter(identities))}: no file has the variable '{name}'; found {listed}"
        )
    chosen = {path: entry for path, entry in identities.items() if entry.variable in wanted}
    left = {path: entry for path, entry in identities.items() if path not in chosen}
    for path, entry in (left if not chosen else {}).items():
        _refuse_global_mean(path, entry)
    if not chosen:
        listed = ", ".join(sorted(found))
        raise DataError(
            f"{next(iter(identities))}: no variable of a training store among {listed}; it takes "
            f"{', '.join(_SCHEMA_NAMES)} (ask for others by name)"
        )
    if left:
        _logger.warning(
            "%s: variables not read: %s",
            *(next(iter(left)), ", ".join(sorted({e.variable for e in left.values()}))),
        )
    return chosen


def _refuse_global_mean(path: Path, entry: Identity) -> None:
    if entry.variable == "co2mass" or entry.grid == "gm":
        raise DataError(
            f"{path}: variable '{entry.variable}' is one number for the globe at each time, no "
            "map; give co2s, or co2 on levels"
        )


def _layout(
    path: Path, entry: Identity, level: float | None, units: Mapping[str, str]
) -> FileLayout:
    name, where = entry.variable, f"{path}: variable '{entry.variable}'"
    with open_product_file(path) as dataset:
        _refuse_global_mean(path, entry)
        with explained_reading_errors(path):
            times = None if entry.is_static else time_axis(dataset, name, where)
            notes = [] if times is None else _outside_bounds(dataset, times)
            choice = choose_level(dataset, name, level, where, on_pressure=True)
        if choice.column is not None:
            notes.append(
                f"variable '{name}' is on pressure levels; in every column the lowest one with a "
                "value is taken, which may be below the ground (co2s would be better)"
                if name in _GASES
                else f"variable '{name}' is on pressure levels; in every column the lowest one "
                "with a value is taken"
            )
        field = _SCHEMA_NAMES.get(name, name)
        source = recipe(
            *(dataset, path, field, (name,)),
            times=times,
            positions=choice.positions,
            column=choice.column,
            units=units,
            level=choice.description,
        )
    static = {field: source} if times is None else {}
    dated = {} if times is None else {field: source}
    return FileLayout(path, times, dated, static, tuple(notes), _step(entry, times))


def _outside_bounds(dataset: xr.Dataset, times: TimeAxis) -> list[str]:
    """Tell of times that do not lie within their own bounds."""
    if times.dimension is None or times.dimension not in dataset.variables:
        return []
    bounds = dataset.get(str(dataset[times.dimension].attrs.get("bounds", "")))
    if bounds is None or bounds.shape != (len(times.values), 2) or bounds.dtype.kind not in "MO":
        return []
    first, last = seconds_of(bounds.values[:, 0]), seconds_of(bounds.values[:, 1])
    outside = np.count_nonzero((times.seconds < first) | (times.seconds > last))
    return [f"{outside} times lie outside their bounds; kept as they are"] if outside else []


def _step(entry: Identity, times: TimeAxis | None) -> float | None:
    if entry.frequency in _STEPS:
        return _STEPS[entry.frequency]
    if times is None or len(times.seconds) < 2:
        return None
    return float(np.median(np.diff(np.sort(times.seconds)))) or None


def _run_in_words(entry: Identity) -> str:
    parts = (entry.source, entry.experiment, entry.member, entry.grid, entry.frequency)
    return " ".join(part for part in ("CMIP", *parts) if part)
