"""Gradients of a run by reverse differentiation in little memory; tangent and adjoint operators.

Reverse differentiation of n steps needs what every step computed. Here only the states at about
√n of them are kept; between two of these the steps are repeated when their turn comes, so that
memory grows like √n, for one more run. Griewank (1992), doi:10.1080/10556789208805505.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from co2net_phys.errors import UsageError
from co2net_phys.solvers.time_integration import Step

Forecast = Callable[[Tensor], Tensor]
"""forecast(state): modal state to a later modal state, or to any tensor for gradients."""


def run(step: Step, state: Tensor, start: float, time_step: float, steps: int) -> Tensor:
    """State after ``steps`` steps, differentiable with memory for √steps of them.

    Gradients reach the initial state and every tensor that requires one in the equation: source,
    diffusivity, wind. Build equation and step anew for each backward pass.

    Args:
        step: from any differentiable scheme, of ``time_step``.
        state: at ``start``, modal or nodal.
        start: s.
        time_step: s.
        steps: how many.

    Raises:
        UsageError: a negative number of steps.
    """
    if steps < 0:
        raise UsageError(f"number of steps must be at least 0, got {steps}")
    length = max(1, math.ceil(math.sqrt(steps)))
    for first in range(0, steps, length):
        segment = range(first, min(first + length, steps))
        state = _checkpointed(step, state, start, time_step, segment)
    return state


def checkpointed_trajectory(
    step: Step,
    state: Tensor,
    start: float,
    time_step: float,
    outputs: int,
    steps_per_output: int = 1,
) -> Tensor:
    """States (outputs + 1, ...) at regular intervals, the initial one first; see :func:`run`.

    The outputs are kept in any case and serve as checkpoints; if they are far apart, :func:`run`
    sets more of them in between.

    Args:
        step: of ``time_step``.
        state: at ``start``.
        start: s.
        time_step: s.
        outputs: how many besides the initial one.
        steps_per_output: steps between two outputs.

    Raises:
        UsageError: a negative number of outputs, or fewer than one step between them.
    """
    if outputs < 0 or steps_per_output < 1:
        raise UsageError(
            f"need at least 0 outputs and 1 step between them, got {outputs} and {steps_per_output}"
        )
    states = [state]
    for output in range(outputs):
        begin = start + output * steps_per_output * time_step
        states.append(run(step, states[-1], begin, time_step, steps_per_output))
    return torch.stack(states)


def tangent(forecast: Forecast, state: Tensor, perturbation: Tensor) -> Tensor:
    """L δφ: the change of the forecast from ``state`` by a small ``perturbation`` of it.

    Args:
        forecast: differentiable, linear or not.
        state: modal, where it is linearised.
        perturbation: of the shape of ``state``.
    """
    point = state.detach().requires_grad_()
    result = forecast(point)
    # L is the adjoint of the adjoint, which is linear in a covector that need not have a value.
    covector = torch.zeros_like(result, requires_grad=True)
    (pulled,) = torch.autograd.grad(result, point, covector, create_graph=True)
    (pushed,) = torch.autograd.grad(pulled, covector, perturbation.detach())
    return pushed


def adjoint(forecast: Forecast, state: Tensor, covector: Tensor) -> Tensor:
    """L* λ in the inner product of the sphere: ⟨L δφ, λ⟩ = ⟨δφ, L* λ⟩ for modal fields.

    The product is that of :func:`inner_product`, in which an order m > 0 counts twice, once for
    −m. Observation operators with other spaces can use ``torch.autograd.grad`` instead.

    Args:
        forecast: differentiable, modal to modal; :func:`run` keeps its memory low.
        state: modal (..., l, m), where it is linearised.
        covector: λ, of the shape of the forecast.
    """
    point = state.detach().requires_grad_()
    result = forecast(point)
    (gradient,) = torch.autograd.grad(result, point, covector.detach() * _multiplicity(covector))
    return gradient / _multiplicity(gradient)


def _checkpointed(
    step: Step, state: Tensor, start: float, time_step: float, segment: range
) -> Tensor:
    def advance(before: Tensor) -> Tensor:
        for n in segment:
            before = step(before, start + n * time_step)
        return before

    result: Tensor = checkpoint(advance, state, use_reentrant=False, preserve_rng_state=False)
    return result


def _multiplicity(modal: Tensor) -> Tensor:
    """(m,) 1 for order zero and 2 for the others, which stand for −m as well."""
    order = torch.arange(modal.shape[-1], device=modal.device)
    return torch.where(order == 0, 1.0, 2.0).to(modal.real.dtype)
