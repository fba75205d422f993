"""The averaging-kernel operator against closed forms."""

import netCDF4
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from co2net_phys.errors import DataError
from co2net_phys.satellite.lite_file import read_lite
from co2net_phys.satellite.schema import LEVELS, Soundings
from co2net_phys.satellite.soundings import averaging_kernel_xco2, column_mean, seen_by

PRIOR = np.linspace(390.0, 410.0, LEVELS)
WEIGHT = np.full(LEVELS, 1 / (LEVELS - 1)) * np.where(np.arange(LEVELS) % (LEVELS - 1), 1.0, 0.5)


def test_a_perfect_kernel_gives_the_column_mean_of_the_truth():
    truth = PRIOR + np.sin(np.arange(LEVELS))
    seen = averaging_kernel_xco2(truth, PRIOR, np.ones(LEVELS), WEIGHT)
    assert seen == pytest.approx(column_mean(truth, WEIGHT), rel=1e-14)


def test_a_blind_kernel_gives_the_prior_and_the_truth_of_the_prior_gives_itself():
    assert averaging_kernel_xco2(PRIOR + 5, PRIOR, np.zeros(LEVELS), WEIGHT, 400.0) == 400.0
    kernel = np.linspace(0.2, 1.1, LEVELS)
    assert averaging_kernel_xco2(PRIOR, PRIOR, kernel, WEIGHT, 400.0) == 400.0


def test_a_change_at_the_surface_is_seen_through_its_weight_and_kernel():
    truth = PRIOR.copy()
    truth[-1] += 8.0
    kernel = np.linspace(0.2, 0.9, LEVELS)
    # Half a layer of nineteen, seen at nine tenths.
    change = averaging_kernel_xco2(truth, PRIOR, kernel, WEIGHT, 400.0) - 400.0
    assert change == pytest.approx(8.0 * 0.9 / 38, rel=1e-12)


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_the_operator_is_affine(one, other):
    kernel = np.linspace(0.2, 1.1, LEVELS)
    first, second = PRIOR + np.cos(np.arange(LEVELS)), PRIOR + np.arange(LEVELS)

    def increment(profile):
        return averaging_kernel_xco2(profile, PRIOR, kernel, WEIGHT, 0.0)

    mixed = PRIOR + one * (first - PRIOR) + other * (second - PRIOR)
    expected = one * increment(first) + other * increment(second)
    assert increment(mixed) == pytest.approx(expected, abs=1e-10)


def test_the_kernel_of_the_real_file(real_lite_file):
    soundings, _ = read_lite(real_lite_file, accept_unflagged=True)
    assert seen_by(soundings, soundings.apriori_profile) == soundings.apriori_xco2
    raised = seen_by(soundings, soundings.apriori_profile + 1.0) - soundings.apriori_xco2
    with netCDF4.Dataset(real_lite_file) as raw:
        weight, kernel = raw["pressure_weights"][0], raw["xco2_averaging_kernel"][0]
    assert raised[0] == pytest.approx(float(np.dot(weight, kernel)), rel=1e-5)
    assert 0.8 < raised[0] < 1.0


def test_arrays_of_different_lengths_are_refused(write_lite):
    path = write_lite("oco2_LtCO2_190601_B1_x.nc4", [30.0, 31.0], [100.0, 101.0], [410.0, 411.0])
    soundings, _ = read_lite(path)
    parts = {name: getattr(soundings, name) for name in soundings.__dataclass_fields__}
    with pytest.raises(DataError, match="'xco2' has shape"):
        Soundings(**(parts | {"xco2": np.array([410.0])}))
    joined = Soundings.joined(soundings, soundings.take(np.array([True, False])))
    np.testing.assert_allclose(joined.xco2, [410, 411, 410])
