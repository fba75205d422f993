"""From soundings to cells: means, errors and invariants."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from co2net_phys.errors import UsageError
from co2net_phys.satellite.gridding import Cells, fill_with, grid_soundings, is_oco, merge_sensors
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import SENSORS, Soundings

REGION = Region(0.0, 0.0, 3.0, 2.0, 1.0)


def soundings(latitude, longitude, xco2, uncertainty=1.0, sensor="oco2", day="2020-01-01"):
    count = len(latitude)
    profile = np.ones((count, 2))
    whole = np.ones(count)
    return Soundings(
        time=np.full(count, np.datetime64(day, "ms")) + np.arange(count),
        latitude=np.asarray(latitude, dtype=float),
        longitude=np.asarray(longitude, dtype=float),
        xco2=np.asarray(xco2) * whole,
        uncertainty=np.asarray(uncertainty) * whole,
        sensor=np.full(count, SENSORS[sensor], dtype=np.int8),
        quality_flag=np.zeros(count, dtype=np.int8),
        operation_mode=np.zeros(count, dtype=np.int8),
        averaging_kernel=profile,
        pressure_weight=profile / 2,
        pressure=profile,
        apriori_profile=profile,
        apriori_xco2=whole,
        surface_pressure=whole,
    )


@st.composite
def any_soundings(draw):
    count = draw(st.integers(1, 40))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parts = []
    for sensor, day in (("oco2", "2020-01-01"), ("oco3", "2020-01-01"), ("gosat", "2020-01-02")):
        latitude, longitude = generator.uniform(-0.5, 2.5, count), generator.uniform(0, 3, count)
        values = generator.normal(410, 2, count)
        errors = generator.uniform(0.3, 2, count)
        parts.append(soundings(latitude, longitude, values, errors, sensor, day))
    return Soundings.joined(*parts), generator


def equal(one, other):
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(Cells))


def test_the_mean_of_a_cell_and_its_standard_error_by_hand():
    found = grid_soundings(soundings([0.5, 0.6, 1.5], [0.5, 0.6, 2.5], [410, 411, 405]), REGION)
    np.testing.assert_allclose(found.xco2, [410.5, 405])
    np.testing.assert_array_equal(found.count, [2, 1])
    np.testing.assert_array_equal(found.row, [0, 1])
    np.testing.assert_array_equal(found.column, [0, 2])
    # Two errors of 1, a scatter smaller than the noise: 1/√2.
    np.testing.assert_allclose(found.standard_error, [np.sqrt(0.5), 1.0])


def test_precision_weights_are_inverse_variances():
    found = grid_soundings(
        soundings([0.5, 0.5], [0.5, 0.5], [410, 411], uncertainty=np.array([1.0, 2.0])),
        REGION,
        "precision",
    )
    assert found.xco2[0] == pytest.approx((410 + 411 / 4) / 1.25)
    assert found.standard_error[0] == pytest.approx(np.sqrt(1 / 1.25))
    with pytest.raises(UsageError, match="choose one of equal, precision"):
        grid_soundings(soundings([0.5], [0.5], [410]), REGION, "median")


def test_scatter_beyond_the_noise_widens_the_error():
    found = grid_soundings(soundings([0.5, 0.5], [0.5, 0.5], [400, 420], 0.1), REGION)
    # The standard error of the mean by the scatter alone: √(200/2).
    assert found.standard_error[0] == pytest.approx(10.0)


@pytest.mark.parametrize("weighting", ["equal", "precision"])
def test_the_standard_error_covers_the_truth(weighting):
    generator = np.random.default_rng(1)
    count = 2000
    noise = generator.uniform(0.5, 2.0, (count, 6))
    values = 410 + noise * generator.standard_normal((count, 6))
    misses = []
    for row in range(count):
        place = np.full(6, 0.5)
        found = grid_soundings(soundings(place, place, values[row], noise[row]), REGION, weighting)
        misses.append((found.xco2[0] - 410) / found.standard_error[0])
    # 95 % limits of independent noise, widened by χ² only where it is large: conservative.
    assert 0.945 < np.mean(np.abs(misses) < 1.96) < 0.995


@given(any_soundings(), st.sampled_from(["equal", "precision"]))
def test_the_order_of_soundings_does_not_matter_to_the_last_bit(drawn, weighting):
    some, generator = drawn
    shuffled = some.take(generator.permutation(len(some)))
    one, other = (grid_soundings(part, REGION, weighting) for part in (some, shuffled))
    assert equal(one, other)
    assert equal(merge_sensors(one), merge_sensors(other.take(generator.permutation(len(other)))))


@given(any_soundings(), st.floats(300, 500))
def test_constants_stay_and_nothing_is_lost(drawn, value):
    some, _ = drawn
    flat = replace(some, xco2=np.full(len(some), value))
    found = grid_soundings(flat, REGION, "precision")
    assert np.all(found.xco2 == value)
    assert np.all(merge_sensors(found).xco2 == value)
    assert found.count.sum() == REGION.cells(some.latitude, some.longitude)[2].sum()


@given(any_soundings())
def test_merging_twice_is_merging_once(drawn):
    once = merge_sensors(grid_soundings(drawn[0], REGION))
    twice = merge_sensors(once)
    np.testing.assert_allclose(twice.standard_error, once.standard_error, rtol=1e-15)
    assert equal(replace(twice, standard_error=once.standard_error), once)


def test_each_satellite_counts_once_where_two_saw_a_cell():
    both = Soundings.joined(
        soundings([0.5] * 9, [0.5] * 9, [410] * 9, sensor="oco2"),
        soundings([0.5], [0.5], [412], sensor="oco3"),
    )
    merged = merge_sensors(grid_soundings(both, REGION))
    assert merged.xco2[0] == 411
    assert merged.count[0] == 10
    assert merged.source[0] == SENSORS["oco2"] | SENSORS["oco3"]
    assert merged.standard_error[0] == pytest.approx(np.hypot(1 / 3, 1) / 2)


def test_gosat_fills_only_what_oco_has_not_seen():
    oco = grid_soundings(soundings([0.5], [0.5], [410]), REGION)
    gosat = grid_soundings(soundings([0.5, 1.5], [0.5, 0.5], [400, 401], sensor="gosat"), REGION)
    filled = fill_with(oco, gosat)
    np.testing.assert_array_equal(filled.xco2, [410, 401])
    np.testing.assert_array_equal(is_oco(filled), [True, False])


def test_nothing_in_the_region_gives_nothing():
    found = merge_sensors(grid_soundings(soundings([-5.0], [0.5], [410]), REGION))
    assert len(fill_with(found, found)) == 0
