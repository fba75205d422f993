"""What is found in gridded files: product, grid, levels, times, units, values."""

import cftime
import numpy as np
import pytest
import xarray as xr

from co2net_phys.inspection import inspect
from co2net_phys.products import carbontracker, cmip6


def one(*paths):
    (report,) = inspect(paths)
    return report


def test_carbontracker_days_are_one_series(carbontracker_day, found):
    paths = [carbontracker_day(day) for day in ("2010-01-01", "2010-01-02", "2010-01-04")]
    report = one(*reversed(paths))
    assert (report.product, report.kind) == ("CarbonTracker", "grid")
    assert report.identity["release"] == "CT2022"
    assert report.files == tuple(map(str, paths))
    assert (report.time.count, report.time.step, report.time.missing) == (24, 10800, 8)
    assert (report.time.first, report.time.last) == ("2010-01-01T01:30", "2010-01-04T22:30")
    assert found(report, "time") == ["8 times are missing in one gap: windows never cross them"]
    assert report.levels[0].lowest == "first"
    (use,) = report.uses
    assert use.command[:4] == ("co2phys", "data", "prepare", "carbontracker")
    assert use.note == ""
    assert not found(report, severity="error")


def test_the_names_are_those_that_the_reader_gives(carbontracker_day, cmip_file):
    """The table of names cannot drift from the readers unseen."""
    old = carbontracker_day(
        "2010-01-05",
        change=lambda d: d.rename(temperature="temp").drop_vars("boundary", errors="ignore"),
    )
    for path in (carbontracker_day(), old):
        report = one(path)
        read = carbontracker.read([path])
        expected = {name: read[name].attrs["original_name"] for name in read.data_vars}
        assert {v.schema_name: v.name for v in report.variables if v.schema_name} == expected
        units = {v.schema_name: v.schema_units for v in report.variables if v.schema_name}
        assert units == {name: read[name].attrs["units"] for name in read.data_vars}
    for variable in ("co2s", "co2", "tas", "uas", "vas", "huss", "ps", "zg", "orog"):
        path = cmip_file(variable)
        read = cmip6.read([path])
        (known,) = [v for v in one(path).variables if v.schema_name]
        assert [known.schema_name] == list(read.data_vars)


def test_the_files_of_a_run_are_prepared_together(cmip_file, tmp_path):
    for variable in ("co2s", "tas", "orog"):
        cmip_file(variable)
    cmip_file("co2s", start=(2003, 1))
    reports = {report.identity["variable"]: report for report in inspect([tmp_path])}
    assert set(reports) == {"co2s", "tas", "orog"}
    for report in reports.values():
        assert report.product == "CMIP6"
        words = report.uses[0].command
        assert words[:4] == ("co2phys", "data", "prepare", "cmip6")
        assert sorted(tmp_path.glob(words[5].rpartition("/")[2])) == sorted(tmp_path.iterdir())
    gas = reports["co2s"]
    assert (gas.grid.kind, gas.grid.coverage, gas.grid.longitude_convention) == (
        *("Gaussian", "global", "0 to 360"),
    )
    assert gas.grid.bounds_included
    assert not gas.grid.poles_included
    assert (gas.time.calendar, gas.time.missing) == ("noleap", 12)
    assert reports["orog"].time is None


def test_weather_of_another_frequency_is_an_auxiliary(cmip_file):
    def daily(data):
        data.attrs |= {"frequency": "day", "table_id": "day"}
        return data

    gas, other = cmip_file("co2s"), cmip_file("prsn")
    weather = [cmip_file(name, change=daily) for name in ("tas", "ps", "huss", "uas", "vas")]
    for report in inspect([gas, other, *weather]):
        if report.identity["variable"] == "prsn":
            continue
        words = report.uses[0].command
        assert words[words.index("--input") + 1] == str(gas)
        patterns = [words[n + 1] for n, word in enumerate(words) if word == "--auxiliary"]
        matched = {path for p in patterns for path in gas.parent.glob(p.rpartition("/")[2])}
        assert matched - {other} == set(weather)


