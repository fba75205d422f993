"""A band-limited wind fitted to tracers over the whole sphere, with a Gaussian prior.

Unknown are the coefficients of streamfunction and velocity potential. The equations are the
projected ones, P(w·∇φ) = ∇·(D∇φ) + s − ∂φ/∂t in modal space, which a truncated model obeys exactly.
The prior gives every coefficient a variance, so that the wind has a kinetic-energy spectrum of the
usual shape; where tracers say nothing, the posterior covariance is that of the prior.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from co2net_phys.errors import UsageError
from co2net_phys.solvers.equations import FORMS, Form
from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.wind_modal_noise import ModalNoise
from co2net_phys.solvers.wind_noise import smoothed
from co2net_phys.solvers.wind_posterior import Posterior, posterior
from co2net_phys.solvers.wind_recovery import RecoveredWind
from co2net_phys.solvers.wind_terms import (
    DIFFERENCES,
    WindProblem,
    difference_variance,
    right_hand_side,
    wind_problem,
)
from co2net_phys.solvers.wind_time_error import time_error

SPECTRAL_BEND = 8.0
"""Degree beyond which the prior kinetic energy per degree falls, with its third power."""

DIVERGENT_SPEED = 0.5
"""Prior speed of the divergent wind relative to that of the non-divergent one; observed ones are
smaller, so that this holds nothing back."""

FINEST_WIND = 42
"""Default truncation of the wind at most: the work grows with its sixth power."""

CHUNK = 128
"""Basis winds transformed at a time."""


def fit_wind(
    tracers: Tensor,
    dt: float,
    diffusivity: float | Tensor = 0.0,
    sources: Tensor | None = None,
    noise: float | Sequence[float] | Tensor | None = None,
    *,
    harmonics: SphericalHarmonics,
    order: int = 4,
    window: int = 1,
    form: Form = "advective",
    wind_truncation: int | None = None,
    divergent: bool = True,
    prior_speed: float | None = None,
) -> RecoveredWind:
    """Most probable band-limited wind, at every node, and its posterior covariance.

    Unlike :func:`recover_wind` it has a value everywhere, as a smooth wind is known from its
    surroundings; how far, the covariance says. It knows nothing of wind beyond
    ``wind_truncation``, which shows only in residuals larger than the noise: these make the
    covariance larger, never smaller. The level of the noise, if it is not given, is that of
    largest evidence (MacKay 1992, doi:10.1162/neco.1992.4.3.415).

    Args:
        tracers: (K, T, nlat, nlon), T instants; any unit.
        dt: between instants, s.
        diffusivity: D, a number or (nlat, nlon), m² s⁻¹.
        sources: s, (K, nlat, nlon) or (K, T, nlat, nlon), tracer unit per s.
        noise: as for :func:`recover_wind`.
        harmonics: the truncation to which the tracers are projected.
        order: of the time difference, 2, 4 or 6; less if there are too few instants for it.
        window: number of successive instants in which the wind is taken to be steady.
        form: "advective" or "flux", as the tracers were transported.
        wind_truncation: largest degree of ψ and χ; the smaller of the tracers' and 42 if not given.
        divergent: fit χ too. Without it one tracer alone goes a long way,
            but what it does not see rests on the prior, and the claimed error is rough there.
        prior_speed: rms speed of the prior, m s⁻¹; that of largest evidence if not given.

    Returns:
        The wind at n = T − order − window + 1 instants; ``components`` is 2 everywhere, and
        ``condition`` that of the covariance.

    Raises:
        UsageError: a number that makes no sense.
        DataError: as for :func:`recover_wind`.
    """
    problem = wind_problem(
        tracers, dt, diffusivity, sources, noise, harmonics=harmonics, order=order, window=window
    )
    truncation = wind_truncation
    if truncation is None:
        truncation = min(harmonics.truncation, FINEST_WIND)
    _check(truncation, harmonics, form, prior_speed)
    basis = WindBasis(harmonics, truncation, divergent)
    fit = _Fit(problem, basis, form, prior_speed, ModalNoise(problem), *_right_hand_sides(problem))
    results = [fit.at(i) for i in range(problem.instants.numel())]
    u, v, covariance = (torch.stack(field) for field in zip(*results, strict=True))
    variances, directions = torch.linalg.eigh(covariance)
    components = torch.full(u.shape, 2, dtype=torch.int8)
    condition = variances[..., 1] / variances[..., 0]
    return RecoveredWind(
        u, v, covariance, components, directions[..., 0], condition, problem.instants
    )


class WindBasis:
    """Winds of single coefficients of ψ and χ, scaled so that a prior speed of 1 m s⁻¹ gives each
    a unit variance.

    Of the variance of speed, degree l has a share p_l ∝ 1/(1 + (l/8)³), spread evenly over its
    2l + 1 coefficients: l(l + 1)/(4πR²) · (2l + 1) var(a_l) = p_l.
    """

    def __init__(self, harmonics: SphericalHarmonics, truncation: int, divergent: bool) -> None:
        self.harmonics = harmonics
        l, m = torch.tril_indices(truncation + 1, truncation + 1)
        l, m = l[1:], m[1:]  # a constant ψ is no wind
        degree = torch.arange(1, truncation + 1, dtype=torch.float64)
        share = 1.0 / (1.0 + (degree / SPECTRAL_BEND) ** 3)
        share = share / share.sum()
        variance = 4.0 * math.pi * harmonics.radius**2 * share
        variance = variance / (degree * (degree + 1.0) * (2.0 * degree + 1.0))
        # Orders m > 0 stand for −m as well: their real and imaginary parts have half the variance.
        scale = (variance[l - 1] / torch.where(m > 0, 2.0, 1.0)).sqrt()
        waves = m > 0
        self._l, self._m = torch.cat([l, l[waves]]), torch.cat([m, m[waves]])
        scale = torch.cat([scale.to(torch.complex128), 1j * scale[waves]])
        part_speed = [1.0, DIVERGENT_SPEED] if divergent else [1.0]
        norm = math.sqrt(sum(speed**2 for speed in part_speed))
        self._scales = [speed / norm * scale for speed in part_speed]

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return self._l.numel() * len(self._scales)

    def wind(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """(…, nlat, nlon) u and v, m s⁻¹, of ``coefficients`` (…, size)."""
        potentials = [
            self._modal(part * scale)
            for part, scale in zip(
                coefficients.split(self._l.numel(), dim=-1), self._scales, strict=True
            )
        ]
        return self.harmonics.wind(*potentials)

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The winds of the single coefficients, some at a time, (chunk, nlat, nlon)."""
        for start in range(0, self.size, CHUNK):
            count = min(CHUNK, self.size - start)
            one = torch.zeros(count, self.size, dtype=torch.float64)
            one[torch.arange(count), start + torch.arange(count)] = 1.0
            yield self.wind(one)

    def _modal(self, parts: Tensor) -> Tensor:
        size = self.harmonics.truncation + 1
        modal = parts.new_zeros(*parts.shape[:-1], size * size)
        index = (self._l * size + self._m).expand(parts.shape)
        return modal.scatter_add(-1, index, parts).unflatten(-1, (size, size))


