"""Steady winds of any shape: exp(tL) as a Chebyshev series in the operator of the solver."""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ive, jv
from torch import Tensor

from co2net_phys.errors import NumericalError, UsageError
from co2net_phys.solvers.equations import AdvectionDiffusion
from co2net_phys.solvers.propagators import steadiness_obstacle

MOST_DAMPING = 30.0
"""Largest damping of any mode within one series, as −log: beyond, the coefficients underflow."""

MOST_GROWTH = 1.0
"""Largest growth by divergence within one series, as log; more would cost digits."""

HALVINGS = 6
"""How often a series that does not converge is tried over half the time."""


class Ellipse(NamedTuple):
    """Region of the complex plane taken to hold the spectrum, s⁻¹, with axes parallel to its axes.

    The Chebyshev polynomials of its foci are the ones that grow least on it.
    """

    centre: float
    real_axis: float
    """Half of it, likewise the other; the two differ."""
    imaginary_axis: float

    @property
    def focus(self) -> float:
        """Distance of the foci from the centre, along the longer axis."""
        return math.sqrt(abs(self.imaginary_axis**2 - self.real_axis**2))

    @property
    def is_upright(self) -> bool:
        """Whether the foci lie along the imaginary axis: advection outweighs diffusion."""
        return self.imaginary_axis >= self.real_axis


class ChebyshevPropagator:
    """exp(tL) φ, and the response to a steady source, for a steady wind of any shape.

    With X = L − c and foci c ± if, exp(tL) = e^{tc} Σ_k (2 − δ_k0) J_k(tf) P_k, P_0 = 1,
    P_1 = X/f, P_{k+1} = 2X/f P_k + P_{k−1}; with foci on the real axis I_k replaces J_k and the
    last sign is −. One right-hand side per term, about t·max|w|·T/R of them, and from there on the
    terms fall faster than any power. Tal-Ezer (1986), doi:10.1137/0723002.

    The foci are those of an ellipse about |Im| ≤ max|w| k, Re ≥ −Dk², k² = T(T+1)/R², which holds
    the field of values: a mode that feels the full wind k also feels Dk². Both are estimates;
    the sum goes on until its terms are below the tolerance, and is repeated over half the time if
    they do not get there or if their cancellation would show. The source enters as one more
    unknown σ with dσ/dt = 0, on which the polynomials are numbers.

    Args:
        equation: what to solve; a ``rotation`` it takes exactly is put back into the wind.
        tolerance: of each call, relative to the norm of each tracer before or after.

    Raises:
        UsageError: wind, diffusivity or source may change in time.
    """

    right_hand_sides: int
    """Evaluations of the operator so far, over all calls."""

    def __init__(self, equation: AdvectionDiffusion, tolerance: float = 1e-12) -> None:
        if obstacle := steadiness_obstacle(equation):
            raise UsageError(f"integrator chebyshev does not apply: {obstacle}; choose auto or rk4")
        self.equation = equation.with_rotation(0.0)
        self.right_hand_sides = 0
        self._rate = self.equation.implicit_rate()
        self.tolerance = max(tolerance, 100 * torch.finfo(self._rate.dtype).eps)
        self.ellipse, growth = _spectrum(self.equation)
        self._longest = min(
            MOST_DAMPING / -self.ellipse.centre if self.ellipse.centre else math.inf,
            MOST_GROWTH / growth if growth else math.inf,
        )

    def __call__(self, state: Tensor, duration: float) -> Tensor:
        """Modal state (..., l, m) after ``duration`` s.

        Raises:
            NumericalError: the series does not converge, as for a state that is not finite.
        """
        parts = max(1, math.ceil(duration / self._longest))
        for _ in range(parts):
            state = self._advance(state, duration / parts, HALVINGS)
        return state

    def _advance(self, state: Tensor, duration: float, halvings: int) -> Tensor:
        result = self._series(state, duration)
        if result is not None:
            return result
        if halvings == 0:
            raise NumericalError(
                f"the Chebyshev series over {duration:g} s does not converge: look for missing "
                "values in the state, or use rk4"
            )
        for _ in range(2):
            state = self._advance(state, duration / 2, halvings - 1)
        return state

    def _series(self, state: Tensor, duration: float) -> Tensor | None:
        """The sum, or None if its terms do not fall below the tolerance."""
        focus, source = self.ellipse.focus, self.equation.steady_source
        if focus * duration == 0.0:  # nothing moves
            return state if source is None else state + duration * source
        weights = _coefficients(self.ellipse, duration)
        sign = 1.0 if self.ellipse.is_upright else -1.0
        at_source = -self.ellipse.centre / focus
        before, now = state, self._scaled(state, 1.0)
        number_before, number = 1.0, at_source  # the polynomials on σ
        total = torch.add(float(weights[0]) * before, now, alpha=float(weights[1]))
        largest, bound = _norm(total), _norm(state)
        axes = self.ellipse.imaginary_axis + self.ellipse.real_axis
        turning = duration * max(focus, axes / 2)  # up to here the terms may still rise
        small = 0
        for k in range(2, weights.size):
            later = torch.add(sign * before, self._scaled(now, number), alpha=2.0)
            number_before, number = number, 2.0 * at_source * number + sign * number_before
            before, now = now, later
            total = torch.add(total, now, alpha=float(weights[k]))
            if k > turning or k % 16 == 0:
                term = abs(float(weights[k])) * _norm(now)
                largest, reference = (
                    torch.maximum(largest, term),
                    torch.maximum(bound, _norm(total)),
                )
                below = bool((term <= 0.1 * self.tolerance * reference).all())
                small = small + 1 if below and k > turning else 0
                if small == 2:
                    round_off = torch.finfo(reference.dtype).eps * largest
                    return total if bool((round_off <= self.tolerance * reference).all()) else None
        return None

    def _scaled(self, state: Tensor, number: float) -> Tensor:
        """(X φ + σ S)/f."""
        self.right_hand_sides += 1
        focus, source = self.ellipse.focus, self.equation.steady_source
        result = self.equation.transport(state, 0.0)
        result = torch.addcmul(result, self._rate - self.ellipse.centre, state) / focus
        return result if source is None else torch.add(result, source, alpha=number / focus)


