"""Read XCO2 Lite files of OCO-2, OCO-3 (v10, v11) and of GOSAT (ACOS v9): one NetCDF-4 layout.

Root: `sounding_id`, `time`, `latitude`, `longitude`, `xco2` (bias-corrected, ppm),
`xco2_uncertainty`, `xco2_apriori`, `xco2_quality_flag`, and with a second dimension `levels`
`pressure_levels`, `pressure_weight`, `xco2_averaging_kernel`, `co2_profile_apriori`. Groups:
`Sounding` (`operation_mode` of OCO) and `Retrieval` (`psurf`). A file holds the soundings of a day,
named `oco2_LtCO2_YYMMDD_…`, `oco3_LtCO2_…`, `acos_LtCO2_…`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.fields import listed_variables
from co2net_phys.data.opening import explained_reading_errors, open_dataset
from co2net_phys.data.units import mole_fraction_factor, refuse_contradicted_units, unit_conversion
from co2net_phys.errors import DataError
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import SENSORS, Floats, Soundings
from co2net_phys.satellite.soundings import column_mean

logger = logging.getLogger(__name__)

_OTHER_NAMES = {
    "latitude": "lat",
    "longitude": "lon",
    "pressure_weight": "pressure_weights",
}
"""Names that subsets made by other tools give to variables of a Lite file."""

_PREFIXES = {"oco2": "oco2", "oco3": "oco3", "acos": "gosat"}

_MISSING_BELOW = -9e5
"""Lite files mark what is missing with −999999, with or without an attribute that says so."""

_PREFIX = re.compile(r"(oco2|oco3|acos)_LtCO2_", re.IGNORECASE)
_DATE = re.compile(r"_LtCO2_(\d{6})_", re.IGNORECASE)


@dataclass(frozen=True)
class Tally:
    """How many soundings files hold, how many of them are good, how many lie in the region."""

    total: int = 0
    good: int = 0
    kept: int = 0

    def __add__(self, other: Self) -> Tally:
        """Counts of both."""
        return Tally(self.total + other.total, self.good + other.good, self.kept + other.kept)

    def require_some(self, where: str) -> None:
        """Raise if nothing was kept.

        Raises:
            DataError: saying whether the files are empty, flagged, or of another region.
        """
        if self.kept:
            return
        if not self.total:
            raise DataError(f"{where}: xco2: no soundings at all; give other files")
        if not self.good:
            raise DataError(
                f"{where}: xco2_quality_flag: all {self.total} soundings are flagged bad; "
                "give other days"
            )
        raise DataError(
            f"{where}: latitude, longitude: none of {self.good} good soundings lies in the "
            "region; give a larger region or more days"
        )


def lite_sensor(path: str | Path) -> str:
    """Name of the sensor of a Lite file: a key of `SENSORS`.

    Decided by the beginning of the file's name, otherwise by its attributes.

    Raises:
        DataError: neither says it, or the file cannot be read.
    """
    prefix = _PREFIX.match(Path(path).name)
    if prefix:
        return _PREFIXES[prefix[1].lower()]
    with open_dataset(path) as root:
        for key in ("Sensor", "Platform"):
            name = str(root.attrs.get(key, "")).lower().replace("-", "")
            if name in SENSORS:
                return name
    raise DataError(
        f"{path}: neither its name nor its attribute 'Platform' tells the satellite; name it "
        "oco2_LtCO2_…, oco3_LtCO2_… or acos_LtCO2_…"
    )


def lite_day(path: str | Path) -> np.datetime64:
    """Day of a Lite file, datetime64[D], by its name or else by its first sounding.

    Raises:
        DataError: its name has an impossible date, it cannot be read or has no sounding.
    """
    match = _DATE.search(Path(path).name)
    if match:
        digits = match[1]
        try:
            return np.datetime64(f"20{digits[:2]}-{digits[2:4]}-{digits[4:]}", "D")
        except ValueError as error:
            raise DataError(
                f"{path}: time: {digits} in its name is no date YYMMDD; correct the name"
            ) from error
    with open_dataset(path) as root:
        times = _values(root, "time", str(path))
    if not times.size:
        raise DataError(f"{path}: time: no soundings at all; give another file")
    return times.astype("datetime64[D]").min()


def read_lite(
    path: str | Path, region: Region | None = None, *, accept_unflagged: bool = False
) -> tuple[Soundings, Tally]:
    """Good soundings (quality flag 0) of one Lite file inside a region, and their counts.

    Only the part of the file between the first and the last sounding of the region is read.
    Soundings without a finite value or without a positive uncertainty are left out with a warning.

    Args:
        path: of the Lite file.
        region: all soundings if none.
        accept_unflagged: take a file without quality flags (a subset that another tool has
            filtered) as good throughout.

    Raises:
        DataError: the file is no Lite file, a variable is missing or has impossible units.
    """
    source = str(path)
    with explained_reading_errors(source), open_dataset(path) as root:
        latitude, longitude = (_floats(root, name, source) for name in ("latitude", "longitude"))
        flag = _quality_flag(root, source, accept_unflagged)
        inside = np.isfinite(latitude) & np.isfinite(longitude)
        if region is not None:
            inside[inside] = region.cells(latitude[inside], longitude[inside])[2]
        wanted = np.flatnonzero((flag == 0) & inside)
        part = slice(int(wanted[0]), int(wanted[-1]) + 1) if wanted.size else slice(0, 0)
        code = SENSORS[lite_sensor(path)]
        soundings = _soundings(_part_of(root, part), path, code, flag[part], part)
    soundings = _usable(soundings.take(wanted - part.start), source)
    return soundings, Tally(len(flag), int((flag == 0).sum()), len(soundings))


def read_lite_files(
    paths: Iterable[str | Path], region: Region | None = None, *, accept_unflagged: bool = False
) -> Soundings:
    """Good soundings of several Lite files inside a region; see `read_lite`.

    Raises:
        DataError: also if no sounding is left.
    """
    parts, tally = [], Tally()
    names = [str(path) for path in paths]
    for name in names:
        soundings, counts = read_lite(name, region, accept_unflagged=accept_unflagged)
        parts.append(soundings)
        tally += counts
    tally.require_some(shown_files(names))
    return Soundings.joined(*parts)


def lite_files(places: Iterable[Path]) -> list[Path]:
    """Files among `places`; a folder stands for the NetCDF files that it holds, by name.

    Raises:
        DataError: a place is not there, or a folder holds none.
    """
    found: list[Path] = []
    for place in places:
        if not place.exists():
            raise DataError(f"{place}: no such file or folder; check the path")
        if not place.is_dir():
            found.append(place)
            continue
        inside = sorted(path for path in place.iterdir() if path.suffix in (".nc", ".nc4"))
        if not inside:
            raise DataError(f"{place}: holds no .nc or .nc4; give Lite files or a folder of them")
        found += inside
    return found


def shown_files(names: Sequence[str | Path]) -> str:
    """The first of several files and how many more there are, for a message."""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{more}" if names else "no files"


def _soundings(
    root: xr.Dataset, path: str | Path, code: int, flag: NDArray[np.int8], part: slice
) -> Soundings:
    """All soundings of the part of the file, in the units of the schema."""
    source, count = str(path), len(flag)
    pressure = _pressures(root, "pressure_levels", source)
    weight = _floats(root, "pressure_weight", source)
    profile = _mole_fractions(root, "co2_profile_apriori", source)
    if "xco2_apriori" in root:
        apriori = _mole_fractions(root, "xco2_apriori", source)
    else:
        apriori = column_mean(profile, weight)  # its definition; subsets leave it out
    mode = _from_group(path, "Sounding", "operation_mode", part)
    surface = _from_group(path, "Retrieval", "psurf", part)
    return Soundings(
        time=_values(root, "time", source).astype("datetime64[ms]"),
        latitude=_floats(root, "latitude", source),
        longitude=_floats(root, "longitude", source),
        xco2=_mole_fractions(root, "xco2", source),
        uncertainty=_mole_fractions(root, "xco2_uncertainty", source),
        sensor=np.full(count, code, dtype=np.int8),
        quality_flag=flag,
        operation_mode=np.full(count, -1, np.int8) if mode is None else _modes(mode),
        averaging_kernel=_floats(root, "xco2_averaging_kernel", source),
        pressure_weight=weight,
        pressure=pressure,
        apriori_profile=profile,
        apriori_xco2=apriori,
        # The last level is the surface by definition of the retrieval's grid.
        surface_pressure=pressure[:, -1]
        if surface is None
        else _pressures(surface.to_dataset(), "psurf", source),
    )


def _usable(soundings: Soundings, source: str) -> Soundings:
    """Leave out soundings that are called good and yet have missing numbers."""
    columns = (soundings.xco2, soundings.uncertainty, *soundings.averaging_kernel.T)
    whole = np.isfinite(columns).all(axis=0) & (soundings.uncertainty > 0)
    whole &= ~np.isnat(soundings.time)
    if not whole.all():
        logger.warning(
            "%s: xco2: %d good soundings lack a value or an uncertainty; they are left out",
            source,
            int((~whole).sum()),
        )
    return soundings.take(whole)


def _quality_flag(root: xr.Dataset, source: str, accept_unflagged: bool) -> NDArray[np.int8]:
    """Quality flags (n,): 0 good, 1 bad or missing."""
    if "xco2_quality_flag" in root:
        flag = _floats(root, "xco2_quality_flag", source)
        return np.where(flag == 0, 0, 1).astype(np.int8)
    if not accept_unflagged:
        raise DataError(
            f"{source}: xco2_quality_flag: no such variable; give an original Lite file, or pass "
            "--accept-unflagged if its bad soundings were taken out"
        )
    return np.zeros(len(_values(root, "latitude", source)), dtype=np.int8)


def _modes(array: xr.DataArray) -> NDArray[np.int8]:
    values = np.nan_to_num(np.asarray(array.values, dtype=np.float64), nan=-1.0)
    return np.where((values >= 0) & (values <= 4), values, -1).astype(np.int8)


def _part_of(root: xr.Dataset, part: slice) -> xr.Dataset:
    """The part of the soundings, whatever their dimension is called."""
    name = "latitude" if "latitude" in root.variables else _OTHER_NAMES["latitude"]
    return root.isel({root[name].dims[0]: part})


def _from_group(path: str | Path, group: str, name: str, part: slice) -> xr.DataArray | None:
    """A variable of a group, or None where the file has no such group or variable."""
    try:
        with xr.open_dataset(path, group=group, engine="netcdf4", decode_timedelta=False) as found:
            if name not in found:
                return None
            return found[name].isel({found[name].dims[0]: part}).load()
    except OSError:
        return None


def _values(root: xr.Dataset, name: str, source: str) -> NDArray[Any]:
    return _array(root, name, source).values


def _array(root: xr.Dataset, name: str, source: str) -> xr.DataArray:
    """The variable under its own or its other name."""
    for known in (name, _OTHER_NAMES.get(name, name)):
        if known in root.variables:
            return root[known]
    raise DataError(
        f"{source}: {name}: no such variable, found {listed_variables(root)}; give an XCO2 Lite "
        "file of OCO-2, OCO-3 or GOSAT (ACOS)"
    )


def _floats(root: xr.Dataset, name: str, source: str) -> Floats:
    values = np.asarray(_values(root, name, source), dtype=np.float64)
    return np.where(values < _MISSING_BELOW, np.nan, values)


def _mole_fractions(root: xr.Dataset, name: str, source: str) -> Floats:
    """A variable in µmol mol-1, refusing units that its values contradict."""
    where = f"{source}: variable {name!r}"
    units = str(_array(root, name, source).attrs.get("units", ""))
    remedy = "correct the units attribute, for example to ppm"
    factor = mole_fraction_factor(units, where=where, remedy=remedy)
    values = _floats(root, name, source)
    if name != "xco2_uncertainty":  # which is no CO2 of the air
        refuse_contradicted_units(values, factor, units=units, where=where, option="a file")
    return values * factor


def _pressures(root: xr.Dataset, name: str, source: str) -> Floats:
    """A variable in hPa."""
    units = str(_array(root, name, source).attrs.get("units", ""))
    values = _floats(root, name, source)
    if units == "hPa":  # in nearly all of thousands of files, and a registry of units is slow
        return values
    return values * unit_conversion(units, "hPa", where=f"{source}: variable {name!r}")[0]