@dataclass(frozen=True)
class _Fit:
    """The fit at one instant after the other."""

    problem: WindProblem
    basis: WindBasis
    form: Form
    prior_speed: float | None
    noise: ModalNoise
    right: Tensor
    """(K, centres, l, m, 2): right-hand side and the error of its time difference."""
    error_noise: float
    """Variance of the latter from noise, relative to that of the former."""

    def at(self, instant: int) -> tuple[Tensor, Tensor, Tensor]:
        """u, v (nlat, nlon) and covariance (nlat, nlon, 2, 2) at one instant or window."""
        window = slice(instant, instant + self.problem.window)
        margin = self.problem.margin
        tracers = self.problem.tracers[:, window.start + margin : window.stop + margin]
        columns = self._columns(tracers, self.right[:, window])
        noise = self._columns(self._noise_like(tracers), 0.0 * self.right[:, window])
        speed = 0.0
        for _ in range(2):  # the noise in w·∇φ needs a first estimate of w
            normal, count = self.noise.normal_matrix(columns, speed)
            known = self.problem.noise is not None
            found = posterior(normal, count, self.prior_speed, known)
            share = 1.0 if known else min(found.noise_level, 1.0)
            apparent = share * self.noise.normal_matrix(noise, speed)[0]
            found = posterior(normal - apparent, count, self.prior_speed, known)
            u, v = self.basis.wind(found.mean)
            area = 4.0 * math.pi * self.problem.harmonics.radius**2
            speed = math.sqrt(float(self.problem.harmonics.integrate(u**2 + v**2)) / area)
        covariance = self._covariance(found)
        return u, v, covariance + self._time_error(found, covariance)

    def _noise_like(self, tracers: Tensor) -> Tensor:
        """A sample of the noise, modal, of the shape of ``tracers`` (K, window, l, m).

        Noise in ∇φ passes for information on the wind where the tracers themselves have none, and
        draws the wind to zero there: its share of the normal matrix is taken off. The sum over all
        equations makes one sample a good estimate; it is the same one every time.
        """
        problem = self.problem
        known = problem.spread if problem.noise is None else problem.noise
        generator = torch.Generator().manual_seed(0)
        shape = (*tracers.shape[:2], *problem.harmonics.grid.shape)
        sample = torch.randn(shape, generator=generator, dtype=torch.float64)
        return problem.harmonics.to_modal(known[:, None, None, None] * sample)

    def _columns(self, tracers: Tensor, right: Tensor) -> Tensor:
        """(K, window, l, m, size + 2): P(w·∇φ) of every basis wind, then the right-hand sides."""
        problem = self.problem
        harmonics = problem.harmonics
        operator = harmonics.advection if self.form == "advective" else harmonics.flux_divergence
        columns = self.right.new_zeros(*tracers.shape, self.basis.size + 2)
        start = 0
        for u, v in self.basis.chunks():
            stop = start + u.shape[0]
            for k, i in torch.cartesian_prod(*map(torch.arange, tracers.shape[:2])).tolist():
                modal = tracers[k, i].expand(stop - start, -1, -1)
                columns[k, i, ..., start:stop] = operator(modal, u, v).permute(1, 2, 0)
            start = stop
        columns[..., -2:] = right
        return columns

    def _time_error(self, found: Posterior, covariance: Tensor) -> Tensor:
        """(nlat, nlon, 2, 2) from the error of the time difference.

        That error is smooth and alike in all tracers, much like an error of the wind itself, so
        that it does not average out. Its estimate goes through the fit, the share of noise in it
        is taken off, and its local mean square is claimed in all directions.
        """
        u, v = self.basis.wind(found.shift)
        noise = self.error_noise * covariance.diagonal(dim1=-2, dim2=-1).sum(-1)
        square = smoothed(self.problem.harmonics, u**2 + v**2) - noise
        return square.clamp(min=0.0)[..., None, None] / 2.0 * torch.eye(2).to(covariance)

    def _covariance(self, found: Posterior) -> Tensor:
        """(nlat, nlon, 2, 2) of the wind, from the winds of the posterior's square root."""
        total = torch.zeros(*self.problem.harmonics.grid.shape, 2, 2, dtype=torch.float64)
        for rows in found.root.split(CHUNK):
            wind = torch.stack(self.basis.wind(rows))
            total += torch.einsum("anij,bnij->ijab", wind, wind)
        return total


def _right_hand_sides(problem: WindProblem) -> tuple[Tensor, float]:
    """The right-hand sides and the relative noise of :class:`_Fit`."""
    error, variance = time_error(problem)
    relative = (
        float(variance.min()) * problem.dt**2 / difference_variance(DIFFERENCES[problem.order])
    )
    return torch.stack([right_hand_side(problem), error], dim=-1), relative


def _check(
    truncation: int, harmonics: SphericalHarmonics, form: str, prior_speed: float | None
) -> None:
    if not 1 <= truncation <= harmonics.truncation:
        raise UsageError(
            f"wind_truncation must be 1 to {harmonics.truncation}, the truncation of the tracers, "
            f"got {truncation}"
        )
    if form not in FORMS:
        raise UsageError(f"unknown form {form!r}: choose one of {', '.join(FORMS)}")
    if prior_speed is not None and not 0 < prior_speed < math.inf:
        raise UsageError(f"prior_speed must be positive and finite, got {prior_speed:g} m/s")
