import math

import pytest
import torch

from co2net_phys.errors import NumericalError
from co2net_phys.solvers import DeformationalFlow, Grid, SphericalHarmonics
from co2net_phys.solvers.departure_map import AnyWind, DepartureMap
from co2net_phys.solvers.departures import departure_points, positions

DAY = 86400.0


def jet(latitude, longitude, time):
    """Symmetric about the equator, m/s."""
    return 80.0 * latitude.cos() ** 3 + 0.0 * longitude, 0.0 * latitude + 0.0 * longitude


def broken(latitude, longitude, time):
    return tuple(part * math.nan for part in jet(latitude, longitude, time))


def distance(found, expected):
    return float((positions(*found) - positions(*expected)).abs().max())


@pytest.mark.parametrize("truncation", [2, 4])
def test_last_terms_that_vanish_by_symmetry(truncation):
    """The map has odd degrees only, however badly an expansion of even degree represents it."""
    harmonics = SphericalHarmonics(Grid.gaussian(truncation), truncation)
    found = DepartureMap(harmonics, AnyWind(jet), DAY, 1e-8)(0.0)
    expected = departure_points(jet, *harmonics.coordinates(), 0.0, DAY, 20)
    assert distance(found[:2], expected) < 1e-7


@pytest.mark.parametrize("substeps", [None, 2])
def test_a_wind_that_is_not_finite_is_refused(substeps):
    harmonics = SphericalHarmonics(Grid.gaussian(10), 10)
    with pytest.raises(NumericalError, match="missing values in the wind"):
        DepartureMap(harmonics, AnyWind(broken), DAY, 1e-8, substeps)(0.0)


def test_float32_harmonics_do_not_limit_the_paths():
    narrow, wide = (
        SphericalHarmonics(Grid.gaussian(10), 10, dtype=dtype)
        for dtype in (torch.float32, torch.float64)
    )
    wind = AnyWind(DeformationalFlow(wide).at)
    found, expected = (DepartureMap(h, wind, DAY / 2, 1e-9)(0.0) for h in (narrow, wide))
    assert distance(found[:2], expected[:2]) < 1e-12
