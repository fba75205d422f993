"""One window after the other: what each method takes from a window and hands to the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from co2net_phys.inversion.background_covariance import FieldError
from co2net_phys.inversion.control import (
    Control,
    FactorError,
    GlobalPattern,
    GriddedPatterns,
    Patterns,
    RegionalPatterns,
)
from co2net_phys.inversion.four_dimensional_variational import Draws, Problem, minimise
from co2net_phys.inversion.letkf import analysis_weights, combine, relax_spread
from co2net_phys.inversion.observation_operator import Observations, StationOperator
from co2net_phys.inversion.settings import InversionSettings
from co2net_phys.inversion.transport_model import WindowModel
from co2net_phys.solvers import SphericalHarmonics

Belief = dict[str, Tensor]
"""What a method hands from one window to the next, by name."""

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Window:
    """One window: its number, transport and observations, and where the next one begins."""

    number: int
    model: WindowModel
    observations: Observations
    advance: int
    """Frame at which the next window begins: the last one, unless the windows overlap."""

    @property
    def seconds(self) -> float:
        """Until the next window begins."""
        return self.advance * self.model.steps_per_frame * self.model.time_step


@dataclass(frozen=True)
class Outcome:
    """What an analysis says of a window of F frames and P flux periods."""

    mean: Tensor
    """Modal (F, l, m), µmol mol-1."""
    factors: Tensor
    """(P, C, nlat, nlon)."""
    prior_factors: Tensor
    """The same before the analysis."""
    belief: Belief
    """For the next window."""
    members: Tensor | None = None
    """Modal (F, M, l, m), where the method gives them."""
    factor_members: Tensor | None = None
    """(M, P, C, nlat, nlon)."""
    diagnostics: dict[str, Any] = field(default_factory=dict)


class Cycle(Protocol):
    """A method that goes from window to window."""

    def begin(self, first_guess: Tensor) -> Belief:
        """What is believed at the start, from a modal field (l, m)."""

    def assimilate(self, window: Window, belief: Belief, progress: Progress) -> Outcome:
        """Analyse a window."""


@dataclass(frozen=True)
class Priors:
    """Statistics of the first guess and of the factors before any observation.

    `means` and `deviations` are of the C components' factors.
    """

    harmonics: SphericalHarmonics
    initial: FieldError
    patterns: Patterns
    means: Sequence[float]
    deviations: Sequence[float]

    def factors(self) -> Tensor:
        """Prior factors (C, nlat, nlon)."""
        means = torch.tensor(self.means, dtype=torch.float64)[:, None, None]
        return means.expand(-1, *self.harmonics.grid.shape)

    def factor_error(self, periods: int = 1) -> FactorError:
        """Square root of the covariance of P sets of factors."""
        return FactorError(self.patterns, self.deviations, periods)


def priors_of(
    settings: InversionSettings,
    components: Sequence[str],
    harmonics: SphericalHarmonics,
    land: Tensor,
) -> Priors:
    """The statistics that `settings` describe; `land` is the land fraction (nlat, nlon)."""
    deviation = settings.ocean_error + (settings.land_error - settings.ocean_error) * land
    patterns: dict[str, Callable[[], Patterns]] = {
        "global": lambda: GlobalPattern(harmonics),
        "regional": lambda: RegionalPatterns(harmonics),
        "gridded": lambda: GriddedPatterns(harmonics, settings.factor_length),
    }
    return Priors(
        harmonics,
        FieldError(harmonics, deviation, settings.initial_length),
        patterns[settings.factors](),
        [settings.prior.get(name, 1.0) for name in components],
        [settings.factor_error(name) for name in components],
    )


class VariationalCycle:
    """4D-Var in windows: a field and factors are handed on, the covariance stays what it is."""

    def __init__(
        self, settings: InversionSettings, priors: Priors, operator: StationOperator
    ) -> None:
        self.settings, self.priors, self.operator = settings, priors, operator

    def begin(self, first_guess: Tensor) -> Belief:
        """See `Cycle`."""
        return {"field": first_guess, "factors": self.priors.factors()}

    def assimilate(self, window: Window, belief: Belief, progress: Progress) -> Outcome:
        """See `Cycle`."""
        problem = self.problem(window, belief)
        draws = Draws.of(
            self.settings.members,
            problem.control.size,
            (window.model.frames, len(window.observations.errors)),
            [self.settings.seed, 21, window.number],
        )
        found = minimise(problem, draws, self.settings.iterations, progress=progress)
        with torch.no_grad():
            states, factors = problem.states(found.white)
        several, last = self.settings.members > 0, states[window.advance, 0]
        return Outcome(
            mean=states[:, 0],
            factors=factors[0],
            prior_factors=problem.factors,
            belief=self._handed_on(window, last, factors[0, -1]),
            members=states[:, 1:] if several else None,
            factor_members=factors[1:] if several else None,
            diagnostics={
                "observations": window.observations.count,
                "cost": found.costs,
                "gradient_reduction": found.gradient_reduction,
                "chi_square": found.chi_square(window.observations),
            },
        )

    def problem(self, window: Window, belief: Belief) -> Problem:
        """The cost of a window."""
        model, periods = window.model, window.model.periods
        control = Control(self.priors.initial, self.priors.factor_error(periods))
        factors = belief["factors"].expand(periods, -1, -1, -1)
        return Problem(model, self.operator, window.observations, control, belief["field"], factors)

    def _handed_on(self, window: Window, last: Tensor, factors: Tensor) -> Belief:
        prior, memory = self.priors.factors(), memory_over(window, self.settings)
        return {"field": last, "factors": prior + memory * (factors - prior)}


class EnsembleCycle:
    """LETKF in windows: members of field and factors are handed on."""

    def __init__(
        self,
        settings: InversionSettings,
        priors: Priors,
        operator: StationOperator,
        closeness: Tensor,
    ) -> None:
        self.settings, self.priors, self.operator = settings, priors, operator
        self.closeness = closeness

    def begin(self, first_guess: Tensor) -> Belief:
        """See `Cycle`."""
        error = self.priors.initial
        states = first_guess + error(self._white(error.size, 0))
        return {"states": states, "factors": self.priors.factors() + self._departures(0)}

    @torch.no_grad()
    def assimilate(self, window: Window, belief: Belief, progress: Progress) -> Outcome:
        """See `Cycle`."""
        harmonics, share = self.priors.harmonics, self.settings.relaxation
        factors = belief["factors"]  # (k, C, nlat, nlon)
        states = window.model.states(belief["states"], factors[:, None])  # (F, k, l, m)
        modelled = self.operator(states)
        weights = analysis_weights(modelled, window.observations, self.closeness)
        nodal = harmonics.to_nodal(states).transpose(0, 1).flatten(-2)  # (k, F, G)
        analysed = relax_spread(combine(nodal, weights), nodal, share)
        modal = harmonics.to_modal(analysed.unflatten(-1, harmonics.grid.shape)).transpose(0, 1)
        flat = factors.flatten(-2)
        better = relax_spread(combine(flat, weights), flat, share).view_as(factors)
        progress(1)
        return Outcome(
            mean=modal.mean(1),
            factors=better.mean(0)[None],
            prior_factors=factors.mean(0)[None],
            belief=self._handed_on(window, modal[window.advance], better),
            members=modal,
            factor_members=better[:, None],
            diagnostics={
                "observations": window.observations.count,
                "chi_square": _innovation_chi_square(modelled, window.observations),
            },
        )

    def _handed_on(self, window: Window, states: Tensor, factors: Tensor) -> Belief:
        """Factors relax towards their prior and are stirred so that their spread can last."""
        prior, memory = self.priors.factors(), memory_over(window, self.settings)
        stirred = math.sqrt(1 - memory**2) * self._departures(window.number + 1)
        return {"states": states, "factors": prior + memory * (factors - prior) + stirred}

    def _departures(self, number: int) -> Tensor:
        """Draws of the factors' prior error, (k, C, nlat, nlon), of zero mean."""
        error = self.priors.factor_error()
        return error(self._white(error.size, number, 1))[:, 0]

    def _white(self, size: int, *stream: int) -> Tensor:
        """Standard normal numbers (k, size) with the mean taken out."""
        random = np.random.default_rng([self.settings.seed, 22, *stream])
        white = torch.from_numpy(random.standard_normal((self.settings.members, size)))
        return white - white.mean(0)


def memory_over(window: Window, settings: InversionSettings) -> float:
    """Share of a factor's departure from its prior that lasts for one window."""
    return math.exp(-window.seconds / settings.factor_memory)


def _innovation_chi_square(modelled: Tensor, observations: Observations) -> float:
    """Mean of squared innovations over their expected variance, near one if both are right."""
    expected = modelled.var(1) + observations.errors**2
    squared = (observations.misfit(modelled.mean(1)) * observations.weighing_errors) ** 2 / expected
    return float(squared.sum() / max(observations.count, 1))