def test_without_its_gas_a_run_makes_no_store(cmip_file):
    (use,) = one(cmip_file("tas")).uses
    assert (use.command, "needs co2s" in use.note) == ((), True)
    (use, *_) = one(cmip_file("prsn")).uses
    assert "no place" in use.note


def test_a_model_other_than_the_name_says(cmip_file, found):
    """As sample files that are presented as CanESM5 and hold CanESM2."""

    def other(data):
        data.attrs["source_id"] = "CanESM2"
        return data

    name = "tas_Amon_CanESM5_historical_r1i1p1f1_gn_200101-200112.nc"
    report = one(cmip_file("tas", change=other, name=name))
    (text,) = found(report, "identity", "warning")
    assert "CanESM5" in text
    assert "CanESM2" in text


def test_times_that_the_name_excludes(cmip_file, found):
    name = "tas_Amon_CanESM5_historical_r1i1p1f1_gn_200501-200512.nc"
    assert "says 200501 to 200512" in found(one(cmip_file("tas", name=name)), "time", "warning")[0]
    name = "tas_Amon_CanESM5_historical_r1i1p1f1_gn_200101-200112.nc"
    assert not found(one(cmip_file("tas", name=name)), "time", "warning")


def test_calendars_are_not_mixed(cmip_file, found):
    paths = [
        cmip_file("tas", calendar="noleap"),
        cmip_file("tas", start=(2002, 1), calendar="360_day"),
    ]
    (text,) = found(one(*paths), "time", "error")
    assert "'360_day'" in text
    assert "'noleap'" in text


def test_files_of_another_step_units_or_without_a_variable(carbontracker_day, found):
    def changed(data):
        data["co2"].attrs["units"] = "mol mol-1"
        return data.drop_vars("blh").isel(time=slice(None, None, 2))

    paths = [carbontracker_day(), carbontracker_day("2010-01-02", change=changed)]
    report = one(*paths)
    assert any("differ in time step: 3 h in" in text for text in found(report, "time", "error"))
    assert any("lack 'blh'" in text for text in found(report, "files", "error"))
    assert any("'mol mol-1'" in text for text in found(report, "units", "warning"))


def test_the_reader_has_the_last_word(carbontracker_day, found):
    def wrong_hour(data):
        data["time_components"][:, 3] += 5
        return data

    report = one(carbontracker_day(change=wrong_hour))
    (text,) = found(report, severity="error")
    assert "time_components" in text
    assert report.uses[0].note == "after the errors above are mended"


def test_upside_down_layers(carbontracker_day, found):
    path = carbontracker_day(change=lambda d: d.isel(boundary=slice(None, None, -1)))
    assert any("grows along 'boundary'" in text for text in found(one(path), "level", "error"))


def test_components_and_older_names(carbontracker_day, found):
    def older(data):
        parts = dict.fromkeys(("bg", "ff", "bio", "ocean", "fires"), data["co2"] / 5)
        press = data["pressure"].isel(boundary=slice(None, -1)).swap_dims(boundary="level")
        press = press.drop_vars("boundary").assign_coords(level=data["level"])
        return data.drop_vars(["co2", "pressure"]).assign(parts).assign(press=press)

    report = one(carbontracker_day(change=older))
    texts = " ".join(found(report))
    for part in ("adds bg, ff", "'press'", "4 layers instead of 34"):
        assert part in texts


@pytest.mark.parametrize(
    ("units", "factor", "option"),
    [
        ("kg m**-2", 1, "co2=ppm"),
        ("ppm", 1e-6, "co2=mol mol-1"),
        ("", 1, "co2=ppm"),
        ("kelvin", 1e3, "co2=ppb"),
    ],
)
def test_units_that_values_contradict_and_those_that_fit(grid_file, found, units, factor, option):
    def change(data):
        data["co2"] = (data["co2"] * factor).assign_attrs(units=units)
        return data

    report = one(grid_file(change))
    (gas,) = [v for v in report.variables if v.name == "co2"]
    assert (gas.schema_units, gas.units_option) == ("", option)
    (text,) = found(report, "units", "error")
    assert "--units co2=" in text


