"""The right-hand side of the tracer equation, term by term, against closed forms.

In the wind (UR cos θ, V cos θ) and with D = D₀(1 + a sin θ) every term takes Y_nm to itself and its
neighbours in n. With ε_n = √((n² − m²)/(4n² − 1)),

    sin θ Y_n     = ε_{n+1} Y_{n+1} + ε_n Y_{n−1}
    cos θ ∂Y_n/∂θ = −n ε_{n+1} Y_{n+1} + (n + 1) ε_n Y_{n−1}                              (N15.1)

(DLMF 14.10.3, 14.10.5, normalised), from which all coefficients below follow. Whatever is checked
elsewhere by a symmetry alone, such as mass or the adjoint, is checked here by its value.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from co2net_phys.solvers import (
    SECONDS_PER_DAY,
    AdvectionDiffusion,
    ChebyshevPropagator,
    Grid,
    SolidBodyPropagator,
    SolidBodyRotation,
    SphericalHarmonics,
    SteadyWind,
    ZonalPropagator,
    lawson_rk4,
    low_storage,
)
from co2net_phys.solvers.equations import FORMS, Diffusivity, Form
from co2net_phys.solvers.harmonics import Backend
from co2net_phys.solvers.propagators import Propagator
from co2net_phys.solvers.semi_lagrangian import semi_lagrangian
from co2net_phys.validation import spherical_calculus
from co2net_phys.validation.finding import Finding, find
from co2net_phys.validation.statement import Statement

TRUNCATION = 10
"""Largest degree."""

ANGULAR_SPEED = 5e-6
"""U, rad s⁻¹."""

NORTHWARD_SPEED = 20.0
"""V, m s⁻¹; its divergence is −2V sin θ/R."""

DIFFUSIVITY, ASYMMETRY = 5e6, 0.8
"""D₀, m² s⁻¹, and a."""

DECAY = 5e-6
"""K, s⁻¹, e^{−0.43} in a day."""

HYPERDIFFUSIVITY = 1e18
"""H, m⁴ s⁻¹; of degree 10 it takes as much as a D of 2.7e6 m² s⁻¹."""

SCHEMES = ("rk4", "low-storage", "semi-lagrangian", "solid-body", "zonal", "chebyshev")
"""Ways to solve the equation for decay and diffusion; each takes the linear part in its own way."""

PATH_TOLERANCE = 1e-12
"""Of the semi-Lagrangian values, relative."""


def right_hand_side() -> Finding:
    """Largest error of the tendency, both forms, any kind of D, both transforms."""
    errors = {
        f"{form}, {kind}, {backend}": tendency_error(form, kind, backend)
        for form in FORMS
        for kind in diffusivities(_harmonics())
        for backend in spherical_calculus.BACKENDS
    }
    worst = max(errors, key=lambda name: errors[name])
    return find(
        "right-hand-side",
        "the solver's tendency is −w·∇φ or −∇·(wφ), + ∇·(D∇φ) − Kφ − H∇⁴φ, sign and size",
        "Numerics, N15",
        errors[worst],
        2e-14,
        f"all Y_nm to T{TRUNCATION} at once, in the wind (UR cos θ, V cos θ), against the closed "
        f"form; worst of {len(errors)}: {worst}",
    )


def linear_decay() -> Finding:
    """Largest error of a day of decay, diffusion, hyperdiffusion and rotation, any scheme."""
    errors = {name: decay_error(name) for name in SCHEMES}
    worst = max(errors, key=lambda name: errors[name])
    return find(
        "linear-decay",
        "A_nm falls as exp −(K + Dn(n+1)/R² + Hn²(n+1)²/R⁴ + imU)t by every scheme",
        "Numerics, N16",
        errors[worst],
        4e-13,
        f"one day, T{TRUNCATION}, relative; worst of {', '.join(SCHEMES)}: {worst}",
    )


def tendency_error(form: Form, kind: str, backend: Backend) -> float:
    """Error of the tendency relative to its largest coefficient, with and without a rotation.

    Args:
        form: of the equation.
        kind: of D, one of the names of :func:`diffusivities`.
        backend: of the transforms.
    """
    harmonics = _harmonics(backend)
    state = _tracer(harmonics)
    asymmetry = ASYMMETRY if kind.endswith("field") else 0.0
    exact = closed_tendency(state, harmonics.radius, form, asymmetry)
    cosine = harmonics.coordinates()[0].cos().expand(harmonics.grid.shape)
    wind = SteadyWind(ANGULAR_SPEED * harmonics.radius * cosine, NORTHWARD_SPEED * cosine)
    errors = []
    for rotation in (0.0, 0.7 * ANGULAR_SPEED):
        equation = AdvectionDiffusion(
            harmonics, wind, diffusivities(harmonics)[kind], None, HYPERDIFFUSIVITY,
            form=form, decay=DECAY, rotation=rotation,
        )  # fmt: skip
        found = equation.explicit_terms(state, 0.0) + equation.implicit_rate() * state
        errors.append(float((found - exact).abs().max() / exact.abs().max()))
    return max(errors)


def closed_tendency(state: Tensor, radius: float, form: Form, asymmetry: float) -> Tensor:
    """∂A_nm/∂t, (l, m), of ``state`` (l, m) by the recurrences (N15.1), truncated.

    Args:
        state: A_nm, tracer unit.
        radius: R, m.
        form: of the equation.
        asymmetry: a of D = D₀(1 + a sin θ), dimensionless.
    """
    n = torch.arange(state.shape[-1], dtype=torch.float64)[:, None]
    m = torch.arange(state.shape[-1], dtype=torch.float64)
    eigenvalue = n * (n + 1.0) / radius**2
    rate = DIFFUSIVITY * eigenvalue + HYPERDIFFUSIVITY * eigenvalue**2 + DECAY
    spread, blown = DIFFUSIVITY * asymmetry / radius**2, NORTHWARD_SPEED / radius
    # What Y_n gives to Y_{n+1} and to Y_{n−1}, without ε; w·∇Y first, the divergence 2V sin θ/R.
    up, down = blown * n, -blown * (n + 1.0)
    if form == "flux":
        up, down = up + 2.0 * blown, down + 2.0 * blown
    up, down = up - spread * n * (n + 2.0), down - spread * (n - 1.0) * (n + 1.0)
    # ε_n is zero for n = m; above the diagonal there is nothing. Row 0 is not used.
    epsilon = (((n**2 - m**2) / (4.0 * n**2 - 1.0)).clamp(min=0.0)).sqrt()
    tendency = -(rate + 1j * ANGULAR_SPEED * m) * state
    tendency[1:] += epsilon[1:] * (up * state)[:-1]
    tendency[:-1] += (epsilon * down * state)[1:]
    return tendency


def diffusivities(harmonics: SphericalHarmonics) -> dict[str, Diffusivity]:
    """D in every form that the equation takes: D₀, or D₀(1 + a sin θ) for the fields, m² s⁻¹."""
    sine = harmonics.coordinates()[0].sin().expand(harmonics.grid.shape)
    field = DIFFUSIVITY * (1.0 + ASYMMETRY * sine)
    return {
        "number": DIFFUSIVITY,
        "number of time": lambda time: DIFFUSIVITY,
        "field": field,
        "time-dependent field": lambda time: field,
    }


def decay_error(scheme: str) -> float:
    """Error of the coefficients after a day, relative to the largest, by one of the schemes."""
    harmonics = _harmonics()
    state = _tracer(harmonics)
    n = torch.arange(TRUNCATION + 1, dtype=torch.float64)[:, None]
    eigenvalue = n * (n + 1.0) / harmonics.radius**2
    rate = DECAY + DIFFUSIVITY * eigenvalue + HYPERDIFFUSIVITY * eigenvalue**2 + 0j
    rate = rate + 1j * ANGULAR_SPEED * n.mT
    exact = torch.exp(-rate * SECONDS_PER_DAY) * state
    return float((_day_later(scheme, harmonics, state) - exact).abs().max() / exact.abs().max())


def _day_later(scheme: str, harmonics: SphericalHarmonics, state: Tensor) -> Tensor:
    equation = AdvectionDiffusion(
        harmonics, SolidBodyRotation(harmonics, ANGULAR_SPEED), DIFFUSIVITY, None,
        HYPERDIFFUSIVITY, decay=DECAY, rotation=ANGULAR_SPEED,
    )  # fmt: skip
    if scheme == "semi-lagrangian":
        return semi_lagrangian(equation, SECONDS_PER_DAY, tolerance=PATH_TOLERANCE)(state, 0.0)
    if scheme in ("rk4", "low-storage"):
        make = lawson_rk4 if scheme == "rk4" else low_storage
        return make(equation, SECONDS_PER_DAY)(state, 0.0)
    propagators: dict[str, Callable[[AdvectionDiffusion], Propagator]] = {
        "solid-body": SolidBodyPropagator,
        "zonal": ZonalPropagator,
        "chebyshev": ChebyshevPropagator,
    }
    return propagators[scheme](equation)(state, SECONDS_PER_DAY)


def _harmonics(backend: Backend = "auto") -> SphericalHarmonics:
    return SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION, backend=backend)


def _tracer(harmonics: SphericalHarmonics) -> Tensor:
    """Random coefficients (l, m) of all degrees."""
    return spherical_calculus.random_fields(harmonics, 1)[0]


STATEMENTS = (
    Statement(
        "right-hand-side",
        "N15",
        "every term of the equation has its sign and size, in both forms, D(θ) included",
        corrected=right_hand_side,
    ),
    Statement(
        "linear-decay",
        "N16",
        "decay, diffusion and hyperdiffusion damp each coefficient at their rate by every scheme",
        corrected=linear_decay,
    ),
    *spherical_calculus.STATEMENTS,
)
"""Of the operators."""
