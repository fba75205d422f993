"""Regridding: what is kept, what is never exceeded, and no seam at the dateline or the poles."""

import os
from pathlib import Path

import dask.array
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial.legendre import leggauss

from co2net_phys.errors import DataError, UsageError
from co2net_phys.regridding import (
    ConservativeRegridder,
    LatLonGrid,
    regrid_dataset,
    regrid_field,
    regrid_wind,
)

DATA = Path(
    os.environ.get("CO2PHYS_SAMPLE_DATA") or Path(__file__).parents[1] / "../shared/data"
).resolve()
TARGET = LatLonGrid.regular(2, 3)


def gaussian(rows, columns, first=0.0):
    """Grid whose row areas are the Gauss–Legendre weights."""
    sine, weight = leggauss(rows)
    edges = np.degrees(np.arcsin(np.clip(np.append(-1, -1 + np.cumsum(weight)), -1, 1)))
    edges[[0, -1]] = -90, 90
    return of(np.degrees(np.arcsin(sine)), columns, first, edges)


def of(latitude, columns, first, edges):
    longitude = first + np.arange(columns) * 360 / columns
    sides = first + (np.arange(columns + 1) - 0.5) * 360 / columns
    return LatLonGrid(latitude, longitude, edges, sides)


def with_poles(rows, columns, first=0.0):
    latitude = np.linspace(-90, 90, rows)
    middle = (latitude[1:] + latitude[:-1]) / 2
    return of(latitude, columns, first, np.concatenate([[-90], middle, [90]]))


def irregular(first=17.3):
    edges = np.concatenate([[-90], np.sort(np.random.default_rng(5).uniform(-88, 88, 30)), [90]])
    return of((edges[1:] + edges[:-1]) / 2, 50, first, edges)


GRIDS = {
    "gaussian 64 × 128": gaussian(64, 128),
    "gaussian from the dateline": gaussian(64, 128, -180),
    "90 × 120": TARGET,
    "161 × 320 with poles": with_poles(161, 320),
    "96 × 192 shifted by an odd part": gaussian(96, 192, 0.7),
    "1 degree": LatLonGrid.regular(1, 1),
    "irregular rows": irregular(),
}
each_grid = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)


def field_on(grid, values):
    places = {"latitude": grid.latitude, "longitude": grid.longitude}
    dims = ("time", "latitude", "longitude")[-np.ndim(values) :]
    return xr.DataArray(values, places, dims, name="co2s", attrs={"units": "umol mol-1"})


def noise(grid, *lead, seed=0):
    return np.random.default_rng(seed).normal(400, 20, (*lead, *grid.shape))


def mean(grid, values):
    return (grid.area_weights * values).sum((-2, -1))


def smooth(grid):
    north, east = np.radians(grid.latitude)[:, None], np.radians(grid.longitude)
    return np.cos(north) ** 2 * np.cos(2 * east) + np.sin(north) * np.cos(north) * np.sin(east)


@each_grid
@pytest.mark.parametrize("way", ["conservative", "bilinear"])
def test_constants_stay(grid, way):
    result = regrid_field(field_on(grid, np.full(grid.shape, 412.345678)), grid, TARGET, way)
    np.testing.assert_allclose(result, 412.345678, rtol=1e-14)


@each_grid
def test_the_global_mean_is_kept(grid):
    values = noise(grid, 3)
    result = regrid_field(field_on(grid, values), grid, TARGET)
    np.testing.assert_allclose(mean(TARGET, result.values), mean(grid, values), rtol=1e-12)
    back = regrid_field(field_on(TARGET, noise(TARGET)), TARGET, grid)
    np.testing.assert_allclose(mean(grid, back.values), mean(TARGET, noise(TARGET)), rtol=1e-12)


@each_grid
@pytest.mark.parametrize("way", ["conservative", "bilinear"])
def test_nothing_leaves_the_range_of_the_source(grid, way):
    values = noise(grid)
    result = regrid_field(field_on(grid, values), grid, TARGET, way).values
    assert values.min() * (1 - 1e-14) <= result.min()
    assert result.max() <= values.max() * (1 + 1e-14)


