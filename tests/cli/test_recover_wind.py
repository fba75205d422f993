"""`co2phys recover-wind`: a known wind comes back, and what cannot be told is said in one line."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

DATA = Path(
    os.environ.get("CO2PHYS_SAMPLE_DATA") or Path(__file__).parents[2] / "../shared/data"
).resolve()
GFS = DATA / "winds/gfs_10m_6h_1deg_20161120-22.nc"
RUN = (
    *("simulate", "--initial", "coordinates", "--truncation", "10", "--output", "run.nc"),
    *("--grid", "model", "--diffusivity", "0"),
)


@pytest.fixture(scope="module")
def moving():
    """Three tracers in a solid-body rotation of 20 m s-1 at the equator, half-hourly."""
    north, east = np.arange(-85.0, 90, 10), np.arange(0.0, 360, 15)
    theta, seconds = np.radians(north)[:, None], 1800.0 * np.arange(8)[:, None, None]
    lam = np.radians(east) - 20.0 / 6.371e6 * seconds
    level = np.ones(lam.shape[2])
    fields = {
        "x": np.cos(theta) * np.cos(lam),
        "y": np.cos(theta) * np.sin(lam),
        "z": np.sin(theta) * level + 0 * lam,
    }
    dims = ("time", "lat", "lon")
    return xr.Dataset(
        {
            f"tracer_{n}": (dims, (5 + values).astype("f4"), {"units": "kg m-3"})
            for n, values in fields.items()
        },
        {
            "time": ("time", np.datetime64("2020-01-01", "ns") + np.arange(8) * 1800 * 10**9),
            "lat": ("lat", north, {"units": "degrees_north"}),
            "lon": ("lon", east, {"units": "degrees_east"}),
        },
    )


def rotation(wind):
    """Eastward wind that carried `moving`, where `wind` has its values."""
    return 20 * np.cos(np.radians(wind["latitude"])).broadcast_like(wind["u"])


def recover(co2phys, *words, file="air.nc"):
    words = (*words, "--diffusivity", "0") if "--diffusivity" not in words else words
    return co2phys("recover-wind", file, *words, "--output", "wind.nc")


def refused(done, code, *parts):
    """One line on stderr, with all the parts, and no output."""
    lines = [line for line in done.err.splitlines() if line.startswith("co2phys: error: ")]
    assert done.code == code, done.err
    assert len(lines) == 1, done.err
    assert lines[0] == done.err.splitlines()[-1]
    for part in parts:
        assert part in lines[0]
    assert "Traceback" not in done.err
    assert "unexpected" not in done.err
    assert done.out == ""
    assert not list(Path().glob("wind.nc*"))


@pytest.mark.parametrize("method", ["pointwise", "global"])
def test_a_rotation_comes_back(co2phys, tmp_path, moving, method):
    moving.to_netcdf(tmp_path / "air.nc")
    done = recover(co2phys, "--method", method, "--truncation", "5", "--json")
    assert done.code == 0, done.err
    assert "tracers of air.nc: tracer_x, tracer_y, tracer_z" in done.err
    answer = json.loads(done.out)
    assert answer["instants"] == 4
    assert answer["determined"][0]["components"] == 2
    assert answer["determined"][0]["area"] == pytest.approx(1)
    with xr.open_dataset(tmp_path / "wind.nc") as wind:
        truth = rotation(wind)
        np.testing.assert_allclose(wind["u"], truth, atol=5e-3)
        np.testing.assert_allclose(wind["v"], 0, atol=5e-3)
        np.testing.assert_array_equal(wind["time"], moving["time"][2:6])
        assert wind["u"].attrs["standard_name"] == "eastward_wind"
        assert wind["v_standard_error"].attrs["standard_name"] == "northward_wind standard_error"
        for name in wind["u"].attrs["ancillary_variables"].split():
            assert name in wind
        assert (wind["determined_components"] == 2).all()


def test_one_tracer_tells_the_component_along_its_gradient(co2phys, tmp_path, moving):
    moving.to_netcdf(tmp_path / "air.nc")
    done = recover(co2phys, "--tracer", "tracer_x", "--truncation", "5")
    assert done.code == 0, done.err
    assert "1 equation for two unknowns leaves no residual" in done.err
    with xr.open_dataset(tmp_path / "wind.nc") as wind:
        assert np.isnan(wind["u"]).all()
        assert np.isnan(wind["u_standard_error"]).all()
        told = wind["determined_components"] == 1
        assert told.mean() > 0.9
        north, east = wind["best_direction_northward"], wind["best_direction_eastward"]
        np.testing.assert_allclose((north**2 + east**2).where(told, 1), 1, rtol=1e-5)
        truth = rotation(wind) * east
        np.testing.assert_allclose(
            wind["best_component"].where(told, 0), truth.where(told, 0), atol=2e-2
        )
        assert np.isnan(wind["best_component"].where(~told)).all()
        assert np.isnan(wind["condition_number"]).all(), "infinite"


def test_the_numbers_are_the_same_in_blocks_in_zarr_and_with_other_longitudes(
    co2phys, tmp_path, moving, monkeypatch
):
    moving.to_netcdf(tmp_path / "air.nc")
    shifted = moving.assign_coords(lon=(moving["lon"] + 180) % 360 - 180).sortby("lon")
    shifted["lon"].attrs = moving["lon"].attrs
    shifted.isel(lat=slice(None, None, -1)).to_zarr(tmp_path / "air.zarr")
    options = ("--truncation", "5", "--noise", "1e-6")
    assert recover(co2phys, *options).code == 0
    whole = xr.load_dataset(tmp_path / "wind.nc")
    monkeypatch.setattr("co2net_phys.wind_estimate.BLOCK_BYTES", 0)
    monkeypatch.setattr("co2net_phys.wind_estimate.SHORTEST_BLOCK", 1)
    assert recover(co2phys, *options, "--overwrite", file="air.zarr").code == 0
    pieces = xr.load_dataset(tmp_path / "wind.nc")
    assert (np.abs(whole["u"]) > 1).any()
    for name in whole.data_vars:
        np.testing.assert_allclose(pieces[name], whole[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_source_explains_what_the_wind_does_not(co2phys, tmp_path, moving):
    grown = moving.copy(deep=True)
    seconds = 1800.0 * np.arange(8)[:, None, None]
    rate = 1e-6 * np.cos(np.radians(moving["lat"].values))[:, None] * np.ones(24)
    grown["tracer_x"] += seconds * rate
    attributes = {"units": "kg m-3 d-1", "standard_name": "unknown_source"}
    grown["rate"] = ("lat", "lon"), 86400 * rate, attributes
    grown.to_netcdf(tmp_path / "air.nc")
    words = ("--tracer", "tracer_x", "--tracer", "tracer_y", "--tracer", "tracer_z")
    sources = ("--source", "rate", "--source", "none", "--source", "none")
    errors = []
    for more in ((), sources):
        assert recover(co2phys, *words, *more, "--truncation", "5", "--overwrite").code == 0
        with xr.open_dataset(tmp_path / "wind.nc") as wind:
            errors.append(float(np.abs(wind["u"] - rotation(wind)).max()))
    assert errors[0] > 1
    assert errors[1] < 0.02, "what has grown is zonal, and so is the wind"


def with_hole(data):
    data = data.copy(deep=True)
    data["tracer_y"][5, 3, 4] = np.nan
    return data


def uneven(data):
    return data.isel(time=[0, 1, 2, 3, 5, 6, 7])


def on_another_grid(data):
    other = data["tracer_y"].isel(lat=slice(1, None, 3)).rename(lat="lat2")
    return data.drop_vars("tracer_y").assign(tracer_y=other)


def constant(data):
    return data.assign(tracer_z=0 * data["tracer_z"] + 5)


TWO = ("--components", "2")


@pytest.mark.parametrize(
    ("change", "words", "parts"),
    [
        (lambda d: d.isel(time=[0, 1]), (), ["'tracer_x'", "2 time steps", "needs 3"]),
        (lambda d: d.isel(time=[0]), (), ["'tracer_x'", "1 time step,"]),
        (lambda d: d.isel(time=slice(0, 5)), ("--order", "6"), ["5 time steps", "--order"]),
        (lambda d: d, ("--window", "7"), ["8 time steps", "window of 7", "--window"]),
        (
            on_another_grid,
            (),
            ["'tracer_x'", "'tracer_y'", "their latitudes differ", "18 × 24"],
        ),
        (constant, (), ["'tracer_z'", "constant", "leave it out"]),
        (uneven, (), ["'tracer_x'", "unequal time steps", "1800 to 3600 s"]),
        (with_hole, (), ["'tracer_y'", "1 missing", "02:30"]),
        (lambda d: d, ("--tracer", "tracer_x", *TWO), ["one tracer", "two tracers", "--window"]),
        (
            lambda d: d.assign(copy=2 * d["tracer_x"]),
            ("--tracer", "tracer_x", "--tracer", "copy", *TWO),
            ["determined nowhere", "two tracers"],
        ),
        (lambda d: d, ("--tracer", "ozone"), ["no variable 'ozone'", "tracer_x"]),
        (lambda d: d, ("--tracer", "tracer_x", "--tracer", "tracer_x"), ["named twice"]),
        (lambda d: d.isel(time=0), ("--tracer", "tracer_x"), ["'tracer_x'", "no time axis"]),
        (lambda d: d[["time", "lat", "lon"]], (), ["no tracer", "--tracer"]),
        (lambda d: d.isel(lon=slice(0, 12)), (), ["'tracer_x'"]),
        (lambda d: d.assign_coords(lat=np.linspace(-90, 90, 18)), (), ["pole", "regrid"]),
        (lambda d: d, ("--level", "850"), ["--level"]),
    ],
)
def test_files_that_cannot_be_used(co2phys, tmp_path, moving, change, words, parts):
    data = change(moving)
    if "lat" in data.coords:
        data["lat"].attrs["units"] = "degrees_north"
    data.to_netcdf(tmp_path / "air.nc")
    refused(recover(co2phys, *words), 3, "air.nc", *parts)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--noise", "1", "--noise", "2"), ["--noise", "2 times for 3 tracers"]),
        (("--noise", "much"), ["--noise 'much'", "1%"]),
        (("--noise", "-1"), ["--noise '-1'"]),
        (("--source", "none"), ["--source", "1 times for 3 tracers"]),
        (("--order", "3"), ["--order 3", "2, 4 or 6"]),
        (("--truncation", "40"), ["--truncation 40", "air.nc", "1 to 8"]),
        (("--truncation", "0"), ["--truncation 0", "1 to 8"]),
        (("--largest-error", "-1"), ["--largest-error -1", "above 0"]),
        (("--largest-error", "nan"), ["--largest-error nan"]),
        (("--diffusivity", "inf"), ["--diffusivity inf"]),
        (("--wind-truncation", "9", "--method", "global"), ["--wind-truncation 9", "1 to 8"]),
        (("--wind-truncation", "0", "--method", "global"), ["--wind-truncation 0", "1 to 8"]),
        (("--wind-truncation", "5"), ["--wind-truncation", "pointwise"]),
        (("--largest-error", "10", "--method", "global"), ["--largest-error has no effect with"]),
        (("--components", "3"), ["--components"]),
        (("--form", "flux"), ["flux", "--method global"]),
    ],
)
def test_options_that_make_no_sense(co2phys, tmp_path, moving, words, parts):
    moving.to_netcdf(tmp_path / "air.nc")
    for more in ((), ("--dry-run",)):
        done = recover(co2phys, *words, *more)
        refused(done, 2, *parts)
        assert len(done.err.splitlines()) == 1, "nothing is printed before"


def test_the_input_is_not_replaced(co2phys, tmp_path, moving):
    moving.to_netcdf(tmp_path / "wind.nc")
    before = (tmp_path / "wind.nc").read_bytes()
    done = recover(co2phys, "--overwrite", file="wind.nc")
    assert done.code == 2
    assert "is an input" in done.err
    assert (tmp_path / "wind.nc").read_bytes() == before


def test_a_dry_run_writes_nothing(co2phys, tmp_path, moving):
    moving.to_netcdf(tmp_path / "air.nc")
    done = recover(co2phys, "--dry-run", "--noise", "1%")
    assert done.code == 0
    assert "4, every 1800 s" in done.out
    assert "pointwise, order 4" in done.out
    assert os.listdir(tmp_path) == ["air.nc"]


def test_a_plan_tells_the_truncation_of_the_wind(co2phys, tmp_path, moving, monkeypatch):
    moving.to_netcdf(tmp_path / "air.nc")

    def planned(*words):
        return json.loads(recover(co2phys, *words, "--dry-run", "--json").out)["wind_truncation"]

    assert planned() is None, "every place by itself"
    assert planned("--method", "global") == 8
    assert planned("--method", "global", "--truncation", "6") == 6
    assert planned("--method", "global", "--wind-truncation", "3") == 3
    monkeypatch.setattr("co2net_phys.wind_settings.FINEST_WIND", 7)
    assert planned("--method", "global") == 7
    text = recover(co2phys, "--method", "global", "--dry-run")
    assert "T8, of the wind T7" in text.out
    from co2net_phys.wind_estimate import fit_wind

    seen = []

    def fit(*fields, wind_truncation, **options):
        seen.append(wind_truncation)
        return fit_wind(*fields, wind_truncation=wind_truncation, **options)

    monkeypatch.setattr("co2net_phys.wind_estimate.fit_wind", fit)
    assert recover(co2phys, "--method", "global").code == 0
    assert set(seen) == {7}, "what the plan tells"


@pytest.mark.parametrize("suffix", ["nc", "zarr"])
def test_the_number_of_components_is_a_flag_of_whole_numbers(co2phys, tmp_path, moving, suffix):
    moving.to_netcdf(tmp_path / "air.nc")
    words = ("air.nc", "--truncation", "5", "--diffusivity", "0", "--output", f"wind.{suffix}")
    assert co2phys("recover-wind", *words, "--tracer", "tracer_x").code == 0
    with xr.open_dataset(f"wind.{suffix}", mask_and_scale=False) as wind:
        flag = wind["determined_components"]
        assert flag.dtype == np.int8
        assert "_FillValue" not in flag.attrs
        np.testing.assert_array_equal(flag.attrs["flag_values"], [0, 1, 2])
        if suffix == "nc":
            assert flag.attrs["flag_values"].dtype == np.int8
        assert flag.attrs["flag_meanings"] == "none best_component_only both"
        assert set(np.unique(flag)) <= {0, 1}
        assert (flag == 1).mean() > 0.9


def test_what_a_run_was_made_with_is_taken_from_its_file(co2phys, tmp_path):
    winds = ("--winds", "solid-body", "--duration", "5h", "--output-every", "1h")
    assert co2phys(*RUN, *winds, "--form", "flux").code == 0
    done = co2phys("recover-wind", "run.nc", "--output", "wind.nc", "--dry-run", "--json")
    assert done.code == 2
    assert "--method global" in done.err
    words = ("--form", "advective", "--dry-run", "--json")
    plan = json.loads(co2phys("recover-wind", "run.nc", "--output", "wind.nc", *words).out)
    assert (plan["truncation"], plan["diffusivity"]) == (10, 0)
    words = ("--method", "global", "--diffusivity", "7", "--dry-run", "--json")
    plan = json.loads(co2phys("recover-wind", "run.nc", "--output", "wind.nc", *words).out)
    assert (plan["form"], plan["diffusivity"]) == ("flux", 7)


def test_times_are_those_of_the_tracers(co2phys, tmp_path):
    """To the last bit, so that both can be joined: ten minutes are no round number of hours."""
    winds = ("--winds", "solid-body", "--duration", "3h", "--output-every", "10min")
    assert co2phys(*RUN, *winds).code == 0
    assert co2phys("recover-wind", "run.nc", "--output", "wind.nc").code == 0
    with xr.open_dataset("wind.nc") as wind, xr.open_dataset("run.nc") as run:
        np.testing.assert_array_equal(wind["time"], run["time"][2:-2])


def test_the_output_is_clean(co2phys, tmp_path):
    runner = pytest.importorskip("compliance_checker.runner", reason="compliance-checker is absent")
    winds = ("--winds", "deformational", "--duration", "6h", "--output-every", "1h")
    assert co2phys(*RUN, *winds).code == 0
    done = co2phys("recover-wind", "run.nc", "--output", "wind.nc")
    assert done.code == 0, done.err
    assert "tracers of run.nc: tracer_x, tracer_y, tracer_z" in done.err
    suite = runner.CheckSuite()
    suite.load_all_available_checkers()
    dataset = suite.load_dataset("wind.nc")
    (groups, errors) = suite.run_all(dataset, ["cf:1.11"], skip_checks=[])["cf:1.11"]
    dataset.close()
    assert not errors
    assert groups
    assert [group.msgs for group in groups if group.value[0] < group.value[1]] == []
    with xr.open_dataset("wind.nc") as data:
        assert "--output wind.nc" in data.attrs["co2phys_command"]
        assert json.loads(data.attrs["co2phys_configuration"])["order"] == 4


def recovered(co2phys, truncation, *words, length="3h", every="30min"):
    """Wind of a file and the wind that carried its tracers, with area weights."""
    run = ("--winds", GFS, "--truncation", truncation, "--duration", length)
    shape = ("--output-every", every, "--grid", "model", "--output", "run.nc", "--overwrite")
    assert co2phys("simulate", "--initial", "coordinates", *run, *shape).code == 0
    done = co2phys("recover-wind", "run.nc", *words, "--output", "wind.nc", "--overwrite")
    assert done.code == 0, done.err
    with xr.open_dataset("wind.nc") as wind, xr.open_dataset("run.nc") as run:
        truth = run.sel(time=wind["time"]).load()
        return wind.load(), truth, np.cos(np.radians(wind["latitude"]))


def covered(error, claimed, weights):
    """Share of the area with an error below one standard error, where there is one."""
    z = np.abs(error / claimed)
    return float((z < 1).where(np.isfinite(z)).weighted(weights).mean())


def error_and_coverage(wind, run, weights):
    """Root mean square error relative to that of the wind, and shares below one standard error."""
    errors = {"u": wind["u"] - run["uas"], "v": wind["v"] - run["vas"]}
    square = sum((part**2).weighted(weights).mean() for part in errors.values())
    reference = (run["uas"] ** 2 + run["vas"] ** 2).weighted(weights).mean()
    shares = [covered(errors[name], wind[f"{name}_standard_error"], weights) for name in errors]
    return float(square / reference) ** 0.5, shares


needs_winds = pytest.mark.skipif(
    not GFS.exists(), reason=f"no sample data in {DATA}; set CO2PHYS_SAMPLE_DATA"
)


@needs_winds
@pytest.mark.parametrize(
    "truncation, words",
    [
        (42, ()),
        pytest.param(21, ("--wind-truncation", "21", "--method", "global"), marks=pytest.mark.slow),
    ],
    ids=["pointwise", "global"],
)
def test_real_winds_come_back_with_the_stated_uncertainty(co2phys, tmp_path, truncation, words):
    error, shares = error_and_coverage(*recovered(co2phys, truncation, *words))
    assert error < 1e-4
    assert shares == pytest.approx([0.65, 0.65], abs=0.1)


@pytest.mark.slow
@needs_winds
def test_real_winds_that_were_interpolated_in_time(co2phys, tmp_path):
    """The tracers have a jump in their second derivative whenever a given wind is reached."""
    wind, run, weights = recovered(co2phys, 42, length="16h")
    error, shares = error_and_coverage(wind, run, weights)
    assert error < 5e-3
    assert shares == pytest.approx([0.68, 0.68], abs=0.1)
    minute = 60 * wind["time"].dt.hour + wind["time"].dt.minute
    for jump in (6 * 60, 12 * 60):
        near = wind.sel(time=np.abs(minute - jump) < 60)
        assert near.sizes["time"] == 3
        _, shares = error_and_coverage(near, run.sel(time=near["time"]), weights)
        assert shares == pytest.approx([0.68, 0.68], abs=0.1)


@needs_winds
def test_one_tracer_in_real_winds_tells_the_parallel_component(co2phys, tmp_path):
    words = ("--tracer", "tracer_x")
    wind, run, weights = recovered(co2phys, 42, *words, length="1h", every="10min")
    assert np.isnan(wind["u"]).all()
    east, north = wind["best_direction_eastward"], wind["best_direction_northward"]
    truth = run["uas"] * east + run["vas"] * north
    error = wind["best_component"] - truth
    relative = (error**2).weighted(weights).mean() / (truth**2).weighted(weights).mean()
    assert float(relative) ** 0.5 < 0.05
    claim = wind["best_component_standard_error"]
    assert covered(error, claim, weights) == pytest.approx(0.68, abs=0.1)
    assert float((wind["determined_components"] == 1).weighted(weights).mean()) > 0.9


@pytest.mark.slow
@needs_winds
def test_real_winds_of_finer_scales_come_back(co2phys, tmp_path):
    words = ("--method", "global", "--wind-truncation", "31")
    found = recovered(co2phys, 31, *words, length="40min", every="10min")
    error, shares = error_and_coverage(*found)
    assert error < 2e-4
    assert shares == pytest.approx([0.68, 0.68], abs=0.08)
