"""The observation table: every measurement at every site, whatever file it came from.

A table is a dataset with two dimensions. ``series`` is one dataset at one intake height, with its
site and place; ``observation`` is one measurement, whose ``series_index`` says to which series it
belongs. Times are UTC and exact to the second, the tracer is a variable of its own name (``co2`` in
µmol mol-1, all others in nmol mol-1), and what flags reject is no longer there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.units import mole_fraction_factor, refuse_contradicted_units
from co2net_phys.errors import DataError

Times = NDArray[np.datetime64]
Floats = NDArray[np.floating[Any]]

FILLS = (-1e34, 1e34, -999.999, -999.99, -999.9, -999.0, -99.999, -99.99, -99.9, -9999.0, 1e20)
"""Values that mean "missing" in the products' own conventions, declared or not."""

MOVING_KILOMETRES = 50.0
"""A platform that measures further than this from its median place moves."""

_UNITS_OPTION = "--units of `co2phys data prepare stations`"
_UNITS_REMEDY = f"pass {_UNITS_OPTION} (for example ppm) if the attribute is wrong"
_STANDARD_NAMES = {
    "co2": "mole_fraction_of_carbon_dioxide_in_air",
    "ch4": "mole_fraction_of_methane_in_air",
    "co": "mole_fraction_of_carbon_monoxide_in_air",
    "n2o": "mole_fraction_of_nitrous_oxide_in_air",
}


@dataclass(frozen=True)
class Series:
    """One dataset at one intake height.

    Attributes:
        site: code of the site, upper case.
        site_name: full name, or the code.
        dataset: name of the dataset, usually that of its file without the suffix.
        project: platform and method, such as "tower-insitu"; empty if unknown.
        laboratory: number or name of the laboratory; empty if unknown.
        selection_tag: what the provider selected, such as "representative"; empty if unknown.
        site_latitude, site_longitude: nominal place, degrees, NaN if unknown.
        elevation: of the ground above sea level, metres, NaN if unknown.
        series_height: intake above the ground, metres, NaN if unknown.
        is_mobile: whether the platform moves.
        is_monthly_mean: whether its values are means of calendar months.
    """

    site: str
    site_name: str
    dataset: str
    project: str = ""
    laboratory: str = ""
    selection_tag: str = ""
    site_latitude: float = np.nan
    site_longitude: float = np.nan
    elevation: float = np.nan
    series_height: float = np.nan
    is_mobile: bool = False
    is_monthly_mean: bool = False


@dataclass(frozen=True)
class Records:
    """Measurements of one series, each array of shape (observation,).

    Attributes:
        time: UTC, datetime64[s], the centre of the sampling interval.
        value: mole fraction in the table's unit.
        standard_deviation: in the same unit, NaN if unknown.
        latitude, longitude: degrees, longitude −180…180.
        altitude: of the intake above sea level, metres, NaN if unknown.
        intake_height: above the ground, metres, NaN if unknown.
        count: records that were averaged into this one.
    """

    time: Times
    value: Floats
    standard_deviation: Floats
    latitude: Floats
    longitude: Floats
    altitude: Floats
    intake_height: Floats
    count: NDArray[np.int32]

    def where(self, mask: NDArray[np.bool_]) -> Records:
        """Those measurements for which ``mask`` is true."""
        return Records(**{field.name: getattr(self, field.name)[mask] for field in fields(self)})


Part = tuple[Series, Records]

_COLUMNS = {
    "value_standard_deviation": "standard_deviation",
    "latitude": "latitude",
    "longitude": "longitude",
    "altitude": "altitude",
    "intake_height": "intake_height",
}


