"""The orders of convergence that the schemes promise, in time and in space."""

import math
from collections.abc import Callable
from functools import cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.solvers import (
    KUTTA3,
    RK4,
    SECONDS_PER_DAY,
    AdvectionDiffusion,
    ChebyshevPropagator,
    DeformationalFlow,
    Grid,
    SphericalHarmonics,
    Step,
    lawson,
    low_storage,
)
from co2net_phys.solvers.equations import Form
from co2net_phys.solvers.low_storage import LOW_STORAGE_4
from co2net_phys.solvers.semi_lagrangian import semi_lagrangian
from co2net_phys.validation.density import equatorial_band
from co2net_phys.validation.finding import Finding, find
from co2net_phys.validation.statement import Statement
from co2net_phys.validation.transport_cases import InitialField, gaussian_hills
from co2net_phys.validation.transport_diagnostics import order_of_convergence
from co2net_phys.validation.transport_flows import PERIOD, flow

Array = NDArray[np.float64]

StepMaker = Callable[[AdvectionDiffusion, float], Step]
"""Equation and time step in s to a step."""

SCHEMES: dict[str, tuple[StepMaker, int, tuple[int, ...]]] = {
    "rk4": (partial(lawson, table=RK4), RK4.order, (24, 36, 54)),
    "kutta3": (partial(lawson, table=KUTTA3), KUTTA3.order, (24, 36, 54)),
    "low-storage": (low_storage, LOW_STORAGE_4.order, (24, 36, 54)),
    "semi-lagrangian": (partial(semi_lagrangian, tolerance=1e-10), 2, (8, 12, 18)),
}
"""By name: the scheme, its order, and the numbers of steps in two days."""

DURATION = 2.0 * SECONDS_PER_DAY
"""Of the runs in time, s."""

REFERENCE_STEPS = 400
"""Of RK4, the solution against which schemes are judged."""

TRUNCATION = 16
"""Of the runs in time, fine enough for the schemes to differ by their time steps only."""

ORDER_TOLERANCE = 0.15
"""Departure of a measured order from the promised one."""

TRUNCATIONS = (6, 9, 13, 18, 25)
"""Of the runs in space; above, the error is round-off."""

TILT_DEGREES = 40.0
"""Of the axis of rotation, so that no symmetry of the grid helps."""

LONG_STEPS = 4
"""Semi-Lagrangian steps in half a period of the deformational flows."""

LONG_STEP = PERIOD / 2.0 / LONG_STEPS
"""Of them, s."""

LONG_TRUNCATION, DENSITY_TRUNCATION = 85, 63
"""Of the runs with long steps, without and with divergence."""


def order_in_time(scheme: str) -> Finding:
    """Order of ``scheme`` of :data:`SCHEMES` with unsteady wind and source and diffusion."""
    _, promised, steps = SCHEMES[scheme]
    errors = errors_in_time(scheme)
    order = order_of_convergence(list(DURATION / np.array(steps)), list(errors))
    return find(
        f"order-{scheme}",
        f"{scheme} is of order {promised} in the time step",
        "Numerics, N9",
        abs(order - promised),
        ORDER_TOLERANCE,
        f"order {order:.3f}, errors {errors[0]:.1e} to {errors[-1]:.1e}",
    )


def spectral_in_space() -> Finding:
    """Whether the local order in T grows from each truncation to the next."""
    errors = errors_in_space()
    orders = -np.diff(np.log(errors)) / np.diff(np.log(np.array(TRUNCATIONS, dtype=np.float64)))
    # An error that does not fall has no order, and fails.
    falls = bool((orders > 0.0).all())
    largest = float((orders[:-1] / orders[1:]).max()) if falls else math.inf
    return find(
        "spectral-convergence",
        "for a smooth tracer the order in 1/T grows from each truncation to the next",
        "Numerics, N10",
        largest,
        0.9,
        "largest ratio of an order to the next finer one, orders "
        + ", ".join(f"{order:.1f}" for order in orders)
        + f"; error {errors[0]:.1e} at T{TRUNCATIONS[0]}, {errors[-1]:.1e} at T{TRUNCATIONS[-1]}",
    )


def long_steps() -> Finding:
    """Error of the semi-Lagrangian scheme with steps far beyond the stability limit of RK4."""
    error, courant = long_step_error("nondivergent", "advective", LONG_TRUNCATION, gaussian_hills)
    return find(
        "long-steps",
        "the semi-Lagrangian error is that of the paths and the truncation, not of the step",
        "Numerics, N6",
        error,
        2e-4,
        f"hills, {LONG_STEPS} steps of {LONG_STEP / SECONDS_PER_DAY:g} days to the strongest "
        f"deformation, Courant number {courant:.0f}, exact trajectories",
    )


