"""Memory of a series: known for AR(1), none for noise."""

import numpy as np
import pytest

from co2net_phys import metrics


@pytest.mark.parametrize("phi", [0.5, 0.8])
def test_ar1_has_its_correlation_time_and_block(ar1, phi: float) -> None:
    count = 20_000
    series = [ar1(count, phi, seed) for seed in range(10)]
    times = [metrics.correlation_time(x) for x in series]
    assert np.mean(times) == pytest.approx((1 + phi) / (1 - phi), rel=0.05)
    # Σ |k| R(k) / Σ R(k) = 2φ / (1 − φ²) for R(k) = φ^|k|.
    best = (1.5 * count) ** (1 / 3) * (2 * phi / (1 - phi**2)) ** (2 / 3)
    assert np.mean([metrics.block_length(x) for x in series]) == pytest.approx(best, rel=0.1)


def test_noise_and_constants_need_short_blocks() -> None:
    noise = np.random.default_rng(0).normal(size=5000)
    assert metrics.block_length(noise) <= 4
    assert metrics.correlation_time(noise) == pytest.approx(1, abs=0.1)
    assert metrics.block_length(np.full(100, 412.1)) == 1  # its mean is off by round-off
    assert metrics.correlation_time(np.full(100, 412.1)) == 1
    for short in ([], [1.0], [np.nan, np.nan]):
        assert (metrics.block_length(short), metrics.correlation_time(short)) == (1, 1.0)


@pytest.mark.parametrize("count", [2, 3, 10, 300])
def test_a_block_leaves_room_for_three(count: int) -> None:
    block = metrics.block_length(np.arange(count, dtype=float))  # remembers for ever
    assert 1 <= block <= max(1, np.ceil(min(3 * np.sqrt(count), count / 3)))


def test_size_and_level_do_not_matter_and_gaps_little(ar1) -> None:
    series = ar1(4000, 0.7, 1)
    block = metrics.block_length(series)
    assert metrics.block_length(400 + 1e-3 * series) == block
    holed = np.where(np.random.default_rng(2).random(4000) < 0.1, np.nan, series)
    assert metrics.block_length(holed) == pytest.approx(block, rel=0.3)
