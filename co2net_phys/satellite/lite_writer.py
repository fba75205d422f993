"""Write a day's retrievals as a Lite file, in the layout of the real ones.

NetCDF-4 with the dimensions sounding_id, levels, epoch_dimension and, for OCO, vertices; what a
user needs is at the root, the rest in the groups Sounding and Retrieval. GOSAT's files (ACOS) have
a gain where OCO's have orbit, footprint, mode and corners.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.writer_backends import COMPRESSION_LEVEL, true_errno
from co2net_phys.satellite.footprints import Instrument
from co2net_phys.satellite.instrument import Retrievals

MISSING = np.float32(-999999.0)
"""What the real files hold where a number is missing."""

ONE = ("sounding_id",)
LEVELWISE = ("sounding_id", "levels")

PRODUCTS = {
    "oco2": ("oco2_LtCO2_{day}_B11210Ar_{day}000000s.nc4", "B11.2.10"),
    "oco3": ("oco3_LtCO2_{day}_B11072Ar_{day}000000s.nc4", "B11.0.72"),
    "gosat": ("acos_LtCO2_{day}_v210210_B9213A_{day}000000s.nc4", "B9.2.13A"),
}
"""File name and build of each product; the last part of a real name is when it was made."""

OPERATION_MODES = "0=Nadir, 1=Glint, 2=Target, 3=Transition, 4=SAM"

SPACE_TO_SURFACE = (
    "Defined on layer boundaries, ordered from space to surface: the first element is the top of "
    "the atmosphere, the last the surface."
)


@dataclass(frozen=True)
class _Entry:
    """One variable of a Lite file."""

    dtype: Any
    dimensions: tuple[str, ...]
    values: NDArray[Any]
    units: str
    long_name: str
    more: Mapping[str, str] = field(default_factory=dict)


def lite_name(sensor: str, day: np.datetime64) -> str:
    """File name of a sensor's day, as the data centre's."""
    return PRODUCTS[sensor][0].format(day=str(day.astype("datetime64[D]")).replace("-", "")[2:])


def write_lite(
    path: Path,
    instrument: Instrument,
    retrievals: Retrievals,
    attributes: Mapping[str, str | float],
) -> None:
    """Write a Lite file in place; the folder around it is what appears whole or not at all.

    Args:
        path: the file; missing folders are made.
        instrument: which saw this.
        retrievals: at least one, in any order.
        attributes: global attributes beside those of the product.

    Raises:
        OSError: the file cannot be written.
    """
    groups = {
        "": _root(instrument, retrievals),
        "Sounding": _sounding(instrument, retrievals),
        "Retrieval": _retrieval(retrievals),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with true_errno(path), netCDF4.Dataset(str(path), "w", format="NETCDF4") as file:
        file.createDimension("sounding_id", len(retrievals.soundings))
        file.createDimension("levels", retrievals.soundings.pressure.shape[1])
        file.createDimension("epoch_dimension", 7)
        if instrument.sensor != "gosat":
            file.createDimension("vertices", 4)
        for name, entries in groups.items():
            group = file.createGroup(name) if name else file
            for variable, entry in entries.items():
                _write(group, variable, entry)
        file.setncatts(_product_attributes(instrument) | dict(attributes))


def _write(group: netCDF4.Dataset, name: str, entry: _Entry) -> None:
    is_number = entry.dtype == "f4"
    options: dict[str, Any] = {"fill_value": MISSING if is_number else False}
    if entry.dtype is not str:
        options |= {"zlib": True, "complevel": COMPRESSION_LEVEL}
    created = group.createVariable(name, entry.dtype, entry.dimensions, **options)
    attributes = {"units": entry.units, "long_name": entry.long_name, **entry.more}
    created.setncatts(attributes | ({"missing_value": MISSING} if is_number else {}))
    created[...] = entry.values


def _product_attributes(instrument: Instrument) -> dict[str, str]:
    return {
        "title": f"{instrument.platform} L2 Lite layout, synthetic",
        "Platform": instrument.platform,
        "Sensor": instrument.spectrometer,
        "BuildId": PRODUCTS[instrument.sensor][1],
        "Conventions": "CF-1.11",
    }


def _number(values: NDArray[Any], units: str, long_name: str, **more: str) -> _Entry:
    """A single-precision number for each sounding."""
    return _Entry("f4", ONE, values, units, long_name, more)


def _profile(values: NDArray[Any], units: str, long_name: str) -> _Entry:
    """Single-precision numbers for each sounding and level."""
    return _Entry("f4", LEVELWISE, values, units, long_name, {"comment": SPACE_TO_SURFACE})


def _root(instrument: Instrument, retrievals: Retrievals) -> dict[str, _Entry]:
    seen, spots = retrievals.soundings, retrievals.footprints
    seconds = seen.time.astype("datetime64[ms]").astype(np.int64) / 1e3
    distance = np.abs(spots.offset_m)
    entries = {
        "sounding_id": _Entry(
            "i8", ONE, _identities(instrument, retrievals), "1", _identity_format(instrument)
        ),
        "levels": _Entry(
            "i2", ("levels",), np.arange(1, seen.pressure.shape[1] + 1), "1", "Level number"
        ),
        "time": _Entry("f8", ONE, seconds, "seconds since 1970-01-01 00:00:00", "Time"),
        "date": _Entry(
            "i2",
            ("sounding_id", "epoch_dimension"),
            _dates(seen.time),
            "1",
            "Year, month, day, hour, minute, second, millisecond (UTC)",
        ),
        "latitude": _number(seen.latitude, "degrees_north", "Latitude of the centre"),
        "longitude": _number(seen.longitude, "degrees_east", "Longitude of the centre"),
        "solar_zenith_angle": _number(spots.solar_zenith, "degrees", "Solar zenith angle"),
        "sensor_zenith_angle": _number(
            np.degrees(np.arctan2(distance, instrument.orbit.altitude_m)),
            "degrees",
            "Zenith angle of the satellite",
        ),
        "xco2": _number(seen.xco2, "ppm", "Bias-corrected XCO2"),
        "xco2_uncertainty": _number(seen.uncertainty, "ppm", "XCO2 error by measurement noise"),
        "xco2_apriori": _number(seen.apriori_xco2, "ppm", "A-priori XCO2"),
        "xco2_quality_flag": _Entry(
            "i1",
            ONE,
            seen.quality_flag,
            "1",
            "XCO2 quality flag",
            {"comment": "0=Good, 1=Bad"},
        ),
        "pressure_levels": _profile(seen.pressure, "hPa", "Pressure at each level"),
        "pressure_weight": _profile(seen.pressure_weight, "1", "Pressure weighting function"),
        "xco2_averaging_kernel": _profile(
            seen.averaging_kernel, "1", "Normalised XCO2 averaging kernel"
        ),
        "co2_profile_apriori": _profile(seen.apriori_profile, "ppm", "A-priori CO2 profile"),
    }
    return entries if instrument.sensor == "gosat" else entries | _corners(instrument, retrievals)


def _corners(instrument: Instrument, retrievals: Retrievals) -> dict[str, _Entry]:
    """Corners of the footprints, anticlockwise seen along the track."""
    right, ahead = instrument.width_m / 2, instrument.length_m / 2
    places = [
        retrievals.footprints.moved(a * right, b * ahead)
        for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
    latitude, longitude = (np.stack(part, axis=1) for part in zip(*places, strict=True))
    dims = ("sounding_id", "vertices")
    return {
        "vertex_latitude": _Entry("f4", dims, latitude, "degrees_north", "Corner latitude"),
        "vertex_longitude": _Entry("f4", dims, longitude, "degrees_east", "Corner longitude"),
    }


def _sounding(instrument: Instrument, retrievals: Retrievals) -> dict[str, _Entry]:
    seen, spots = retrievals.soundings, retrievals.footprints
    # The satellite stands above the track, across it from the footprint.
    towards = spots.heading + np.where(spots.offset_m > 0, -np.pi / 2, np.pi / 2)
    entries = {
        "solar_azimuth_angle": _number(
            spots.solar_azimuth, "degrees", "Solar azimuth", comment="degrees East of North"
        ),
        "sensor_azimuth_angle": _number(
            np.remainder(np.degrees(towards), 360),
            "degrees",
            "Azimuth of the satellite",
            comment="degrees East of North",
        ),
        "altitude": _number(retrievals.altitude, "m", "Surface altitude"),
        "land_fraction": _number(retrievals.land_percent, "percent", "Land in the footprint"),
    }
    if instrument.sensor == "gosat":
        # Bright, dry ground saturates the detectors at high gain; the file's two letters.
        gain = np.where(retrievals.altitude > 4500, "M", "H").astype(object)
        return entries | {"gain": _Entry(str, ONE, gain, "1", "Gain: H high, M medium")}
    return entries | {
        "operation_mode": _Entry(
            "i1", ONE, seen.operation_mode, "1", "Operation mode", {"comment": OPERATION_MODES}
        ),
        "orbit": _Entry("i4", ONE, spots.revolution, "1", "Orbit number"),
        "footprint": _Entry("i1", ONE, spots.number, "1", "Footprint number, 1 to 8"),
    }


def _retrieval(retrievals: Retrievals) -> dict[str, _Entry]:
    surface = (retrievals.land_percent >= 50).astype(np.int8)
    return {
        "psurf": _number(retrievals.soundings.surface_pressure, "hPa", "Surface pressure"),
        "aod_total": _number(retrievals.aerosol_depth, "1", "Aerosol optical depth"),
        "surface_type": _Entry("i1", ONE, surface, "1", "0=ocean, 1=land"),
    }


def _dates(time: NDArray[np.datetime64]) -> NDArray[np.int16]:
    """Year, month, day, hour, minute, second and millisecond (n, 7)."""
    year, month, day = (time.astype(f"datetime64[{unit}]") for unit in "YMD")
    millisecond = (time.astype("datetime64[ms]") - day).astype(np.int64)
    parts = [
        year.astype(np.int64) + 1970,
        (month - year).astype(np.int64) + 1,
        (day - month).astype(np.int64) + 1,
        millisecond // 3_600_000,
        millisecond // 60_000 % 60,
        millisecond // 1000 % 60,
        millisecond % 1000,
    ]
    return np.stack(parts, axis=1).astype(np.int16)


def _identity_format(instrument: Instrument) -> str:
    digits = "YYYYMMDDhhmmss" + ("" if instrument.sensor == "gosat" else "mf")
    return f"Sounding identity {digits}"


def _identities(instrument: Instrument, retrievals: Retrievals) -> NDArray[np.int64]:
    """Date and time to the second and, for OCO, tenth of a second and footprint number (n,)."""
    parts = _dates(retrievals.soundings.time).astype(np.int64).T
    identity = parts[0]
    for part in parts[1:6]:
        identity = 100 * identity + part
    if instrument.sensor == "gosat":
        return identity
    return 100 * identity + 10 * (parts[6] // 100) + retrievals.footprints.number
