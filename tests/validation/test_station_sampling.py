"""The sampling matrix of a network, against scipy's harmonics and closed forms."""

import math

import numpy as np
import pytest
from scipy.special import sph_harm_y

from co2net_phys.data.stations import Station, load_stations
from co2net_phys.solvers import Grid
from co2net_phys.validation import station_matrix, station_sampling
from co2net_phys.validation.station_matrix import (
    condition_number,
    random_network,
    rank,
    real_harmonics,
    sampling_matrix,
    singular_values,
    values_by_scipy,
)
from co2net_phys.validation.station_sampling import (
    STATEMENTS,
    error_variance,
    invisible_field,
    measured_error_variance,
    resolved_degree,
)


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name)
def test_statements_are_as_documented(statement):
    verdict = statement.judge()
    assert verdict.is_as_documented, verdict
    assert verdict.corrected.measured >= 0.0
    assert verdict.corrected.note


def test_real_harmonics_against_scipy():
    latitude, longitude = np.array([-71.0, 3.0, 90.0]), np.array([12.0, -100.0, 5.0])
    got = real_harmonics(latitude, longitude, 4)
    for l in range(5):
        for m in range(-l, l + 1):
            wave = sph_harm_y(l, abs(m), np.radians(90.0 - latitude), np.radians(longitude))
            expected = wave.real if m == 0 else math.sqrt(2) * (wave.real if m > 0 else wave.imag)
            assert got[:, l * l + l + m] == pytest.approx(expected, abs=1e-14)


def test_real_harmonics_are_orthonormal():
    grid = Grid.gaussian(8)
    latitude, longitude = (a.ravel() for a in np.meshgrid(grid.latitude, grid.longitude))
    weights = np.tile(grid.quadrature_weights, grid.nlon) * 2.0 * math.pi / grid.nlon
    values = real_harmonics(latitude, longitude, 8)
    assert values.T @ (weights[:, None] * values) == pytest.approx(np.eye(81), abs=1e-13)


def test_columns_up_to_a_degree_come_first():
    stations = load_stations()
    assert np.array_equal(sampling_matrix(stations, 3), sampling_matrix(stations, 6)[:, :16])


def test_sites_on_one_circle_of_latitude_see_little():
    """Around the equator the odd harmonics vanish: 2L + 1 directions remain, however many sites."""
    ring = tuple(Station(f"E{k}", "", 0.0, 7.5 * k, 0.0) for k in range(48))
    assert rank(ring, 5) == 11
    assert rank(ring[:4], 5) == 4


def test_one_station_sees_its_own_value():
    one = load_stations()[:1]
    assert singular_values(one, 2) == pytest.approx([math.sqrt(9 / (4 * math.pi))])
    assert condition_number(one, 2) == pytest.approx(1.0)


def test_error_variance_is_that_of_trials():
    stations = random_network(5)
    expected = error_variance(stations, 6, 0.2)
    assert measured_error_variance(stations, 6, 0.2) == pytest.approx(expected, rel=0.1)


def test_noise_lowers_the_resolved_degree():
    stations = load_stations()
    degrees = [resolved_degree(stations, noise) for noise in (1e-5, 0.03, 0.1, 30.0)]
    assert degrees == sorted(degrees, reverse=True)
    assert degrees[0] == 8
    assert resolved_degree(stations, 1e3) == -1
    assert error_variance(stations, 9, 1e-9) == math.inf


def test_the_invisible_field_has_unit_size_and_is_seen_elsewhere():
    field = invisible_field()
    assert (field**2).sum() / (4 * math.pi) == pytest.approx(1.0)
    elsewhere = real_harmonics([10.0, -40.0, 62.0], [-30.0, 170.0, 100.0], 9) @ field
    assert np.abs(elsewhere).max() > 0.1


def test_the_two_libraries_give_the_same_values():
    stations, fields = load_stations(), np.random.default_rng(0).standard_normal((100, 2))
    expected = sampling_matrix(stations, 9) @ fields
    assert values_by_scipy(stations, fields) == pytest.approx(expected, abs=1e-12)


def test_numbers_that_are_no_harmonics_are_noticed(monkeypatch):
    """A random matrix has the same rank and a null space as large; its fields are others."""
    random = np.random.default_rng(0)

    def invented(stations, degree):
        return random.standard_normal((len(stations), (degree + 1) ** 2))

    for name in (station_matrix, station_sampling):
        monkeypatch.setattr(name, "sampling_matrix", invented)
    singular_values.cache_clear()
    invisible_field.cache_clear()
    try:
        assert rank(load_stations(), 9) == 96
        assert not station_sampling.rank_is_the_smaller_number().holds
        assert station_sampling.invisible_field_vanishes().measured > 0.1
    finally:
        singular_values.cache_clear()
        invisible_field.cache_clear()


def test_a_field_of_another_size_is_noticed(monkeypatch):
    field = invisible_field()
    monkeypatch.setattr(station_sampling, "invisible_field", lambda: 1.01 * field)
    assert not station_sampling.invisible_field_vanishes().holds


def test_an_error_variance_that_forgets_the_sphere_is_noticed(monkeypatch):
    right = error_variance
    monkeypatch.setattr(station_sampling, "error_variance", lambda *args: 1.3 * right(*args))
    assert not station_sampling.resolution_at_a_noise().holds


def test_random_networks_cover_the_sphere_and_repeat():
    sites = random_network(1, 4000)
    assert random_network(1, 4000) == sites
    sine = np.sin(np.radians([site.latitude for site in sites]))
    assert abs(sine.mean()) < 0.05
    assert sine.var() == pytest.approx(1 / 3, rel=0.05)


def test_longitudes_of_the_wrong_sign_are_noticed(monkeypatch):
    """A field made for mirrored stations is not zero at the real ones."""
    field = invisible_field()
    mirrored = tuple(
        Station(s.code, s.name, s.latitude, -s.longitude, 0.0) for s in load_stations()
    )
    monkeypatch.setattr(station_sampling, "load_stations", lambda: mirrored)
    assert np.array_equal(invisible_field(), field), "cached"
    assert not station_sampling.invisible_field_vanishes().holds


def test_a_lost_column_is_noticed(monkeypatch):
    def repeated(latitude, longitude, degree):
        values = real_harmonics(latitude, longitude, degree)
        values[:, -1] = values[:, 0]
        return values

    monkeypatch.setattr(station_matrix, "real_harmonics", repeated)
    singular_values.cache_clear()
    try:
        assert not station_sampling.rank_is_the_smaller_number().holds
    finally:
        singular_values.cache_clear()
