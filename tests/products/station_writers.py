"""Synthetic station files on the layouts of ObsPack and NOAA, for the tests of their readers."""

import netCDF4
import numpy as np

FILL = -1e34
CONCERNS = 3


def seconds(*instants):
    """POSIX seconds of ISO texts."""
    return np.array(instants, dtype="datetime64[s]").astype("i8")


def components(time):
    """(n, 6) year to second of POSIX seconds."""
    texts = [str(t) for t in np.asarray(time, "datetime64[s]")]
    return np.array(
        [[int(part) for part in t.replace("T", "-").replace(":", "-").split("-")] for t in texts]
    )


def characters(texts, width):
    return netCDF4.stringtochar(np.array([t.encode() for t in texts], dtype=f"S{width}"))


def write_obspack(
    path, time, value, *, dim="obs", units="mol mol-1", attributes=None, name=None, **columns
):
    """A GLOBALVIEWplus file; `columns` replace or (None) remove the usual variables.

    The name of the file decides site, project and selection unless `attributes` say otherwise.
    """
    name = name or path.stem
    size, (_, site, project, *_) = len(time), name.split("_")
    usual = {
        "nvalue": np.ones(size, "i4"), "value_std_dev": np.full(size, -99.99, "f4"),
        "latitude": np.full(size, 45.0, "f4"), "longitude": np.full(size, 7.5, "f4"),
        "altitude": np.full(size, 140.0, "f4"), "elevation": np.full(size, 100.0, "f4"),
        "intake_height": np.full(size, 40.0, "f4"), "obs_flag": np.ones(size, "i4"),
        "qcflag": ["..."] * size, "time_components": components(time),
        "assimilation_concerns": np.zeros((size, CONCERNS), "i4"),
        "obspack_id": [f"obspack_co2_1_TEST_v1.0_2020-01-01~{name}~{n}" for n in range(size)],
    }  # fmt: skip
    usual |= columns
    fills = {"time_components": -9, "obs_flag": -9, "nvalue": -9, "value_std_dev": -99.99}
    with netCDF4.Dataset(path, "w") as file:
        for label, length in (
            *((dim, size), ("calendar_components", 6), ("string_of_10chars", 10)),
            *(("string_of_200chars", 200), ("dim_concerns", CONCERNS)),
        ):
            file.createDimension(label, length)
        made = file.createVariable("time", "i4", (dim,))
        made.units = "seconds since 1970-01-01T00:00:00Z"
        made[:] = time
        made = file.createVariable("value", "f4", (dim,), fill_value=FILL)
        made.units = units
        made[:] = np.where(np.isnan(value), FILL, value)
        for label, data in usual.items():
            if data is None:
                continue
            if isinstance(data[0], str):
                width = 200 if label == "obspack_id" else 10
                made = file.createVariable(label, "S1", (dim, f"string_of_{width}chars"))
                made[:] = characters(data, width)
                continue
            data = np.asarray(data)
            second = {6: ("calendar_components",), CONCERNS: ("dim_concerns",)}
            dims = (dim, *(second[data.shape[1]] if data.ndim > 1 else ()))
            fill = fills.get(label, FILL if data.dtype.kind == "f" else None)
            made = file.createVariable(label, data.dtype, dims, fill_value=fill)
            if label == "value_std_dev":
                made.units = units
            made[:] = data
        own = {"site_code": site.upper(), "site_name": f"{site} station", "site_latitude": 45.0,
               "site_longitude": 7.5, "site_elevation": 100.0, "dataset_name": name,
               "dataset_parameter": name.split("_")[0], "dataset_project": project,
               "dataset_platform": "fixed"}  # fmt: skip
        file.setncatts({k: v for k, v in (own | (attributes or {})).items() if v is not None})
    return path