def observation_table(
    tracer: str, parts: Sequence[Part], dropped: Mapping[str, int] | None = None
) -> xr.Dataset:
    """Join series and their measurements to one table, sorted by series and time.

    Args:
        tracer: lower-case formula, which names the variable.
        parts: at least one series with its records, which may be none.
        dropped: how many records were left out for which reason; kept as an attribute.
    """
    order = [np.argsort(records.time, kind="stable") for _, records in parts]

    def joined(name: str, dtype: str) -> NDArray[Any]:
        arrays = [getattr(part[1], name)[index] for part, index in zip(parts, order, strict=True)]
        return np.concatenate(arrays).astype(dtype)

    lengths = [records.time.size for _, records in parts]
    index = np.repeat(np.arange(len(parts), dtype=np.int32), lengths)
    dataset = xr.Dataset(
        {
            tracer: ("observation", joined("value", "f8"), tracer_attributes(tracer)),
            "number_of_records": ("observation", joined("count", "i4")),
        },
        coords={
            "time": ("observation", joined("time", "datetime64[s]")),
            "series_index": ("observation", index),
        },
        attrs={"tracer": tracer, "dropped": json.dumps(dict(dropped or {}))},
    )
    for name, attribute in _COLUMNS.items():
        dataset[name] = ("observation", joined(attribute, "f4"))
    dataset["value_standard_deviation"].attrs["units"] = tracer_unit(tracer)
    dataset = dataset.set_coords([name for name in _COLUMNS if name != "value_standard_deviation"])
    return dataset.assign_coords(
        {field.name: ("series", _column(parts, field.name)) for field in fields(Series)}
    )


def series_of(table: xr.Dataset) -> list[Series]:
    """The series of a table, in its order."""
    columns = {field.name: table[field.name].values.tolist() for field in fields(Series)}
    rows = zip(*columns.values(), strict=True)
    return [Series(**dict(zip(columns, row, strict=True))) for row in rows]


def kept(table: xr.Dataset, mask: NDArray[np.bool_], reason: str) -> xr.Dataset:
    """The table without the observations where ``mask`` is false; ``reason`` counts them."""
    if bool(mask.all()):
        return table
    dropped = Counter(json.loads(table.attrs["dropped"]))
    dropped[reason] += int(np.count_nonzero(~mask))
    fewer = table.isel(observation=np.flatnonzero(mask))
    return fewer.assign_attrs(dropped=json.dumps(dict(dropped)))


def without_series(table: xr.Dataset, mask: NDArray[np.bool_]) -> xr.Dataset:
    """The table with only those series, and their observations, where ``mask`` is true."""
    index = table["series_index"].values
    number = np.cumsum(mask) - 1
    fewer = table.isel(series=np.flatnonzero(mask), observation=np.flatnonzero(mask[index]))
    renumbered = number[fewer["series_index"].values].astype(np.int32)
    return fewer.assign_coords(series_index=("observation", renumbered))


def source_of(table: xr.Dataset) -> str:
    """The files of a table in a few words, the beginning of a message."""
    return str(table.attrs.get("source", "station files"))


def in_brief(names: Sequence[str]) -> str:
    """The first few names for a message."""
    return ", ".join(names[:6]) + (" …" if len(names) > 6 else "")


def tracer_unit(tracer: str) -> str:
    """Unit of a tracer in the table: ppm for CO2, ppb for all others."""
    return "umol mol-1" if tracer == "co2" else "nmol mol-1"


def tracer_attributes(tracer: str) -> dict[str, str]:
    """CF attributes of the measured variable."""
    attributes = {
        "long_name": f"{tracer.upper()} mole fraction in dry air, as observed",
        "units": tracer_unit(tracer),
        "coverage_content_type": "physicalMeasurement",
    }
    if tracer in _STANDARD_NAMES:
        attributes["standard_name"] = _STANDARD_NAMES[tracer]
    return attributes


def unit_factor(values: Floats, units: str, tracer: str, where: str) -> float:
    """Factor from ``units`` to the table's unit, checked against the valid ``values``.

    Raises
    ------
    DataError
        The units are no mole fraction, or the values prove them wrong.
    """
    factor = mole_fraction_factor(units, where=where, remedy=_UNITS_REMEDY)
    if tracer != "co2":
        if values.size and float(np.nanmax(values)) * factor > 1e6:
            raise DataError(f"{where} has units '{units}', but values above 1; {_UNITS_REMEDY}")
        return factor * 1e3
    refuse_contradicted_units(values, factor, units=units, where=where, option=_UNITS_OPTION)
    return factor


