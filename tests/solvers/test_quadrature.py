import numpy as np
import pytest

from co2net_phys.solvers.quadrature import gauss_legendre


def in_extended_precision(count):
    """Newton's method in 80-bit numbers, from the usual nodes."""
    x = np.polynomial.legendre.leggauss(count)[0].astype(np.longdouble)
    for _ in range(4):
        before, value = np.zeros_like(x), np.ones_like(x)
        for l in range(count):
            before, value = value, ((2 * l + 1) * x * value - l * before) / (l + 1)
        slope = count * (before - x * value) / (1 - x * x)
        x = x - value / slope
    return x, 2 / ((1 - x * x) * slope**2)


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="needs 80-bit numbers")
@pytest.mark.parametrize("count", [2, 7, 64, 256, 512])
def test_nodes_and_weights_to_the_last_digits(count):
    nodes, weights = gauss_legendre(count)
    exact_nodes, exact_weights = in_extended_precision(count)
    assert np.abs(nodes - exact_nodes).max() < 4e-16
    assert np.abs(weights / exact_weights - 1).max() < 1e-15
    if count == 512:  # what makes the trouble worth while
        usual = np.polynomial.legendre.leggauss(count)[1]
        assert np.abs(usual / exact_weights - 1).max() > 1e-11


def test_symmetry_and_sum():
    nodes, weights = gauss_legendre(65)
    assert (nodes == -nodes[::-1]).all()
    assert weights.sum() == pytest.approx(2.0, abs=1e-14)
    assert gauss_legendre(1)[1] == pytest.approx([2.0])