def write_day(path, rows, **options):
    """One file a day: `rows` of (dataset, ISO time, mole fraction, latitude, longitude, height)."""
    names, instants, values, north, east, height = zip(*rows, strict=True)
    nothing = dict.fromkeys(
        ("site_code", "site_name", "site_latitude", "site_longitude", "site_elevation",
         "dataset_name", "dataset_parameter", "dataset_project", "dataset_platform")
    )  # fmt: skip
    identities = [f"obspack_co2_1_TEST~{name}~{number}" for number, name in enumerate(names)]
    return write_obspack(
        path, seconds(*instants), np.array(values), name=names[0], attributes=nothing,
        obspack_id=identities, latitude=np.array(north, "f4"), longitude=np.array(east, "f4"),
        intake_height=np.array(height, "f4"), **options,
    )  # fmt: skip


def write_noaa(path, start, value, uncertainty, *, units, half=0, **columns):
    """NOAA GML's own NetCDF: `value_unc`, start, midpoint and text times, no `obspack_id`."""
    size = len(start)
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("obs", size)
        file.createDimension("string_of_25chars", 25)
        file.createDimension("string_of_3chars", 3)
        for label, data in (
            ("time", start),
            ("start_time", start),
            ("midpoint_time", start + half),
        ):
            made = file.createVariable(label, "i4", ("obs",))
            made.units = "seconds since 1970-01-01T00:00:00Z"
            made[:] = data
        for label, data in (("value", value), ("value_unc", uncertainty)):
            made = file.createVariable(label, "f4", ("obs",), fill_value=-999.99)
            made.units = units
            made[:] = np.where(np.isnan(data), -999.99, data)
        usual = {"latitude": 40.05, "longitude": -105.0, "altitude": 1606.0, "intake_height": 22.0}
        for label, data in (usual | columns).items():
            file.createVariable(label, "f4", ("obs",))[:] = np.broadcast_to(data, size)
        made = file.createVariable("qcflag", "S1", ("obs", "string_of_3chars"))
        made[:] = characters(["..."] * size, 3)
        made = file.createVariable("datetime", "S1", ("obs", "string_of_25chars"))
        made[:] = characters([f"{t}Z" for t in np.asarray(start, "datetime64[s]")], 25)
        tracer, site, project, *_ = path.stem.split("_")
        file.setncatts({"dataset_name": path.stem, "site_code": site.upper(),
                        "dataset_parameter": tracer, "dataset_project": project})  # fmt: skip
    return path


FIELDS = (
    "sample_site_code sample_year sample_month sample_day sample_hour sample_minute sample_seconds "
    "sample_id sample_method parameter_formula analysis_group_abbr analysis_value "
    "analysis_uncertainty analysis_flag analysis_instrument analysis_year analysis_month "
    "analysis_day analysis_hour analysis_minute analysis_seconds sample_latitude sample_longitude "
    "sample_altitude sample_elevation sample_intake_height event_number"
)


def write_event(path, rows, *, site="XYZ", formula="co2"):
    """NOAA's text of flasks: `rows` of (ISO time, value, flag)."""
    lines = ["# number_of_header_lines: 3", f"# contact_parameter: {formula.upper()} CCGG",
             f"# data_fields: {FIELDS}"]  # fmt: skip
    for number, (instant, value, flag) in enumerate(rows):
        date = instant.replace("T", " ").replace("-", " ").replace(":", " ")
        lines.append(
            f"{site} {date}  {number}-69 N      {formula}     CCGG {value:9.3f}     0.070 {flag} "
            f" L8 2019 01 22 15 35 00  53.3260   -9.8990    26.00     5.00    21.00 {number:8d}"
        )
    path.write_text("\n".join(lines) + "\n")
    return path


def write_month(path, rows, *, site="XYZ", tracer="CO2"):
    """NOAA's text of monthly means: `rows` of (year, month, value)."""
    header = f"# contact_parameter: {tracer} CCGG\n# data_fields: site year month value\n"
    lines = [f"{site} {year:4d} {month:2d} {value:8.2f}" for year, month, value in rows]
    path.write_text(header + "\n".join(lines) + "\n")
    return path
