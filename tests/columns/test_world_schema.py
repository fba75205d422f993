import numpy as np
import pytest

from co2net_phys.columns.schema import (
    PROFILE_INPUTS,
    SURFACE_INPUTS,
    TRACER,
    VARIABLES,
    air_mass,
    air_mass_of,
    validate_columns,
)
from co2net_phys.errors import DataError
from co2net_phys.solvers.constants import GRAVITY


def test_there_are_six_fields_and_eight_profiles_the_tracer_first():
    assert len(SURFACE_INPUTS) == 6
    assert len(PROFILE_INPUTS) == 8
    assert PROFILE_INPUTS[0] == TRACER
    assert not set(SURFACE_INPUTS) & set(PROFILE_INPUTS)
    assert set(VARIABLES) == {*SURFACE_INPUTS, *PROFILE_INPUTS}


def test_air_mass_of_hybrid_layers_by_hand():
    offset = np.array([[0.0, 2000.0], [2000.0, 0.0]])
    share = np.array([[1.0, 0.5], [0.5, 0.0]])
    mass = air_mass(np.full((1, 1), 1e5), offset, share)
    np.testing.assert_allclose(mass[:, 0, 0], np.array([48000.0, 52000.0]) / GRAVITY, rtol=1e-15)
    np.testing.assert_allclose(mass.sum(), 1e5 / GRAVITY, rtol=1e-15)


def test_a_store_is_put_in_order(columns_store):
    turned = columns_store.transpose(*reversed(columns_store["ua"].dims), "bnds")
    valid = validate_columns(turned, "turned.zarr")
    assert valid["ua"].dims == ("time", "level", "latitude", "longitude")
    assert valid["ps"].dims == ("time", "latitude", "longitude")
    np.testing.assert_array_equal(valid["ua"], columns_store["ua"])
    np.testing.assert_allclose(
        air_mass_of(valid).sum("level"), valid["ps"].astype(float) / GRAVITY, rtol=1e-12
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: d.drop_vars("mc"), "no variable 'mc'"),
        (lambda d: d.drop_vars("level"), "no coordinate 'level'"),
        (lambda d: d.isel(time=[0]), "'time' has one entry"),
        (lambda d: d.assign_coords(time=[0.0, 1.0, 2.0]), "'time' has no CF units"),
        (lambda d: d.isel(latitude=slice(None, None, -1)), "'latitude' does not ascend"),
        (lambda d: d.isel(level=slice(None, None, -1)), "from the ground up"),
        (lambda d: d.drop_vars("b_bnds"), "no variable 'b_bnds'"),
        (lambda d: d.assign(tas=d["ta"]), "variable 'tas' has dimensions"),
    ],
)
def test_a_spoilt_store_is_refused_in_one_line(columns_store, spoil, message):
    with pytest.raises(DataError) as refused:
        validate_columns(spoil(columns_store), "spoilt.zarr")
    text = str(refused.value)
    assert text.startswith("spoilt.zarr: ")
    assert message in text
    assert "\n" not in text