def test_units_that_can_be_converted(grid_file, found):
    def change(data):
        data["co2"] = (data["co2"] * 1e-6).assign_attrs(units="mol mol-1")
        return data

    report = one(grid_file(change))
    (gas,) = [v for v in report.variables if v.name == "co2"]
    assert (gas.schema_name, gas.schema_units, gas.units_option) == ("co2s", "umol mol-1", "")
    assert gas.minimum == pytest.approx(4e-4, rel=0.1)
    assert not found(report, "units")


@pytest.mark.parametrize("fill", [-999.0, 1e20, -9999.0])
def test_fill_values_in_disguise(grid_file, found, fill):
    def change(data):
        data["co2"][0, 3, 4] = fill
        return data

    report = one(grid_file(change, co2={"_FillValue": None}))
    text = " ".join(found(report, "values", "warning"))
    assert f"{fill:g} (1 times)" in text
    (gas,) = [v for v in report.variables if v.name == "co2"]
    assert 300 < gas.minimum < gas.maximum < 500


def test_missing_values_and_nothing_but_missing_values(grid_file, found):
    def change(data):
        data["co2"][0, :9] = np.nan
        data["u10"][:] = np.nan
        return data

    report = one(grid_file(change))
    assert any("'co2' is missing in 0.5" in text for text in found(report, "values"))
    assert "variable 'u10' is missing everywhere" in found(report, "values", "error")


def reordered(data):
    return data.transpose("lon", "time", "lat").isel(lat=slice(None, None, -1))


def curvilinear(data):
    places = {"lat": ("y", data["lat"].values), "lon": ("x", data["lon"].values)}
    data = data.rename(lat="y", lon="x").drop_vars(["y", "x"])
    north, east = np.meshgrid(places["lat"][1], places["lon"][1], indexing="ij")
    return data.assign_coords(
        lat=(("y", "x"), north, {"units": "degrees_north"}),
        lon=(("y", "x"), east, {"units": "degrees_east"}),
    )


GRIDS = {
    "transposed": (reordered, "note", "order (lon, time, lat)"),
    "north first": (reordered, "note", "from north to south"),
    "curvilinear": (curvilinear, "error", "the grid is curvilinear"),
    "regional": (lambda d: d.isel(lat=slice(0, 9)), "error", "the grid is regional"),
    "twice": (lambda d: xr.concat([d, d.isel(lon=[0]).assign_coords(lon=[360.0])], "lon"), "note",
              "a meridian is there twice"),
    "swapped": (lambda d: d.assign_coords(lat=("lat", np.linspace(-170, 170, 18),
                {"units": "degrees_north"})), "error", "beyond 90"),
    "not monotonic": (lambda d: d.isel(lat=[1, 0, *range(2, 18)]), "error", "not monotonic"),
    "one pole": (lambda d: d.assign_coords(lat=("lat", np.linspace(-80, 90, 18),
                 {"units": "degrees_north"})), "note", "a row at one pole"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "severity", "text"), GRIDS.values(), ids=GRIDS)
def test_oddities_of_the_grid(grid_file, found, change, severity, text):
    assert any(text in said for said in found(one(grid_file(change)), "grid", severity))


@pytest.mark.parametrize(
    ("east", "convention"),
    [
        (np.arange(24) * 15.0, "0 to 360"),
        (np.arange(24) * 15.0 - 180, "-180 to 180"),
        (np.arange(8) * 15.0, "either"),
    ],
)
def test_conventions_of_longitude(grid_file, east, convention):
    path = grid_file(
        lambda d: d.isel(lon=slice(0, len(east))).assign_coords(
            lon=("lon", east, {"units": "degrees_east"})
        )
    )
    assert one(path).grid.longitude_convention == convention


def repeated(data):
    return xr.concat([data, data.isel(time=[0])], "time")


def without_units(data):
    return data.assign_coords(time=np.arange(data.sizes["time"]))


