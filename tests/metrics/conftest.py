"""Series whose memory is known."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.signal import lfilter

Series = Callable[[int, float, int], np.ndarray]


@pytest.fixture
def ar1() -> Series:
    def make(count: int, phi: float, seed: int) -> np.ndarray:
        """Stationary x_t = φ x_{t−1} + e_t with unit noise."""
        noise = np.random.default_rng(seed).normal(size=count)
        noise[0] /= np.sqrt(1 - phi**2)
        return lfilter([1], [1, -phi], noise)

    return make
