"""Which variables are tracers, what storage took from them, and the times of the results."""

from datetime import timedelta

import cftime
import numpy as np
import pytest
import xarray as xr

from co2net_phys.data.tracers import read_tracers
from co2net_phys.errors import DataError
from co2net_phys.solvers import Grid
from co2net_phys.wind_estimate import WindEstimate
from co2net_phys.wind_settings import WindSettings, default_truncation

NORTH, EAST = np.arange(-85.0, 90, 10), np.arange(0.0, 360, 15)
DIMS = ("time", "latitude", "longitude")


def dataset(count=7, **attributes):
    """Variables of the given attributes, all x, on a grid of 18 × 24."""
    x = np.cos(np.radians(NORTH))[:, None] * np.cos(np.radians(EAST)) * np.ones((count, 1, 1))
    times = np.datetime64("2001-03-01", "ns") + np.arange(count) * np.timedelta64(600, "s")
    return xr.Dataset(
        {name: (DIMS, x, of) for name, of in attributes.items()},
        {"time": times, "latitude": NORTH, "longitude": EAST},
    )


def named(standard_name):
    return {"standard_name": standard_name}


@pytest.mark.parametrize(
    ("attributes", "names"),
    [
        ({"a": {}, "b": {}, "uas": {}, "T": {}}, ("a", "b")),
        ({"a": {}, "o3": named("mole_fraction_of_ozone_in_air")}, ("o3",)),
        ({"a": {}, "hot": named("air_temperature")}, ("a",)),
        (
            {
                "a": named("mass_concentration_of_dust_dry_aerosol_particles_in_air"),
                "error": named("mole_fraction_of_ozone_in_air standard_error"),
            },
            ("a",),
        ),
    ],
)
def test_tracers_are_found(tmp_path, attributes, names):
    dataset(**attributes).to_netcdf(tmp_path / "a.nc")
    assert read_tracers(tmp_path / "a.nc").names == names


def test_a_file_with_winds_only_has_no_tracer(tmp_path):
    dataset(u=named("eastward_wind"), vas={}).to_netcdf(tmp_path / "a.nc")
    with pytest.raises(DataError, match=r"a.nc: has no tracer.*u, vas.*--tracer"):
        read_tracers(tmp_path / "a.nc")


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ({"dtype": "float64"}, 2.0**-44 / 12**0.5),
        ({"dtype": "float32"}, 2.0**-15 / 12**0.5),
        ({"dtype": "int16", "scale_factor": 0.01, "add_offset": 400.0}, 0.01 / 12**0.5),
    ],
)
def test_rounding_is_that_of_the_stored_type(tmp_path, encoding, expected):
    data = dataset(a={})
    data["a"] = 400 + 50 * np.pi / 4 * data["a"]
    data.to_netcdf(tmp_path / "a.nc", encoding={"a": encoding})
    series = read_tracers(tmp_path / "a.nc")
    record = series.record(0)
    assert series.rounding(record)[0] == pytest.approx(expected, rel=0.01)
    if encoding["dtype"] != "float64":
        lost = record[0] - data["a"].values[0]
        assert np.sqrt(np.mean(lost**2)) == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize("window", [1, 2])
@pytest.mark.parametrize("calendar", [None, "noleap"])
def test_the_times_of_the_results(tmp_path, window, calendar):
    data = dataset(a={}, b={})
    first, step = np.datetime64("2001-03-01"), np.timedelta64(600, "s")
    if calendar:
        first, step = cftime.DatetimeNoLeap(2001, 3, 1), timedelta(seconds=600)
        data = data.assign_coords(time=[first + n * step for n in range(7)])
    data["b"] = data["b"].roll(longitude=6)
    data.to_netcdf(tmp_path / "a.nc")
    series = read_tracers(tmp_path / "a.nc")
    estimate = WindEstimate(
        series, WindSettings(window=window, truncation=5, noise=((0.1, False),))
    )
    times = [time for time, _, _ in estimate.winds()]
    halves = [4, 6, 8] if window == 1 else [5, 7]
    assert estimate.count == len(halves)
    assert times == [first + half * (step / 2) for half in halves]


def test_the_noise_is_a_share_of_the_spread_and_at_least_the_rounding(tmp_path):
    data = dataset(a={}, b={})
    data["b"] = 400 + data["b"].roll(longitude=6)
    data.to_netcdf(tmp_path / "a.nc", encoding={name: {"dtype": "float32"} for name in "ab"})
    series = read_tracers(tmp_path / "a.nc")
    spread = 3**-0.5
    noise = WindEstimate(series, WindSettings(noise=((0.01, True), (0.0, False)))).noise
    assert float(noise[0]) == pytest.approx(0.01 * spread, rel=0.01)
    assert float(noise[1]) == pytest.approx(2.0**-15 / 12**0.5, rel=0.01)


def test_three_tracers_leave_the_noise_to_the_residuals(tmp_path):
    data = dataset(a={}, b={}, c={})
    data.to_netcdf(tmp_path / "a.nc")
    assert WindEstimate(read_tracers(tmp_path / "a.nc"), WindSettings()).noise is None


def test_scales_beyond_the_truncation_are_told(tmp_path, caplog):
    data = dataset(a={}, b={}, c={})
    data["c"] = data["c"] * np.cos(6 * np.radians(data["longitude"]))
    data.to_netcdf(tmp_path / "a.nc")
    WindEstimate(read_tracers(tmp_path / "a.nc"), WindSettings(truncation=5))
    (line,) = caplog.messages
    assert "'c'" in line
    assert "beyond T5" in line


def test_the_default_truncation():
    assert default_truncation(Grid.gaussian(42)) == 42
    assert default_truncation(Grid.carbontracker()) == 44
