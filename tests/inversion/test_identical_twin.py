"""Identical-twin experiments: the truth is a run of the inversion's own model."""

import math

import numpy as np
import torch

from co2net_phys.inversion.background_covariance import FieldError
from co2net_phys.inversion.control import FactorError, GriddedPatterns
from co2net_phys.inversion.cycling import EnsembleCycle, Priors, Window
from co2net_phys.inversion.four_dimensional_variational import minimise
from co2net_phys.inversion.letkf import localisation
from co2net_phys.inversion.settings import InversionSettings

MEMBERS = 20


def rmse(laboratory, one, other):
    difference = laboratory.harmonics.to_nodal(one - other)
    weights = torch.from_numpy(laboratory.harmonics.grid.area_weights)
    return math.sqrt(float((weights * difference**2).mean()))


def wrong_everywhere(laboratory):
    """The first twin whose prior is off by more than the reports' error at every station."""
    for seed in range(100):
        problem, truth = laboratory.twin(seed)
        with torch.no_grad():
            true, prior = (problem.states(white)[0] for white in (truth, 0 * truth))
        error = laboratory.operator(prior[:, 0] - true[:, 0]).square().mean(0).sqrt()
        if bool((error > laboratory.error).all()):
            return problem, truth, true, prior
    raise AssertionError("no such twin")


def test_4dvar_is_better_than_its_prior_at_every_station_and_over_the_globe(laboratory):
    setup = laboratory(truncation=8, frames=5, stations=30, length=2.5e6)
    problem, truth, true, prior = wrong_everywhere(setup)
    found = minimise(problem, setup.draws(MEMBERS), iterations=40, reduction=1e-3)
    with torch.no_grad():
        _, true_factors = problem.states(truth)
        states, factors = problem.states(found.white)
    at_sites = [setup.operator(field[:, 0] - true[:, 0]) for field in (states, prior)]
    posterior_error, prior_error = ((field**2).mean(0).sqrt() for field in at_sites)
    assert bool((posterior_error < prior_error).all()), (posterior_error, prior_error)
    assert float(posterior_error.mean()) < 0.25 * float(prior_error.mean())
    for frame in range(len(true)):
        assert rmse(setup, states[frame, 0], true[frame, 0]) < 0.6 * rmse(
            setup, prior[frame, 0], true[frame, 0]
        )
    error = factors[1:, 0, :, 0, 0].std(0)
    off = (factors[0, 0, :, 0, 0] - true_factors[0, 0, :, 0, 0]).abs()
    assert bool((off < 3 * error).all()), (off, error)
    assert bool((error < torch.tensor([0.5, 0.8])).all()), "the reports tell of the fluxes"
    count = problem.observations.count
    assert abs(found.chi_square(problem.observations) - 1) < 4 * math.sqrt(2 / count)


def test_the_filter_is_better_than_its_prior_where_it_observes(laboratory):
    setup = laboratory(truncation=8, frames=5, stations=40, length=2.5e6)
    deviation = torch.full(setup.harmonics.grid.shape, 3.0, dtype=torch.float64)
    initial = FieldError(setup.harmonics, deviation, 2.5e6)
    patterns = GriddedPatterns(setup.harmonics, 5e6)
    priors = Priors(setup.harmonics, initial, patterns, (1.0, 1.0), (0.5, 0.8))
    problem, truth = setup.twin(seed=4)
    with torch.no_grad():
        true, _ = problem.states(truth)
        prior, _ = problem.states(torch.zeros_like(truth))
    settings = InversionSettings(method="letkf", members=40, factors="gridded", relaxation=0.0)
    sites = tuple(setup.sites)
    cycle = EnsembleCycle(
        settings, priors, setup.operator, localisation(setup.harmonics.grid, sites, 8e6)
    )
    window = Window(0, setup.model, problem.observations, setup.model.frames - 1)
    outcome = cycle.assimilate(window, cycle.begin(setup.first_guess), lambda done: None)
    off = [setup.operator(field - true[:, 0]) for field in (outcome.mean, prior[:, 0])]
    posterior_error, prior_error = (float((field**2).mean().sqrt()) for field in off)
    assert posterior_error < 0.4 * prior_error
    assert rmse(setup, outcome.mean[-1], true[-1, 0]) < rmse(setup, prior[-1, 0], true[-1, 0])
    spread = setup.operator(outcome.members.transpose(0, 1)).std(0)
    assert 0.5 < posterior_error / float((spread**2).mean().sqrt()) < 2.0
    again = cycle.assimilate(window, cycle.begin(setup.first_guess), lambda done: None)
    assert torch.equal(again.mean, outcome.mean), "the same seed draws the same members"


def test_factors_stirred_between_windows_keep_their_prior_statistics(laboratory):
    setup = laboratory(truncation=8, frames=3)
    error = FactorError(GriddedPatterns(setup.harmonics, 4e6), (0.5, 0.8), periods=1)
    white = torch.from_numpy(np.random.default_rng(0).standard_normal((600, error.size)))
    spread = error(white)[:, 0].std(0).mean((-2, -1))
    assert torch.allclose(spread, torch.tensor([0.5, 0.8]).double(), rtol=0.03)
