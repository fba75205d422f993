"""What the coefficients do: mass emitted, places gathered from, bounds that hold for all."""

import numpy as np
import pytest
import torch

from co2net_phys.columns.exchange import Exchange

FORBIDDEN = -40.0
"""Logit of what is to have no share."""


@pytest.fixture
def exchange(config):
    setup = config(thickness=[(-2e3, -0.3), (-1e3, -0.2), (-5e2, -0.5)], interval=3600.0)
    return Exchange(setup).double()


@pytest.fixture
def fields():
    """Random coefficients, tracer, emission and surface pressure."""
    draw = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.rand(2, *shape, 8, 16, generator=draw, dtype=torch.float64)

    return 6 * random(87) - 3, random(3), 1e-3 * random(), 9e4 + 1e4 * random()


def test_the_mass_that_is_emitted_is_exact(exchange, fields):
    coefficients, _, emission, pressure = fields
    added = exchange.emitted(coefficients[:, :3], emission, pressure)
    thickness = np.array([(2e3, 0.3), (1e3, 0.2), (5e2, 0.5)])[:, :, None, None]
    air = (thickness[:, 0] + thickness[:, 1] * pressure.numpy()[:, None]) / 9.80665
    np.testing.assert_allclose((air * added.numpy()).sum(axis=1), 3600 * emission, rtol=1e-6)
    assert (added > 0).all()


def test_twice_the_tracer_gives_twice_the_result(exchange, fields):
    coefficients, tracer, emission, pressure = fields
    single = exchange(coefficients, tracer, emission, pressure)
    double = exchange(coefficients, 2 * tracer, 2 * emission, pressure)
    torch.testing.assert_close(double, 2 * single)


def test_no_coefficients_make_a_tracer_grow_or_negative(exchange, fields):
    coefficients, tracer, emission, pressure = fields
    for size in (1, 10, 1000):
        found = exchange(size * coefficients, tracer, 0 * emission, pressure)
        assert (found >= 0).all() and (found <= tracer.max()).all()


def forced(exchange, donor, level):
    """Coefficients by which a layer takes its tracer from one donor alone, without removal."""
    coefficients = -exchange.start.expand(2, -1, 8, 16).clone()
    donors = coefficients[:, 3:-3].unflatten(1, (27, 3))
    donors += FORBIDDEN
    donors[:, donor, level] -= FORBIDDEN
    coefficients[:, -3:] = FORBIDDEN
    return coefficients


@pytest.mark.parametrize(
    ("donor", "row", "column"), [(12, 0, 0), (13, 0, 1), (7, -1, 0), (24, 2, 2)]
)
def test_a_donor_is_where_the_number_says(exchange, fields, donor, row, column):
    _, tracer, emission, pressure = fields
    found = exchange(forced(exchange, donor, 1), tracer, 0 * emission, pressure)
    expected = tracer.roll((-row, -column), dims=(-2, -1))
    inside = slice(2, -2)
    torch.testing.assert_close(found[:, 1, inside], expected[:, 1, inside])
    if row == -1:  # beyond the south pole lies the opposite meridian
        torch.testing.assert_close(found[:, 1, 0], tracer[:, 1, 0].roll(8, dims=-1))


@pytest.mark.parametrize(("donor", "source"), [(25, [0, 0, 1]), (26, [1, 2, 2])])
def test_the_last_donors_are_the_layers_below_and_above(exchange, fields, donor, source):
    _, tracer, emission, pressure = fields
    for level in range(3):
        found = exchange(forced(exchange, donor, level), tracer, 0 * emission, pressure)
        torch.testing.assert_close(found[:, level], tracer[:, source[level]])


def test_removal_takes_a_share(exchange, fields):
    _, tracer, emission, pressure = fields
    coefficients = forced(exchange, 12, 1)
    coefficients[:, -2] = 0.7 - exchange.start[-2]
    found = exchange(coefficients, tracer, 0 * emission, pressure)
    torch.testing.assert_close(found[:, 1], tracer[:, 1] / (1 + np.exp(0.7)))
