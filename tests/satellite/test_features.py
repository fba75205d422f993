"""Features of places: 46 of them, each against its definition, tiles like wholes, errors."""

import numpy as np
import pytest
import xarray as xr

from co2net_phys.errors import DataError
from co2net_phys.satellite.covariate_store import CovariateMap, Covariates, open_covariates
from co2net_phys.satellite.features import features, time_features
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import COVARIATES, FEATURES, feature_names

DAY = np.datetime64("2019-06-05")
GRID = ("latitude", "longitude")


def column(matrix, name, names=FEATURES):
    return matrix[:, names.index(name)]


def centres(region):
    grid = np.meshgrid(region.latitude, region.longitude, indexing="ij")
    return grid[0].ravel(), grid[1].ravel()


def test_there_are_as_many_features_as_in_the_paper_and_no_two_alike():
    assert len(FEATURES) == len(set(FEATURES)) == 46
    assert feature_names(["ndvi", "temperature"])[:5] == (
        "ndvi", "temperature", "ndvi_around", "temperature_week", "temperature_month",
    )  # fmt: skip


def test_each_kind_of_feature_has_its_value(planes, region):
    covariates = open_covariates(planes)
    latitude, longitude = centres(region)
    found = features(covariates, DAY, latitude, longitude)
    assert found.shape == (96, 46)
    plane = latitude + 2 * longitude
    number = list(COVARIATES).index
    # float32 in the store: 7 digits of values near 230.
    close = {"atol": 1e-4, "rtol": 0}
    np.testing.assert_allclose(column(found, "elevation"), plane, **close)
    days = (DAY - np.datetime64("2019-05-25")).astype(int)
    pressure = number("surface_pressure") + plane
    np.testing.assert_allclose(column(found, "surface_pressure"), pressure + 3 * days, **close)
    week = pressure + 3 * (days - 3)
    np.testing.assert_allclose(column(found, "surface_pressure_week"), week, **close)
    # The record is shorter than a month: all twelve days so far.
    month = number("temperature") + plane + 3 * days / 2
    np.testing.assert_allclose(column(found, "temperature_month"), month, **close)
    np.testing.assert_array_equal(column(found, "longitude"), longitude)
    # A plane is its own mean over surroundings away from the border.
    inner = np.zeros(region.shape, dtype=bool)
    inner[2:-2, 2:-2] = True
    around = column(found, "elevation_around")[inner.ravel()]
    np.testing.assert_allclose(around, plane[inner.ravel()], **close)


def test_the_phase_of_the_year():
    assert time_features(np.datetime64("2015-01-01")) == (0.0, 0.0, 1.0, 0.0, 1.0)
    years, sine, cosine, _, twice = time_features(np.datetime64("2019-07-02"))
    assert years == pytest.approx(4.5, abs=0.005)
    assert (sine, cosine, twice) == pytest.approx((0, -1, 1), abs=0.02)


def test_a_tile_has_the_numbers_of_the_whole(make_covariates, region):
    rough = np.random.default_rng(0).normal(size=region.shape)
    axes = {"latitude": region.latitude, "longitude": region.longitude}
    path = make_covariates(region, elevation=xr.DataArray(rough, axes, GRID))
    latitude, longitude = centres(region)
    whole = features(open_covariates(path), DAY, latitude, longitude)
    for part in (np.arange(10, 17), np.array([95]), np.arange(96)[::-7]):
        some = features(open_covariates(path), DAY, latitude[part], longitude[part])
        np.testing.assert_allclose(some, whole[part], rtol=1e-13)


def test_covariates_on_a_coarser_grid_are_interpolated(make_covariates, region):
    coarse = Region(99.0, 29.0, 102.0, 32.0, 0.5)
    covariates = open_covariates(make_covariates(coarse))
    latitude, longitude = centres(region)
    found = features(covariates, DAY, latitude, longitude)
    np.testing.assert_allclose(column(found, "elevation"), latitude + 2 * longitude, atol=1e-4)
    land = [name for name in FEATURES if name.endswith("_fraction")]
    total = sum(column(found, name) for name in land)
    np.testing.assert_allclose(total, 1.0, atol=1e-6)


