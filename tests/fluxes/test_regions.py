"""The 18 regions lie where they lie, whatever the grid, and areas and sums come out right."""

import importlib.util
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.data.regions import continent_raster
from co2net_phys.errors import DataError
from co2net_phys.fluxes.regions import (
    NO_REGION,
    cell_areas,
    monthly_sums,
    region_areas,
    region_fractions,
    region_numbers,
    region_raster,
    regional_sums,
)
from co2net_phys.fluxes.schema import REGION_CODES, REGIONS
from co2net_phys.regridding import LatLonGrid
from co2net_phys.solvers import Grid

GRIDS = {
    "1 degree": LatLonGrid.regular(1, 1),
    "5 degrees": LatLonGrid.regular(5, 5),
    "gaussian": LatLonGrid.of_solver(Grid.gaussian(21)),
    "carbontracker": LatLonGrid.regular(2, 3),
}


@cache
def fractions_on(grid):
    return region_fractions(GRIDS[grid])


def test_regions_are_those_of_the_table():
    assert len(REGIONS) == 18 == len(set(REGION_CODES))
    assert (REGION_CODES[0], REGION_CODES[4], REGION_CODES[14]) == ("USA", "BRA", "KAJ")


def test_every_land_cell_is_in_exactly_one_region():
    """All land but Greenland, Antarctica and the French southern islands, and no ocean."""
    continents, numbers = continent_raster(), region_raster()
    land = continents > 0
    assert not (~land & (numbers >= 0)).any()
    latitude = np.repeat(np.arange(-89.75, 90, 0.5)[:, None], 720, axis=1)
    longitude = np.repeat(np.arange(-179.75, 180, 0.5)[None], 360, axis=0)
    without = land & (numbers == NO_REGION)
    greenland = (latitude > 59) & (longitude > -74) & (longitude < -11)
    southern_islands = (latitude < -48) & (longitude > 68) & (longitude < 71)
    assert (without & (continents != 7) <= (greenland | southern_islands)).all()
    iceland = (latitude < 67) & (longitude > -25)
    canada = longitude < -61
    assert not (land & greenland & ~iceland & ~canada & (numbers >= 0)).any()
    assert set(np.unique(numbers)) == {NO_REGION, *range(18)}


@pytest.mark.parametrize(
    ("code", "million_km2"),  # land areas of the countries, CIA World Factbook, rounded
    [
        ("USA", 9.15),
        ("CAN", 9.98),  # lakes included, as in the raster
        ("BRA", 8.51),
        ("RUS", 17.1),
        ("CHN", 9.6),
        ("KAJ", 0.597),
        ("NSA", 2.85),
        ("SSA", 6.62),
        ("SAS", 5.13),
        ("OCE", 8.52),
        ("SEAS", 4.49),
        ("CAM", 2.72),
    ],
)
@pytest.mark.parametrize("grid", GRIDS)
def test_areas_of_countries(code, million_km2, grid):
    area = region_areas(fractions_on(grid), cell_areas(GRIDS[grid]))[REGION_CODES.index(code)]
    # Coasts at 1:110 million, lakes and small islands: 6 %.
    assert area / 1e12 == pytest.approx(million_km2, rel=0.06)


@pytest.mark.parametrize("grid", GRIDS)
def test_areas_do_not_depend_on_the_grid(grid):
    fine = LatLonGrid.regular(0.5, 0.5)
    reference = region_areas(region_fractions(fine), cell_areas(fine))
    found = region_areas(fractions_on(grid), cell_areas(GRIDS[grid]))
    np.testing.assert_allclose(found, reference, rtol=1e-11)


@pytest.mark.parametrize(
    ("latitude", "longitude", "code"),
    [
        (40, -100, "USA"),
        (65, -150, "USA"),  # Alaska
        (60, -110, "CAN"),
        (20, -100, "CAM"),
        (22, -79, "CAM"),  # Cuba
        (4, -72, "NSA"),
        (4, -53, "NSA"),  # French Guiana is not in Europe
        (-10, -55, "BRA"),
        (-35, -65, "SSA"),
        (47, 2, "EU"),
        (49, 31, "EU"),  # Ukraine
        (25, 5, "NAF"),
        (14, 2, "NAF"),  # the Sahel
        (0, 22, "EQAF"),
        (8, 38, "EQAF"),  # Ethiopia
        (-20, 24, "SAF"),
        (-19, 47, "SAF"),  # Madagascar
        (55, 45, "RUS"),
        (66, -174, "RUS"),  # Chukotka, east of the date line
        (48, 68, "CAS"),
        (47, 103, "CAS"),  # Mongolia
        (24, 45, "MIDE"),
        (39, 35, "MIDE"),  # Turkey
        (33, 105, "CHN"),
        (36, 138, "KAJ"),
        (22, 79, "SAS"),
        (34, 66, "SAS"),  # Afghanistan
        (0, 114, "SEAS"),
        (-4, 138, "SEAS"),  # western New Guinea
        (-6, 145, "OCE"),  # Papua New Guinea
        (-25, 134, "OCE"),
    ],
)
def test_places(latitude, longitude, code):
    grid = GRIDS["1 degree"]
    row = np.abs(grid.latitude - latitude).argmin()
    column = np.abs(grid.longitude - longitude).argmin()
    assert REGION_CODES[region_numbers(fractions_on("1 degree"))[row, column]] == code


