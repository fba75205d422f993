"""Optimal interpolation and EOF regression against their textbook forms."""

import dataclasses

import numpy as np
import pytest
import synthetic_world as world
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import legendre

from co2net_phys.baselines import BASELINES
from co2net_phys.baselines.analysis import Covariances, Tuning, correct
from co2net_phys.baselines.climatology import Climatology
from co2net_phys.baselines.eof_regression import EmpiricalModes, scaled_patterns
from co2net_phys.baselines.held_back import early_and_late
from co2net_phys.baselines.optimal_interpolation import RADII_DEGREES
from co2net_phys.baselines.residuals import ERROR_FLOOR, Residuals, thinned
from co2net_phys.baselines.sphere import gaspari_cohn
from co2net_phys.data.schema import CO2, STATION_CO2
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError

METHODS = ("eof-regression", "optimal-interpolation")


def random_covariances(stations=9, cells=20, seed=0):
    """Covariances of a random joint distribution, with errors of variance 0.5."""
    root = torch.from_numpy(np.random.default_rng(seed).normal(size=(40, stations + cells)))
    joint = root.T @ root / 40
    between = joint[:stations, :stations] + 0.5 * torch.eye(stations, dtype=torch.float64)
    return Covariances(between, joint[:stations, stations:])


def shifted(batch, ppm):
    observations = dataclasses.replace(batch.observations, value=batch.observations.value + ppm)
    return dataclasses.replace(batch, observations=observations)


def test_taper_is_the_self_convolution_of_a_cone():
    """In the transform of functions of the radius in three dimensions (their equation 3.7)."""
    radius, step = np.linspace(1e-6, 2.0, 20001, retstep=True)
    cone, taper = np.clip(1 - radius, 0, None), gaspari_cohn(torch.from_numpy(radius)).numpy()

    def transform(values, wavenumber):
        return 4 * np.pi * np.sum(values * radius * np.sin(wavenumber * radius)) * step / wavenumber

    energy = 4 * np.pi * np.sum((cone * radius) ** 2) * step
    for wavenumber in (0.3, 2.0, 5.0, 11.0):
        expected = transform(cone, wavenumber) ** 2 / energy
        assert transform(taper, wavenumber) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_taper_at_known_distances():
    values = gaspari_cohn(torch.tensor([0.0, 1.0, 2.0, 7.0], dtype=torch.float64))
    torch.testing.assert_close(values, torch.tensor([1.0, 5 / 24, 0.0, 0.0], dtype=torch.float64))


@pytest.mark.parametrize(
    ("radius", "valid"), [*((radius, True) for radius in RADII_DEGREES), (120.0, False)]
)
def test_taper_is_a_covariance_on_the_sphere_for_every_radius_tried(radius, valid):
    """No Legendre coefficient is negative (Schoenberg's theorem)."""
    nodes, weights = legendre.leggauss(600)
    taper = gaspari_cohn(torch.from_numpy(np.rad2deg(np.arccos(nodes)) / radius)).numpy()
    coefficients = (weights * taper) @ legendre.legvander(nodes, 80)
    assert (coefficients.min() > -1e-9) == valid


@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
@settings(max_examples=25, deadline=None)
def test_silent_stations_drop_out_as_if_they_had_never_been(seed, silent):
    full = random_covariances(seed=seed)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(9))
    kept = order[silent:].sort().values
    values = torch.from_numpy(np.random.default_rng(seed + 1).normal(size=(2, 9)))
    values[:, order[:silent]] = float("nan")
    fewer = Covariances(full.reports[kept][:, kept], full.field[kept])
    torch.testing.assert_close(correct(full, values), correct(fewer, values[:, kept]))


def test_correction_is_generalised_least_squares_and_then_the_gain():
    covariances = random_covariances()
    residual = torch.from_numpy(np.random.default_rng(1).normal(size=(3, 9)))
    inverse = torch.linalg.inv(covariances.reports)
    offset = (residual @ inverse).sum(dim=1, keepdim=True) / inverse.sum()
    expected = offset + (residual - offset) @ inverse @ covariances.field
    torch.testing.assert_close(correct(covariances, residual), expected)


