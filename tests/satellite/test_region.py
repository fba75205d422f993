"""The regional grid: cells, borders, the date line, days."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from co2net_phys.errors import UsageError
from co2net_phys.satellite.region import SICHUAN, Region, days_between


def test_the_papers_region_has_its_cells():
    assert SICHUAN.shape == (827, 1585)
    np.testing.assert_allclose(SICHUAN.latitude[[0, -1]], [26.055, 34.315])
    np.testing.assert_allclose(np.diff(SICHUAN.longitude), 0.01)


@given(st.integers(0, 826), st.integers(0, 1584), st.floats(-0.49, 0.49), st.floats(-0.49, 0.49))
def test_a_place_within_a_cell_is_found_there(row, column, north, east):
    place = SICHUAN.latitude[row] + 0.01 * north, SICHUAN.longitude[column] + 0.01 * east
    found = SICHUAN.cells(np.array([place[0]]), np.array([place[1]]))
    assert [int(part[0]) for part in found] == [row, column, 1]


def test_borders_belong_to_the_cell_north_and_east_of_them():
    region = Region(0.0, 0.0, 2.0, 2.0, 1.0)
    row, column, inside = region.cells(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0]))
    np.testing.assert_array_equal(inside, [True, True, False])
    np.testing.assert_array_equal(row, [0, 1, -1])
    np.testing.assert_array_equal(column, [0, 1, -1])


def test_a_region_may_cross_the_date_line_and_reach_the_pole():
    region = Region(170.0, 80.0, 190.0, 90.0, 10.0)
    row, column, inside = region.cells(np.array([85.0, 90.0, 85.0]), np.array([-175.0, 175.0, 160]))
    np.testing.assert_array_equal(inside, [True, True, False])
    np.testing.assert_array_equal(column, [1, 0, -1])
    np.testing.assert_array_equal(row, [0, 0, -1])


def test_json_keeps_the_region_to_the_last_bit():
    assert Region.from_json(SICHUAN.as_json()) == SICHUAN
    with pytest.raises(UsageError, match="is no region"):
        Region.from_json("[1, 2]")


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        ((0, 10, 10, 5, 1), "south before north"),
        ((0, -95, 10, 5, 1), "no range within"),
        ((10, 0, 5, 5, 1), "date line"),
        ((0, 0, 10, 10, 0), "not positive"),
        ((0, 0, 10, 10, 3), "whole number of cells"),
        ((0, 0, 10, float("nan"), 1), "no range within"),
    ],
)
def test_what_is_no_region_is_refused(corners, message):
    with pytest.raises(UsageError, match=message):
        Region(*corners)


def test_days_include_both_ends():
    days = days_between("2020-02-28", "2020-03-01")
    assert [str(day) for day in days] == ["2020-02-28", "2020-02-29", "2020-03-01"]
    with pytest.raises(UsageError, match="--end 2020-02-28 is before --start 2020-03-01"):
        days_between("2020-03-01", "2020-02-28")
    with pytest.raises(UsageError, match=r"--start 'yesterday': not a date; write it as 20"):
        days_between("yesterday", "2020-02-28")
    with pytest.raises(UsageError, match=r"--end '': not a date"):
        days_between("2020-02-28", "")
