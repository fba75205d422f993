"""A time window helps where the wind carries air past the stations.

The field at the start of the window, φ₀ of degree L or less, is seen at K stations in frames three
hours apart: values H M_k φ₀, with M_k the solver from the start to frame k. The observability
Gramian O = Σ_k M_kᵀ Hᵀ H M_k says what they determine. With a prior of equal variance for all
coefficients, a field of variance one, and independent errors, the effective degrees of freedom are
Σ s²/(s² + noise²) over the eigenvalues s² of O times the variance of a coefficient (Rodgers 2000,
doi:10.1142/3171, chapter 2). The wind is taken as known, the equation as exact and without sources.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.data.stations import load_stations
from co2net_phys.solvers import checkpointed_trajectory
from co2net_phys.validation.finding import Finding, find
from co2net_phys.validation.statement import Statement
from co2net_phys.validation.station_matrix import sampling_matrix
from co2net_phys.validation.station_window import (
    DEGREE,
    DIFFUSIVITY,
    FRAME,
    FRAMES,
    TRUNCATION,
    frame_step,
    observed_in_still_air,
    observed_in_twin,
    solver_harmonics,
    station_values,
    twin_wind,
    unit_fields,
)

Array = NDArray[np.float64]

NOISE = 0.1
"""Error of a measurement relative to the root mean square of the field."""


def gramian(observed: Array, frames: int) -> Array:
    """O, (n, n), of the first ``frames`` of an observation matrix (frames, K, n)."""
    rows = observed[:frames].reshape(-1, observed.shape[-1])
    return np.asarray(rows.T @ rows)


def degrees_of_freedom(observed: Array, frames: int, relative_noise: float = NOISE) -> float:
    """Σ s²/(s² + noise²), between 0 and n.

    Args:
        observed: (frames, K, n).
        frames: length of the window.
        relative_noise: error of one measurement by the root mean square of the field.
    """
    prior = 4.0 * math.pi / observed.shape[-1]  # a field of variance one
    eigenvalues = prior * np.linalg.eigvalsh(gramian(observed, frames)).clip(min=0.0)
    return float((eigenvalues / (eigenvalues + relative_noise**2)).sum())


def recovery_error(observed: Array, frames: int, relative_noise: float = NOISE) -> float:
    """Error of the initial field from noisy values at the stations, by trial with 50 fields.

    Fields drawn from the prior, values with independent errors, and the estimate of least expected
    error, (O + noise²/variance)⁻¹ Mᵀ Hᵀ d.

    Args:
        observed: (frames, K, n).
        frames: length of the window.
        relative_noise: as in :func:`degrees_of_freedom`.

    Returns:
        Root mean square error relative to that of the field; 1 is that of knowing nothing.
    """
    random = np.random.default_rng(3)
    rows = observed[:frames].reshape(-1, observed.shape[-1])
    prior = 4.0 * math.pi / rows.shape[1]
    truth = math.sqrt(prior) * random.standard_normal((rows.shape[1], 50))
    data = rows @ truth + relative_noise * random.standard_normal((rows.shape[0], 50))
    weight = relative_noise**2 / prior * np.eye(rows.shape[1])
    found = np.linalg.solve(gramian(observed, frames) + weight, rows.T @ data)
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def gramian_product(coefficients: Array, frames: int) -> Array:
    """O x under the invented weather by reverse differentiation of ½ Σ_k |H M_k x|².

    Args:
        coefficients: x, (n,).
        frames: length of the window.
    """
    harmonics = solver_harmonics()
    step, count = frame_step(harmonics, twin_wind(harmonics), DIFFUSIVITY)
    x = torch.tensor(coefficients, requires_grad=True)
    basis = unit_fields(DEGREE, TRUNCATION)
    start = (x.to(basis.dtype) @ basis.flatten(1)).unflatten(0, basis.shape[1:])
    states = checkpointed_trajectory(step, start, 0.0, FRAME / count, frames - 1, count)
    seen = torch.view_as_real(states).flatten(1) @ station_values(load_stations(), TRUNCATION)
    (product,) = torch.autograd.grad(0.5 * (seen**2).sum(), x)
    return np.asarray(product.numpy())


def gramian_matches_adjoint() -> Finding:
    """⟨O x, y⟩ from the carried unit fields and from the adjoint of the solver."""
    frames = FRAMES[1]
    x, y = np.random.default_rng(4).standard_normal((2, (DEGREE + 1) ** 2))
    matrix = gramian(observed_in_twin(), frames)
    error = float(y @ (gramian_product(x, frames) - matrix @ x))
    size = math.sqrt(float(x @ matrix @ x) * float(y @ matrix @ y))
    return find(
        "gramian-adjoint",
        "the Gramian from carried unit fields is the one of the solver's adjoint",
        "Theorem 2, with a time window",
        abs(error) / size,
        1e-14,
        f"⟨Ox, y⟩ by √(⟨Ox, x⟩⟨Oy, y⟩), {frames} frames, random x and y",
    )


def still_air_only_averages() -> Finding:
    """Repeated looks without wind and diffusion, against one look with an error less by √n."""
    frames = FRAMES[2]
    prior = 4.0 * math.pi / (DEGREE + 1) ** 2
    seen = np.linalg.svd(sampling_matrix(load_stations(), DEGREE), compute_uv=False)
    shares = prior * seen**2 / (prior * seen**2 + NOISE**2 / frames)
    repeated = degrees_of_freedom(observed_in_still_air(0.0), frames)
    return find(
        "still-air",
        f"{frames} looks at still air tell as much as one with an error less by √{frames}",
        "Theorem 2, with a time window",
        abs(repeated / float(shares.sum()) - 1.0),
        3e-11,
        f"{repeated:.1f} degrees of freedom, no more than there are stations: "
        f"{len(load_stations())}",
    )


def window_helps_in_wind() -> Finding:
    """Degrees of freedom of 40 frames in still air by those under moving air."""
    moving = {frames: degrees_of_freedom(observed_in_twin(), frames) for frames in FRAMES}
    still = degrees_of_freedom(observed_in_still_air(DIFFUSIVITY), FRAMES[2])
    shown = ", ".join(f"{moving[frames]:.0f}" for frames in FRAMES)
    return find(
        "window-in-wind",
        "40 frames of moving air hold at least 1.5 times the degrees of freedom of still air",
        "Theorem 2, with a time window",
        still / moving[FRAMES[2]],
        2.0 / 3.0,
        f"{shown} of {(DEGREE + 1) ** 2} for {FRAMES} frames, {still:.0f} for {FRAMES[2]} in still "
        f"air that diffuses; errors of {NOISE:.0%}",
    )


def window_recovers_the_field() -> Finding:
    """Trial error of the initial field from 40 frames under moving air."""
    return find(
        "window-recovery",
        "40 frames determine the field at their start to a third, where the wind is known",
        "Theorem 2, with a time window",
        recovery_error(observed_in_twin(), FRAMES[2]),
        1.0 / 3.0,
        f"relative error, fields of degree ≤ {DEGREE}, errors of {NOISE:.0%}, exact transport",
    )


def instant_recovers_the_field() -> Finding:
    """Trial error from a single frame."""
    return find(
        "instant-recovery",
        "the values at the stations determine the field everywhere",
        "Theorem 2, with stations for the open set",
        recovery_error(observed_in_twin(), 1),
        1.0 / 3.0,
        f"relative error from one frame; {(DEGREE + 1) ** 2} coefficients, "
        f"{len(load_stations())} stations",
    )


STATEMENTS = (
    Statement(
        "gramian-adjoint",
        "R13",
        "the observability Gramian from carried unit fields is the one of the solver's adjoint",
        corrected=gramian_matches_adjoint,
    ),
    Statement(
        "still-air",
        "R13",
        "in still air without diffusion a time window only averages the noise",
        corrected=still_air_only_averages,
    ),
    Statement(
        "window-in-wind",
        "R13",
        "in moving air a time window shows what no single look can",
        corrected=window_helps_in_wind,
    ),
    Statement(
        "window-recovery",
        "R13",
        "a field that one look at the stations misses follows from 40, where the wind is known",
        corrected=window_recovers_the_field,
        printed=instant_recovers_the_field,
        reading="implied",
    ),
)
"""Theorem 2: from stations over a time window."""
