"""Covariates finer than the cells, and maps of the whole circle: against analytic fields."""

import tracemalloc

import numpy as np
import pytest
import xarray as xr

from co2net_phys.errors import DataError
from co2net_phys.satellite import cell_means
from co2net_phys.satellite.cell_means import CellMeans
from co2net_phys.satellite.covariate_map import CovariateMap
from co2net_phys.satellite.covariate_store import open_covariates
from co2net_phys.satellite.covariates import resample_area_mean, resample_bilinear
from co2net_phys.satellite.features import features
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import feature_names

DAY = np.datetime64("2020-01-03")
REGION = Region(100.0, 30.0, 101.0, 30.8, 0.1)
GRID = ("latitude", "longitude")
NAMES = feature_names(["elevation", "temperature"])


def dataset(latitude, longitude, function):
    """Elevation that stays, and temperature of four days, the field plus 10 for each day."""
    field = xr.DataArray(function(latitude[:, None], longitude), dims=GRID)
    days = xr.DataArray(10.0 * np.arange(4), dims="time")
    data = xr.Dataset({"elevation": field, "temperature": days + field})
    data["elevation"].attrs["units"], data["temperature"].attrs["units"] = "m", "degC"
    time = np.datetime64("2020-01-01", "ns") + np.arange(4) * np.timedelta64(1, "D")
    return data.assign_coords(latitude=latitude, longitude=longitude, time=time)


def fine(function, spacing=0.02, margin=0.5, west=100.0, east=101.0):
    latitude = np.arange(30.0 - margin + spacing / 2, 30.8 + margin, spacing)
    longitude = np.arange(west - margin + spacing / 2, east + margin, spacing)
    return dataset(latitude, longitude, function)


def places_of(region):
    grid = np.meshgrid(region.latitude, region.longitude, indexing="ij")
    return grid[0].ravel(), grid[1].ravel()


def opened(data, tmp_path, region):
    path = tmp_path / f"covariates-{len(list(tmp_path.iterdir()))}.nc"
    data.to_netcdf(path)
    return open_covariates(path, region=region)


def rough(latitude, longitude):
    return np.sin(177 * latitude) + np.cos(143 * longitude)


def test_finer_covariates_are_averaged_over_the_cells(tmp_path):
    data = fine(rough)
    covariates = opened(data, tmp_path, REGION)
    found = features(covariates, DAY, *places_of(REGION))
    means = resample_area_mean(data["elevation"], REGION).values.ravel()
    columns = dict(zip(NAMES, found.T, strict=True))
    np.testing.assert_allclose(columns["elevation"], means, atol=1e-12)
    np.testing.assert_allclose(columns["temperature"], means + 20, atol=1e-12)
    np.testing.assert_allclose(columns["temperature_week"], means + 10, atol=1e-12)
    wide = Region(99.8, 29.8, 101.2, 31.0, 0.1)  # two cells more on each side
    around = np.lib.stride_tricks.sliding_window_view(
        resample_area_mean(data["elevation"], wide).values, (5, 5)
    ).mean(axis=(2, 3))
    np.testing.assert_allclose(columns["elevation_around"], around.ravel(), atol=1e-12)


def test_a_tile_and_bands_of_rows_have_the_numbers_of_the_whole(tmp_path, monkeypatch):
    covariates = opened(fine(rough), tmp_path, REGION)
    latitude, longitude = places_of(REGION)
    whole = features(covariates, DAY, latitude, longitude)
    monkeypatch.setattr(cell_means, "_CELLS_AT_ONCE", 700)
    again = opened(fine(rough), tmp_path, REGION)
    for part in (np.arange(80), np.arange(31, 37), np.array([79])):
        some = features(again, DAY, latitude[part], longitude[part])
        np.testing.assert_allclose(some, whole[part], atol=1e-12)


def test_only_finer_stores_are_averaged(tmp_path):
    for spacing, is_finer in ((0.05, True), (0.1, False), (0.25, False)):
        covariates = opened(fine(rough, spacing), tmp_path, REGION)
        assert isinstance(covariates.map_of("elevation"), CellMeans) == is_finer


