"""Gradients of a run: the adjoint identity, and the derivatives of a misfit to stations.

The misfit of the checks is J = ½ Σ (φ(x_i, T) − y_i)², a function of the initial field, a factor of
the source and the logarithm of the diffusivity.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.solvers import (
    AdvectionDiffusion,
    DeformationalFlow,
    Grid,
    SphericalHarmonics,
    SteadySource,
    lawson_rk4,
    run,
)
from co2net_phys.solvers.adjoint import adjoint
from co2net_phys.solvers.equations import FORMS, Form
from co2net_phys.solvers.invariants import inner_product
from co2net_phys.validation.finding import Finding, find
from co2net_phys.validation.statement import Statement
from co2net_phys.validation.transport_diagnostics import order_of_convergence

Array = NDArray[np.float64]

TRUNCATION = 8
"""Largest degree."""

TIME_STEP = 3600.0
"""s."""

STEPS = 24
"""Of a run, one day."""

DIFFUSIVITY = 3e6
"""D, m² s⁻¹, about which the misfit is differentiated."""

STATIONS = (7, 60, 123, 200, 251, 290)
"""Nodes at which the tracer is observed."""

PERTURBATIONS: Array = 0.1 * np.exp2(-np.arange(8, dtype=np.float64))
"""Sizes ε of the Taylor test."""

DIFFERENCE = 1e-4
"""ε of the central differences, whose error is of order ε²; relative to 1."""


class Control(NamedTuple):
    """What the misfit depends on."""

    initial: Tensor
    """Nodal (nlat, nlon), µmol mol⁻¹."""
    source: Tensor
    """Nodal (nlat, nlon), µmol mol⁻¹ per run."""
    log_diffusivity: Tensor
    """Of D relative to :data:`DIFFUSIVITY`, 0-dimensional."""

    def moved(self, direction: "Control", size: float) -> "Control":
        """Itself plus ``size`` times ``direction``."""
        pairs = zip(self, direction, strict=True)
        return Control(*(own + size * other for own, other in pairs))


def adjoint_identity() -> Finding:
    """Largest relative difference of ⟨Lu, v⟩ and ⟨u, L*v⟩, both forms, divergent wind."""
    return find(
        "adjoint-identity",
        "⟨Lu, v⟩ = ⟨u, L*v⟩ for L a run of many steps",
        "Numerics, N8",
        max(identity_error(form) for form in FORMS),
        1e-14,
        f"T{TRUNCATION}, {STEPS} steps of RK4, both forms, divergent wind, D(θ, λ)",
    )


def taylor_test() -> Finding:
    """Order at which J(c + εd) − J(c) − ε⟨∇J, d⟩ falls with ε."""
    order = order_of_convergence(list(PERTURBATIONS), list(taylor_remainders()[0]))
    return find(
        "taylor-test",
        "J(c + εd) − J(c) − ε⟨∇J, d⟩ is of second order in ε",
        "Numerics, N14",
        abs(order - 2.0),
        6e-3,
        f"order {order:.3f}; c is initial field, source and log D together",
    )


def gradient_by_source() -> Finding:
    """Derivative of the misfit along a change of the source, against central differences."""
    claim = "the gradient by the source is that of the misfit"
    return _against_differences("source", claim, 1.5e-10)


def gradient_by_diffusivity() -> Finding:
    """Derivative of the misfit by log D, against central differences."""
    # The misfit is no quadratic function of log D: the differences err by ε², too.
    claim = "so is the gradient by the diffusivity"
    return _against_differences("log_diffusivity", claim, 4e-9)


def identity_error(form: Form) -> float:
    """|⟨Lu, v⟩ − ⟨u, L*v⟩| relative to |Lu| |v|, of random u and v and a run in ``form``."""
    harmonics = _harmonics()
    sine = harmonics.coordinates()[0].sin().expand(harmonics.grid.shape)
    field = DIFFUSIVITY * (1.0 + sine)
    wind = DeformationalFlow(harmonics, divergent=True)
    equation = AdvectionDiffusion(harmonics, wind, field, form=form, decay=1e-7)
    step = lawson_rk4(equation, TIME_STEP)

    def later(state: Tensor) -> Tensor:
        return run(step, state, 0.0, TIME_STEP, STEPS)

    u, v = harmonics.to_modal(_noise(1, 2))
    pushed = later(u)
    pulled = adjoint(later, torch.zeros_like(u), v)
    size = math.sqrt(float(inner_product(pushed, pushed) * inner_product(v, v)))
    return float((inner_product(pushed, v) - inner_product(u, pulled)).abs()) / size


def misfit(control: Control) -> Tensor:
    """J, differentiable in every part of ``control``."""
    harmonics = _harmonics()
    equation = AdvectionDiffusion(
        harmonics,
        DeformationalFlow(harmonics),
        DIFFUSIVITY * control.log_diffusivity.exp(),
        SteadySource(control.source / (STEPS * TIME_STEP)),
    )
    step = lawson_rk4(equation, TIME_STEP)
    final = run(step, harmonics.to_modal(control.initial), 0.0, TIME_STEP, STEPS)
    seen = harmonics.to_nodal(final).flatten()[list(STATIONS)]
    return 0.5 * (seen - 1.0).square().sum()


def gradient(control: Control) -> Control:
    """∇J by reverse differentiation of the run."""
    parts = Control(*(part.detach().requires_grad_() for part in control))
    return Control(*torch.autograd.grad(misfit(parts), list(parts)))


@cache  # a check and a figure
def taylor_remainders() -> tuple[Array, Array]:
    """|J(c + εd) − J(c) − ε⟨∇J, d⟩|, and without the last term, for each of the sizes."""
    control, direction = _control(0), _control(1)
    start, slope = float(misfit(control)), _along(gradient(control), direction)
    differences = np.array(
        [float(misfit(control.moved(direction, size))) - start for size in PERTURBATIONS]
    )
    return np.abs(differences - slope * PERTURBATIONS), np.abs(differences)


def _against_differences(part: str, claim: str, bound: float) -> Finding:
    control, whole = _control(0), _control(1)
    still = Control(*(torch.zeros_like(item) for item in whole))
    direction = still._replace(**{part: getattr(whole, part)})
    ahead, behind = (float(misfit(control.moved(direction, e))) for e in (DIFFERENCE, -DIFFERENCE))
    numeric = (ahead - behind) / (2.0 * DIFFERENCE)
    slope = _along(gradient(control), direction)
    return find(
        f"gradient-{part.replace('_', '-')}",
        claim,
        "Numerics, N14",
        abs(slope / numeric - 1.0),
        bound,
        f"relative to central differences, ε = {DIFFERENCE:g}; derivative {slope:.4g} along a "
        "random direction",
    )


def _along(first: Control, second: Control) -> float:
    return sum(float((a * b).sum()) for a, b in zip(first, second, strict=True))


def _control(seed: int) -> Control:
    initial, source = _noise(seed, 2)
    return Control(initial, source, torch.tensor(0.1 + 0.5 * seed, dtype=torch.float64))


def _noise(seed: int, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (count, *_harmonics().grid.shape)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _harmonics() -> SphericalHarmonics:
    return SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION, backend="torch")


STATEMENTS = (
    Statement(
        "adjoint-identity",
        "N8",
        "⟨Lu, v⟩ = ⟨u, L*v⟩ for a run of many steps",
        corrected=adjoint_identity,
    ),
    Statement(
        "taylor-test",
        "N14",
        "the gradient leaves a remainder of second order",
        corrected=taylor_test,
    ),
    Statement(
        "gradient-source",
        "N14",
        "the gradient by the source agrees with central differences",
        corrected=gradient_by_source,
    ),
    Statement(
        "gradient-diffusivity",
        "N14",
        "the gradient by the diffusivity agrees with central differences",
        corrected=gradient_by_diffusivity,
    ),
)
"""Of the gradients."""