def long_steps_in_flux_form() -> Finding:
    """Error of the carried density in a divergent wind, whose Jacobian is that of the paths."""
    error, courant = long_step_error("divergent", "flux", DENSITY_TRUNCATION, equatorial_band)
    return find(
        "long-steps-flux",
        "in the flux form a parcel carries its mixing ratio times the compression of the air",
        "Numerics, N6",
        error,
        1e-4,
        f"φ = ρ cos⁶θ₀ in the divergent wind, {LONG_STEPS} steps of "
        f"{LONG_STEP / SECONDS_PER_DAY:g} days, Courant number {courant:.0f}, exact trajectories",
    )


def long_step_error(
    carrier: str, form: Form, truncation: int, initial: InitialField
) -> tuple[float, float]:
    """Largest error relative to the peak after half a period, and the Courant number.

    Args:
        carrier: name of the flow.
        form: of the equation; in the flux form the exact tracer is multiplied by the density.
        truncation: T.
        initial: the tracer at the start, where the density is one.
    """
    harmonics = SphericalHarmonics(Grid.gaussian(truncation), truncation)
    flowing = flow(carrier)
    latitude, longitude = (axis.numpy() for axis in harmonics.coordinates())
    wind = flowing.wind(harmonics)
    equation = AdvectionDiffusion(harmonics, wind, rotation=flowing.rotation, form=form)
    step = semi_lagrangian(equation, LONG_STEP)
    state = harmonics.to_modal(torch.from_numpy(initial(latitude, longitude)))
    for n in range(LONG_STEPS):
        state = step(state, n * LONG_STEP)
    origin = flowing.origin(latitude, longitude, LONG_STEPS * LONG_STEP)
    exact = initial(origin.latitude, origin.longitude)
    if form == "flux":
        exact = exact * origin.density
    error = np.abs(harmonics.to_nodal(state).numpy() - exact).max() / exact.max()
    return float(error), wind.max_speed * LONG_STEP * truncation / harmonics.radius


@cache  # a check and a figure
def errors_in_time(scheme: str) -> Array:
    """Largest modal error for each number of steps of the scheme."""
    make, _, steps = SCHEMES[scheme]
    exact = _reference()
    return np.array([float((_run(make, n) - exact).abs().max()) for n in steps])


@cache  # a check and a figure
def errors_in_space() -> Array:
    """Largest error at the nodes for each of :data:`TRUNCATIONS`, relative to the peak.

    Hills a quarter of a turn about a tilted axis, by the exact propagator in time, against the
    turned hills in closed form.
    """
    carrier, time, errors = flow("solid-body", TILT_DEGREES), PERIOD / 4.0, []
    for truncation in TRUNCATIONS:
        harmonics = SphericalHarmonics(Grid.gaussian(truncation), truncation)
        latitude, longitude = (axis.numpy() for axis in harmonics.coordinates())
        start = harmonics.to_modal(torch.from_numpy(gaussian_hills(latitude, longitude)))
        propagate = ChebyshevPropagator(AdvectionDiffusion(harmonics, carrier.wind(harmonics)))
        origin = carrier.origin(latitude, longitude, time)
        exact = gaussian_hills(origin.latitude, origin.longitude)
        found = harmonics.to_nodal(propagate(start, time)).numpy()
        errors.append(np.abs(found - exact).max() / exact.max())
    return np.array(errors)


def _problem() -> tuple[AdvectionDiffusion, Tensor]:
    """Unsteady deformation, diffusion and an unsteady source; a smooth start, modal."""
    harmonics = SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION)
    latitude, longitude = harmonics.coordinates()
    pattern = 1e-6 * latitude.cos() * longitude.cos()
    equation = AdvectionDiffusion(
        harmonics,
        DeformationalFlow(harmonics),
        1e6,
        lambda time, tracer: pattern * np.cos(1e-5 * time),
    )
    return equation, harmonics.to_modal(torch.exp(latitude.cos() * (longitude - 1.0).cos()))


def _run(make: StepMaker, steps: int) -> Tensor:
    equation, state = _problem()
    time_step = DURATION / steps
    step = make(equation, time_step)
    for n in range(steps):
        state = step(state, n * time_step)
    return state


@cache  # every scheme is judged by it
def _reference() -> Tensor:
    return _run(SCHEMES["rk4"][0], REFERENCE_STEPS)


STATEMENTS = (
    *(
        Statement(
            f"order-{scheme}",
            "N9",
            f"{scheme} is of order {order} in time",
            corrected=partial(order_in_time, scheme),
        )
        for scheme, (_, order, _) in SCHEMES.items()
    ),
    Statement(
        "spectral-convergence",
        "N10",
        "for a smooth tracer the order in 1/T grows from each truncation to the next",
        corrected=spectral_in_space,
    ),
    Statement(
        "long-steps",
        "N6",
        "semi-Lagrangian steps may be as long as paths can be traced",
        corrected=long_steps,
    ),
    Statement(
        "long-steps-flux",
        "N6",
        "so may those of the flux form, which also carry the compression of the air",
        corrected=long_steps_in_flux_form,
    ),
)
"""Of the schemes."""
