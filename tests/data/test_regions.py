"""Continents lie where they lie, whatever the grid, and areas come out right."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.data.cells import latitude_bounds
from co2net_phys.data.regions import (
    REGIONS,
    continent_raster,
    land_fraction,
    region_mask,
)
from co2net_phys.errors import UsageError

EARTH_AREA_MKM2 = 510.07
CONTINENTS = (
    "asia",
    "europe",
    "north-america",
    "south-america",
    "africa",
    "australia",
    "antarctica",
)
CARBONTRACKER = np.arange(-89.0, 90, 2), np.arange(-178.5, 180, 3)
GRIDS = {
    "carbontracker": CARBONTRACKER,
    "gaussian-like": (np.linspace(-87.86, 87.86, 64), np.arange(128) * 2.8125),
    "with poles, north first": (np.linspace(90, -90, 91), np.arange(0, 360, 2.5)),
    "finer than the raster": (np.arange(-89.8, 90, 0.4), np.arange(0.2, 360, 0.4)),
}


def row_areas(latitude: np.ndarray) -> np.ndarray:
    """Share of the sphere in each row of cells."""
    return np.abs(np.diff(np.sin(np.radians(latitude_bounds(latitude))))) / 2


@pytest.mark.parametrize("grid", GRIDS)
def test_land_covers_29_percent_of_any_global_grid(grid: str) -> None:
    latitude, longitude = GRIDS[grid]
    fraction = land_fraction(latitude, longitude)
    assert fraction.shape == (latitude.size, longitude.size)
    assert fraction.min() >= 0 and fraction.max() <= 1
    assert row_areas(latitude) @ fraction.mean(axis=1) == pytest.approx(0.29, abs=0.01)


@pytest.mark.parametrize(
    ("region", "million_km2"),  # usual textbook areas
    [
        ("asia", 44.6),
        ("europe", 10.2),
        ("north-america", 24.7),
        ("south-america", 17.8),
        ("africa", 30.4),
        ("australia", 8.5),
        ("antarctica", 13.0),  # without most ice shelves
    ],
)
def test_continents_have_their_areas(region: str, million_km2: float) -> None:
    mask = region_mask(region, *CARBONTRACKER)
    area = row_areas(CARBONTRACKER[0]) @ mask.mean(axis=1) * EARTH_AREA_MKM2
    assert area == pytest.approx(million_km2, rel=0.08)


@pytest.mark.parametrize(
    ("latitude", "longitude", "region"),
    [
        (20, 0, "africa"),
        (0, -150, "ocean"),
        (-25, 134, "australia"),
        (-43.5, 171.5, "australia"),
        (-5, 143, "australia"),  # Papua New Guinea
        (-4, 138, "australia"),  # the Indonesian half of the same island
        (0, 114, "asia"),  # Borneo
        (55, 45, "europe"),
        (60, 100, "asia"),
        (66, -174, "asia"),  # Chukotka, east of the date line
        (48, 68, "asia"),
        (4, -53, "south-america"),  # French Guiana is not in Europe
        (72, -40, "north-america"),  # Greenland
        (-90, 0, "antarctica"),
        (40, -30, "ocean"),
        (42, 51, "ocean"),  # the Caspian Sea
        (19.5, -155.5, "land"),  # Hawaii
    ],
)
@pytest.mark.parametrize("start", [-180, 0])
def test_places(latitude: float, longitude: float, region: str, start: int) -> None:
    axes = np.arange(-89.5, 90), start + np.arange(0.5, 360)
    row = np.abs(axes[0] - latitude).argmin()
    column = np.abs((axes[1] - longitude + 180) % 360 - 180).argmin()
    assert region_mask(region, *axes)[row, column]


def test_hawaii_is_on_no_continent() -> None:
    axes = np.arange(-89.75, 90, 0.5), np.arange(-179.75, 180, 0.5)
    row, column = np.abs(axes[0] - 19.75).argmin(), np.abs(axes[1] + 155.25).argmin()
    assert region_mask("land", *axes)[row, column]
    assert not any(region_mask(name, *axes)[row, column] for name in CONTINENTS)


@pytest.mark.parametrize("grid", GRIDS)
def test_regions_partition_the_globe(grid: str) -> None:
    masks = {name: region_mask(name, *GRIDS[grid]) for name in REGIONS}
    assert masks["global"].all()
    assert np.array_equal(masks["ocean"], ~masks["land"])
    assert np.array_equal(masks["asia-europe"], masks["asia"] | masks["europe"])
    count = sum(masks[name].astype(int) for name in CONTINENTS)
    assert count.max() == 1
    assert not (count.astype(bool) & masks["ocean"]).any()


@settings(max_examples=10, deadline=None)
@given(turns=st.integers(-3, 3), shift=st.integers(0, 119), flip=st.booleans())
def test_the_convention_of_the_axes_does_not_matter(turns: int, shift: int, flip: bool) -> None:
    latitude, longitude = CARBONTRACKER
    rows = slice(None, None, -1 if flip else 1)
    rolled = np.roll(longitude, shift) + 360 * turns
    expected = np.roll(region_mask("asia", latitude, longitude), shift, axis=1)[rows]
    assert np.array_equal(region_mask("asia", latitude[rows], rolled), expected)


def test_a_regional_grid_sees_only_its_own_cells() -> None:
    assert land_fraction([20, 22, 24], [5, 8, 11]).min() > 1 - 1e-9  # in the Sahara
    assert land_fraction([-2, 0, 2], [-152, -150]).max() == 0.0  # in the Pacific


def test_half_covered_cell_has_half_the_land() -> None:
    raster = continent_raster() > 0
    latitude, longitude = np.linspace(-89.75, 89.75, 360), np.linspace(-179.75, 179.75, 720)
    np.testing.assert_allclose(land_fraction(latitude, longitude), raster, atol=1e-9)
    pairs = land_fraction(latitude, longitude.reshape(-1, 2).mean(axis=1))
    np.testing.assert_allclose(pairs, raster.reshape(360, 360, 2).mean(axis=2), atol=1e-9)


def test_unknown_region_and_swapped_axes_are_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown region 'atlantis'.*global.*antarctica"):
        region_mask("atlantis", *CARBONTRACKER)
    with pytest.raises(UsageError, match="order of the axes"):
        region_mask("asia", CARBONTRACKER[1], CARBONTRACKER[0])


def test_the_cached_raster_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        continent_raster()[0, 0] = 1


@pytest.fixture
def generator() -> ModuleType:
    pytest.importorskip("shapefile", reason="pyshp is needed only to remake the raster")
    path = Path(__file__).parents[2] / "docs" / "scripts" / "make_continents.py"
    spec = importlib.util.spec_from_file_location("make_continents", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generator_fills_rings_and_leaves_holes(tmp_path: Path, generator: ModuleType) -> None:
    shapefile = sys.modules["shapefile"]
    with shapefile.Writer(str(tmp_path / "made.shp")) as made:
        made.field("name", "C")
        made.field("continent", "C")
        outer = [[50, 0], [50, 10], [70, 10], [70, 0], [50, 0]]
        hole = [[52, 2], [54, 2], [54, 4], [52, 4], [52, 2]]
        made.poly([outer, hole])
        made.record("Russia", "Europe")
    raster = generator.rasterise(tmp_path / "made.shp")
    assert (raster > 0).sum() == 40 * 20 - 4 * 4
    assert raster[181, 461] == 2 and raster[181, 499] == 1  # Europe at 50.75°E, Asia at 69.75°E
    assert raster[185, 465] == 0  # in the hole