TIMES = {
    "repeated": (repeated, "warning", "1 times are there more than once"),
    "unsorted": (lambda d: d.isel(time=[1, 0, 2, 3]), "warning", "do not ascend"),
    "gap": (lambda d: d.isel(time=[0, 1, 2, 5, 6, 7]), "warning", "2 times are missing in one gap"),
    "scalar": (lambda d: d.isel(time=0), "note", "a scalar"),
    "none": (lambda d: d.isel(time=0, drop=True), "note", "no time axis"),
    "bare numbers": (without_units, "error", "without CF units"),
    "no coordinate": (lambda d: d.drop_vars("time"), "error", "without any times"),
    "missing": (lambda d: d.assign_coords(time=[np.datetime64("NaT", "ns"), *d["time"].values[1:]]),
                "error", "has no time for 1 of 8"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "severity", "text"), TIMES.values(), ids=TIMES)
def test_oddities_of_the_times(grid_file, found, change, severity, text):
    assert any(text in said for said in found(one(grid_file(change)), "time", severity))


def test_times_that_cannot_be_decoded_are_no_end(grid_file, found):
    def change(data):
        units = {"units": "parsecs since 1582-10-14"}
        return data.assign_coords(time=("time", np.arange(8.0), units))

    report = one(grid_file(change))
    (text,) = found(report, "time")
    assert "'parsecs since 1582-10-14'" in text
    assert report.grid.coverage == "global"


def test_times_to_the_calendar_of_the_model(grid_file):
    times = [cftime.datetime(2000, 2, day, calendar="360_day") for day in (29, 30)]
    path = grid_file(lambda d: d.isel(time=[0, 1]).assign_coords(time=times))
    time = one(path).time
    assert (time.calendar, time.last) == ("360_day", "2000-02-30T00:00")


LEVELS = {
    "top first": ([10.0, 500.0, 1000.0], {"units": "hPa"}, "last", "begin at the top"),
    "ground first": ([1000.0, 500.0, 10.0], {"units": "hPa"}, "first", "below the ground"),
    "hybrid, up": ([0.99, 0.5, 0.1], {"positive": "up", "standard_name":
                   "atmosphere_hybrid_sigma_pressure_coordinate"}, "first", "positive 'up'"),
    "nothing said": ([1.0, 2.0, 3.0], {}, "unknown", "nothing tells which end"),
}  # fmt: skip


@pytest.mark.parametrize(("values", "attributes", "lowest", "text"), LEVELS.values(), ids=LEVELS)
def test_levels(grid_file, found, values, attributes, lowest, text):
    def change(data):
        data = data.expand_dims(lev=3, axis=1)
        return data.assign_coords(lev=("lev", values, attributes))

    report = one(grid_file(change))
    (levels,) = report.levels
    assert (levels.count, levels.lowest) == (3, lowest)
    assert any(text in said for said in found(report, "level"))


def test_a_sample_stays_small(grid_file, monkeypatch):
    monkeypatch.setattr("co2net_phys.inspection.variables.LARGEST_SAMPLE", 100)
    report = one(grid_file())
    assert "lat 7 to 10" in report.variables[0].sample
    assert 390 < report.variables[0].minimum < 410


def test_two_series_of_different_variables(grid_file):
    paths = [grid_file(lambda d, n=name: d[[n]], name=f"{name}.nc") for name in ("co2", "u10")]
    assert [len(report.files) for report in inspect(paths)] == [1, 1]


def test_geos_chem_and_ecmwf_by_what_they_say_of_themselves(grid_file):
    def titled(**attributes):
        return one(grid_file(lambda d: d.assign_attrs(attributes)))

    assert titled(title="GEOS-Chem diagnostic collection: SpeciesConc").product == "GEOS-Chem"
    assert titled(institution="ECMWF").product == "ECMWF"
    assert titled().product == "CF grid"


def test_what_no_command_takes(tmp_path):
    xr.Dataset({"x": ("n", np.arange(5.0))}).to_netcdf(tmp_path / "x.nc")
    report = one(tmp_path / "x.nc")
    assert (report.kind, report.uses[0].command) == ("other", ())
    assert report.variables[0].maximum == 4