def test_missing_values_are_passed_over_up_to_half_a_cell(tmp_path):
    data = fine(lambda north, east: 5.0 + 0 * north * east)
    data["elevation"].loc[{"longitude": slice(100.0, 100.04)}] = np.nan
    data["elevation"].loc[{"longitude": slice(100.9, 101.0)}] = np.nan
    found = features(opened(data, tmp_path, REGION), DAY, *places_of(REGION))
    found = found[:, NAMES.index("elevation")].reshape(REGION.shape)
    np.testing.assert_allclose(found[:, :-1], 5.0)
    assert np.isnan(found[:, -1]).all()


def test_finer_stores_must_cover_the_region(tmp_path):
    with pytest.raises(DataError, match="longitude: the grid does not cover the region"):
        covariates = opened(fine(rough, margin=0.0, west=100.3), tmp_path, REGION)
        features(covariates, DAY, *places_of(REGION))
    one_cell = Region(100.0, 30.0, 102.0, 32.0, 2.0)
    with pytest.raises(DataError, match=r"covariates-.*\.nc: the grid covers fewer than two rows"):
        opened(fine(rough), tmp_path, one_cell)


def test_a_field_of_any_fineness_is_read_in_bands(tmp_path, monkeypatch):
    """A row of the region's cells of one day at a time: at last 12 cells of 50 × 50 values."""
    read, sizes = CovariateMap._read, []

    def seen(*given):
        values = read(*given)
        sizes.append(values.size)
        return values

    monkeypatch.setattr(CovariateMap, "_read", seen)
    monkeypatch.setattr(cell_means, "_CELLS_AT_ONCE", 1)
    for spacing in (0.02, 0.002):  # the first for what is imported and kept on the way
        data = fine(lambda north, east: north + east, spacing, margin=0.1)
        covariates = opened(data, tmp_path, REGION)
        tracemalloc.start()
        features(covariates, DAY, *places_of(REGION))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < data["elevation"].nbytes
    assert 12 * 50 * 50 <= max(sizes) < 2 * 12 * 50 * 50


def waves(latitude, longitude):
    """Periodic in longitude."""
    east = np.radians(longitude)
    return 3 + latitude / 10 + np.sin(east) + 0.5 * np.cos(3 * east)


def whole_circle(west, spacing):
    latitude = np.arange(20.0 + spacing / 2, 40.0, spacing)
    return dataset(latitude, west + spacing / 2 + np.arange(0.0, 360.0, spacing), waves)


@pytest.mark.parametrize(("first", "west"), [(0.0, -5.0), (-180.0, 175.0)])
def test_the_seam_of_a_global_map_may_lie_in_the_region(first, west, tmp_path):
    region = Region(west, 28.0, west + 10.0, 32.0, 0.5)
    latitude, longitude = places_of(region)
    found = features(opened(whole_circle(first, 1.0), tmp_path, region), DAY, latitude, longitude)
    expected = waves(latitude, longitude)
    columns = dict(zip(NAMES, found.T, strict=True))
    # Of linear interpolation over a degree: a quarter of a thousandth, h²/8 of the curvature.
    np.testing.assert_allclose(columns["elevation"], expected, atol=3e-4)
    np.testing.assert_allclose(columns["temperature"], expected + 20, atol=3e-4)
    np.testing.assert_allclose(columns["elevation_around"], expected, atol=6e-3)
    part = (longitude > west + 4.4) & (longitude < west + 5.6)  # a tile at the seam
    some = features(
        opened(whole_circle(first, 1.0), tmp_path, region), DAY, latitude[part], longitude[part]
    )
    np.testing.assert_allclose(some, found[part], rtol=1e-13)


@pytest.mark.parametrize(("first", "west"), [(0.0, -5.0), (-180.0, 175.0)])
def test_finer_global_maps_and_resampling_cross_their_seam(first, west, tmp_path):
    region = Region(west, 28.0, west + 10.0, 32.0, 1.0)
    data = whole_circle(first, 0.25)
    expected = waves(region.latitude[:, None], region.longitude)
    for resample in (resample_bilinear, resample_area_mean):
        np.testing.assert_allclose(resample(data["elevation"], region), expected, atol=3e-4)
    found = features(opened(data, tmp_path, region), DAY, *places_of(region))
    np.testing.assert_allclose(found[:, NAMES.index("elevation")], expected.ravel(), atol=3e-4)
