"""Solid-body rotation carries a hill by a known angle, however the wind is stored."""

import cftime
import numpy as np
import pytest
import torch
import xarray as xr

from co2net_phys.data.schema import CO2
from co2net_phys.data.winds import read_wind
from co2net_phys.errors import DataError, UsageError
from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.config import SimulationConfig
from co2net_phys.simulation.from_files import analytic_wind, covered, file_world, start_of
from co2net_phys.simulation.initial import (
    COORDINATE_TRACERS,
    analytic_tracer,
    analytic_tracers,
    tracers_from_file,
)
from co2net_phys.simulation.run import simulate
from co2net_phys.solvers import EARTH_RADIUS_M, Grid, SphericalHarmonics

HARMONICS = SphericalHarmonics(Grid.gaussian(21), 21)
CLOCK = Clock(np.datetime64("2018-01-01"))
SPEED = 2 * np.pi * EARTH_RADIUS_M / (12 * 86400)
"""m s-1 on the equator: once round in 12 days, so 45 degrees (8 of 64 columns) in 36 hours."""


def carried(tmp_path, wind, fields=None, **options):
    """First and last frame of 36 hours."""
    config = SimulationConfig(
        truncation=21, grid="model", frames=2, output_every=36 * 3600.0, time_step=1800.0,
        diffusivity=0.0, components=(), spin_up=0.0,
    ).model_copy(update=options)  # fmt: skip
    fields = fields or [analytic_tracer("hills", HARMONICS, CLOCK)]
    world = file_world(config, HARMONICS, wind, fields, CLOCK)
    simulate(world, config, tmp_path / "out.nc", attributes={})
    return xr.open_dataset(tmp_path / "out.nc")


def wind_file(tmp_path, factors, dims=("time",), **coordinates):
    """u = factor · U cos θ, v = 0 on a descending grid with poles, from −180; factors (..., )."""
    north, east = np.arange(90.0, -91, -2), np.arange(-180.0, 180, 2)
    factors = np.asarray(factors, float)
    u = factors[..., None, None] * SPEED * np.cos(np.radians(north))[:, None] * np.ones(len(east))
    data = xr.Dataset(
        {
            "u10": ((*dims, "lat", "lon"), u, {"units": "m s-1", "standard_name": "eastward_wind"}),
            "v10": ((*dims, "lat", "lon"), 0 * u, {"units": "m s-1"}),
        },
        {
            "lat": ("lat", north, {"units": "degrees_north"}),
            "lon": ("lon", east, {"units": "degrees_east"}),
            **coordinates,
        },
    )
    data.to_netcdf(tmp_path / "wind.nc")
    return tmp_path / "wind.nc"


def hours(*values):
    return ("time", np.datetime64("2020-02-28", "ns") + np.array(values, "timedelta64[h]"))


def turned(data, columns, tolerance):
    first, last = data[CO2].values
    np.testing.assert_allclose(last, np.roll(first, columns, axis=1), atol=tolerance)
    assert np.ptp(first) > 30, "there is a hill"
    if columns:
        assert np.abs(last - first).max() > 10, "and it has moved"


def test_the_analytic_wind_turns_the_hills(tmp_path):
    turned(carried(tmp_path, analytic_wind("solid-body", HARMONICS)), 8, 1e-3)


def test_a_steady_wind_from_a_file(tmp_path):
    wind = read_wind(wind_file(tmp_path, 1.0, ()))
    assert covered(wind) is None
    assert start_of(wind, CLOCK.start) == CLOCK.start
    turned(carried(tmp_path, wind), 8, 0.1)


def test_a_lone_record_is_held_only_if_asked(tmp_path):
    path = wind_file(tmp_path, [1.0], time=hours(0))
    with pytest.raises(DataError, match=r"wind.nc.*'u10'.*one time step where two"):
        read_wind(path)
    turned(carried(tmp_path, read_wind(path, steady=True)), 8, 0.1)


def test_winds_are_linear_between_records(tmp_path):
    """From nothing to twice the wind: the same way as with the mean."""
    wind = read_wind(wind_file(tmp_path, [0.0, 2.0], time=hours(0, 36)))
    assert covered(wind) == 36 * 3600
    assert start_of(wind, CLOCK.start) == np.datetime64("2020-02-28")
    turned(carried(tmp_path, wind), 8, 0.1)


def test_eastward_winds_carry_eastward_and_westward_back(tmp_path):
    wind = read_wind(wind_file(tmp_path, [1.0, -1.0], time=hours(0, 36)))
    turned(carried(tmp_path, wind), 0, 0.1)


def test_winds_that_end_too_early_are_refused(tmp_path):
    wind = read_wind(wind_file(tmp_path, [1.0, 1.0], time=hours(0, 35)))
    with pytest.raises(DataError, match=r"wind.nc.*35 h.*36 h.*shorten"):
        carried(tmp_path, wind)
    assert not (tmp_path / "out.nc").exists()


def test_a_level_is_chosen(tmp_path):
    levels = {"level": ("level", [500.0, 850.0], {"units": "hPa", "positive": "down"})}
    path = wind_file(tmp_path, [3.0, 1.0], ("level",), **levels)
    with pytest.raises(DataError, match="--level"):
        read_wind(path)
    data = carried(tmp_path, read_wind(path, level=850))
    turned(data, 8, 0.1)
    assert {"ua", "va"} <= set(data), "not near the surface"
    assert "850" in data["ua"].attrs["long_name"]


