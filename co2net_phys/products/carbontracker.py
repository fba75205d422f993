"""CarbonTracker mole fractions (NOAA GML), from CT2010 to CT2026: daily and monthly files.

Of the 25 or 34 layers of TM5 one is read, by default the lowest (``level`` 0):

* ``co2s``: ``co2`` of the layer; files of components give bg + ff + bio + ocean + fires, which
  NOAA documents to be the total;
* ``tas``, ``huss``, ``uas``, ``vas``: temperature, specific humidity and wind of the layer;
* ``gph``: geopotential height of the middle of the layer, the mean of its two boundaries;
* ``ps``: pressure of the lowest boundary, which is the ground;
* ``oro``: orography.

Variables that a release does not have are left out, with a warning; CO2 must be there.
"""

import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.coordinates import shown_time
from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.data.schema import CO2
from co2net_phys.errors import DataError
from co2net_phys.products.field_source import FieldSource
from co2net_phys.products.files import open_product_file
from co2net_phys.products.recipes import recipe
from co2net_phys.products.series import FileLayout, series, warn_of_gaps
from co2net_phys.products.times import TimeAxis, checked_times, time_axis

_COMPONENTS = ("bg", "ff", "bio", "ocean", "fires")
_FLUXES = ("bio_flux_opt", "fossil_flux_imp", "fossil_imp", "bio_flux_optimized")

_NAMES: dict[str, tuple[tuple[str, ...], str]] = {
    "ps": (("pressure", "press"), "Pa"),
    "huss": (("specific_humidity",), "kg kg-1"),
    "tas": (("temperature", "temp"), "K"),
    "uas": (("u",), "m s-1"),
    "vas": (("v",), "m s-1"),
    "gph": (("gph",), "m"),
    "oro": (("orography",), "m"),
}
"""Names in the files, newest first, and the documented units, for files that lack the attribute."""

# TM5's lowest inner interface with 34 layers: p = A + B ps. Old releases give the pressure of the
# layers' middles only, p = (ps + A + B ps) / 2 for the lowest one.
_A, _B = 6.575628, 0.994204

_MONTH_NAME = re.compile(r"[_.]\d{4}-?\d{2}\.nc4?$")
_RELEASE = re.compile(r"(CT[^.]*)\.molefrac")
_MONTH_SECONDS = 30.4375 * 86400


def is_carbontracker(dataset: xr.Dataset, path: Path) -> bool:
    """Tell whether an open file has the layout of CarbonTracker mole fractions."""
    has_gas = "co2" in dataset or all(name in dataset for name in _COMPONENTS)
    vertical = {"level", "latitude", "longitude"} <= set(dataset.sizes) or "level" in dataset.sizes
    named = _RELEASE.search(path.name) is not None
    return bool(has_gas and vertical and (named or "boundary" in dataset.sizes))


def read(
    paths: Sequence[Path], *, level: int = 0, units: Mapping[str, str] | None = None
) -> xr.Dataset:
    """Return files of one release as one lazy Dataset, see `co2net_phys.products.series.series`.

    The values of the first records are looked at, the rest only when it is computed.

    Args:
        paths: daily or monthly files, in any order.
        level: layer, counted from the ground.
        units: true units of a variable whose attribute is wrong or missing, by its name.

    Raises:
        DataError: naming the file: not CarbonTracker mole fractions, no such layer, CO2 without
            units, times that contradict each other, or files that are no series.
    """
    layouts = [_layout(Path(path), level, units or {}) for path in paths]
    releases = {_release(layout.path): layout.path for layout in reversed(layouts)}
    if len(releases) > 1:
        one, two = list(releases.values())[:2]
        raise DataError(f"{one}: is of another release than {two}; give files of one release")
    _refuse_upside_down(layouts[0])
    dataset = series(layouts)
    dataset.attrs["source"] = f"CarbonTracker {next(iter(releases))}".strip()
    warn_of_gaps(dataset, layouts[0].path)
    dataset.attrs["level"] = f"layer {level} from the ground"
    return dataset