def _spectrum(equation: AdvectionDiffusion) -> tuple[Ellipse, float]:
    """Ellipse about the field of values of the operator, and the growth rate by divergence."""
    harmonics = equation.harmonics
    u, v = (component.detach() for component in equation.wind(0.0))
    wavenumber = math.sqrt(harmonics.truncation * (harmonics.truncation + 1.0)) / harmonics.radius
    frequency = float(torch.hypot(u, v).max()) * wavenumber
    rest = torch.as_tensor(equation.explicit_diffusivity(0.0)).detach()
    damping = -float(equation.implicit_rate().detach().min()) + float(rest.max()) * wavenumber**2
    growth = float(harmonics.to_nodal(harmonics.divergence(u, v)).abs().max()) / 2
    if growth <= 1e-10 * frequency:  # round-off of a non-divergent wind
        return _apart(Ellipse(-damping, damping, frequency)), 0.0
    # Upright sides, Re = ±growth, are inside once the ellipse is three times as wide as they are.
    return _apart(Ellipse(-damping, damping + 3 * growth, 1.06 * frequency)), growth


def _apart(ellipse: Ellipse) -> Ellipse:
    """The same with the longer axis at least a tenth longer: a circle would have no foci."""
    centre, real, imaginary = ellipse
    if imaginary >= real:
        return Ellipse(centre, real, max(imaginary, 1.1 * real))
    return Ellipse(centre, max(real, 1.1 * imaginary), imaginary)


def _coefficients(ellipse: Ellipse, duration: float) -> NDArray[np.float64]:
    """(2 − δ_k0) e^{tc} J_k(tf), or I_k, for as many k as could be needed."""
    reach = ellipse.focus * duration
    k = np.arange(math.ceil(1.5 * duration * (ellipse.real_axis + ellipse.imaginary_axis)) + 150)
    if ellipse.is_upright:
        values = jv(k, reach) * math.exp(ellipse.centre * duration)
    else:
        values = ive(k, reach) * math.exp((ellipse.centre + ellipse.focus) * duration)
    return np.where(k == 0, 1.0, 2.0) * values


def _norm(modal: Tensor) -> Tensor:
    """Euclidean norm (...) of the coefficients (..., l, m)."""
    parts = torch.view_as_real(modal.detach().resolve_conj())
    return parts.square().sum((-3, -2, -1)).sqrt()