def test_a_month_is_chosen(tmp_path):
    path = wind_file(tmp_path, [3.0, 1.0], ("month",), month=("month", [1, 7]))
    turned(carried(tmp_path, read_wind(path, select={"month": "7"})), 8, 0.1)


def test_the_wind_is_written_beside_the_tracer(tmp_path):
    data = carried(tmp_path, analytic_wind("solid-body", HARMONICS))
    expected = SPEED * np.cos(np.radians(data["latitude"].values))
    np.testing.assert_allclose(data["uas"].values[0].mean(axis=1), expected, rtol=1e-5)
    assert np.abs(data["vas"].values).max() < 1e-4


def test_several_tracers_travel_together(tmp_path):
    hills = analytic_tracer("hills", HARMONICS, CLOCK)
    grid = HARMONICS.grid
    data = xr.Dataset(
        {
            name: (("lat", "lon"), values, {"units": "ppm"})
            for name, values in {"one": hills.values, "two": 2 * hills.values - 400}.items()
        },
        {
            "lat": ("lat", grid.latitude, {"units": "degrees_north"}),
            "lon": ("lon", grid.longitude, {"units": "degrees_east"}),
        },
    )
    data.to_netcdf(tmp_path / "start.nc")
    fields = tracers_from_file(tmp_path / "start.nc", ["one", "two"], HARMONICS)
    out = carried(tmp_path, analytic_wind("solid-body", HARMONICS), fields)
    turned(out.rename(one=CO2), 8, 1e-3)
    np.testing.assert_allclose(out["two"], 2 * out["one"] - 400, atol=1e-3)


def test_sources_act_on_the_first_tracer_only(tmp_path):
    hills = analytic_tracer("hills", HARMONICS, CLOCK)
    fields = [hills, type(hills)("passive", "another", hills.values)]
    wind = analytic_wind("solid-body", HARMONICS)
    data = carried(tmp_path, wind, fields, components=("fossil",), exchange=False)
    turned(data[["passive"]].rename(passive=CO2), 8, 1e-3)
    gained = (data[CO2] - data["passive"]).isel(time=-1)
    assert gained.max() > 1
    assert gained.mean() > 0


def test_wrong_units_are_refused_and_can_be_replaced(tmp_path, caplog):
    grid, values = HARMONICS.grid, analytic_tracer("hills", HARMONICS, CLOCK).values
    axes = {"lat": ("lat", grid.latitude, {"units": "degrees_north"})}
    axes |= {"lon": ("lon", grid.longitude, {"units": "degrees_east"})}
    data = xr.Dataset({"c": (("lat", "lon"), values, {"units": "kg m**-2"})}, axes)
    data.to_netcdf(tmp_path / "start.nc")
    with pytest.raises(DataError, match=r"start.nc.*'c'.*--initial-units"):
        tracers_from_file(tmp_path / "start.nc", ["c"], HARMONICS)
    (field,) = tracers_from_file(tmp_path / "start.nc", ["c"], HARMONICS, units="ppm")
    np.testing.assert_allclose(field.values, values, rtol=1e-6)
    assert field.name == CO2
    assert "start.nc" in caplog.text
    assert "'c'" in caplog.text


@pytest.mark.parametrize("name", ["uniform", "zonal", "hills"])
def test_analytic_fields_are_credible(name):
    values = analytic_tracer(name, HARMONICS, CLOCK).values
    assert values.shape == HARMONICS.grid.shape
    assert 390 < values.min() <= values.max() < 445


def test_the_coordinates_are_three_tracers_with_gradients_everywhere():
    fields = analytic_tracers("coordinates", HARMONICS, CLOCK)
    assert tuple(field.name for field in fields) == COORDINATE_TRACERS
    unit = np.stack([(field.values - 400) / 100 for field in fields])
    np.testing.assert_allclose(np.square(unit).sum(0), 1)
    assert fields[0].values[0, 0] > 400, "x grows towards 0° E"
    np.testing.assert_allclose(unit[2, 0], np.sin(np.radians(HARMONICS.grid.latitude[0])))
    gradients = HARMONICS.gradient(HARMONICS.to_modal(torch.from_numpy(unit)))
    east, north = (EARTH_RADIUS_M * part.numpy() for part in gradients)
    np.testing.assert_allclose(np.square(east).sum(0), 1, atol=1e-9)
    np.testing.assert_allclose(np.square(north).sum(0), 1, atol=1e-9)
    np.testing.assert_allclose((east * north).sum(0), 0, atol=1e-9)


def test_other_analytic_fields_are_one_tracer():
    (field,) = analytic_tracers("hills", HARMONICS, CLOCK)
    assert field.name == CO2


def test_an_unknown_analytic_field_is_refused():
    with pytest.raises(UsageError, match=r"'mountain'.*hills"):
        analytic_tracer("mountain", HARMONICS, CLOCK)


def test_a_start_that_no_gregorian_calendar_has_is_refused():
    class Winds:
        source = "w.nc"
        times = np.array([cftime.Datetime360Day(2001, 2, 30)])

    with pytest.raises(DataError, match=r"w\.nc: the first time.*not a Gregorian date"):
        start_of(Winds(), np.datetime64("2018-01-01"))
