"""Point values of modal fields, their adjoint, and the errors given to observations."""

import math

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y

from co2net_phys.data.schema import STATION_CO2
from co2net_phys.data.stations import Station
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError
from co2net_phys.inversion.observation_operator import (
    Observations,
    StationOperator,
    observation_errors,
)
from co2net_phys.solvers import Grid, SphericalHarmonics

PLACES = [(-90.0, 0.0), (-33.3, 151.2), (0.0, -179.9), (19.5, -155.6), (82.5, -62.3)]
SITES = tuple(Station(str(n), "", *place, 0.0) for n, place in enumerate(PLACES))


def random_modal(truncation, seed=0):
    random = np.random.default_rng(seed)
    size = truncation + 1
    real, imaginary = random.standard_normal((2, size, size))
    modal = np.tril(real + 1j * imaginary)
    modal[:, 0] = modal[:, 0].real
    return torch.from_numpy(modal)


def test_the_values_are_those_of_the_series_by_another_library():
    modal = random_modal(6)
    expected = np.zeros(len(PLACES))
    for number, (latitude, longitude) in enumerate(PLACES):
        for l in range(7):
            for m in range(l + 1):
                wave = sph_harm_y(l, m, math.radians(90 - latitude), math.radians(longitude))
                expected[number] += (2 if m else 1) * (modal[l, m].item() * wave).real
    assert StationOperator(SITES, 6)(modal).numpy() == pytest.approx(expected, abs=1e-12)


def test_the_values_at_the_nodes_of_a_grid_are_those_of_the_transform():
    harmonics = SphericalHarmonics(Grid.gaussian(10), 10)
    grid, modal = harmonics.grid, random_modal(10)
    sites = tuple(
        Station(f"{y} {x}", "", float(grid.latitude[y]), float(grid.longitude[x]), 0.0)
        for y, x in ((0, 0), (3, 7), (11, 20))
    )
    nodal = harmonics.to_nodal(modal)
    expected = [float(nodal[y, x]) for y, x in ((0, 0), (3, 7), (11, 20))]
    assert StationOperator(sites, 10)(modal).numpy() == pytest.approx(expected, abs=1e-12)


def test_the_adjoint_identity_holds():
    operator, modal = StationOperator(SITES, 10), random_modal(10).requires_grad_()
    values = operator(modal)
    covector = torch.linspace(-1, 2, len(SITES), dtype=torch.float64)
    (pulled,) = torch.autograd.grad(values, modal, covector)
    other = random_modal(10, seed=1)
    left = float((operator(other) * covector).sum())
    right = float((other.conj() * pulled).real.sum())
    assert left == pytest.approx(right, rel=1e-12)


def test_a_misfit_is_in_units_of_the_error_and_zero_without_a_report():
    values = torch.tensor([[400.0, math.nan], [402.0, 401.0]])
    observations = Observations(values, torch.tensor([0.5, 2.0]), repeats=4.0)
    misfit = observations.misfit(torch.full((2, 2), 403.0))
    assert misfit.tolist() == [[3.0, 0.0], [1.0, 0.5]]
    assert observations.count == 3


def test_a_restless_station_gets_a_larger_error_and_a_silent_one_that_of_the_middle(small_world):
    data = small_world(frames=80)
    reports = np.full((80, 8), 400.0)
    reports[:, 1] += 3 * (-1) ** np.arange(80)
    reports[:, 2] = np.nan
    data[STATION_CO2].values[:] = reports
    store = TrainingStore(data, "world.nc")
    errors = observation_errors(store, np.arange(80), np.arange(8), floor=0.5, share=1.0).numpy()
    assert errors[0] == errors[2] == pytest.approx(0.5)
    assert errors[1] == pytest.approx(math.hypot(0.5, 3.0), rel=0.03)
    data[STATION_CO2].values[:] = np.nan
    with pytest.raises(DataError, match="no training station has 8 reports"):
        observation_errors(TrainingStore(data, "w.nc"), np.arange(80), np.arange(8), 0.5, 1.0)
