"""A small laboratory: coarse transport, two fluxes, a few stations, observations on demand."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from co2net_phys.data.stations import Station
from co2net_phys.inversion.background_covariance import FieldError
from co2net_phys.inversion.control import Control, FactorError, GlobalPattern
from co2net_phys.inversion.four_dimensional_variational import Draws, Problem
from co2net_phys.inversion.observation_operator import Observations, StationOperator
from co2net_phys.inversion.transport_model import Forcing, WindowModel
from co2net_phys.solvers import Grid, SolidBodyRotation, SphericalHarmonics

STEP = 5400.0


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@dataclass
class Laboratory:
    harmonics: SphericalHarmonics
    model: WindowModel
    operator: StationOperator
    control: Control
    first_guess: torch.Tensor
    factors: torch.Tensor
    error: torch.Tensor
    sites: tuple

    @property
    def stations(self):
        return len(self.error)

    def problem(self, values):
        observations = Observations(values, self.error)
        return Problem(
            self.model, self.operator, observations, self.control, self.first_guess, self.factors
        )

    def twin(self, seed=0, missing=0.1):
        """A problem whose truth is a draw of its own prior, and that draw."""
        random = np.random.default_rng(seed)
        truth = torch.from_numpy(random.standard_normal((1, self.control.size)))
        nothing = torch.full((self.model.frames, self.stations), math.nan, dtype=torch.float64)
        with torch.no_grad():
            perfect = self.operator(self.problem(nothing).states(truth)[0])[:, 0]
        noise = torch.from_numpy(random.standard_normal(tuple(perfect.shape)))
        lost = torch.from_numpy(random.random(tuple(perfect.shape)) < missing)
        return self.problem((perfect + self.error * noise).masked_fill(lost, math.nan)), truth

    def draws(self, members=0, seed=0):
        shape = (self.model.frames, self.stations)
        return Draws.of(members, self.control.size, shape, [seed])


@pytest.fixture(scope="session")
def laboratory():
    def make(truncation=4, frames=5, stations=6, periods=1, length=4e6):
        random = np.random.default_rng(7)
        harmonics = SphericalHarmonics(Grid.gaussian(truncation), truncation)
        shape = harmonics.grid.shape
        latitude, longitude = harmonics.coordinates()
        entries = (frames - 1) * 4 + 1
        beat = 1 + 0.5 * torch.cos(torch.arange(entries) * (2 * math.pi / 32))[:, None, None]
        land = 4 * torch.exp(3 * (latitude.cos() * (longitude - 1).cos() - 1))
        sea = latitude.sin().expand(shape)
        forcing = Forcing(
            start=0.0,
            interval=STEP / 2,
            period=(frames - 1) * 2 * STEP / periods,
            flux=torch.stack([beat * land, (beat**0) * sea], dim=1),
            moles=(4e4 * beat).expand(-1, *shape),
            exchange=(2e-6 * beat).expand(-1, *shape),
            above=torch.full((entries, shape[0], 1), 400.0, dtype=torch.float64),
        )
        wind = SolidBodyRotation(harmonics, 2 * math.pi / (12 * 86400), tilt_degrees=50)
        model = WindowModel(harmonics, wind, 1e5, forcing, frames, 2, STEP)
        places = zip(
            random.uniform(-80, 80, stations), random.uniform(-180, 180, stations), strict=True
        )
        sites = tuple(Station(f"s{n}", "site", *place, 0.0) for n, place in enumerate(places))
        deviation = 3.0 + latitude.sin().expand(shape)
        control = Control(
            FieldError(harmonics, deviation, length),
            FactorError(GlobalPattern(harmonics), (0.5, 0.8), periods),
        )
        first_guess = harmonics.to_modal(400 + sea)
        factors = torch.ones(periods, 2, *shape, dtype=torch.float64)
        error = torch.linspace(0.2, 0.4, stations, dtype=torch.float64)
        operator = StationOperator(sites, truncation)
        return Laboratory(harmonics, model, operator, control, first_guess, factors, error, sites)

    return make
