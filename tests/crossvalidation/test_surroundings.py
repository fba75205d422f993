"""What a site tells before it measures, at places that everybody knows."""

import numpy as np
import pytest

from co2net_phys.crossvalidation.surroundings import (
    LOWLAND_METRES,
    distances_km,
    inhabitants,
    known_elevations,
    land_near,
    surroundings,
)
from co2net_phys.products.observations import Series


def site(code, north, east, **more):
    return Series(code, code, code.lower(), site_latitude=north, site_longitude=east, **more)


def test_land_of_continents_and_oceans():
    north, east = np.array([50.0, 0.0, 45.0, 37.8]), np.array([85.0, -150.0, -70.0, -122.5])
    land = land_near(north, east)
    assert land[0] == pytest.approx(1, abs=1e-3)
    assert land[1] == pytest.approx(0, abs=1e-3)
    assert 0.2 < land[3] < 0.9, "San Francisco lies on the coast"


def test_land_does_not_care_where_the_map_is_cut():
    assert land_near(np.array([66.0]), np.array([180.0])) == pytest.approx(
        land_near(np.array([66.0]), np.array([-180.0]))
    )


def test_people_live_in_tokyo_and_not_at_the_pole():
    people = inhabitants(np.array([35.7, -90.0, 23.0]), np.array([139.7, 0.0, 5.0]), 60.0)
    assert people[0] > 1e7
    assert people[1] < 1
    assert people[2] < 1e5


def test_a_wider_circle_holds_more_people():
    place = np.array([48.9]), np.array([2.3])
    assert inhabitants(*place, 250.0) > inhabitants(*place, 60.0) > 1e6


def test_distances():
    d = distances_km(
        np.array([0.0, 90.0]), np.array([0.0, 0.0]), np.array([0.0]), np.array([180.0])
    )
    assert d[:, 0] == pytest.approx([np.pi * 6371.22, np.pi * 6371.22 / 2], rel=1e-3)


def test_elevation_of_the_file_of_the_list_of_a_neighbour_or_a_lowland():
    series = [
        site("MINE", 10.0, 10.0, elevation=777.0),
        site("HDP", 40.56, -111.65),
        site("NEAR", 40.7, -111.9),
        site("FAR", -50.0, 100.0),
    ]
    assert known_elevations(series) == pytest.approx([777.0, 3351.0, 3351.0, LOWLAND_METRES])


def test_a_tall_tower_and_the_night_are_read_from_the_name():
    described = surroundings(
        [
            site("AAA", 50.0, 10.0, elevation=100.0, series_height=300.0),
            site("BBB", 51.0, 10.0, elevation=-3.0, selection_tag="allhours"),
        ]
    )
    assert described.height == pytest.approx([400.0, 0.0])
    assert described.mountain[0] == pytest.approx(1 - np.exp(-400 / 1500))
    assert list(described.all_hours) == [0.0, 1.0]
