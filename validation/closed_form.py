"""The series of Theorem 2 in solid-body rotation, as it ought to read and as it is printed."""

import numpy as np
import torch
from torch import Tensor

from co2net_phys.solvers import SphericalHarmonics


def closed_form(
    harmonics: SphericalHarmonics,
    initial: Tensor,
    source: Tensor,
    diffusivity: float,
    angular_speed: float,
    time: float,
) -> Tensor:
    """Corrected series at ``time``.

    Args:
        harmonics: gives the degrees and the radius.
        initial: A(0), (..., l, m), tracer unit.
        source: S, (..., l, m), tracer unit per s.
        diffusivity: D, m² s⁻¹.
        angular_speed: U, rad s⁻¹.
        time: t, s.
    """
    # n(n+1)/R² is spelt out: taken from the transforms it would share their mistakes.
    number = torch.arange(harmonics.truncation + 1, dtype=torch.float64)
    decay = diffusivity * number * (number + 1.0) / harmonics.radius**2
    rate = decay[:, None] + 1j * angular_speed * number  # λ, (l, m)
    resting = rate == 0
    divisor = torch.where(resting, torch.ones_like(rate), rate)
    response = torch.from_numpy(-np.expm1(-rate.numpy() * time)) / divisor
    response = torch.where(resting, torch.full_like(rate, time), response)
    return initial * torch.exp(-rate * time) + source * response


def printed_form(
    harmonics: SphericalHarmonics,
    initial: Tensor,
    source: Tensor,
    diffusivity: float,
    angular_speed: float,
    time: float,
) -> Tensor:
    """The series as the paper prints it: e^{+imUt}, S/(νn(n+1) − imU), n ≥ 1; see closed_form."""
    series = closed_form(harmonics, initial, source, diffusivity, -angular_speed, time)
    series[..., 0, :] = 0.0
    return series
