"""Maps beside the truth: on one grid, in one unit."""

import numpy as np
import pytest

from co2net_phys import maps
from co2net_phys.data.schema import CO2
from co2net_phys.errors import DataError


@pytest.fixture
def drawn(small_world, tmp_path, monkeypatch):
    """Function of a change to the truth; gives the truth that is drawn, and that expected."""
    data = small_world(4)
    phi, lam = np.radians(data["latitude"]), np.radians(data["longitude"])
    data[CO2] = (0 * data[CO2] + 400 + np.cos(phi) * np.cos(lam)).assign_attrs(data[CO2].attrs)
    data.to_netcdf(tmp_path / "rec.nc")

    def draw(change):
        change(data).to_netcdf(tmp_path / "truth.nc")
        seen = []
        monkeypatch.setattr(maps, "three_maps_figure", lambda *fields, **_: seen.extend(fields))
        maps.picture_of(tmp_path / "rec.nc", CO2, truth=tmp_path / "truth.nc")
        return seen[:2]

    return draw


def shifted(data):
    """The same field, sampled half a cell further east: the shape stays."""
    east = data["longitude"] + 7.5
    field = 400 + np.cos(np.radians(data["latitude"])) * np.cos(np.radians(east))
    return (
        data.assign({CO2: (data[CO2].dims, np.broadcast_to(field, data[CO2].shape))})
        .assign({CO2: lambda d: d[CO2].assign_attrs(data[CO2].attrs)})
        .assign_coords(longitude=east)
    )


def test_the_same_grid_is_taken_as_it_is(drawn):
    expected, values = drawn(lambda data: data)
    np.testing.assert_array_equal(expected, values)


def test_a_shifted_grid_of_the_same_shape_is_interpolated(drawn):
    expected, values = drawn(shifted)
    np.testing.assert_allclose(expected, values, atol=0.03)  # a shift of half a cell makes 0.13


def test_other_units_are_refused(drawn):
    with pytest.raises(DataError, match=r"truth\.nc: variable 'co2s' has units 'mol mol-1'.*conv"):
        drawn(lambda data: data.assign({CO2: data[CO2].assign_attrs(units="mol mol-1")}))