def test_reduced_space_minimises_the_cost_of_kaplan():
    random = np.random.default_rng(3)
    patterns, cells = torch.from_numpy(random.normal(size=(4, 30))), [2, 7, 11, 19, 23, 28]
    errors = torch.from_numpy(random.uniform(0.2, 2.0, 6))
    kept = patterns[:, cells].square().sum(dim=0)
    modes = EmpiricalModes(patterns, patterns[:, cells], kept, errors)
    residual = torch.from_numpy(random.normal(size=(1, 6)))
    # ‖R^-½ (d − H E α − m)‖² + ‖α‖² with E scaled so that Λ = 1: least squares in (α, m).
    root = (3.0 * errors).rsqrt()
    design = torch.cat([patterns[:, cells].T, torch.ones(6, 1)], dim=1) * root[:, None]
    penalty = torch.eye(5, dtype=torch.float64)[:4]
    right = torch.cat([residual[0] * root, torch.zeros(4, dtype=torch.float64)])
    solution = torch.linalg.lstsq(torch.cat([design, penalty]), right[:, None]).solution[:, 0]
    expected = solution[:4] @ patterns + solution[4]
    found = correct(modes.covariances(Tuning(4.0, 3.0, False)), residual)[0]
    torch.testing.assert_close(found, expected)


def test_variance_of_truncated_patterns_counts_as_error():
    random = np.random.default_rng(4)
    patterns = torch.from_numpy(random.normal(size=(4, 6)))
    errors = torch.from_numpy(random.uniform(0.2, 2.0, 6))
    modes = EmpiricalModes(patterns, patterns, patterns.square().sum(dim=0) + 0.1, errors)
    found = modes.covariances(Tuning(2.0, 3.0, False)).reports
    kept, cut = patterns[:2], patterns[2:]
    expected = kept.T @ kept + 3.0 * torch.diag(errors + cut.square().sum(dim=0) + 0.1)
    torch.testing.assert_close(found, expected)


def test_patterns_are_those_of_the_weighted_singular_value_decomposition():
    random = np.random.default_rng(5)
    field = random.normal(size=(15, 40)) * np.linspace(3, 0.1, 15)[:, None]
    area = random.uniform(0.2, 1.0, 40)
    found = scaled_patterns(torch.from_numpy(field), torch.from_numpy(area), 15).numpy()
    np.testing.assert_allclose(found.T @ found, field.T @ field / 15, atol=1e-10)
    root = np.sqrt(area / area.mean())
    _, singular, vectors = np.linalg.svd(field * root / np.sqrt(15), full_matrices=False)
    expected = singular[:, None] * vectors / root
    signs = np.sign((found * expected).sum(axis=1))[:, None]
    np.testing.assert_allclose(found, signs * expected, atol=1e-8)


@pytest.mark.parametrize("name", METHODS)
def test_few_modes_seen_by_many_stations_are_recovered(name):
    random = np.random.default_rng(0)
    amplitudes = random.normal(size=(world.FRAMES, 4))
    shapes = np.stack([world.waves(i, count=3)[0] for i in range(4)])
    store = world.make_store(400.0 + np.einsum("tm,mhw->thw", amplitudes, shapes))
    batch = world.make_batch(store, world.TEST, world.ALL_STATIONS)
    fitted = BASELINES[name].fit(store, world.TRAINING, world.ALL_STATIONS)
    bound = {"eof-regression": 0.05, "optimal-interpolation": 0.35}[name]  # it must localise
    assert world.error(fitted, batch) < bound * float(batch.fields[CO2].std())


