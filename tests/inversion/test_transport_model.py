"""The forward model: affine in what is sought, and what becomes of periods and of bad stores."""

import math

import numpy as np
import pytest
import torch

from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError, NumericalError
from co2net_phys.inversion.prior_flux import InventedFlux
from co2net_phys.inversion.regions import REGION_NAMES, region_partition
from co2net_phys.inversion.transport_model import TransportModel
from co2net_phys.simulation.forcing import TOTAL, Air, SurfaceForcing
from co2net_phys.simulation.sources import COMPONENTS, SurfaceSources
from co2net_phys.solvers import Grid


def test_the_model_is_affine_in_field_and_factors(laboratory):
    setup = laboratory(periods=2)
    random = np.random.default_rng(0)
    white = torch.from_numpy(random.standard_normal((3, setup.control.size)))
    white[2] = 0.3 * white[0] + 0.7 * white[1]
    problem, _ = setup.twin()
    with torch.no_grad():
        states, _ = problem.states(white)
    assert (states[:, 2] - 0.3 * states[:, 0] - 0.7 * states[:, 1]).abs().max() < 1e-10


def test_a_factor_acts_in_its_own_period(laboratory):
    setup = laboratory(periods=2)
    doubled = setup.factors.clone()
    doubled[1] *= 2
    with torch.no_grad():
        usual = setup.model.states(setup.first_guess, setup.factors)
        late = setup.model.states(setup.first_guess, doubled)
    same = [torch.allclose(a, b, atol=1e-12) for a, b in zip(usual, late, strict=True)]
    assert same == [True, True, False, False, False] or same == [True, True, True, False, False]
    assert setup.model.periods == 2
    assert [setup.model.period_of(frame) for frame in range(5)] == [0, 0, 1, 1, 1]


def test_a_field_at_rest_with_the_air_above_stays(laboratory):
    setup = laboratory()
    even = setup.harmonics.to_modal(torch.full(setup.harmonics.grid.shape, 400.0).double())
    with torch.no_grad():
        states = setup.model.states(even, 0 * setup.factors)
    assert (setup.harmonics.to_nodal(states) - 400).abs().max() < 1e-9


def test_what_is_not_finite_is_said_in_one_line(laboratory):
    setup = laboratory()
    with pytest.raises(NumericalError, match="transport is not finite"), torch.no_grad():
        setup.model.states(math.inf * setup.first_guess, setup.factors)


def test_the_forcing_is_that_of_the_simulation(small_world):
    store = TrainingStore(small_world(frames=20), "world.nc")
    transport = TransportModel(store, 8, exchange=True, diffusivity=1e5)
    flux = InventedFlux(transport.geography, transport.clock)
    model = transport.window(np.arange(4, 9), flux)
    sources = SurfaceSources(transport.geography, transport.clock, seed=None)

    def air(seconds):
        return Air(torch.hypot(*model.wind(seconds)).numpy(), 0.5)

    simulated = SurfaceForcing(
        transport.geography, transport.clock, sources, (TOTAL,), COMPONENTS, air
    )
    factors = torch.ones(1, 4, *transport.harmonics.grid.shape, dtype=torch.float64)
    tracer = torch.full(transport.harmonics.grid.shape, 390.0, dtype=torch.float64)
    for time in (4 * 10800.0, 6 * 10800.0):  # whole hours, where the simulation's table has them
        ours = model.forcing.source(factors)(time, tracer)
        assert torch.allclose(ours, simulated(time, tracer[None])[0], rtol=1e-12)


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_no_world_tells_the_inversion_when_its_fires_flare_up(small_world, seed):
    transport = TransportModel(
        TrainingStore(small_world(frames=20), "world.nc"), 8, exchange=True, diffusivity=1e5
    )
    fires = COMPONENTS.index("fires")
    known = InventedFlux(transport.geography, transport.clock)
    true = SurfaceSources(transport.geography, transport.clock, seed)
    noons = 86400.0 * (0.5 + np.arange(20))
    ratio = [
        known.at(noon)[fires].sum() / true.flux("fires", noon).sum() for noon in noons.tolist()
    ]
    assert np.std(ratio) > 0.1


def test_regions_are_a_partition():
    masks = region_partition(Grid.gaussian(21))
    assert masks.shape[0] == len(REGION_NAMES)
    assert np.array_equal(masks.sum(0), np.ones(masks.shape[1:]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.drop_vars("vas"), "no variable 'vas'"),
        (lambda data: data.convert_calendar("noleap"), "calendar 'noleap'"),
        (lambda data: data.isel(time=slice(None, None, 16)), "frames are 2 days apart"),
    ],
)
def test_stores_that_cannot_be_inverted_are_refused(small_world, change, words):
    store = TrainingStore(change(small_world(frames=64)), "world.nc")
    with pytest.raises(DataError, match=words):
        TransportModel(store, 8, exchange=True, diffusivity=1e5)


def test_a_gap_in_a_window_is_refused(small_world):
    data = small_world(frames=20)
    store = TrainingStore(data.isel(time=[*range(8), *range(10, 20)]), "world.nc")
    transport = TransportModel(store, 8, exchange=False, diffusivity=1e5)
    flux = InventedFlux(transport.geography, transport.clock)
    with pytest.raises(DataError, match="frames are missing"):
        transport.window(np.arange(6, 12), flux)
