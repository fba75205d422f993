"""The written world: layout, repeatability, and refusals in one line."""

import json

import netCDF4
import numpy as np
import pytest
import xarray as xr

from co2net_phys.errors import DataError, UsageError
from co2net_phys.satellite.covariate_store import open_covariates
from co2net_phys.satellite.covariate_world import CoarseWeather, surrounding_grid
from co2net_phys.satellite.lite_file import read_lite
from co2net_phys.satellite.orbits import wrapped_longitude
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import COVARIATES, LAND_USE_COVARIATES, LEVELS, SENSORS
from co2net_phys.satellite.simulate import plan, simulate_satellites, world
from co2net_phys.satellite.simulation_options import satellite_simulation_config
from co2net_phys.satellite.truth import at_places

OPTIONS = {
    "west": 98.0,
    "south": 28.0,
    "east": 108.0,
    "north": 33.0,
    "spacing": 0.5,
    "start": "2019-12-28",
    "days": 10,
    "cloud_fraction": 0.3,
    "bad_fraction": 0.1,
}

LAYOUT = {
    "sounding_id": ("int64", ("sounding_id",)),
    "levels": ("int16", ("levels",)),
    "time": ("float64", ("sounding_id",)),
    "date": ("int16", ("sounding_id", "epoch_dimension")),
    "latitude": ("float32", ("sounding_id",)),
    "longitude": ("float32", ("sounding_id",)),
    "xco2": ("float32", ("sounding_id",)),
    "xco2_uncertainty": ("float32", ("sounding_id",)),
    "xco2_apriori": ("float32", ("sounding_id",)),
    "xco2_quality_flag": ("int8", ("sounding_id",)),
    "solar_zenith_angle": ("float32", ("sounding_id",)),
    "sensor_zenith_angle": ("float32", ("sounding_id",)),
    "pressure_levels": ("float32", ("sounding_id", "levels")),
    "pressure_weight": ("float32", ("sounding_id", "levels")),
    "xco2_averaging_kernel": ("float32", ("sounding_id", "levels")),
    "co2_profile_apriori": ("float32", ("sounding_id", "levels")),
}
OCO_LAYOUT = {
    "vertex_latitude": ("float32", ("sounding_id", "vertices")),
    "vertex_longitude": ("float32", ("sounding_id", "vertices")),
}
GROUPS = {
    "solar_azimuth_angle": "float32",
    "sensor_azimuth_angle": "float32",
    "altitude": "float32",
    "land_fraction": "float32",
}


@pytest.fixture(scope="module")
def config():
    return satellite_simulation_config(**OPTIONS)


