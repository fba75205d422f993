"""Write the observation table as CF NetCDF, and read such a file back.

The layout is that of CF-1.11, section 9 and appendix H.2.4: time series in contiguous ragged
arrays, ``row_size`` measurements of the first series, then of the second, and so on. A measurement
has a place of its own beside the nominal place of its series, since intakes and ships move.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from co2net_phys.data.atomic import atomic_target
from co2net_phys.data.output_layout import CONVENTIONS, FILL_VALUE
from co2net_phys.data.writer_backends import COMPRESSION_LEVEL
from co2net_phys.errors import DataError, UsageError
from co2net_phys.products.observations import (
    Part,
    Records,
    Series,
    series_of,
    tracer_unit,
)

_LATITUDE = {"standard_name": "latitude", "units": "degrees_north"}
_LONGITUDE = {"standard_name": "longitude", "units": "degrees_east"}
_FLAG = {"flag_values": np.array([0, 1], dtype=np.int8), "flag_meanings": "no yes"}
_ATTRIBUTES: Mapping[str, Mapping[str, Any]] = {
    "time": {
        "standard_name": "time",
        "long_name": "centre of the sampling interval",
        "units_metadata": "leap_seconds: none",
    },
    "latitude": {**_LATITUDE, "long_name": "latitude of the sample"},
    "longitude": {**_LONGITUDE, "long_name": "longitude of the sample"},
    "altitude": {
        "standard_name": "altitude",
        "long_name": "altitude of the sample above mean sea level",
        "units": "m",
        "positive": "up",
    },
    "intake_height": {
        "standard_name": "height",
        "long_name": "height of the intake above the ground",
        "units": "m",
        "positive": "up",
    },
    "value_standard_deviation": {
        "long_name": "standard deviation of the measurement as the provider gives it",
        "coverage_content_type": "qualityInformation",
    },
    "number_of_records": {
        "standard_name": "number_of_observations",
        "long_name": "records of the input that were averaged",
        "units": "1",
        "coverage_content_type": "auxiliaryInformation",
    },
    "site": {"long_name": "code of the site"},
    "site_name": {"long_name": "name of the site"},
    "dataset": {"long_name": "name of the dataset"},
    "project": {"long_name": "platform and method of the measurements"},
    "laboratory": {"long_name": "number of the laboratory"},
    "selection_tag": {"long_name": "selection made by the provider"},
    "site_latitude": {**_LATITUDE, "long_name": "nominal latitude of the site", "axis": "Y"},
    "site_longitude": {**_LONGITUDE, "long_name": "nominal longitude of the site", "axis": "X"},
    "elevation": {
        "standard_name": "surface_altitude",
        "long_name": "elevation of the ground above mean sea level",
        "units": "m",
        "coverage_content_type": "referenceInformation",
    },
    "series_height": {
        "standard_name": "height",
        "long_name": "nominal height of the intake above the ground",
        "units": "m",
        "positive": "up",
    },
    "is_mobile": {"long_name": "whether the platform moves", **_FLAG},
    "is_monthly_mean": {"long_name": "whether the values are means of calendar months", **_FLAG},
}
_AUXILIARY = ("time", "latitude", "longitude", "altitude", "intake_height")


def write(
    table: xr.Dataset, path: Path, attributes: Mapping[str, Any], *, overwrite: bool = False
) -> None:
    """Write a table with at least one measurement.

    Args:
        table: observations, sorted by series.
        path: ends in .nc or .nc4.
        attributes: global attributes, such as the provenance; coverage is added.
        overwrite: whether an existing file may be replaced.

    Raises
    ------
    UsageError
        The path has another ending.
    DataError
        There is nothing to write, or the target exists or cannot be written.
    """
    refuse_other_endings(path)
    if not table.sizes["observation"]:
        raise DataError(f"{path}: no measurement is left to write; give files that hold some")
    dataset = _as_cf(table).assign_attrs({**attributes, **_coverage(table)})
    with atomic_target(path, overwrite=overwrite, expected_bytes=dataset.nbytes) as temporary:
        dataset.to_netcdf(
            temporary, engine="netcdf4", format="NETCDF4", encoding=_encoding(dataset)
        )


def refuse_other_endings(path: Path) -> None:
    """Raise `UsageError` unless the path ends as NetCDF does."""
    if path.suffix.lower() not in (".nc", ".nc4"):
        raise UsageError(f"--output {path}: observations are written as NetCDF; end it in .nc")


def is_observation_file(dataset: xr.Dataset) -> bool:
    """Whether an opened dataset is what `write` wrote."""
    return "row_size" in dataset and "series_id" in dataset.variables and "tracer" in dataset.attrs


def read(path: Path, dataset: xr.Dataset, tracer: str) -> tuple[list[Part], Counter[str]]:
    """The series and measurements of an opened file of `write`.

    Raises
    ------
    DataError
        It holds another tracer.
    """
    found = str(dataset.attrs["tracer"])
    if found != tracer:
        raise DataError(f"{path}: holds {found.upper()}, not {tracer.upper()}; leave the file out")
    loaded = dataset.load()
    ends = np.cumsum(loaded["row_size"].values.astype(np.int64))
    flags = {name: loaded[name].values.astype(bool) for name in ("is_mobile", "is_monthly_mean")}
    series = series_of(loaded.assign({name: ("series", flag) for name, flag in flags.items()}))
    columns = {
        "time": loaded["time"].values.astype("datetime64[s]"),
        "value": loaded[tracer].values.astype(np.float64),
        "standard_deviation": loaded["value_standard_deviation"].values.astype(np.float64),
        "count": loaded["number_of_records"].values.astype(np.int32),
    }
    for name in _AUXILIARY[1:]:
        columns[name] = loaded[name].values.astype(np.float64)
    starts = np.concatenate([[0], ends[:-1]])
    parts = [
        (one, Records(**{name: values[start:end] for name, values in columns.items()}))
        for one, start, end in zip(series, starts, ends, strict=True)
    ]
    return parts, Counter(json.loads(str(dataset.attrs.get("dropped", "{}"))))


def _as_cf(table: xr.Dataset) -> xr.Dataset:
    """The table as contiguous ragged arrays with the attributes of CF."""
    tracer = str(table.attrs["tracer"])
    index = table["series_index"].values
    sizes = np.bincount(index, minlength=table.sizes["series"]).astype(np.int32)
    ordered = table.isel(observation=np.argsort(index, kind="stable")).drop_vars("series_index")
    dataset = ordered.reset_coords(drop=False)
    for name in ("is_mobile", "is_monthly_mean"):
        dataset[name] = dataset[name].astype(np.int8)
    for name, attributes in _ATTRIBUTES.items():
        dataset[name].attrs = dict(attributes)
    dataset["value_standard_deviation"].attrs["units"] = tracer_unit(tracer)
    dataset[tracer].attrs |= {
        "coordinates": " ".join(_AUXILIARY),
        "ancillary_variables": "value_standard_deviation number_of_records",
    }
    dataset["row_size"] = (
        "series",
        sizes,
        {"long_name": "number of measurements of the series", "sample_dimension": "observation"},
    )
    identities = {"long_name": "unique name of the series", "cf_role": "timeseries_id"}
    dataset["series_id"] = ("series", _identities(series_of(table)), identities)
    # Nominal places before those of the measurements: many readers take the first they meet.
    return dataset[
        sorted(map(str, dataset.variables), key=lambda n: dataset[n].dims[0] != "series")
    ]


def _identities(series: list[Series]) -> np.ndarray[Any, Any]:
    """Name of the dataset, with the height and at last a number where that repeats."""
    names = [one.dataset for one in series]
    for number, one in enumerate(series):
        if names.count(one.dataset) > 1 and np.isfinite(one.series_height):
            names[number] = f"{one.dataset}-{one.series_height:g}magl"
    seen: Counter[str] = Counter()
    for number, name in enumerate(list(names)):
        seen[name] += 1
        if seen[name] > 1:
            names[number] = f"{name}-{seen[name]}"
    return np.array(names, dtype=object)


def _encoding(dataset: xr.Dataset) -> dict[str, dict[str, Any]]:
    """Compressed, floats with a fill value, everything else without; times exact to the second."""
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in dataset.variables.items():
        options: dict[str, Any] = {"_FillValue": None}
        if variable.dtype.kind == "f":
            options["_FillValue"] = variable.dtype.type(FILL_VALUE)
        if variable.dtype.kind in "fi":
            options |= {"zlib": True, "complevel": COMPRESSION_LEVEL, "shuffle": True}
        encoding[str(name)] = options
    encoding["time"] = {
        "units": "seconds since 1970-01-01 00:00:00",
        "calendar": "proleptic_gregorian",
        "dtype": "f8",
        "_FillValue": None,
        "zlib": True,
        "complevel": COMPRESSION_LEVEL,
    }
    return encoding


def _coverage(table: xr.Dataset) -> dict[str, Any]:
    """Conventions, feature type, and the part of space and time that the table covers."""
    time = table["time"].values
    first, last = time.min(), time.max()
    attributes: dict[str, Any] = {
        "Conventions": CONVENTIONS,
        "featureType": "timeSeries",
        "cdm_data_type": "Station",
        "tracer": table.attrs["tracer"],
        "dropped": table.attrs["dropped"],
        "time_coverage_start": f"{first}Z",
        "time_coverage_end": f"{last}Z",
        "time_coverage_duration": f"PT{int((last - first) / np.timedelta64(1, 's'))}S",
    }
    for prefix, name in (("lat", "latitude"), ("lon", "longitude")):
        if np.isfinite(table[name]).any():
            attributes[f"geospatial_{prefix}_min"] = float(table[name].min())
            attributes[f"geospatial_{prefix}_max"] = float(table[name].max())
            attributes[f"geospatial_{prefix}_units"] = _ATTRIBUTES[name]["units"]
    return attributes
