"""The square root of the background covariance against the closed form of its spectrum."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import eval_legendre

from co2net_phys.data.stations import Station
from co2net_phys.errors import UsageError
from co2net_phys.inversion.background_covariance import (
    FieldError,
    SphericalCorrelation,
    correlation_spectrum,
)
from co2net_phys.inversion.observation_operator import StationOperator
from co2net_phys.solvers import EARTH_RADIUS_M, Grid, SphericalHarmonics

TRUNCATION, LENGTH = 12, 1.5e6
HARMONICS = SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION)


def covariance(places, root):
    """Between the values at places of fields made by `root`, as a dense matrix."""
    sites = tuple(Station(str(n), "", *place, 0.0) for n, place in enumerate(places))
    columns = root(torch.eye(root.size, dtype=torch.float64))
    values = StationOperator(sites, TRUNCATION)(columns)
    return (values.T @ values).numpy()


def cosine(one, other):
    (a, b), (c, d) = np.radians(one), np.radians(other)
    return math.sin(a) * math.sin(c) + math.cos(a) * math.cos(c) * math.cos(b - d)


def closed_form(cosines):
    spectrum = correlation_spectrum(TRUNCATION, LENGTH, EARTH_RADIUS_M).numpy()
    degree = np.arange(TRUNCATION + 1)
    return ((2 * degree + 1) * spectrum * eval_legendre(degree, cosines)).sum() / (4 * math.pi)


PLACE = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@given(PLACE, PLACE)
@settings(max_examples=25, deadline=None)
def test_variance_and_correlation_depend_on_the_distance_alone(one, other):
    found = covariance([one, other], SphericalCorrelation(HARMONICS, LENGTH))
    assert found[[0, 1], [0, 1]] == pytest.approx([1.0, 1.0], abs=1e-12)
    assert found[0, 1] == pytest.approx(closed_form(cosine(one, other)), abs=1e-12)


def test_the_correlation_is_close_to_a_gaussian():
    distances = np.linspace(0, 4e6, 9)
    places = [(0.0, 0.0), *[(np.degrees(d / EARTH_RADIUS_M), 0.0) for d in distances]]
    found = covariance(places, SphericalCorrelation(HARMONICS, LENGTH))[0, 1:]
    assert found == pytest.approx(np.exp(-(distances**2) / (2 * LENGTH**2)), abs=0.02)


def test_a_standard_deviation_scales_the_field_at_every_node():
    deviation = 2 + HARMONICS.coordinates()[0].sin().expand(HARMONICS.grid.shape)
    error = FieldError(HARMONICS, deviation, 3e6)
    white = torch.zeros(error.size, dtype=torch.float64)
    white[:9] = torch.arange(1.0, 10)  # degrees 0 to 2, so that the product is of degree 3
    plain = HARMONICS.to_nodal(SphericalCorrelation(HARMONICS, 3e6)(white))
    assert torch.allclose(HARMONICS.to_nodal(error(white)), deviation * plain, atol=1e-12)


@pytest.mark.parametrize("length", [0.0, -1.0, 1e5, math.nan])
def test_a_length_that_the_truncation_cannot_carry_is_refused(length):
    with pytest.raises(UsageError, match="correlation length"):
        correlation_spectrum(TRUNCATION, length, EARTH_RADIUS_M)