def test_ocean_and_ice_are_in_no_region():
    numbers = region_numbers(fractions_on("1 degree"))
    assert numbers[0].max() == NO_REGION  # the south pole
    assert numbers[90, 30] == NO_REGION  # mid-Pacific
    assert numbers[162, 140] == NO_REGION  # Greenland


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_sums_are_linear_and_add_up_to_the_globe(seed):
    grid = GRIDS["5 degrees"]
    fractions, areas = fractions_on("5 degrees"), cell_areas(grid)
    random = np.random.default_rng(seed)
    one, other = random.standard_normal((2, 3, *grid.shape))
    combined = regional_sums(2 * one - other, fractions, areas)
    np.testing.assert_allclose(
        combined,
        2 * regional_sums(one, fractions, areas) - regional_sums(other, fractions, areas),
        atol=1e-14,
    )
    land = fractions.sum(axis=0)
    total = (one * land * areas).sum(axis=(1, 2)) * 1e-15
    np.testing.assert_allclose(
        regional_sums(one, fractions, areas).sum(axis=1), total, rtol=1e-11, atol=1e-15
    )


def test_one_gram_everywhere_gives_the_area():
    grid = GRIDS["5 degrees"]
    fractions, areas = fractions_on("5 degrees"), cell_areas(grid)
    field = np.where(fractions.sum(axis=0) > 0, 1.0, np.nan)[None]
    np.testing.assert_allclose(
        regional_sums(field, fractions, areas)[0], region_areas(fractions, areas) * 1e-15
    )


def test_a_gap_on_land_is_refused():
    grid = GRIDS["5 degrees"]
    fractions = fractions_on("5 degrees")
    field = np.ones((2, *grid.shape))
    field[1, 27, 16] = np.nan
    with pytest.raises(DataError, match="missing on land"):
        regional_sums(field, fractions, cell_areas(grid))


def test_monthly_sums_keep_the_total():
    days = np.arange(np.datetime64("2003-12-01"), np.datetime64("2004-04-01"))
    daily = np.random.default_rng(0).standard_normal((len(days), 2))
    sums, months = monthly_sums(daily, days)
    assert [str(month) for month in months] == ["2003-12", "2004-01", "2004-02", "2004-03"]
    np.testing.assert_allclose(sums.sum(axis=0), daily.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(
        monthly_sums(np.ones((len(days), 1)), days)[0][:, 0], [31, 31, 29, 31]
    )


@pytest.mark.parametrize(
    ("first", "last", "lost"),
    [
        ("2004-01-02", "2004-03-01", []),
        ("2004-01-01", "2004-02-29", []),
        ("2004-01-01", "2004-03-01", [9]),
    ],
)
def test_monthly_sums_refuse_broken_months(first, last, lost):
    days = np.delete(np.arange(np.datetime64(first), np.datetime64(last)), lost)
    with pytest.raises(DataError, match=r"whole months|without gaps"):
        monthly_sums(np.ones((len(days), 1)), days)


def test_the_cached_raster_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        region_raster()[0, 0] = 1


@pytest.fixture
def generator(monkeypatch):
    pytest.importorskip("shapefile", reason="pyshp is needed only to remake the raster")
    folder = Path(__file__).parents[2] / "docs" / "scripts"
    monkeypatch.syspath_prepend(str(folder))
    spec = importlib.util.spec_from_file_location("make_reccap2", folder / "make_reccap2.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generator_knows_every_country_once(generator):
    listed = [c for countries in generator.COUNTRIES.values() for c in countries.split(", ")]
    assert len(listed) == len(set(listed)) == 174
    assert set(generator.COUNTRIES) == set(REGION_CODES)


def test_generator_places_a_country(tmp_path, generator):
    shapefile = sys.modules["shapefile"]
    with shapefile.Writer(str(tmp_path / "made.shp")) as made:
        made.field("name", "C")
        made.poly([[[50, 0], [50, 10], [70, 10], [70, 0], [50, 0]]])
        made.record("Brazil")
    raster = generator.rasterise(tmp_path / "made.shp")
    assert (raster > 0).sum() == 40 * 20
    assert raster[181, 461] == REGION_CODES.index("BRA") + 1
