"""Covariates on the region's grid: exact where they can be, lazily the same, errors."""

import dask.array
import numpy as np
import pytest
import xarray as xr

from co2net_phys.errors import DataError
from co2net_phys.satellite.covariates import (
    daily,
    land_use_fractions,
    resample_area_mean,
    resample_bilinear,
    write_covariates,
)
from co2net_phys.satellite.region import Region

REGION = Region(100.0, 30.0, 101.0, 30.8, 0.1)
GRID = ("latitude", "longitude")


def field(function, spacing, margin=0.5, descending=False, west=100.0):
    """A field of latitude and longitude at the centres of cells around the region."""
    latitude = np.arange(30.0 - margin + spacing / 2, 30.8 + margin, spacing)
    longitude = np.arange(west - margin + spacing / 2, west + 1 + margin, spacing)
    latitude = latitude[::-1] if descending else latitude
    values = function(latitude[:, None], longitude)
    return xr.DataArray(values, {"latitude": latitude, "longitude": longitude}, GRID, name="field")


def plane(latitude, longitude):
    return 3 + 2 * latitude - 0.5 * longitude


@pytest.mark.parametrize("descending", [False, True])
def test_bilinear_is_exact_for_planes(descending):
    found = resample_bilinear(field(plane, 0.25, descending=descending), REGION)
    expected = plane(REGION.latitude[:, None], REGION.longitude)
    np.testing.assert_allclose(found, expected, atol=1e-11)


def test_bilinear_values_at_the_border_are_those_of_the_last_centre():
    coarse = field(plane, 0.5, margin=0.0)  # centres at a quarter of a degree from the border
    found = resample_bilinear(coarse, REGION)
    assert found[0, 0].item() == pytest.approx(coarse[0, 0].item(), rel=1e-13)
    assert found[7, 9].item() == pytest.approx(plane(30.75, 100.75), rel=1e-13)


def test_longitudes_may_run_to_360_and_across_greenwich():
    turned = field(plane, 0.25, west=100.0)
    turned = turned.assign_coords(longitude=turned["longitude"] - 360)
    np.testing.assert_allclose(
        resample_bilinear(turned, REGION), resample_bilinear(field(plane, 0.25), REGION), rtol=1e-12
    )
    np.testing.assert_allclose(
        resample_area_mean(turned, REGION), resample_area_mean(field(plane, 0.25), REGION)
    )
    across = Region(-0.5, 30.0, 0.5, 30.8, 0.1)
    found = resample_bilinear(field(plane, 0.25, west=-0.5), across)
    np.testing.assert_allclose(found, plane(across.latitude[:, None], across.longitude), atol=1e-11)


def test_area_means_keep_constants_and_what_is_linear_over_the_sphere():
    constant = resample_area_mean(field(lambda north, east: 7.0 + 0 * north * east, 0.01), REGION)
    np.testing.assert_allclose(constant, 7.0, rtol=1e-14)
    east = resample_area_mean(field(lambda north, east: east + 0 * north, 0.01), REGION)
    np.testing.assert_allclose(east, np.tile(REGION.longitude, (8, 1)), rtol=1e-13)

    def sine(north, east):
        # The mean of sin φ over a cell is that of the sines of its edges.
        edges = np.sin(np.radians(north - 0.005)), np.sin(np.radians(north + 0.005))
        return sum(edges) / 2 + 0 * east

    edges = np.sin(np.radians(REGION.latitude_edges))
    found = resample_area_mean(field(sine, 0.01), REGION)
    np.testing.assert_allclose(
        found, np.tile((edges[1:] + edges[:-1])[:, None] / 2, 10), rtol=1e-13
    )


def test_area_means_keep_the_total_of_a_field_that_does_not_fit_the_cells():
    fine = field(lambda north, east: np.sin(37 * north) + np.cos(23 * east), 0.1 / 3)
    found = resample_area_mean(fine, REGION)
    inside = fine.sel(latitude=slice(30, 30.8), longitude=slice(100, 101))
    heights = np.diff(np.sin(np.radians(np.linspace(30, 30.8, 25))))
    rows = np.diff(np.sin(np.radians(REGION.latitude_edges)))
    expected = np.average(inside.mean("longitude"), weights=heights)
    assert np.average(found.mean("longitude"), weights=rows) == pytest.approx(expected, rel=1e-10)


