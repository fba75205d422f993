"""Any other CF file on a latitude-longitude grid: reanalyses, ECMWF sequences, GEOS-Chem, winds.

Variables are known by their name or standard_name, or named by the user. Of model levels the
lowest one is taken, a pressure level must be chosen. Files without a usable time give fields
without time, unless the user tells the date.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from co2net_phys.data.coordinates import find_coordinate
from co2net_phys.data.fields import listed_variables
from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.data.schema import CO2, VARIABLES
from co2net_phys.data.selection import select_entries
from co2net_phys.errors import DataError, UsageError
from co2net_phys.products.field_source import FieldSource
from co2net_phys.products.files import open_product_file
from co2net_phys.products.levels import LevelChoice, choose_level, numbered
from co2net_phys.products.merging import merged
from co2net_phys.products.recipes import Positions, recipe
from co2net_phys.products.series import FileLayout, series, warn_of_gaps
from co2net_phys.products.times import TimeAxis, checked_times, time_axis

_COLUMNS = ("xco2", "tcco2")

_NAMES: dict[str, tuple[str, ...]] = {
    CO2: ("co2s", "speciesconcvv_co2", "speciesconc_co2", "co2", *_COLUMNS),
    "ps": ("ps", "sp", "surface_pressure", "pressfc"),
    "huss": ("huss", "q2m", "2m_specific_humidity", "q", "shum", "specific_humidity"),
    "tas": ("tas", "t2m", "2t", "2m_temperature", "trefht", "t", "temperature"),
    "uas": (
        *("uas", "u10", "10u", "u10m", "ugrd10m", "10m_u_component_of_wind"),
        *("u", "ua", "ugrd", "u_component_of_wind"),
    ),
    "vas": (
        *("vas", "v10", "10v", "v10m", "vgrd10m", "10m_v_component_of_wind"),
        *("v", "va", "vgrd", "v_component_of_wind"),
    ),
    "gph": ("gph", "zg", "z3", "z", "geopotential_height", "geopotential"),
    "oro": ("oro", "orog", "orography", "surface_altitude"),
}
"""Names in common products, compared without case, the ones nearest to the ground first."""

_logger = logging.getLogger(__name__)


def recognised(dataset: xr.Dataset) -> dict[str, str]:
    """Return the file's variable for each name of the schema that it has."""
    by_name = {str(name).lower(): str(name) for name in dataset.data_vars}
    found = {}
    for name, spellings in _NAMES.items():
        match = next((by_name[s] for s in spellings if s in by_name), None)
        if match is None:
            wanted = VARIABLES[name].standard_name
            named = [
                str(variable)
                for variable, array in dataset.data_vars.items()
                if array.attrs.get("standard_name") == wanted
            ]
            match = named[0] if len(named) == 1 else None
        if match is not None:
            found[name] = match
    return found


def read(
    paths: Sequence[Path],
    *,
    variables: Mapping[str, str] | Sequence[str] | None = None,
    level: float | None = None,
    select: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    time: str | None = None,
) -> xr.Dataset:
    """Return files as one lazy Dataset on the times that its variables share.

    The values of the first records are looked at, the rest only when it is computed.

    Args:
        paths: files or Zarr stores, in any order.
        variables: the file's name of each variable by the schema's name, or only names in the
            files; default all that are known. Unknown ones keep name and units.
        level: value of the vertical coordinate, in its units.
        select: entry of each further dimension, for example ``{"month": "7"}``.
        units: true units of a variable whose attribute is wrong or missing, by its name.
        time: ISO date of files that carry no time.

    Raises:
        DataError: naming the file: nothing of use, another kind of grid, several levels and none
            chosen, wrong units, or files that are no series.
        UsageError: ``time`` is no date.
    """
    moment = None if time is None else _moment(time)
    layouts = [
        _layout(Path(path), variables, level, select or {}, units or {}, moment) for path in paths
    ]
    alike: dict[tuple[str, ...], list[FileLayout]] = {}
    for layout in layouts:
        alike.setdefault((*sorted(layout.fields), *sorted(layout.static)), []).append(layout)
    parts = {names[0]: (group[0].path, series(group)) for names, group in alike.items()}
    dataset = merged(parts)
    dataset.attrs["source"] = _origin(layouts[0].path)
    warn_of_gaps(dataset, layouts[0].path)
    return dataset


