import numpy as np
import pytest
import torch

from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.weather import SurfaceAnalysis, Weather
from co2net_phys.simulation.world import WeatherRecords
from co2net_phys.solvers import Grid, SphericalHarmonics

HARMONICS = SphericalHarmonics(Grid.gaussian(21), 21)
CLOCK = Clock(np.datetime64("2018-01-01"))
STEP = 10800.0


def weather(seed=1):
    return Weather(HARMONICS, CLOCK, seed, STEP)


@pytest.fixture(scope="module")
def series():
    """States of forty days, every 12 hours."""
    process, states = weather(), []
    for number in range(40 * 8):
        if number % 4 == 0:
            states.append(process.state())
        process.advance()
    return states


def test_a_seed_gives_the_same_weather():
    first, second = weather(), weather()
    for _ in range(3):
        first.advance()
        second.advance()
    assert torch.equal(first.state().streamfunction, second.state().streamfunction)
    assert torch.equal(first.state().potential, second.state().potential)


def test_seeds_are_independent():
    patterns = [HARMONICS.to_nodal(weather(seed).state().waves).flatten() for seed in range(8)]
    together = np.corrcoef(torch.stack(patterns).numpy())
    pairs = together[np.triu_indices(8, 1)]
    assert np.abs(pairs).max() < 0.75
    assert abs(pairs.mean()) < 0.15


def test_waves_do_not_diverge_and_are_band_limited():
    state = weather().state()
    u, v = HARMONICS.wind(state.waves, torch.zeros_like(state.waves))
    psi, chi = HARMONICS.streamfunction_and_potential(u, v)
    assert chi.abs().max() < 1e-9 * psi.abs().max()
    error = (psi - state.waves)[1:]  # a constant streamfunction is no wind
    assert error.abs().max() < 1e-9 * psi.abs().max()


def test_only_the_zonal_mean_flow_diverges():
    state = weather().state()
    assert state.potential[:, 0].abs().max() > 0
    assert state.potential[:, 1:].abs().max() < 1e-9 * state.potential[:, 0].abs().max()


def test_winds_have_a_credible_strength(series):
    speeds = [
        torch.hypot(*HARMONICS.wind(state.streamfunction, state.potential)) for state in series
    ]
    weights = torch.as_tensor(HARMONICS.grid.area_weights)
    mean_square = torch.stack([(speed**2 * weights).mean() for speed in speeds]).mean()
    assert 5 < mean_square.sqrt() < 12
    assert torch.stack(speeds).max() < 60


def test_jets_blow_from_the_right_side(series):
    mean = np.mean(
        [HARMONICS.wind(s.streamfunction, s.potential)[0].mean(1).numpy() for s in series], axis=0
    )
    north = HARMONICS.grid.latitude
    assert mean[np.abs(np.abs(north) - 47) < 6].min() > 0, "westerlies"
    assert mean[np.abs(north) < 15].max() < 0, "trades"


def test_weather_is_forgotten_in_days_not_hours(series):
    """Correlation of the wave pattern with itself later, mean over the starts."""
    waves = np.array([HARMONICS.to_nodal(state.waves).numpy().ravel() for state in series])

    def remembered(steps):
        pairs = zip(waves[:-steps], waves[steps:], strict=True)
        return np.mean([np.corrcoef(one, other)[0, 1] for one, other in pairs])

    half_day, five_days, fifteen_days = (remembered(n) for n in (1, 10, 30))
    assert 0.6 < half_day < 0.99
    assert half_day > five_days + 0.2
    assert abs(fifteen_days) < 0.25


def test_spread_does_not_grow_or_decay(series):
    variance = np.array([float(state.waves.abs().square().sum()) for state in series])
    assert 0.5 < variance[40:].mean() / variance[:40].mean() < 2


def test_records_are_kept_bounded_and_in_step_with_time():
    records = WeatherRecords(weather(), -8)
    for index in range(-8, 60):
        assert records[index].seconds == index * STEP
        assert len(records._recent) <= 6
    assert records[58].seconds == 58 * STEP, "the last ones are still there"
    with pytest.raises(KeyError):
        records[0]


def test_records_do_not_depend_on_how_they_are_asked_for():
    one, other = WeatherRecords(weather(), 0), WeatherRecords(weather(), 0)
    for index in range(6):
        one[index]
    assert torch.equal(one[5].streamfunction, other[5].streamfunction)


def test_a_late_record_is_the_same_when_it_is_asked_for_first():
    steadily, at_once = WeatherRecords(weather(), -8), WeatherRecords(weather(), -8)
    for index in range(-8, 41):
        steadily[index]
    for index in (40, 37, 41, 38):
        assert at_once[index].seconds == index * STEP
        if index <= 40:
            assert torch.equal(at_once[index].streamfunction, steadily[index].streamfunction)


def test_the_surface_analysis_is_credible_and_in_balance():
    analysis = SurfaceAnalysis(HARMONICS, Grid.gaussian(21), CLOCK)
    state = weather().state()
    fields = analysis.fields(state)
    bounds = {
        "ps": (4e4, 1.1e5), "huss": (0, 0.04), "tas": (200, 330),
        "uas": (-60, 60), "vas": (-60, 60), "gph": (-500, 7000),
    }  # fmt: skip
    assert tuple(fields) == SurfaceAnalysis.names
    for name, (low, high) in bounds.items():
        assert np.isfinite(fields[name]).all()
        assert low <= fields[name].min() < fields[name].max() <= high, name
    u, _ = HARMONICS.wind(state.streamfunction, state.potential)
    np.testing.assert_allclose(fields["uas"], u.numpy(), atol=1e-6)