def test_missing_values_are_passed_over_up_to_half_a_cell():
    fine = field(lambda north, east: 5.0 + 0 * north * east, 0.05)
    fine.loc[{"longitude": slice(100.0, 100.05)}] = np.nan  # half of the first column
    fine.loc[{"longitude": slice(100.9, 101.0)}] = np.nan  # the last column
    found = resample_area_mean(fine, REGION)
    np.testing.assert_allclose(found[:, :-1], 5.0)
    assert np.isnan(found[:, -1]).all()


def test_tiles_and_lazy_chunks_give_the_same_numbers(monkeypatch):
    steps = xr.DataArray(np.arange(3.0), {"time": np.arange(3)}, ("time",))
    fine = field(lambda north, east: np.sin(north) * east, 0.02) * (1 + steps)
    fine = fine.transpose("time", *GRID).rename("field")
    whole = resample_area_mean(fine, REGION)
    monkeypatch.setattr("co2net_phys.satellite.covariates._TILE_SOURCE_CELLS", 15)
    tiled = resample_area_mean(fine, REGION)
    lazy = resample_area_mean(fine.chunk(time=1, latitude=7), REGION)
    assert isinstance(lazy.data, dask.array.Array)
    np.testing.assert_allclose(tiled, whole, rtol=1e-13)
    np.testing.assert_array_equal(lazy, tiled)
    bilinear = resample_bilinear(fine.chunk(time=1), REGION)
    np.testing.assert_array_equal(bilinear, resample_bilinear(fine, REGION))


def test_land_use_becomes_fractions_that_sum_to_one():
    generator = np.random.default_rng(0)
    codes = {"cropland": [10, 11], "forest": [50], "urban": [190], "water": [210]}
    every = [code for group in codes.values() for code in group]
    classes = field(lambda north, east: generator.choice(every, (north * east).shape), 0.01)
    classes[60:63] = 255  # a class that nobody claims
    found = land_use_fractions(classes, REGION, codes)
    total = sum(found[name] for name in found)
    np.testing.assert_allclose(total, 1.0, rtol=0, atol=5e-16)
    assert all(((found[name] >= 0) & (found[name] <= 1)).all() for name in found)
    assert (found["orchard_fraction"] == 0).all()
    # The cell at the corner holds 10 × 10 pixels of nearly one size.
    corner = classes.sel(latitude=slice(30, 30.1), longitude=slice(100, 100.1))
    assert found["forest_fraction"][0, 0] == pytest.approx((corner == 50).mean().item(), abs=1e-3)
    with pytest.raises(DataError, match="tundra: unknown"):
        land_use_fractions(classes, REGION, {"tundra": [1]})


def test_days_from_hours(caplog):
    time = np.arange("2020-01-01T00", "2020-01-03T12", dtype="datetime64[h]").astype("M8[ns]")
    hours = xr.DataArray(np.arange(60.0), {"time": time}, ("time",), name="rain")
    np.testing.assert_allclose(daily(hours, "mean"), [11.5, 35.5])
    np.testing.assert_allclose(daily(hours, "sum"), [276.0, 852.0])
    assert "rain: 1 incomplete days" in caplog.text
    np.testing.assert_allclose(daily(hours.chunk(time=24), "sum"), [276.0, 852.0])


def test_a_field_that_does_not_cover_the_region_is_refused():
    small = field(plane, 0.25).sel(longitude=slice(100.3, 102))
    for resample in (resample_bilinear, resample_area_mean):
        with pytest.raises(DataError, match="field: longitude: reaches from 100"):
            resample(small, REGION)
    with pytest.raises(DataError, match="no axis 'latitude'"):
        resample_bilinear(small.isel(latitude=0), REGION)


def test_the_store_has_names_units_and_chunks(tmp_path):
    path = tmp_path / "c.zarr"
    values = field(plane, 0.1, margin=0.0)
    write_covariates({"elevation": values.chunk(latitude=3), "ndvi": values}, path, {"title": "t"})
    with xr.open_zarr(path, consolidated=False) as store:
        assert store["elevation"].attrs["units"] == "m"
        assert store.attrs["title"] == "t"
        np.testing.assert_allclose(store["ndvi"], values, rtol=1e-6)
    with pytest.raises(DataError, match="already exists"):
        write_covariates({"elevation": values}, path)
    with pytest.raises(DataError, match="moonlight: no covariate"):
        write_covariates({"moonlight": values}, tmp_path / "d.zarr")
    with pytest.raises(DataError, match="differ in grid or time"):
        write_covariates({"elevation": values, "ndvi": values[1:]}, tmp_path / "d.zarr")
    assert not (tmp_path / "d.zarr").exists()
