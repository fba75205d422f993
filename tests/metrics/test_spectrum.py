"""Spectra keep the variance, find planted waves and agree with SciPy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal
from scipy.special import roots_legendre

from co2net_phys import metrics
from co2net_phys.errors import DataError, UsageError
from co2net_phys.solvers.grid import Grid

LATITUDE, LONGITUDE = np.arange(-87.5, 90, 5), np.arange(0.0, 360, 7.5)
WEIGHTS = metrics.latitude_weights(LATITUDE)
SHAPE = (3, LATITUDE.size, LONGITUDE.size)


def random_field(seed: int = 0, columns: int = LONGITUDE.size) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 5 + rng.normal(size=(3, LATITUDE.size, columns))


@pytest.mark.parametrize("columns", [48, 47])
def test_parseval(columns: int) -> None:
    field = random_field(columns=columns)
    wavenumber, power = metrics.zonal_spectrum(field, LATITUDE)
    np.testing.assert_array_equal(wavenumber, np.arange(columns // 2 + 1))
    mean = np.average(field.mean(axis=2) ** 2, axis=1, weights=WEIGHTS).mean()
    variance = np.average(field.var(axis=2), axis=1, weights=WEIGHTS).mean()
    assert power[0] == pytest.approx(mean, rel=1e-12)
    assert power[1:].sum() == pytest.approx(variance, rel=1e-12)


def test_a_planted_wave_has_half_its_squared_amplitude() -> None:
    wave = 3 * np.cos(np.radians(5 * LONGITUDE + 20)) * np.ones(SHAPE)
    _, power = metrics.zonal_spectrum(wave, LATITUDE)
    np.testing.assert_allclose(power, np.where(np.arange(25) == 5, 4.5, 0), atol=1e-12)
    tropical = np.where(np.abs(LATITUDE[:, None]) < 30, wave, 0)
    assert metrics.zonal_spectrum(tropical, LATITUDE).power[5] == pytest.approx(4.5 * 0.5)


def test_spectrum_and_coherence_are_those_of_scipy() -> None:
    y, u = random_field(1), random_field(2)

    def theirs(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        arguments = {"window": "boxcar", "nperseg": 48, "detrend": False, "scaling": "spectrum"}
        density = signal.csd(one, other, **arguments)[1]
        return np.average(density, axis=1, weights=WEIGHTS).mean(axis=0)

    found = metrics.compare_spectra(y, u, LATITUDE)
    np.testing.assert_allclose(found.prediction, theirs(y, y).real, rtol=1e-10)
    np.testing.assert_allclose(found.truth, theirs(u, u).real, rtol=1e-10)
    np.testing.assert_allclose(found.ratio, (theirs(y, y) / theirs(u, u)).real, rtol=1e-10)
    coherence = np.abs(theirs(y, u)) ** 2 / (theirs(y, y) * theirs(u, u)).real
    np.testing.assert_allclose(found.coherence, coherence, rtol=1e-10)


@settings(max_examples=15, deadline=None)
@given(turn=st.integers(0, 47), factor=st.floats(0.1, 10), flip=st.booleans())
def test_turning_scaling_and_flipping(turn: int, factor: float, flip: bool) -> None:
    field = random_field(3)
    plain = metrics.zonal_spectrum(field, LATITUDE).power
    rows = slice(None, None, -1 if flip else 1)
    other = metrics.zonal_spectrum(factor * np.roll(field, turn, 2)[:, rows], LATITUDE[rows])
    np.testing.assert_allclose(other.power, factor**2 * plain, rtol=1e-10)
    found = metrics.compare_spectra(factor * field[::-1], field[::-1], LATITUDE)
    np.testing.assert_allclose(found.ratio, factor**2, rtol=1e-10)
    np.testing.assert_allclose(found.coherence, 1, rtol=1e-10)


def test_smoothing_shows_in_the_ratio_and_not_in_the_coherence() -> None:
    truth = random_field(4)
    smooth = (np.roll(truth, 1, 2) + 2 * truth + np.roll(truth, -1, 2)) / 4
    found = metrics.compare_spectra(smooth, truth, LATITUDE)
    response = ((1 + np.cos(2 * np.pi * found.wavenumber / 48)) / 2) ** 2
    np.testing.assert_allclose(found.ratio, response, atol=1e-10)
    np.testing.assert_allclose(found.coherence[:-1], 1, rtol=1e-10)
    noise = metrics.compare_spectra(random_field(5), truth, LATITUDE).coherence[1:]
    assert noise.mean() < 0.05


def test_no_power_has_no_ratio_and_holes_show() -> None:
    constant = np.full(SHAPE, 2.0)
    found = metrics.compare_spectra(random_field(6), np.zeros(SHAPE), LATITUDE)
    assert np.isnan(found.ratio).all() and np.isnan(found.coherence).all()
    assert metrics.zonal_spectrum(constant, LATITUDE).power[0] == pytest.approx(4)
    constant[0, 0, 0] = np.nan
    assert np.isnan(metrics.zonal_spectrum(constant, LATITUDE).power).all()


GRIDS = {
    "gaussian": (np.degrees(np.arcsin(roots_legendre(32)[0])), np.arange(64) * 5.625),
    "cell-centre": (LATITUDE, LONGITUDE),
    "north first, from the dateline": (LATITUDE[::-1], np.arange(-180, 180, 7.5)),
}


@pytest.mark.parametrize("grid", GRIDS)
def test_degrees_of_planted_harmonics(grid: str) -> None:
    latitude, longitude = GRIDS[grid]
    x = np.sin(np.radians(latitude))[:, None]
    cos, lam = np.sqrt(1 - x**2), np.radians(longitude)
    # Mean squares over the sphere: ⟨x²⟩ = 1/3; ⟨15 cos⁴θ cos² 2λ⟩ = 15 · 8/15 · 1/2 = 4.
    field = 2 + np.sqrt(3) * x + np.sqrt(15) * cos**2 * np.cos(2 * lam)
    found = metrics.degree_spectrum(np.stack([field, 2 * field]), latitude, longitude, 8)
    expected = np.array([4, 1, 4, 0, 0, 0, 0, 0, 0]) * (1 + 4) / 2
    np.testing.assert_allclose(found.power, expected, atol=1e-12)
    np.testing.assert_array_equal(found.wavenumber, np.arange(9))


def test_degrees_keep_the_variance_however_the_globe_is_turned() -> None:
    from co2net_phys.solvers.harmonics import SphericalHarmonics

    grid = Grid("gaussian", 32, 64)
    harmonics = SphericalHarmonics(grid, 20, dtype=torch.float64)
    modal = torch.randn(21, 21, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    modal = torch.tril(modal)
    modal[:, 0] = modal[:, 0].real + 0j
    field = harmonics.to_nodal(modal).numpy()[None]
    found = metrics.degree_spectrum(field, grid.latitude, grid.longitude)
    assert found.power.size == grid.max_truncation + 1
    mean_square = np.average((field[0] ** 2).mean(axis=1), weights=grid.quadrature_weights)
    assert found.power.sum() == pytest.approx(mean_square, rel=1e-12)
    turned = metrics.degree_spectrum(np.roll(field, 9, 2), grid.latitude, grid.longitude)
    np.testing.assert_allclose(turned.power, found.power, atol=1e-12 * mean_square)


def test_unfit_fields_and_grids_are_refused() -> None:
    with pytest.raises(UsageError, match="36 latitudes"):
        metrics.zonal_spectrum(np.ones((2, 5, 8)), LATITUDE)
    with pytest.raises(UsageError, match="need"):
        metrics.zonal_spectrum(np.ones((0, 36, 8)), LATITUDE)
    with pytest.raises(UsageError, match="transpose"):
        metrics.degree_spectrum(np.ones((2, 48, 36)), LATITUDE, LONGITUDE)
    with pytest.raises(DataError, match="node at the pole"):
        metrics.degree_spectrum(
            np.ones((1, 19, 36)), np.linspace(-90, 90, 19), np.arange(0, 360, 10)
        )
    with pytest.raises(UsageError, match="truncation"):
        metrics.degree_spectrum(np.ones(SHAPE), LATITUDE, LONGITUDE, 40)