def without_fills(values: NDArray[Any]) -> NDArray[np.float64]:
    """The values as float64 with every known fill value, and infinities, as NaN."""
    array = np.asarray(values, dtype=np.float64)
    missing = ~np.isfinite(array) | (np.abs(array) > 1e19)
    for fill in FILLS:
        missing |= np.isclose(array, fill, rtol=1e-6, atol=0)
    return np.where(missing, np.nan, array)


def wrapped(longitude: NDArray[Any]) -> NDArray[np.float64]:
    """Degrees east in [−180, 180), exactly as they were if they lie there already."""
    degrees = np.asarray(longitude, dtype=np.float64)
    inside = (degrees >= -180) & (degrees < 180)
    return np.where(inside, degrees, (degrees + 180) % 360 - 180)


def checked_position(
    latitude: NDArray[Any], longitude: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latitude and wrapped longitude; NaN where either is a fill value or impossible."""
    north = np.asarray(latitude, dtype=np.float64)
    east = np.asarray(longitude, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # every fill lies outside, and -99.99 is a longitude
        good = (np.abs(north) <= 90) & (east >= -180) & (east <= 360)
    return np.where(good, north, np.nan), wrapped(np.where(good, east, np.nan))


def nominal_position(latitude: Floats, longitude: Floats) -> tuple[float, float]:
    """Median place (degrees) of several, also across the dateline; NaN where there is none."""
    known = np.isfinite(latitude) & np.isfinite(longitude)
    if not known.any():
        return np.nan, np.nan
    north = np.asarray(latitude[known], dtype=np.float64)
    east = np.asarray(longitude[known], dtype=np.float64)
    # Longitudes are compared by their distance from the mean direction, which has no seam.
    middle = float(np.degrees(np.angle(np.mean(np.exp(1j * np.radians(east))))))
    offset = float(np.median(wrapped(east - middle)))
    return float(np.median(north)), round(float(wrapped(np.array(middle + offset))), 6)


def is_moving(latitude: Floats, longitude: Floats) -> bool:
    """Whether more than one in twenty places lies over `MOVING_KILOMETRES` from the median."""
    north, east = nominal_position(latitude, longitude)
    known = np.isfinite(latitude)
    if not known.any():
        return False
    a, b = np.radians(latitude[known]), np.radians(north)
    turn = np.radians(longitude[known] - east)
    half = np.sin((a - b) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(turn / 2) ** 2
    kilometres = 2 * 6371.0 * np.arcsin(np.sqrt(np.minimum(half, 1)))
    return bool(np.mean(kilometres > MOVING_KILOMETRES) > 0.05)


def instants(components: NDArray[Any]) -> tuple[Times, NDArray[np.bool_]]:
    """UTC times (n,) of year, month, day, hour, minute, second (n, 6), and which are real dates.

    Where a date is impossible the time is NaT.
    """
    year, month, day, hour, minute, second = np.asarray(components, dtype=np.int64).T
    valid = (year > 0) & (month >= 1) & (month <= 12) & (day >= 1)
    valid &= (hour >= 0) & (hour < 24) & (minute >= 0) & (minute < 60)
    valid &= (second >= 0) & (second < 60)
    months = (12 * (year - 1970) + np.where(valid, month, 1) - 1).astype("datetime64[M]")
    length = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(int)
    valid &= day <= length
    seconds = ((day - 1) * 86400 + hour * 3600 + minute * 60 + second).astype("timedelta64[s]")
    return np.where(valid, months.astype("datetime64[s]") + seconds, np.datetime64("NaT")), valid


def _column(parts: Sequence[Part], name: str) -> NDArray[Any]:
    """One attribute of every series."""
    values = [getattr(series, name) for series, _ in parts]
    return np.array(values, dtype=object if isinstance(values[0], str) else None)