@settings(max_examples=25, deadline=None)
@given(
    steps=st.tuples(st.sampled_from([1.5, 2, 4, 5, 10]), st.sampled_from([2.5, 3, 4, 6, 20])),
    first=st.floats(-360, 360),
    one=st.floats(-5, 5),
    seed=st.integers(0, 99),
)
def test_linear_and_kept_for_any_grid_and_origin(steps, first, one, seed):
    regular = LatLonGrid.regular(*steps)
    grid = of(regular.latitude, regular.shape[1], first, regular.latitude_edges)
    regrid = ConservativeRegridder(grid, TARGET)
    some, other = noise(grid, seed=seed), noise(grid, seed=seed + 100)
    together = regrid(one * some + other)
    np.testing.assert_allclose(together, one * regrid(some) + regrid(other), rtol=0, atol=1e-9)
    np.testing.assert_allclose(mean(TARGET, regrid(some)), mean(grid, some), rtol=1e-12)


@pytest.mark.parametrize("way", ["conservative", "bilinear"])
def test_turning_the_globe_by_whole_cells_commutes(way):
    grid = gaussian(64, 120)  # cells of 3 degrees, like the target's
    values = field_on(grid, noise(grid))
    turned = values.copy(data=np.roll(values.values, 17, axis=1))
    one = regrid_field(turned, grid, TARGET, way).values
    other = np.roll(regrid_field(values, grid, TARGET, way).values, 17, axis=1)
    np.testing.assert_allclose(one, other, rtol=1e-13)


@pytest.mark.parametrize("way", ["conservative", "bilinear"])
def test_the_convention_of_longitude_does_not_matter(way):
    east = gaussian(64, 128)
    values = noise(east)
    dateline = LatLonGrid(
        east.latitude, east.longitude - 180, east.latitude_edges, east.longitude_edges - 180
    )
    one = regrid_field(field_on(east, values), east, TARGET, way)
    other = regrid_field(field_on(dateline, np.roll(values, 64, axis=1)), dateline, TARGET, way)
    np.testing.assert_allclose(one, other, rtol=1e-13)


@pytest.mark.parametrize(
    ("way", "ratio", "order"),
    [("bilinear", 1.5, 2), ("conservative", 1.5, 1), ("conservative", 3, 2)],
)
def test_order_on_a_smooth_field(way, ratio, order):
    errors = []
    for step in (4, 2, 1):
        grid, target = (
            LatLonGrid.regular(step, step),
            LatLonGrid.regular(ratio * step, ratio * step),
        )
        result = regrid_field(field_on(grid, smooth(grid)), grid, target, way).values
        errors.append(np.sqrt(mean(target, (result - smooth(target)) ** 2)))
    measured = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(measured, order, atol=0.15)