def _layout(path: Path, level: int, units: Mapping[str, str]) -> FileLayout:
    with open_product_file(path) as dataset:
        with explained_reading_errors(path):
            gas = _gas_variables(dataset, path)
            times = _times(dataset, gas[0], path)
        notes: list[str] = []
        sources = {CO2: _in_layer(dataset, path, CO2, gas, times, level, units, "")}
        for name in _NAMES:
            found = _weather(dataset, path, name, times, level, units, notes)
            if found is not None:
                sources[name] = found
    missing = [name for name in _NAMES if name not in sources]
    if missing:
        notes.append(f"gives no {', '.join(missing)}; the series goes without")
    static = {"oro": sources.pop("oro")} if "oro" in sources else {}
    return FileLayout(path, times, sources, static, tuple(notes), _step(path, times))


def _gas_variables(dataset: xr.Dataset, path: Path) -> tuple[str, ...]:
    """Return the variable of total CO2, or the components that add up to it."""
    if "co2" in dataset:
        return ("co2",)
    if all(name in dataset for name in _COMPONENTS):
        return _COMPONENTS
    if any(name in dataset for name in _FLUXES):
        raise DataError(f"{path}: holds surface fluxes; give the mole fraction files (molefrac)")
    some = [name for name in _COMPONENTS if name in dataset]
    if some:
        absent = [name for name in _COMPONENTS if name not in dataset]
        raise DataError(
            f"{path}: has the components {', '.join(some)} of CO2 but not {', '.join(absent)}; "
            "give the files of total CO2 (co2_total)"
        )
    raise DataError(
        f"{path}: has no variable 'co2', so it is no CarbonTracker mole fraction file; "
        "give CT*.molefrac_glb3x2_*.nc"
    )


def _in_layer(
    dataset: xr.Dataset,
    path: Path,
    name: str,
    variables: Sequence[str],
    times: TimeAxis,
    level: int,
    units: Mapping[str, str],
    assumed: str,
) -> FieldSource:
    """Return the recipe of a variable at one layer, or midway between the layer's boundaries."""
    sizes = dataset[variables[0]].sizes
    positions: dict[Hashable, tuple[int, ...]] = {}
    between = (level, level + 1)
    for dimension, wanted in {"level": (level,), "boundary": between}.items():
        if dimension in sizes:
            if not 0 <= wanted[-1] < sizes[dimension]:
                layers = sizes[dimension] - (dimension == "boundary")
                raise DataError(
                    f"{path}: variable '{variables[0]}' has {layers} layers, so no layer {level}; "
                    f"choose --level from 0 (lowest) to {layers - 1}"
                )
            positions[dimension] = (0,) if name == "ps" else wanted
    linear = (2 / (1 + _B), -_A / (1 + _B)) if name == "ps" and "level" in sizes else (1.0, 0.0)
    return recipe(
        *(dataset, path, name, variables),
        times=times,
        positions=positions,
        units=units,
        assumed_units=assumed,
        linear=linear,
    )


def _weather(
    dataset: xr.Dataset,
    path: Path,
    name: str,
    times: TimeAxis,
    level: int,
    units: Mapping[str, str],
    notes: list[str],
) -> FieldSource | None:
    """Return the recipe of a variable other than CO2, None where the file has none."""
    spellings, documented = _NAMES[name]
    variable = next((spelling for spelling in spellings if spelling in dataset), None)
    if variable is None:
        return None
    if name == "ps" and dataset[variable].sizes.get("level", 34) != 34:
        return None  # pressure of 25 layers' middles, whose coefficients no release documents
    if not str(dataset[variable].attrs.get("units", "")).strip() and variable not in units:
        notes.append(f"variable '{variable}' has no units attribute; taken as {documented}")
    at = 0 if name == "ps" else level
    return _in_layer(dataset, path, name, (variable,), times, at, units, documented)