@pytest.fixture(scope="module")
def folder(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("world") / "out"
    done = []
    tally = simulate_satellites(config, folder, done.append, command="co2phys simulate")
    assert done == list(range(1, 11))
    assert tally.files == {s: len(list((folder / s).iterdir())) for s in SENSORS}
    return folder


@pytest.mark.parametrize("sensor", list(SENSORS))
def test_lite_files_have_the_documented_layout(folder, sensor):
    path = sorted((folder / sensor).iterdir())[0]
    assert path.name.startswith("acos_LtCO2_" if sensor == "gosat" else f"{sensor}_LtCO2_")
    wanted = LAYOUT if sensor == "gosat" else LAYOUT | OCO_LAYOUT
    with netCDF4.Dataset(path) as file:
        found = {name: (str(v.dtype), v.dimensions) for name, v in file.variables.items()}
        assert found == wanted
        sizes = {name: len(size) for name, size in file.dimensions.items()}
        assert sizes["levels"] == LEVELS and sizes["epoch_dimension"] == 7
        assert sizes.get("vertices") == (None if sensor == "gosat" else 4)
        for name in ("xco2", "latitude", "pressure_levels"):
            assert file[name].missing_value == file[name]._FillValue == np.float32(-999999)
        assert file["xco2"].units == "ppm" and file["pressure_levels"].units == "hPa"
        assert file["time"].units == "seconds since 1970-01-01 00:00:00"
        groups = {name: str(v.dtype) for name, v in file["Sounding"].variables.items()}
        assert groups.items() >= GROUPS.items()
        assert set(file["Retrieval"].variables) == {"psurf", "aod_total", "surface_type"}
        assert file.Platform == {"oco2": "OCO-2", "oco3": "OCO-3", "gosat": "GOSAT"}[sensor]
        assert json.loads(file.co2phys_configuration)["days"] == 10
        if sensor == "gosat":
            assert set(file["Sounding/gain"][:]) <= {"H", "M"}
        else:
            assert set(file["Sounding/footprint"][:]) <= set(range(1, 9))
            assert (file["Sounding/operation_mode"][:] == 0).all()


@pytest.mark.parametrize("sensor", list(SENSORS))
def test_identities_and_dates_are_those_of_the_times(folder, sensor):
    for path in (folder / sensor).iterdir():
        with xr.open_dataset(path) as data:
            identity = data["sounding_id"].values.astype(str)
            seconds = data["time"].values.astype("datetime64[s]").astype(str)
            digits = [text.replace("-", "").replace("T", "").replace(":", "") for text in seconds]
            assert [name[:14] for name in identity] == digits
            assert len(set(identity)) == len(identity)
            assert data["date"].values[:, 2].tolist() == [int(text[8:10]) for text in seconds]
            assert path.name.split("_")[2] == seconds[0][2:10].replace("-", "")


def test_corners_surround_their_centres(folder):
    with xr.open_dataset(sorted((folder / "oco2").iterdir())[0]) as data:
        for name in ("latitude", "longitude"):
            corners = data[f"vertex_{name}"].values.astype(float)
            np.testing.assert_allclose(corners.mean(axis=1), data[name].values, atol=1e-4)
        diagonal = np.ptp(data["vertex_latitude"].values, axis=1) * 111.2
        assert (diagonal > 2.2).all() and (diagonal < 2.9).all()


def test_pressure_ends_at_the_retrieved_surface(folder):
    for sensor in SENSORS:
        path = sorted((folder / sensor).iterdir())[0]
        with netCDF4.Dataset(path) as file:
            np.testing.assert_array_equal(
                file["pressure_levels"][:, -1], file["Retrieval/psurf"][:]
            )
            assert (np.diff(file["pressure_levels"][:], axis=1) > 0).all()
            np.testing.assert_allclose(file["pressure_weight"][:].sum(axis=1), 1, rtol=1e-6)


def test_what_is_read_back_lies_about_the_written_truth(folder, config):
    """Good soundings against truth.zarr: noise, smoothing error and the bias of GOSAT."""
    with xr.open_dataset(folder / "truth.zarr", engine="zarr", consolidated=False) as truth:
        assert truth["xco2"].dtype == np.float32 and truth["xco2"].units == "umol mol-1"
        maps, attributes = truth["xco2"].load(), dict(truth.attrs)
    assert attributes["gosat_slope"] == config.gosat_slope
    assert Region.from_json(attributes["region"]) == config.region
    for sensor in SENSORS:
        errors = []
        for path in (folder / sensor).iterdir():
            seen, _ = read_lite(path, config.region)
            if not len(seen):
                continue
            field = maps.sel(time=seen.day[0].astype("datetime64[ns]")).values.astype(float)
            region, places = config.region, (seen.latitude, seen.longitude)
            true = at_places(field, region.latitude, region.longitude, places)
            if sensor == "gosat":
                slope, offset = attributes["gosat_slope"], attributes["gosat_offset"]
                true = 400 + slope * (true - 400) + offset
            errors.append(seen.xco2 - true)
        error = np.concatenate(errors)
        low, high = config.gosat_noise if sensor == "gosat" else config.oco_noise
        spread = 4 * high / np.sqrt(2 * len(error))
        # The kernel adds at most half a unit, and shifts by a few tenths.
        assert low - spread < error.std() < np.hypot(high, 0.5) + spread
        assert abs(error.mean()) < 0.35 + 4 * high / np.sqrt(len(error))


def test_covariates_follow_the_schema(folder, config):
    covariates = open_covariates(*sorted((folder / "covariates").iterdir()))
    assert covariates.names == tuple(COVARIATES)
    for name in COVARIATES:
        one = covariates.map_of(name)
        window = one.window(
            config.region.latitude_edges[[0, -1]], config.region.longitude_edges[[0, -1]]
        )
        for day in config.dates[[0, 4, 9]]:
            assert np.isfinite(one.at(name, day, window)).all()
    shares = [covariates.map_of(name) for name in LAND_USE_COVARIATES]
    places = config.region.latitude, np.resize(config.region.longitude, 10)
    total = sum(
        one.at(name, config.dates[0], one.window(*places))
        for name, one in zip(LAND_USE_COVARIATES, shares, strict=True)
    )
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_the_weather_reaches_beyond_the_region():
    for region in (Region(98, 28, 108, 33, 0.1), Region(-180, 10, -170, 12, 1.0)):
        around = surrounding_grid(region)
        shift = 360 if around.west > region.east else 0
        assert around.west < region.west + shift and around.east > region.east + shift
        assert around.south < region.south and around.north > region.north


@pytest.mark.parametrize("west", [-180.0, 172.0])
def test_truth_and_weather_agree_at_the_date_line(west):
    """Pressure and temperature of the weather's own grid, which begins on the other side."""
    options = OPTIONS | {"west": west, "east": west + 10, "spacing": 0.5}
    truth = world(satellite_simulation_config(**options))
    weather, region, day = CoarseWeather(truth), truth.region, truth.config.dates[0]
    places = weather.region.latitude, weather.region.longitude
    grid = np.meshgrid(region.latitude, region.longitude, indexing="ij")
    for quantity in (truth.weather.surface_pressure, truth.weather.temperature):  # at sea level
        coarse = quantity(*places, np.zeros(weather.region.shape), day)
        mine = quantity(region.latitude, region.longitude, np.zeros(region.shape), day)
        found = at_places(coarse, *places, (grid[0].ravel(), grid[1].ravel()))
        np.testing.assert_allclose(found, mine.ravel(), atol=0.1)  # of 6 hPa, of 2.5 degrees
    north, east = region.latitude[:5], region.longitude[:5]
    moments = np.zeros(5)
    np.testing.assert_allclose(
        truth.weather.clearness_at(north, wrapped_longitude(east), moments),
        truth.weather.clearness_at(north, east, moments),
        atol=1e-9,
    )
    relief = truth.landscape.elevation(north, east - 360)
    np.testing.assert_allclose(relief, truth.landscape.elevation(north, east), atol=1e-6)


def test_a_day_is_the_same_however_many_days_are_asked_for(folder, config, tmp_path):
    short = config.model_copy(update={"start": config.start.replace(day=30), "days": 2})
    simulate_satellites(short, tmp_path / "short")
    compared = 0
    for path in (tmp_path / "short").glob("*/*.nc4"):
        for group in (None, "Sounding", "Retrieval"):
            with (
                xr.open_dataset(path, group=group) as one,
                xr.open_dataset(
                    folder / path.relative_to(tmp_path / "short"), group=group
                ) as other,
            ):
                xr.testing.assert_equal(one, other)
        compared += 1
    assert compared >= 3
    with (
        xr.open_dataset(tmp_path / "short/truth.zarr", engine="zarr", consolidated=False) as one,
        xr.open_dataset(folder / "truth.zarr", engine="zarr", consolidated=False) as other,
    ):
        xr.testing.assert_equal(one["xco2"], other["xco2"].sel(time=one["time"]))


def test_another_seed_is_another_world(config):
    day, other = config.dates[0], config.model_copy(update={"seed": 7})
    assert abs(world(config).xco2(day) - world(other).xco2(day)).max() > 0.5


def test_satellites_fly_after_their_launch_only(tmp_path):
    config = satellite_simulation_config(**(OPTIONS | {"start": "2014-01-01", "days": 3}))
    tally = simulate_satellites(config, tmp_path / "early")
    assert set(tally.files) == {"gosat"}
    only = satellite_simulation_config(**(OPTIONS | {"satellites": ("oco3",), "days": 3}))
    assert set(plan(only).footprints_by_sensor) == {"oco3"}


def test_a_failure_leaves_nothing_and_an_earlier_world_is_kept(config, folder, tmp_path):
    def stop(day):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_satellites(config, tmp_path / "broken", stop)
    assert list(tmp_path.iterdir()) == []
    before = sorted(path.name for path in folder.parent.rglob("*"))
    with pytest.raises(DataError, match="is a folder"):
        simulate_satellites(config, folder)
    with pytest.raises(KeyboardInterrupt):
        simulate_satellites(config, folder, stop, overwrite=True)
    assert sorted(path.name for path in folder.parent.rglob("*")) == before
    other = tmp_path / "precious"
    other.mkdir()
    (other / "thesis.txt").write_text("keep")
    with pytest.raises(DataError):
        simulate_satellites(config, other, overwrite=True)
    assert (other / "thesis.txt").read_text() == "keep"


@pytest.mark.slow
def test_an_earlier_world_is_replaced_on_request(config, tmp_path):
    few = config.model_copy(update={"days": 1, "satellites": ("gosat",)})
    for days in (2, 1):
        simulate_satellites(
            few.model_copy(update={"days": days}), tmp_path / "again", overwrite=days == 1
        )
    with xr.open_dataset(tmp_path / "again/truth.zarr", engine="zarr", consolidated=False) as one:
        assert one.sizes["time"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_the_plan_counts_what_comes(config):
    counted = plan(config).as_dict()
    assert counted["days"] == 10 and counted["grid"] == (10, 20)
    assert counted["footprints_by_sensor"]["oco2"] > counted["footprints_by_sensor"]["gosat"] > 20
    assert 1e5 < counted["expected_bytes"] < 1e9


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"days": 0}, "days"),
        ({"spacing": 0.3}, "whole number"),
        ({"east": 90.0}, "longitudes"),
        ({"north": 95.0}, "north"),
        ({"west": -20.0, "east": 108.25}, "more than 60"),
        ({"spacing": 0.005, "east": 122.35, "north": 56.05}, "cells"),
        ({"satellites": ("tansat",)}, "satellites"),
        ({"satellites": ()}, "satellites"),
        ({"satellites": ("oco2", "oco2")}, "twice"),
        ({"cloud_fraction": 1.0}, "cloud_fraction"),
        ({"cloud_fraction": float("nan")}, "cloud_fraction"),
        ({"oco_noise": (1.0, 0.5)}, "oco_noise"),
        ({"gosat_noise": (-1.0, 0.5)}, "gosat_noise"),
        ({"oco_noise": (0.0, 0.0)}, "above 0"),
        ({"gosat_slope": 0.0}, "gosat_slope"),
        ({"start": "soon"}, "start"),
        ({"seed": -1}, "seed"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_bad_options_are_refused_in_one_line(options, word):
    with pytest.raises(UsageError, match=word) as failure:
        satellite_simulation_config(**options)
    assert "\n" not in str(failure.value)