def test_a_brute_force_quadrature_agrees():
    source, target = irregular(), LatLonGrid.regular(10, 15)
    values = noise(source)
    result = ConservativeRegridder(source, target)(values)
    # Midpoint rule, 400 × 600 points in each cell, even in area.
    for row, column in ((0, 0), (8, 23), (17, 11)):
        low, high = np.sin(np.radians(target.latitude_edges[row : row + 2]))
        sine = low + (np.arange(400) + 0.5) / 400 * (high - low)
        west, east = target.longitude_edges[column : column + 2]
        places = west + (np.arange(600) + 0.5) / 600 * (east - west)
        rows = np.searchsorted(np.sin(np.radians(source.latitude_edges)), sine) - 1
        columns = ((places - source.longitude_edges[0]) % 360 // 7.2).astype(int)
        expected = values[np.ix_(rows, columns)].mean()
        assert result[row, column] == pytest.approx(expected, abs=0.2), "a spread of 20"


def test_missing_values_and_coverage():
    """Target cell (2, 2) is made of four source cells, those of row 4 in the smaller half."""
    source, target = LatLonGrid.regular(10, 10), LatLonGrid.regular(20, 20)
    values = np.full(source.shape, 400.0)

    def on_target(share, way="conservative"):
        field = field_on(source, values)
        return regrid_field(field, source, target, way, coverage=share).values

    values[4, 4:6] = np.nan  # just under a half is missing
    np.testing.assert_allclose(on_target(0.5), 400, rtol=1e-14)
    values[5, 4] = np.nan  # and now about three quarters
    values[5, 5] = 410
    assert np.argwhere(np.isnan(on_target(0.5))).tolist() == [[2, 2]]
    assert on_target(0.2)[2, 2] == pytest.approx(410, rel=1e-14)
    assert on_target(0.2, "bilinear")[2, 2] == pytest.approx(410, rel=1e-14)
    values[5, 5] = np.nan
    for way in ("conservative", "bilinear"):
        assert np.isnan(on_target(0.0, way)[2, 2]), "where there is nothing, nothing is made up"


@each_grid
def test_a_wind_over_the_pole_has_no_seam_and_no_more_speed(grid):
    """A flow across the north pole: one vector there, whatever the meridian."""
    east, north = np.radians(grid.longitude), np.radians(grid.latitude)[:, None]
    u, v = 10 * np.sin(east) + 0 * north, 10 * np.cos(east) * np.sin(north)
    one, other = regrid_wind(field_on(grid, u), field_on(grid, v), grid, TARGET)
    east, north = np.radians(TARGET.longitude), np.radians(TARGET.latitude)[:, None]
    widest = [np.diff(np.radians(axis)).max() for axis in (grid.latitude_edges, grid.longitude)]
    bound = 10 * sum(np.square(widest)) / 8  # of linear interpolation, second derivatives of 10
    np.testing.assert_allclose(one, 10 * np.sin(east) + 0 * north, atol=bound)
    np.testing.assert_allclose(other, 10 * np.cos(east) * np.sin(north), atol=bound)
    assert np.hypot(one, other).max() <= 10 + 1e-12


def test_scalars_beyond_the_last_row_meet_at_the_pole():
    grid, target = LatLonGrid.regular(10, 10), with_poles(181, 360)
    result = regrid_field(field_on(grid, noise(grid)), grid, target, "bilinear").values
    assert np.ptp(result[0]) < 1e-11
    assert np.ptp(result[-1]) < 1e-11
    assert result[-1, 0] == pytest.approx(noise(grid)[-1].mean())


def test_lazy_fields_stay_lazy_in_their_type_with_their_labels():
    grid = gaussian(16, 32)
    values = dask.array.from_array(noise(grid, 6).astype(np.float32), chunks=(2, 5, 7))
    dataset = xr.Dataset({"co2s": field_on(grid, values), "uas": field_on(grid, values)})
    dataset = dataset.assign(vas=dataset["uas"], oro=field_on(grid, noise(grid)))
    result = regrid_dataset(dataset, TARGET)
    assert result["co2s"].chunks[0] == (2, 2, 2)
    assert result["uas"].dtype == np.float32
    assert result["co2s"].attrs["units"] == "umol mol-1"
    assert result["oro"].dims == ("latitude", "longitude")
    assert result["latitude_bounds"].values[0].tolist() == [-90, -88]
    eager = regrid_dataset(dataset.compute(), TARGET)
    xr.testing.assert_identical(result.compute(), eager)


def test_frames_do_not_depend_on_their_company():
    grid = GRIDS["161 × 320 with poles"]
    values, regrid = noise(grid, 7), ConservativeRegridder(grid, TARGET)
    alone = np.stack([regrid(frame) for frame in values])
    np.testing.assert_array_equal(regrid(values), alone)


def test_the_same_grid_leaves_values_alone():
    dataset = xr.Dataset({"co2s": field_on(TARGET, noise(TARGET, 2))})
    np.testing.assert_array_equal(regrid_dataset(dataset, TARGET)["co2s"], dataset["co2s"])


def test_bounds_in_the_file_go_before_computed_ones():
    """Polar rows of half height, as GEOS-Chem has them, are right even without bounds."""
    edges = np.concatenate([[-90], np.arange(-88, 90, 4.0), [90]])
    latitude = np.concatenate([[-89], np.arange(-86, 88, 4.0), [89]])
    grid = of(latitude, 72, -180, edges)
    dataset = xr.Dataset({"co2s": field_on(grid, noise(grid))})
    np.testing.assert_array_equal(LatLonGrid.of(dataset, "f.nc").latitude_edges, edges)
    moved = np.where(np.abs(edges) < 88, edges + 0.5, edges)
    pairs = np.stack([moved[:-1], moved[1:]], axis=1)
    given = LatLonGrid.of(dataset.assign(latitude_bounds=(("latitude", "bnds"), pairs)), "f.nc")
    np.testing.assert_array_equal(given.latitude_edges, moved)


@pytest.mark.parametrize(
    ("latitude", "longitude", "message"),
    [
        (np.arange(30.0, 60), np.arange(360.0), r"f\.nc: latitude: cells reach from 29\.5 to 59"),
        (np.arange(-89.0, 90, 2), np.arange(0.0, 90), r"f\.nc: longitude: cells span 90"),
        (np.arange(89.0, -90, -2), np.arange(0.0, 360), r"f\.nc: latitude: does not ascend"),
        (np.array([0.0]), np.arange(0.0, 360), "no latitude axis of two cells"),
    ],
)
def test_a_grid_that_is_not_global(latitude, longitude, message):
    places = {"latitude": latitude, "longitude": longitude}
    field = xr.DataArray(np.zeros((len(latitude), len(longitude))), places, list(places))
    with pytest.raises(DataError, match=message):
        LatLonGrid.of(field, "f.nc")


@pytest.mark.parametrize("text", ["2", "2x", "2x7", "0x3", "0.001x3", "two x three", "-2x3"])
def test_a_target_that_makes_no_sense(text):
    with pytest.raises(UsageError, match="2x3"):
        LatLonGrid.parse(text)
    assert LatLonGrid.parse("2.5x5").shape == (72, 72)


def test_one_component_of_the_wind_is_refused():
    dataset = xr.Dataset({"uas": field_on(TARGET, noise(TARGET))})
    with pytest.raises(DataError, match=r"f\.nc: uas: the other component"):
        regrid_dataset(dataset, LatLonGrid.regular(4, 6), where="f.nc")


@pytest.fixture(scope="module")
def sample():
    """Function that gives a variable of a sample file, south to north, with the file's grid."""

    def read(name, variable):
        path = DATA / name
        if not path.exists():
            pytest.skip(f"no sample data in {DATA}; set CO2PHYS_SAMPLE_DATA")
        with xr.open_dataset(path) as data:
            names = {"lat": "latitude", "lon": "longitude"}
            data = data.rename({k: v for k, v in names.items() if k in data.dims})
            field = data[variable].sortby("latitude").astype(np.float64).load()
        field = field.drop_vars([c for c in field.coords if c not in field.dims])
        return field, LatLonGrid.of(field, name)

    return read


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("co2/SMALL_total_column_co2.nc", "tcco2"),
        ("cmip6/tas_Amon_CanESM2_rcp85_r1i1p1_200701-200712.nc", "tas"),
        ("cmip6/uas_rectilinear_grid_2D.nc", "uas"),
        ("winds/gfs_10m_6h_1deg_20161120-22.nc", "u10"),
    ],
)
def test_real_fields(sample, name, variable):
    field, grid = sample(name, variable)
    result = regrid_field(field, grid, TARGET)
    scale = np.abs(field.values).max()
    np.testing.assert_allclose(
        mean(TARGET, result.values), mean(grid, field.values), rtol=1e-12, atol=1e-13 * scale
    )
    for way in ("conservative", "bilinear"):
        values = regrid_field(field, grid, TARGET, way).values
        assert np.isfinite(values).all()
        assert values.min() >= field.values.min() - 1e-9
        assert values.max() <= field.values.max() + 1e-9
        steps = np.abs(np.diff(values, axis=-1, append=values[..., :1])).mean((0, 1))
        assert steps[-1] < 2 * np.median(steps), "the dateline is like any other meridian"


def test_real_winds_have_no_more_speed(sample):
    (u, grid), (v, _) = (
        sample(f"cmip6/{name}_rectilinear_grid_2D.nc", name) for name in ("uas", "vas")
    )
    one, other = regrid_wind(u, v, grid, TARGET)
    assert np.isfinite(one.values).all()
    assert np.hypot(one, other).max() <= np.hypot(u, v).max() + 1e-12


def test_real_geos_chem_areas(sample):
    """Layout of GEOS-Chem: the file's own cell areas are those of half-height polar rows."""
    field, _ = sample("co2/GEOSChem.SpeciesConc.20150101_0000z_reduced.nc4", "SpeciesConc_CH4")
    area, _ = sample("co2/GEOSChem.SpeciesConc.20150101_0000z_reduced.nc4", "AREA")
    edges = np.concatenate([[-90], np.arange(-88, 90, 4.0), [90]])
    longitude = field["longitude"].values
    grid = of(field["latitude"].values, 72, longitude[0], edges)
    np.testing.assert_allclose(grid.area_weights, area / area.sum(), rtol=2e-4)
    result = regrid_field(field, grid, TARGET).values
    np.testing.assert_allclose(mean(TARGET, result), mean(grid, field.values), rtol=1e-12)