def _times(dataset: xr.Dataset, variable: str, path: Path) -> TimeAxis:
    """Return the times, to the second, checked against the two other ways they are written."""
    where = f"{path}: variable '{variable}'"
    times = time_axis(dataset, variable, where)
    if times is None:
        raise DataError(f"{where} has no time; give it a coordinate 'time' with CF units")
    for name in ("time_components", "date_components"):
        if name in dataset:
            times = _agreeing(times, _from_components(dataset[name]), f"{path}: variable '{name}'")
    for name in ("decimal_time", "decimal_date"):
        if name in dataset and dataset[name].dims == (times.dimension,):
            _check_decimal(times, dataset[name], f"{path}: variable '{name}'")
    return times


def _from_components(components: xr.DataArray) -> NDArray[np.datetime64]:
    """Return times (n,) from integers (n, 6): year, month, day, hour, minute, second."""
    table = np.asarray(components.values, dtype=np.float64)
    result = np.full(len(table), np.datetime64("NaT", "s"))
    usable = np.isfinite(table).all(axis=1) & (table[:, 1] >= 1)
    year, month, day, hour, minute, second = table[usable].astype(np.int64).T
    start = (year - 1970).astype("datetime64[Y]") + (month - 1).astype("timedelta64[M]")
    days = start.astype("datetime64[D]") + (day - 1).astype("timedelta64[D]")
    clock = (hour * 3600 + minute * 60 + second).astype("timedelta64[s]")
    result[usable] = days.astype("datetime64[s]") + clock
    return result


def _agreeing(times: TimeAxis, exact: NDArray[np.datetime64], where: str) -> TimeAxis:
    """Return the whole-second times where they agree with ``time`` to a minute, or raise."""
    known = ~np.isnat(exact)
    apart = np.abs(exact.astype(np.int64) - times.seconds)
    wrong = np.flatnonzero(known & (apart > 60))
    if wrong.size:
        place = int(wrong[0])
        raise DataError(
            f"{where} says {shown_time(exact[place])} for record {place + 1}, but the time axis "
            f"{shown_time(times.values[place])}; download the file again"
        )
    values = np.where(known, exact.astype("datetime64[ns]"), times.values)
    return checked_times(values, times.dimension, where)


def _check_decimal(times: TimeAxis, decimal: xr.DataArray, where: str) -> None:
    """Raise if years with decimals are more than an hour, or their own precision, off."""
    year = times.values.astype("datetime64[Y]")
    start = year.astype("datetime64[s]").astype(np.int64)
    length = (year + 1).astype("datetime64[s]").astype(np.int64) - start
    expected = year.astype(np.int64) + 1970 + (times.seconds - start) / length
    values: NDArray[Any] = decimal.values
    precision = float(np.finfo(values.dtype).eps) * 4096 if values.dtype.kind == "f" else 1.0
    apart = np.abs(values.astype(np.float64) - expected)
    wrong = np.flatnonzero(apart > max(1 / 8766, precision))
    if wrong.size:
        place = int(wrong[0])
        raise DataError(
            f"{where} says {values[place]:.6f} for record {place + 1}, but the time axis "
            f"{shown_time(times.values[place])}; download the file again"
        )


def _step(path: Path, times: TimeAxis) -> float | None:
    if len(times.seconds) > 1:
        return float(np.median(np.diff(np.sort(times.seconds)))) or None
    return _MONTH_SECONDS if _MONTH_NAME.search(path.name) else None


def _release(path: Path) -> str:
    found = _RELEASE.search(path.name)
    return found.group(1) if found else ""


def _refuse_upside_down(layout: FileLayout) -> None:
    """Raise if pressure grows with the number of the boundary: then 0 is not the ground."""
    source = layout.fields.get("ps")
    if source is None or not source.entries:
        return
    ((dimension, _), *_) = source.entries
    variable = source.variables[0]
    with open_product_file(layout.path) as dataset:
        array = dataset[variable]
        corner = {name: 0 for name in array.dims if name != dimension}
        with explained_reading_errors(source.where(layout.path)):
            profile = array.isel(corner).values
    if profile[0] < profile[-1]:
        raise DataError(
            f"{source.where(layout.path)} grows along '{dimension}', whose first entry should be "
            "the lowest; give files as NOAA distributes them"
        )