def test_several_stores_make_one_and_missing_covariates_are_named(planes, region, caplog):
    path = planes
    whole = xr.open_dataset(path, engine="zarr", consolidated=False)
    static = CovariateMap(whole[["elevation"]], "static")
    weather = CovariateMap(whole[["temperature"]].rename(), "weather")
    both = Covariates([static, weather])
    assert both.names == ("elevation", "temperature")
    assert "no ndvi, population_density" in caplog.text
    found = features(both, DAY, *centres(region))
    everything = features(open_covariates(path), DAY, *centres(region))
    names = feature_names(both.names)
    assert found.shape == (96, len(names))
    for name in names:
        np.testing.assert_array_equal(column(found, name, names), column(everything, name))


def test_slow_covariates_hold_until_the_next_step_and_other_units_are_converted():
    time = np.array(["2019-01-01", "2019-06-05"], dtype="M8[ns]")
    axes = {"time": time, "latitude": [0.5, 1.5], "longitude": [0.5, 1.5]}
    step = np.arange(2.0)[:, None, None] * np.ones((2, 2, 2))
    dataset = xr.Dataset({"ndvi": xr.DataArray(step, axes), "elevation": (GRID, np.ones((2, 2)))})
    dataset = dataset.assign_coords(axes)
    dataset["ndvi"].attrs["units"], dataset["elevation"].attrs["units"] = "1", "km"
    covariates = Covariates([CovariateMap(dataset, "slow")])
    place = np.array([0.5]), np.array([1.0])
    names = feature_names(covariates.names)
    before = features(covariates, DAY - 1, *place)
    on = features(covariates, DAY, *place)
    assert (column(before, "ndvi", names)[0], column(on, "ndvi", names)[0]) == (0, 1)
    assert column(on, "elevation", names)[0] == 1000.0
    with pytest.raises(DataError, match="slow: ndvi: no value for 2018-12-31"):
        features(covariates, np.datetime64("2018-12-31"), *place)


def test_a_missing_cell_is_missing_itself_and_nowhere_else(make_covariates, region):
    values = np.ones(region.shape)
    values[3, 4] = np.nan
    axes = {"latitude": region.latitude, "longitude": region.longitude}
    covariates = open_covariates(make_covariates(region, ndvi=xr.DataArray(values, axes, GRID)))
    found = features(covariates, DAY, *centres(region))
    missing = np.isnan(found)
    assert missing.sum() == 1
    assert np.isnan(column(found, "ndvi")[3 * 12 + 4])
    np.testing.assert_allclose(column(found, "ndvi_around"), 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"day": "2019-07-01"}, "no value for 2019-07-01, the record goes from 2019-05-25"),
        ({"latitude": 40.0}, "latitude: the grid does not cover the region"),
        ({"longitude": 99.0}, "longitude: the grid does not cover the region"),
    ],
)
def test_places_and_days_beyond_the_store_are_refused(planes, change, message):
    covariates = open_covariates(planes)
    latitude = np.array([change.get("latitude", 30.4)])
    longitude = np.array([change.get("longitude", 100.5)])
    with pytest.raises(DataError, match=message):
        features(covariates, np.datetime64(change.get("day", DAY)), latitude, longitude)


def test_stores_that_break_the_schema_are_refused(planes):
    good = xr.open_dataset(planes, engine="zarr", consolidated=False)
    spoiled = {
        "not ascending in equal steps": good.isel(latitude=[0, 1, 5]),
        "no axis 'longitude'": good.drop_vars("longitude"),
        "expected": good.transpose("longitude", "latitude", "time"),
        "days do not ascend": good.isel(time=[1, 0]),
        "no dates": good.assign_coords(time=np.arange(good.sizes["time"])),
        "cannot be converted": good.assign(ndvi=good["ndvi"].assign_attrs(units="K")),
    }
    for message, dataset in spoiled.items():
        with pytest.raises(DataError, match=message):
            CovariateMap(dataset, "store")
    with pytest.raises(DataError, match="no covariate at all"):
        Covariates([CovariateMap(good.drop_vars(list(COVARIATES)), "store")])
