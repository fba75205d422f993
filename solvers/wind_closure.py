"""The part of w·∇φ beyond the truncation, which the fields of a truncated model do not show.

A truncated model obeys P(w·∇φ) = ∇·(D∇φ) + s − ∂φ/∂t with the projection P on its truncation, so
that an equation at a node needs (1 − P)(w·∇φ) beside what its tracers tell. Once they are as fine
as the truncation that part is large, and it looks like a wind common to all tracers, which no
residual shows. A band-limited wind w̃ that satisfies the projected equations by conjugate gradients
supplies it; stopping early is the regularisation (Hanke 1995, Conjugate Gradient Type Methods for
Ill-Posed Problems).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.wind_noise import smoothed

ITERATIONS = 300
"""At most. Three tracers take 10 while they are young and smooth, 200 after a day and a half."""

STAGNATION, STAGNATION_STEPS = 0.8, 5
"""The end: the misfit falls by less than this factor over so many iterations."""

ROUND_OFF = 1e-26
"""Misfit, relative to that of a calm, that is only round-off."""


class ProjectedProduct:
    """The linear map from a band-limited wind to P(w·∇φ) of several equations, and its adjoint.

    A wind is given by coefficients (2, l, m) of ψ and χ times √(l(l + 1))/R: the sum of their
    squares is then that of the wind, and equations and winds have the inner product of L²(S²).

    Args:
        harmonics: gives nodes and truncation.
        gradient: (equations, nlat, nlon, 2) of the tracers, eastward and northward, in units of
            the standard error of their equations.
    """

    def __init__(self, harmonics: SphericalHarmonics, gradient: Tensor) -> None:
        self.harmonics = harmonics
        self.east, self.north = gradient[..., 0], gradient[..., 1]
        degree = torch.arange(harmonics.truncation + 1, dtype=torch.float64)
        length = harmonics.radius / (degree * (degree + 1.0)).clamp(min=1.0).sqrt()
        length[0] = 0.0  # a constant ψ is no wind
        self._length = length[:, None]

    def wind(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """u and v (nlat, nlon) of ``coefficients`` (2, l, m)."""
        return self.harmonics.wind(*(coefficients * self._length))

    def product(self, coefficients: Tensor) -> Tensor:
        """w·∇φ, (equations, nlat, nlon), of ``coefficients`` (2, l, m)."""
        u, v = self.wind(coefficients)
        return u * self.east + v * self.north

    def __call__(self, coefficients: Tensor) -> Tensor:
        """P(w·∇φ), (equations, l, m), of ``coefficients`` (2, l, m)."""
        return self.harmonics.to_modal(self.product(coefficients))

    def adjoint(self, residual: Tensor) -> Tensor:
        """(2, l, m) of ``residual`` (equations, l, m)."""
        nodal = self.harmonics.to_nodal(residual)
        u, v = (nodal * self.east).sum(0), (nodal * self.north).sum(0)
        parts = torch.stack([self.harmonics.curl(u, v), self.harmonics.divergence(u, v)])
        return -parts * self._length

    def beyond(self, coefficients: Tensor) -> Tensor:
        """(1 − P)(w·∇φ), (equations, nlat, nlon), of ``coefficients`` (2, l, m)."""
        product = self.product(coefficients)
        return product - self.harmonics.to_nodal(self.harmonics.to_modal(product))

    def random_wind(self, like: Tensor, amplitude: float, generator: torch.Generator) -> Tensor:
        """(2, l, m) random coefficients with ``amplitude`` times the spectrum of ``like``."""
        parts = torch.randn(*like.shape, 2, generator=generator, dtype=torch.float64)
        parts[..., 1:, :] *= 0.5**0.5  # of a wave
        parts[..., 0, 1] = 0.0
        number = torch.arange(like.shape[-1], dtype=torch.float64)
        deviation = (degree_power(like) / (2.0 * number + 1.0)).sqrt()
        return amplitude * torch.view_as_complex(parts).tril() * deviation[..., None]


@dataclass(frozen=True)
class Closure:
    """A solution of the projected equations."""

    coefficients: Tensor
    """(2, l, m), see :class:`ProjectedProduct`."""
    iterations: int


def solve_projected(
    operator: ProjectedProduct, right: Tensor, expected: float = 0.0, iterations: int | None = None
) -> Closure:
    """Least squares for the projected equations by conjugate gradients, from a calm on.

    What the equations do not determine stays calm.

    Args:
        operator: the map from the wind to the equations.
        right: (equations, l, m), in the same units as the gradients of ``operator``.
        expected: misfit from errors of the equations at which to stop.
        iterations: exactly so many; by misfit, stagnation and limit if not given.
    """
    found = torch.zeros_like(right[:1]).repeat(2, 1, 1)
    residual = right
    gradient = operator.adjoint(residual)
    direction, steepness = gradient, inner(gradient, gradient)
    misfits = [inner(right, right)]
    limit = ITERATIONS if iterations is None else iterations
    for count in range(limit):
        if steepness == 0.0 or (iterations is None and _enough(misfits, expected)):
            return Closure(found, count)
        image = operator(direction)
        step = steepness / inner(image, image)
        found = found + step * direction
        residual = residual - step * image
        gradient = operator.adjoint(residual)
        before, steepness = steepness, inner(gradient, gradient)
        direction = gradient + steepness / before * direction
        misfits.append(inner(residual, residual))
    return Closure(found, limit)


class WindClosure:
    """(1 − P)(w·∇φ) of all tracers at an instant or in a window, from the wind of the projection.

    Spectra are continuous, and that of the equations tells what to expect beyond its end. With one
    or two tracers w̃ is calm where they say nothing, and its product can reach far beyond the
    truncation although that of the wind does not; it is scaled down then, as Wiener's filter would.

    Args:
        harmonics: gives nodes and truncation.
        columns: (K, nlat, nlon, window, 3) of ∂φ/∂x, ∂φ/∂y and the right-hand side y.
        variance: (K, nlat, nlon, window) of the errors of y; only the ratios matter.
        known: likewise, of those errors of y that are known in size, where the search ends.
    """

    def __init__(
        self, harmonics: SphericalHarmonics, columns: Tensor, variance: Tensor, known: Tensor
    ) -> None:
        self._shape = columns.shape[0], columns.shape[3]
        equations = columns.permute(0, 3, 1, 2, 4).flatten(0, 1)
        scale, size = (
            harmonics.integrate(part.permute(0, 3, 1, 2).flatten(0, 1)) / harmonics.radius**2
            for part in (variance, known)
        )
        self._scale = (scale / (4.0 * math.pi)).sqrt()[:, None, None]
        operator = ProjectedProduct(harmonics, equations[..., :2] / self._scale[..., None])
        right = harmonics.to_modal(equations[..., 2]) / self._scale
        expected = float((size / self._scale.ravel().square()).sum())
        self._operator, self.solution = operator, solve_projected(operator, right, expected)
        self._share = self._believed(right)

    def values(self) -> Tensor:
        """(K, nlat, nlon, window), tracer unit per s."""
        return self._beyond(self.solution.coefficients, self._share)

    def error(self, noise: Tensor) -> Tensor:
        """Its error in a world where the wind is known, (K, nlat, nlon, window).

        A random wind of the spectrum of w̃ carries the same tracers, and the same steps are taken
        to find it. It is stronger than w̃ where the equations leave a component out, which is calm
        in w̃, by the share of the components that they have.

        Args:
            noise: a sample of the errors of y, (K, window, l, m).
        """
        found, generator = self.solution, torch.Generator().manual_seed(0)
        amplitude = (2.0 / min(self._scale.shape[0], 2)) ** 0.5
        wind = self._operator.random_wind(found.coefficients, amplitude, generator)
        right = self._operator(wind) + noise.flatten(0, 1) / self._scale
        again = solve_projected(self._operator, right, iterations=found.iterations)
        return self._beyond(again.coefficients - wind, self._share.sqrt())

    def _believed(self, right: Tensor) -> Tensor:
        """(equations, 1, 1) share of the product of w̃ beyond the truncation: signal to both."""
        harmonics = self._operator.harmonics
        product = self._operator.beyond(self.solution.coefficients)
        power = harmonics.integrate(product.square()) / harmonics.radius**2
        share = continued_power(right) / power.clamp(min=torch.finfo(torch.float64).tiny)
        return share.clamp(max=1.0)[:, None, None]

    def _beyond(self, coefficients: Tensor, share: Tensor) -> Tensor:
        part = self._operator.beyond(coefficients) * share * self._scale
        return part.unflatten(0, self._shape).permute(0, 2, 3, 1)


def score_covariance(harmonics: SphericalHarmonics, influence: Tensor, error: Tensor) -> Tensor:
    """(nlat, nlon, 2, 2) covariance of Σ V⁻¹∇φ e for errors e that are alike in the equations.

    Args:
        harmonics: gives nodes and truncation.
        influence: (K, nlat, nlon, window, 2) V⁻¹∇φ.
        error: (K, nlat, nlon, window) a sample of e, whose covariance is that of neighbourhoods.
    """
    sample = error.permute(0, 3, 1, 2).flatten(0, 1)
    factors = influence.permute(0, 3, 1, 2, 4).flatten(0, 1)
    total = torch.zeros(*sample.shape[1:], 2, 2, dtype=torch.float64)
    for i in range(sample.shape[0]):
        shared = smoothed(harmonics, sample[i] * sample[i:])
        shared[0] = 0.5 * shared[0].clamp(min=0.0)
        total += torch.einsum("ija,eij,eijb->ijab", factors[i], shared, factors[i:])
    return total + total.mT


def inner(left: Tensor, right: Tensor) -> float:
    """Inner product of the fields with coefficients (…, l, m), summed over the leading axes."""
    product = (left.conj() * right).real
    return float(2.0 * product.sum() - product[..., 0].sum())


def degree_power(modal: Tensor) -> Tensor:
    """(…, l) sum of squares over the orders −l to l."""
    power = modal.abs().square()
    return 2.0 * power.sum(-1) - power[..., 0]


def continued_power(modal: Tensor) -> Tensor:
    """(…) power beyond the truncation of spectra that go on as they end.

    The power of the last quarter of the degrees, less by as much as it is below that of the
    quarter before. Products in model runs have 0.02 to 0.9 of it.
    """
    power, degrees = degree_power(modal), modal.shape[-1] - 1
    last = power[..., math.ceil(0.75 * degrees) :].sum(-1)
    before = power[..., math.ceil(0.5 * degrees) : math.ceil(0.75 * degrees)].sum(-1)
    return last * (last / before.clamp(min=torch.finfo(torch.float64).tiny)).clamp(max=1.0)


def _enough(misfits: list[float], expected: float) -> bool:
    last = misfits[-1]
    if last <= max(expected, ROUND_OFF * misfits[0]):
        return True
    return len(misfits) > STAGNATION_STEPS and last > STAGNATION * misfits[-1 - STAGNATION_STEPS]