@pytest.mark.parametrize("name", METHODS)
def test_growth_since_training_is_followed_everywhere(name, store):
    batch = world.make_batch(store, world.TEST, world.ALL_STATIONS)
    fitted = BASELINES[name].fit(store, world.TRAINING, world.ALL_STATIONS)
    grown = fitted(shifted(batch, 20.0)).fields[CO2] - fitted(batch).fields[CO2]
    torch.testing.assert_close(grown, torch.full_like(grown, 20.0), rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_without_any_report_the_climatology_stays(name, store):
    batch = shifted(world.make_batch(store, world.TEST, world.ALL_STATIONS), float("nan"))
    fitted = BASELINES[name].fit(store, world.TRAINING, world.ALL_STATIONS)
    expected = fitted.climatology.last_frame(batch.coordinates).float()[:, None]
    assert torch.equal(fitted(batch).fields[CO2], expected)


@pytest.mark.parametrize("name", METHODS)
def test_parameters_are_those_that_the_held_back_frames_prefer(name, store):
    """Against fits to the early frames with the parameters of others, judged one by one."""
    fitted = BASELINES[name].fit(store, world.TRAINING, world.ALL_STATIONS)
    chosen = Tuning(*fitted.tuning.tolist())
    residuals = Residuals.of(store, world.TRAINING, world.ALL_STATIONS, fitted.climatology)
    early, late = early_and_late(store, residuals.frames)
    area = torch.cos(torch.deg2rad(fitted.climatology.latitude)).repeat_interleave(24)
    judged = residuals.between(late[0], late[-1])

    def error(tuning):
        part = residuals.between(early[0], early[-1])
        part = part.centred(area) if tuning.centred else part
        covariances = fitted.prior(part, area, "here").covariances(tuning)
        return float(((correct(covariances, judged.reports) - judged.field) ** 2).sum(0) @ area)

    others = (
        Tuning(extent, factor, centred)
        for extent in fitted.extents
        for factor in fitted.error_factors
        for centred in (False, True)
    )
    assert error(chosen) <= 1.001 * min(map(error, others))


def test_another_network_is_refused(store):
    fitted = BASELINES["optimal-interpolation"].fit(store, world.TRAINING, world.ALL_STATIONS)
    with pytest.raises(DataError, match="optimal-interpolation was fitted to 30 stations"):
        fitted(world.make_batch(store, [170], world.ALL_STATIONS[::-1]))


@pytest.mark.parametrize("name", METHODS)
def test_one_frame_or_no_report_is_said_in_one_line(name, store):
    with pytest.raises(DataError, match="longer period"):
        BASELINES[name].fit(store, np.arange(1), world.ALL_STATIONS)
    dataset = store.dataset.copy(deep=True)
    dataset[STATION_CO2][:] = np.nan
    with pytest.raises(DataError, match="reports"):
        BASELINES[name].fit(TrainingStore(dataset, "silent"), world.TRAINING, world.ALL_STATIONS)


def test_error_variance_is_that_of_reports_about_their_cells(store):
    """Also after the global mean is taken away; a silent station takes the mean of the others."""
    field = world.daily_cycle() + world.waves() + 10 * world.drift()
    dataset = world.make_store(field).dataset
    noise = np.random.default_rng(6).normal(size=(world.FRAMES, world.STATIONS))
    dataset[STATION_CO2] += np.linspace(0.5, 2.0, world.STATIONS) * noise
    dataset[STATION_CO2][:, 4] = np.nan
    noisy = TrainingStore(dataset, "noisy")
    climatology = Climatology.fit(noisy, np.arange(200))
    residuals = Residuals.of(noisy, np.arange(200), world.ALL_STATIONS, climatology)
    found = residuals.error_variance("noisy").numpy()
    expected = np.linspace(0.5, 2.0, world.STATIONS) ** 2
    expected[4] = np.delete(found, 4).mean()
    np.testing.assert_allclose(found, expected, rtol=0.35)
    assert found[4] == pytest.approx(expected[4])
    centred = residuals.centred(torch.ones(18 * 24, dtype=torch.float64))
    assert centred.field.mean(dim=1).abs().max() < 1e-5
    np.testing.assert_allclose(centred.error_variance("noisy"), found, rtol=1e-3)


def test_error_variance_of_perfect_stations_has_a_floor():
    exact = world.make_store(world.daily_cycle() + world.waves())
    climatology = Climatology.fit(exact, world.TRAINING)
    residuals = Residuals.of(exact, world.TRAINING, world.ALL_STATIONS, climatology)
    varies = float(residuals.field[:, residuals.cells].square().mean())
    errors = residuals.error_variance("exact")
    assert torch.all(errors >= ERROR_FLOOR * varies) and errors.max() < 2 * ERROR_FLOOR * varies


@given(st.integers(1, 5000), st.sampled_from([1, 3, 8, 24]), st.integers(5, 400))
@settings(max_examples=60, deadline=None)
def test_thinned_record_has_all_times_of_the_day_alike(count, cycle, most):
    kept = thinned(np.arange(count), cycle, most)
    assert 1 <= len(kept) <= most
    hours = np.bincount(kept % cycle, minlength=cycle)
    assert np.ptp(hours) <= 1


def test_held_back_block_is_the_last_fifth_after_a_gap(store):
    early, late = early_and_late(store, np.arange(100))
    assert (early[0], early[-1], late[0], late[-1]) == (0, 70, 80, 99)


def test_gap_is_one_in_time_where_frames_are_few(store):
    """Of every second frame half as many are left out."""
    early, late = early_and_late(store, np.arange(0, 100, 2))
    assert (early[0], early[-1], late[0], late[-1]) == (0, 70, 80, 98)


@pytest.mark.parametrize("name", METHODS)
def test_end_of_training_without_complete_fields_is_not_judged_on(name, store):
    dataset = store.dataset.copy(deep=True)
    dataset[CO2][110:150, 3, 3] = np.nan
    holes = BASELINES[name].fit(TrainingStore(dataset, "h"), world.TRAINING, world.ALL_STATIONS)
    shorter = BASELINES[name].fit(store, np.arange(110), world.ALL_STATIONS)
    assert torch.equal(holes.tuning, shorter.tuning)
