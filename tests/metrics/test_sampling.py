"""A field at sites: as scipy interpolates it, across the dateline and at the poles too."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator

from co2net_phys import metrics
from co2net_phys.errors import UsageError

LATITUDE, LONGITUDE = np.arange(-89.0, 90, 2), np.arange(-178.5, 180, 3)


def test_bilinear_sampling_agrees_with_scipy() -> None:
    rng = np.random.default_rng(11)
    field = rng.normal(size=(3, LATITUDE.size, LONGITUDE.size))
    sites = rng.uniform(-89, 89, 200), rng.uniform(-178.5, 178.5, 200)
    theirs = RegularGridInterpolator((LATITUDE, LONGITUDE), np.moveaxis(field, 0, -1))(
        np.column_stack(sites)
    )
    ours = metrics.sample_at(field, LATITUDE, LONGITUDE, *sites)
    np.testing.assert_allclose(ours, theirs.T, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    flip=st.booleans(),
    shift=st.integers(0, 119),
    method=st.sampled_from(["bilinear", "nearest"]),
)
def test_sampling_does_not_depend_on_the_order_of_the_axes(
    latitude: float, longitude: float, flip: bool, shift: int, method: str
) -> None:
    longitude = round(longitude, 2)  # no site within round-off of a boundary between cells
    latitude = round(latitude, 2)
    assume(method == "bilinear" or (longitude % 1.5 != 0 and latitude % 1 != 0))
    field = np.random.default_rng(12).normal(size=(LATITUDE.size, LONGITUDE.size))
    rows = slice(None, None, -1 if flip else 1)
    rolled = np.roll(LONGITUDE % 360, shift)
    turned = np.roll(field, shift, axis=1)[rows]
    plain = metrics.sample_at(field, LATITUDE, LONGITUDE, latitude, longitude, method)
    other = metrics.sample_at(turned, LATITUDE[rows], rolled, latitude, longitude + 360, method)
    assert other == pytest.approx(plain, abs=1e-9)


def test_sampling_across_the_date_line_and_at_the_poles() -> None:
    field = np.zeros((LATITUDE.size, LONGITUDE.size))
    field[:, 0], field[:, -1] = 1.0, 3.0  # on both sides of the date line
    across = metrics.sample_at(field, LATITUDE, LONGITUDE, [0, 0, 0], [180, -179.25, 179.25])
    np.testing.assert_allclose(across, [2.0, 1.5, 2.5])
    rows = np.repeat(LATITUDE[:, None], LONGITUDE.size, axis=1)
    poles = metrics.sample_at(rows, LATITUDE, LONGITUDE, [-89.98, 90, 88.5], [-24.8, 0, 0])
    np.testing.assert_allclose(poles, [-89, 89, 88.5])


def test_nearest_takes_the_cell_that_holds_the_site() -> None:
    field = np.arange(LATITUDE.size * LONGITUDE.size, dtype=float).reshape(90, 120)
    value = metrics.sample_at(field, LATITUDE, LONGITUDE, [19.5], [-155.6], "nearest")
    assert value == field[54, 8]  # the cell 18…20°N, 156…153°W
    halfway = metrics.sample_at(field, LATITUDE, LONGITUDE, [0.0], [0.0], "nearest")
    assert halfway[0] in field  # a tie goes to one cell


def test_missing_neighbours_spoil_only_what_they_touch() -> None:
    field = np.zeros((LATITUDE.size, LONGITUDE.size))
    field[45, 60] = np.nan  # at 1°N, 1.5°E
    value = metrics.sample_at(field, LATITUDE, LONGITUDE, [1, 1, 1], [1.5, 3.0, 4.5])
    np.testing.assert_array_equal(np.isnan(value), [True, True, False])


def test_sampling_refuses_what_is_no_global_field() -> None:
    field = np.zeros((90, 120))
    with pytest.raises(UsageError, match="does not end in"):
        metrics.sample_at(field.T, LATITUDE, LONGITUDE, [0], [0])
    with pytest.raises(UsageError, match="unknown sampling method 'cubic'"):
        metrics.sample_at(field, LATITUDE, LONGITUDE, [0], [0], "cubic")
    with pytest.raises(UsageError, match="around the globe"):
        metrics.sample_at(field[:, :30], LATITUDE, LONGITUDE[:30], [0], [0])