def _layout(
    path: Path,
    variables: Mapping[str, str] | Sequence[str] | None,
    level: float | None,
    select: Mapping[str, str],
    units: Mapping[str, str],
    moment: np.datetime64 | None,
) -> FileLayout:
    with open_product_file(path) as dataset:
        names = _wanted(dataset, path, variables)
        fields: dict[str, FieldSource] = {}
        static: dict[str, FieldSource] = {}
        notes: list[str] = []
        times: TimeAxis | None = None
        for name, variable in names.items():
            where = f"{path}: variable '{variable}'"
            with explained_reading_errors(path):
                own = time_axis(dataset, variable, where)
                choice = choose_level(dataset, variable, level, where, on_pressure=False)
            if own is None and moment is not None and name != "oro":
                own = checked_times(np.array([moment]), None, where)
            source = recipe(
                *(dataset, path, name, (variable,)),
                times=own,
                positions=_positions(dataset, variable, own, choice, select, where),
                units=units,
                level=choice.description,
            )
            (static if own is None or name == "oro" else fields)[name] = source
            times = times if own is None or name == "oro" else own
            notes += _notes(dataset, name, variable, units)
    step = None if times is None or len(times.seconds) < 2 else np.diff(np.sort(times.seconds))
    return FileLayout(
        *(path, times, fields, static, tuple(notes)),
        step=None if step is None else float(np.median(step)) or None,
    )


def _wanted(
    dataset: xr.Dataset, path: Path, variables: Mapping[str, str] | Sequence[str] | None
) -> dict[str, str]:
    """Return the file's variable of each name that the result is to have."""
    known = recognised(dataset)
    if variables is None:
        if not known:
            raise DataError(
                f"{path}: has no variable that is known by its name or standard_name; it has "
                f"{listed_variables(dataset)}; name them"
            )
        return known
    if isinstance(variables, Mapping):
        asked = dict(variables)
    else:
        schema = {variable: name for name, variable in known.items()}
        asked = {schema.get(variable, variable): variable for variable in variables}
    found = {name: variable for name, variable in asked.items() if variable in dataset}
    if not found:
        raise DataError(
            f"{path}: has no variable '{next(iter(asked.values()))}'; it has "
            f"{listed_variables(dataset)}"
        )
    return found


def _positions(
    dataset: xr.Dataset,
    variable: str,
    times: TimeAxis | None,
    choice: LevelChoice,
    select: Mapping[str, str],
    where: str,
) -> Positions:
    """Return the chosen entry of every dimension that is neither time nor horizontal."""
    horizontal = [find_coordinate(dataset, variable, role) for role in ("latitude", "longitude")]
    known = {name for axis in horizontal if axis is not None for name in dataset[axis].dims}
    known |= set(choice.positions) | ({times.dimension} if times is not None else set())
    others = [name for name in dataset[variable].dims if name not in known]
    positions = dict(choice.positions)
    for name in others:
        places = numbered(dataset, name)
        asked = {key: entry for key, entry in select.items() if key == str(name)}
        single = dataset.sizes[name] == 1
        positions[name] = (0 if single else int(select_entries(places, asked, where)),)
    return positions


def _notes(dataset: xr.Dataset, name: str, variable: str, units: Mapping[str, str]) -> list[str]:
    """Return what the user should know of a variable."""
    notes = []
    if name == CO2 and variable.lower() in _COLUMNS:
        notes.append(f"variable '{variable}' is the mean of the column of air, not its surface")
    told = units.get(variable, units.get(name))
    attribute = str(dataset[variable].attrs.get("units", ""))
    if told is not None and told != attribute:
        notes.append(f"variable '{variable}' is taken to be in '{told}', not in '{attribute}'")
    return notes


def _moment(time: str) -> np.datetime64:
    try:
        return np.datetime64(time.removesuffix("Z"), "ns")
    except ValueError as error:
        raise UsageError(f"--time {time}: is no ISO 8601 date; write 1979-06-15") from error


def _origin(path: Path) -> str:
    """Return what a file says of its origin, else its name."""
    with open_product_file(path) as dataset:
        for name in ("title", "source", "institution"):
            text = " ".join(str(dataset.attrs.get(name, "")).split())
            if text:
                return text
    return path.name
