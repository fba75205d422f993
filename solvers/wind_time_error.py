"""The error of the difference in time, told from the difference of the next order.

The next order tells it for tracers that are smooth in time. Winds are often given every few hours
and interpolated linearly between: the tracers that they carry have a jump in ∂²φ/∂t² at every
such time, where the difference errs by many times what the next order shows.
"""

import math

import torch
from torch import Tensor

from co2net_phys.solvers.wind_terms import (
    DIFFERENCES,
    WindProblem,
    centred_difference,
    difference_variance,
)

NEXT_DIFFERENCE: dict[int, tuple[float, ...]] = {
    2: (-1 / 6, 1 / 12),
    4: (-1 / 12, 1 / 15, -1 / 60),
    6: (-1 / 20, 1 / 20, -3 / 140, 1 / 280),
}
"""Of the difference of one order p less that of order p + 2, the weights as in ``DIFFERENCES``."""

STANDING_OUT = 1.3
"""The next order, relative to that at the times before and after, where ∂²φ/∂t² jumps: there it
is large and at the neighbours small, so that little of it is enough."""

ECHO = 0.75
"""And relative to the largest as far as a jump is seen, at whose edge it is half as large."""


def time_error(problem: WindProblem) -> tuple[Tensor, Tensor]:
    """Estimated error of ∂φ/∂t, noise included, and the share of the noise in it.

    The next difference reaches one instant further, so that the first and the last centre take it
    from their neighbours.

    Returns:
        The error, modal (K, centres, l, m), tracer unit per s; and (K, centres) variance of it
        divided by that of the noise in φ, s⁻².
    """
    weights = NEXT_DIFFERENCE[problem.order]
    if problem.tracers.shape[1] <= 2 * len(weights):
        return _time_error_of_few(problem)
    error = centred_difference(problem.tracers, weights) / problem.dt
    error = torch.cat([error[:, :1], error, error[:, -1:]], dim=1)
    variance = torch.full(error.shape[:2], difference_variance(weights) / problem.dt**2)
    return _with_jumps(error, variance.to(torch.float64), problem.order)


def errors_at_a_jump(order: int) -> list[float]:
    """Error of the difference at and near a jump in the second derivative, by the next order at it.

    That of t|t|, whose derivative is 2|t|, at 0, 1, … steps from the jump; it is zero further away.
    """
    weights, following = DIFFERENCES[order], NEXT_DIFFERENCE[order]
    shown = sum(2.0 * weight * j**2 for j, weight in enumerate(following, start=1))
    errors = []
    for away in range(order // 2):
        later = [(away + j) * abs(away + j) for j in range(1, len(weights) + 1)]
        earlier = [(away - j) * abs(away - j) for j in range(1, len(weights) + 1)]
        found = sum(w * (a - b) for w, a, b in zip(weights, later, earlier, strict=True))
        errors.append(abs((found - 2.0 * away) / shown))
    return errors


def _with_jumps(error: Tensor, variance: Tensor, order: int) -> tuple[Tensor, Tensor]:
    """The same with what the next order does not show at jumps of the second derivative."""
    size = error.abs().square().sum((-2, -1)).sqrt()
    reach, count = order // 2, size.shape[1]
    shown, share = error.clone(), variance.clone()
    for k, i in torch.cartesian_prod(*map(torch.arange, size.shape)).tolist():
        around = size[k, max(i - reach, 0) : i + reach + 1].max()
        beside = torch.cat([size[k, max(i - 1, 0) : i], size[k, i + 1 : i + 2]]).max()
        if size[k, i] <= max(STANDING_OUT * beside, ECHO * around):
            continue
        for away, factor in enumerate(errors_at_a_jump(order)):
            for j in {i - away, i + away} & set(range(count)):
                shown[k, j], share[k, j] = factor * error[k, i], factor**2 * variance[k, i]
    return shown, share


def _time_error_of_few(problem: WindProblem) -> tuple[Tensor, Tensor]:
    """The same where there are only as many instants as the difference itself takes.

    Its error is of the size κ Δt^p ω ∂^p φ/∂t^p. The derivative of the even order p is there; the
    rate ω at which it varies is taken from the rms of the derivatives of orders p and p − 1.
    """
    order, fields = problem.order, problem.tracers
    highest = torch.diff(fields, n=order, dim=1)
    lower = torch.diff(fields, n=order - 1, dim=1)
    rate = _norm(highest) / _norm(lower).clamp(min=torch.finfo(torch.float64).tiny)
    # κ is twice the weight of the outermost instant in the next difference: a difference of odd
    # order p + 1 that spans p + 2 steps begins with 1/2.
    factor = 2.0 * abs(NEXT_DIFFERENCE[order][-1]) / problem.dt * rate
    count = fields.shape[1] - order
    error = (factor[:, None, None, None] * highest).expand(-1, count, -1, -1)
    # The squares of binomial coefficients add up to another one.
    return error, (factor**2 * math.comb(2 * order, order))[:, None].expand(-1, count)


def _norm(modal: Tensor) -> Tensor:
    """(K,) of (K, instants, l, m), of the mean over the instants, the global mean left out."""
    power = modal.abs().square()
    power[..., 0, 0] = 0.0
    return power.sum((-2, -1)).mean(1).sqrt()
