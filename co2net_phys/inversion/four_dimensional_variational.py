"""Strong-constraint 4D-Var: the control that fits the observations of a window best.

    J(χ) = ½ |χ − χ_m|² + ½ Σ ((H M(x_b + L χ) − y)/σ)²

with L the square root of the prior covariance, M the transport and H the observation operator.
The transport being affine, J is a quadratic form whose Hessian I + (HML)ᵀR⁻¹(HML) has no eigenvalue
below one. Its gradient comes from the adjoint run.

Members beyond the first get their own draw χ_m of the prior and of the observation errors: their
minima are draws from the posterior, exactly so for a linear model and Gaussian errors (Chevallier
et al. 2007, doi:10.1029/2006JD007375). All are minimised at once, in one batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from co2net_phys.inversion.control import Control
from co2net_phys.inversion.observation_operator import Observations, StationOperator
from co2net_phys.inversion.transport_model import WindowModel

CORRECTIONS = 40
"""Pairs of steps and gradient changes that L-BFGS remembers."""


@dataclass(frozen=True)
class Draws:
    """What each of M members is drawn towards: zeros for the first, which is the best estimate."""

    centre: Tensor
    """χ_m, (M, n)."""
    noise: Tensor
    """Of the observations in units of their errors, (F, M, S)."""

    @classmethod
    def of(cls, members: int, size: int, shape: tuple[int, int], seed: list[int]) -> Draws:
        """Draws for `members` beyond the first, of n = `size` numbers and (F, S) observations."""
        random = np.random.default_rng(seed)
        centre = np.zeros((members + 1, size))
        noise = np.zeros((shape[0], members + 1, shape[1]))
        centre[1:] = random.standard_normal((members, size))
        noise[:, 1:] = random.standard_normal((shape[0], members, shape[1]))
        return cls(torch.from_numpy(centre), torch.from_numpy(noise))


@dataclass(frozen=True)
class Problem:
    """Everything that makes the cost of one window."""

    model: WindowModel
    operator: StationOperator
    observations: Observations
    control: Control
    first_guess: Tensor
    """Modal (l, m), µmol mol-1."""
    factors: Tensor
    """Prior factors (P, C, nlat, nlon)."""

    def states(self, white: Tensor) -> tuple[Tensor, Tensor]:
        """Modal states (F, M, l, m) and factors (M, P, C, nlat, nlon) of controls (M, n)."""
        initial, departure = self.control(white)
        factors = self.factors + departure
        return self.model.states(self.first_guess + initial, factors), factors

    def cost(self, white: Tensor, draws: Draws) -> Tensor:
        """J of each member (M,) at controls (M, n)."""
        modelled = self.operator(self.states(white)[0])  # (F, M, S)
        reported = torch.isfinite(self.observations.values)[:, None]
        error = self.observations.weighing_errors
        observed = self.observations.values.nan_to_num()[:, None] + error * draws.noise
        misfit = torch.where(reported, (modelled - observed) / error, 0.0)
        prior = ((white - draws.centre) ** 2).sum(-1)
        return 0.5 * (prior + (misfit**2).sum((0, 2)))

    def gradient(self, white: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """J (M,) and its gradient (M, n); members do not see one another."""
        point = white.detach().requires_grad_()
        cost = self.cost(point, draws)
        (slope,) = torch.autograd.grad(cost.sum(), point)
        return cost.detach(), slope


@dataclass(frozen=True)
class Minimum:
    """Where the search ended."""

    white: Tensor
    """(M, n)."""
    costs: list[float]
    """J of the best estimate after every iteration, the first that of the prior."""
    gradient_reduction: float
    """|∇J| at the end over that at the beginning, the largest of all members."""

    def chi_square(self, observations: Observations) -> float:
        """2 J/p for p observations, counting those that share an error once.

        Near one if all errors are what they are said to be.
        """
        return 2 * self.costs[-1] * observations.repeats / max(observations.count, 1)


def minimise(
    problem: Problem,
    draws: Draws,
    iterations: int,
    reduction: float = 1e-3,
    progress: Callable[[int], None] = lambda iteration: None,
) -> Minimum:
    """Search from the prior until every |∇J| has fallen by `reduction`, `iterations` at most.

    L-BFGS (Nocedal 1980, doi:10.1090/S0025-5718-1980-0572855-7) with exact steps: as ∇J is affine,
    one gradient at a trial point tells the best step along the way, and J and ∇J there. So an
    iteration costs one run and its adjoint, each member takes its own step, and round-off in J
    does not end the search early.
    """
    white = draws.centre.clone()
    cost, slope = problem.gradient(white, draws)
    begun, costs = _norm(slope), [float(cost[0])]
    memory: list[tuple[Tensor, Tensor]] = []
    for iteration in range(iterations):
        if bool((_norm(slope) <= reduction * begun).all()):
            break
        way = -_inverse_hessian(slope, memory)
        change = problem.gradient(white + way, draws)[1] - slope
        curvature, descent = _dot(way, change), _dot(slope, way)
        length = torch.where(curvature > 0, -descent / curvature, 0.0)
        white = white + length * way
        slope = slope + length * change
        gain = length * descent + 0.5 * length**2 * curvature
        costs.append(costs[-1] + float(gain[0]))
        memory = [*memory, (length * way, length * change)][-CORRECTIONS:]
        progress(iteration + 1)
    return Minimum(white, costs, float((_norm(slope) / begun.clamp(min=1e-300)).max()))


def _inverse_hessian(slope: Tensor, memory: list[tuple[Tensor, Tensor]]) -> Tensor:
    """What the pairs of steps and gradient changes say of H⁻¹∇J, each member by itself."""
    result, shares = slope, []
    for step, change in reversed(memory):
        share = _ratio(_dot(step, result), _dot(step, change))
        result = result - share * change
        shares.append(share)
    if memory:
        step, change = memory[-1]
        result = result * _ratio(_dot(step, change), _dot(change, change), otherwise=1.0)
    for (step, change), share in zip(memory, reversed(shares), strict=True):
        result = result + (share - _ratio(_dot(change, result), _dot(step, change))) * step
    return result


def _dot(one: Tensor, other: Tensor) -> Tensor:
    """Of each member, (M, 1)."""
    return (one * other).sum(-1, keepdim=True)


def _norm(vectors: Tensor) -> Tensor:
    return vectors.norm(dim=-1)


def _ratio(numerator: Tensor, denominator: Tensor, otherwise: float = 0.0) -> Tensor:
    """A member that has arrived takes steps of length zero, which tell nothing."""
    return torch.where(denominator > 0, numerator / denominator, otherwise)
