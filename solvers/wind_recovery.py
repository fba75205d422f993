"""The wind that carried tracers, point by point: weighted least squares over their equations.

Every tracer φ_k gives one equation w·∇φ_k = ∇·(D∇φ_k) + s_k − ∂φ_k/∂t at a node and an instant;
with V the covariance of their errors, G = Σ ∇φ V⁻¹ ∇φᵀ, w = G⁻¹ Σ ∇φ V⁻¹ y, and the covariance
of w is G⁻¹ (Gauss and Markov). One tracer at one instant has a G of rank one and determines the
component along its gradient only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from co2net_phys.errors import UsageError
from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.wind_closure import WindClosure, score_covariance
from co2net_phys.solvers.wind_least_squares import PointwiseWind, pointwise_wind, smooth_wind
from co2net_phys.solvers.wind_noise import EquationNoise, lasting_error, smoothed, smoothing_scatter
from co2net_phys.solvers.wind_terms import (
    WindProblem,
    WindTerms,
    right_hand_side,
    wind_problem,
    wind_terms,
)
from co2net_phys.solvers.wind_time_error import time_error


@dataclass(frozen=True)
class RecoveredWind:
    """A wind, how well it is known, and where it is not; at n instants."""

    u: Tensor
    """(n, nlat, nlon) eastward, m s⁻¹; NaN where no component is determined."""
    v: Tensor
    """(n, nlat, nlon) northward, likewise."""
    covariance: Tensor
    """(n, nlat, nlon, 2, 2) error covariance of (u, v), m² s⁻²; NaN likewise. Where one component
    is determined it is that of the wind along ``direction``, and of rank one."""
    components: Tensor
    """(n, nlat, nlon) int8: how many components are determined, 0, 1 or 2. With one, (u, v) is the
    wind along ``direction``."""
    direction: Tensor
    """(n, nlat, nlon, 2) unit vector (east, north) of the component best determined."""
    condition: Tensor
    """(n, nlat, nlon) condition number of the weighted Gram matrix."""
    instants: Tensor
    """(n,) index of the instant of each result; the centre of a window may be a half."""

    @property
    def determined(self) -> Tensor:
        """(n, nlat, nlon), true where both components are."""
        return self.components == 2


@dataclass(frozen=True)
class DeterminedLimits:
    """When a component of the wind counts as determined."""

    largest_error: float
    """Of its claimed standard deviation, m s⁻¹."""
    smallest_gradient: float
    """Of the gradient along it, relative to the noise in that gradient."""
    largest_condition: float
    """Of the Gram matrix, against round-off."""

    def __post_init__(self) -> None:
        if not self.largest_error > 0:
            raise UsageError(f"largest_error must be positive, got {self.largest_error:g} m/s")
        if not self.smallest_gradient >= 0:
            raise UsageError(f"smallest_gradient must be at least 0, got {self.smallest_gradient}")
        if not self.largest_condition >= 1:
            raise UsageError(f"largest_condition must be at least 1, got {self.largest_condition}")


def recover_wind(
    tracers: Tensor,
    dt: float,
    diffusivity: float | Tensor = 0.0,
    sources: Tensor | None = None,
    noise: float | Sequence[float] | Tensor | None = None,
    *,
    harmonics: SphericalHarmonics,
    order: int = 4,
    window: int = 1,
    largest_error: float = 10.0,
    smallest_gradient: float = 5.0,
    largest_condition: float = 1e8,
) -> RecoveredWind:
    """Wind at every node from tracers that it carried, in the advective form of their equation.

    Tracers are taken to be fields of a model with the truncation of ``harmonics``, which obey the
    equation projected on it; the rest of w·∇φ, which such a model has lost, is supplied
    (:mod:`co2net_phys.solvers.wind_closure`). It is nothing where the equations are smooth.

    The claimed covariance has three parts. Noise in the tracers is propagated exactly through the
    projection and all derivatives; the error of the time difference is estimated from the
    difference of the next order, with the jumps that winds interpolated in time bring about; that
    of what the model has lost from a random wind of the same spectrum. Where there are more
    equations than unknowns, local means of the residuals make the claim larger if they do not fit
    it (the wind may change within the window), or yield the level of the noise if it is not given.
    With ``noise=None`` and no spare equation (one or two tracers, one instant) no noise but
    round-off is claimed.

    Args:
        tracers: (K, T, nlat, nlon), T instants; any unit.
        dt: between instants, s.
        diffusivity: D, a number or (nlat, nlon), m² s⁻¹.
        sources: s, (K, nlat, nlon) or (K, T, nlat, nlon), tracer unit per s.
        noise: standard deviation of the errors of the tracers, independent at all nodes and
            instants; one number or (K,), tracer unit. If not given, it is taken to be the same
            share of each tracer's spatial standard deviation.
        harmonics: the truncation to which the tracers are projected; a lower one suppresses noise.
        order: of the time difference, 2, 4 or 6; less if there are too few instants for it.
        window: number of successive instants in which the wind is taken to be steady.
        largest_error: a component is determined if its claimed standard deviation is at most
            this, m s⁻¹. The default is about what the climate knows of the wind anyway.
        smallest_gradient: and if the gradient along it is at least so many times its own noise;
            noise in the gradient biases the wind by about the square of the inverse.
        largest_condition: and if the condition number of G is at most this, against round-off.

    Returns:
        The wind at n = T − order − window + 1 instants.

    Raises:
        UsageError: a number that makes no sense.
        DataError: fewer than three instants, wrong shapes, values that are not finite, or only
            tracers that are constant in space.
    """
    limits = DeterminedLimits(largest_error, smallest_gradient, largest_condition)
    problem = wind_problem(
        tracers, dt, diffusivity, sources, noise, harmonics=harmonics, order=order, window=window
    )
    error, noise_in_error = time_error(problem)
    recovery = _Recovery(
        problem,
        wind_terms(problem),
        harmonics.to_nodal(error),
        noise_in_error,
        EquationNoise(problem),
        limits,
    )
    results = [recovery.at(i) for i in range(problem.instants.numel())]
    u, v, covariance, components, direction, condition = (
        torch.stack(field) for field in zip(*results, strict=True)
    )
    return RecoveredWind(u, v, covariance, components, direction, condition, problem.instants)


@dataclass(frozen=True)
class _Recovery:
    """Recovery at one instant after the other."""

    problem: WindProblem
    terms: WindTerms
    time_error: Tensor
    """(K, centres, nlat, nlon) of ∂φ/∂t, estimated, tracer unit per s; noise included."""
    noise_in_time_error: Tensor
    """(K, centres) variance of it divided by that of the noise in φ, s⁻²."""
    noise: EquationNoise
    limits: DeterminedLimits

    def at(self, instant: int) -> tuple[Tensor, ...]:
        """The fields of :class:`RecoveredWind` at one instant or window."""
        window = slice(instant, instant + self.problem.window)
        columns = torch.stack(
            [part[:, window] for part in (self.terms.east, self.terms.north, self.terms.right)], -1
        ).permute(0, 2, 3, 1, 4)  # (K, nlat, nlon, window, 3)
        unit = self._unit_variance()
        calm = torch.zeros(*self.problem.harmonics.grid.shape, 2, dtype=torch.float64)
        first = self._solve(columns, unit * self.noise.covariance(calm))
        wind = smooth_wind(self.problem.harmonics, first, self._noise_level(first))
        shape = self.noise.covariance(wind)
        closure = self._closure(window, columns, unit * shape)
        columns = torch.cat([columns[..., :2], columns[..., 2:] + closure.values()[..., None]], -1)
        variance = self._variance(self._noise_level(self._solve(columns, unit * shape)))
        error = closure.error(self._noise_sample(variance, wind))
        time = self._lasting(self._time_error(window, variance))
        known = variance[..., None, None] * shape + time
        solution = self._solve(columns, known + self._lasting(self._local_square(error)))
        noise = (variance * solution.weight).sum(0)[..., None] * self.noise.of_gradient
        score = torch.einsum(
            "kijea,kijef,kijfb->ijab", solution.influence, known, solution.influence
        ) + score_covariance(self.problem.harmonics, solution.influence, error)
        return self._result(solution, score, noise, wind)

    def _solve(self, columns: Tensor, covariance: Tensor) -> PointwiseWind:
        return pointwise_wind(columns, covariance, self.limits.largest_condition)

    def _unit_variance(self) -> Tensor:
        """(K, 1, 1, 1, 1) of the noise, or of the tracers themselves if it is not known."""
        given = self.problem.noise
        known = self.problem.spread if given is None else given
        return (known**2 + self.problem.round_off**2)[:, None, None, None, None]

    def _variance(self, level: Tensor) -> Tensor:
        """(K, nlat, nlon) of the noise, whose ``level`` is in units of what was assumed."""
        rounding = (self.problem.round_off**2)[:, None, None]
        return level * self._unit_variance()[..., 0, 0] + rounding

    def _lasting(self, square: Tensor) -> Tensor:
        """(K, nlat, nlon, window, window) of errors that last, with such mean squares."""
        deviation = square.sqrt()
        covariance = deviation[..., :, None] * deviation[..., None, :]
        return covariance * lasting_error(self.problem.window)

    def _noise_level(self, solution: PointwiseWind) -> Tensor:
        """(nlat, nlon) variance of the noise in units of what was assumed."""
        ratio = self._local_ratio(solution)
        return ratio if self.problem.noise is None else torch.ones_like(ratio)

    def _local_ratio(self, solution: PointwiseWind) -> Tensor:
        """(nlat, nlon) local mean of the misfit relative to its expected value, 0 if unknown."""
        harmonics = self.problem.harmonics
        spare = smoothed(harmonics, solution.spare)
        misfit = smoothed(harmonics, solution.misfit).clamp(min=0.0)
        return torch.where(spare > 1e-3, misfit / spare.clamp(min=1e-3), 0.0)

    def _time_error(self, window: slice, variance: Tensor) -> Tensor:
        """(K, nlat, nlon, window) local mean square error of the time difference."""
        square = smoothed(self.problem.harmonics, self.time_error[:, window].square())
        noise = (variance * self.noise.of_value)[:, None]
        noise = noise * self.noise_in_time_error[:, window, None, None]
        return (square - noise).clamp(min=0.0).permute(0, 2, 3, 1)

    def _closure(self, window: slice, columns: Tensor, covariance: Tensor) -> WindClosure:
        """What the truncation has taken from the equations."""
        harmonics, noise = self.problem.harmonics, covariance.diagonal(dim1=-2, dim2=-1)
        if self.problem.noise is None:
            return WindClosure(harmonics, columns, noise, 0.0 * noise)
        level = torch.ones(harmonics.grid.shape, dtype=torch.float64)
        noise = noise + self._time_error(window, self._variance(level))
        return WindClosure(harmonics, columns, noise, noise)

    def _noise_sample(self, variance: Tensor, wind: Tensor) -> Tensor:
        """(K, window, l, m) errors of the right-hand sides from a sample of the noise."""
        problem, harmonics = self.problem, self.problem.harmonics
        generator = torch.Generator().manual_seed(1)
        shape = (variance.shape[0], problem.window + problem.order, *harmonics.grid.shape)
        sample = torch.randn(shape, generator=generator, dtype=torch.float64)
        # The same at every place, wherever the file begins.
        west = harmonics.grid.first_longitude * harmonics.grid.nlon / 360.0
        sample = sample.roll(-round(west), -1)
        modal = harmonics.to_modal(variance.sqrt()[:, None] * sample)
        inner = modal[:, problem.margin : problem.margin + problem.window]
        u, v = (part.expand(*inner.shape[:2], -1, -1) for part in wind.unbind(-1))
        carried = harmonics.advection(inner, u, v)
        return right_hand_side(replace(problem, tracers=modal, sources=None)) - carried

    def _local_square(self, error: Tensor) -> Tensor:
        """Local mean square of (K, nlat, nlon, window), of the same shape."""
        square = smoothed(self.problem.harmonics, error.square().permute(0, 3, 1, 2))
        return square.clamp(min=0.0).permute(0, 2, 3, 1)

    def _inflation(self, solution: PointwiseWind) -> Tensor:
        """(nlat, nlon) factor on the covariance where the residuals are clearly too large."""
        ratio = self._local_ratio(solution)
        if self.problem.noise is None:
            return torch.ones_like(ratio)
        spare = solution.spare.clamp(min=1e-3)
        scatter = smoothing_scatter(self.problem.harmonics) / spare.sqrt()
        return torch.where(ratio > 1.0 + 2.0 * scatter, ratio, 1.0)

    def _result(
        self, solution: PointwiseWind, score: Tensor, noise: Tensor, wind: Tensor
    ) -> tuple[Tensor, ...]:
        directions, eigenvalues = solution.directions, solution.eigenvalues
        errors = torch.einsum("ijac,ijab,ijbd->ijcd", directions, score, directions)
        errors = errors / (eigenvalues[..., :, None] * eigenvalues[..., None, :])
        bias = self._bias(solution, noise, wind) ** 2
        errors = self._inflation(solution)[..., None, None] * errors + torch.diag_embed(bias)
        found = self._determined(solution, errors.diagonal(dim1=-2, dim2=-1), noise)
        components = found.sum(-1)
        none = (components == 0)[..., None]
        along = torch.where(found, solution.along, 0.0)
        wind = torch.einsum("ijac,ijc->ija", directions, along).masked_fill(none, torch.nan)
        errors = torch.where(found[..., :, None] & found[..., None, :], errors, 0.0)
        covariance = torch.einsum("ijac,ijcd,ijbd->ijab", directions, errors, directions)
        covariance = covariance.masked_fill(none[..., None], torch.nan)
        condition = eigenvalues[..., 0] / eigenvalues[..., 1].clamp(min=0.0)
        return (
            wind[..., 0],
            wind[..., 1],
            covariance,
            components.to(torch.int8),
            directions[..., 0],
            condition,
        )

    def _bias(self, solution: PointwiseWind, noise: Tensor, wind: Tensor) -> Tensor:
        """(nlat, nlon, 2) size of the bias along the eigenvectors from noise in the gradients.

        As in any regression on a noisy variable it is the wind times the share of the noise in G.
        """
        score = torch.einsum("ijac,ija,ija->ijc", solution.directions, noise, wind)
        return score / solution.eigenvalues

    def _determined(self, solution: PointwiseWind, errors: Tensor, noise: Tensor) -> Tensor:
        """(nlat, nlon, 2): which components along the eigenvectors are determined.

        Args:
            solution: gives the eigenvectors.
            errors: claimed variances along them, (nlat, nlon, 2), m² s⁻².
            noise: of the gradients in G, east and north, (nlat, nlon, 2).
        """
        limits, eigenvalues = self.limits, solution.eigenvalues
        along = torch.einsum("ijac,ija->ijc", solution.directions.square(), noise)
        accurate = errors <= limits.largest_error**2
        distinct = eigenvalues >= limits.smallest_gradient**2 * along
        good = accurate & distinct & solution.solvable
        return torch.stack([good[..., 0], good[..., 0] & good[..., 1]], dim=-1)
