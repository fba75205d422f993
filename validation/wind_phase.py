"""The wind embedding: a phase must have no dimension, and be the one the tracer turns by.

The coefficient A_nm of a tracer in solid-body rotation turns by the phase mUt, U the *angular*
speed. The paper's cos 2πUt takes the wind speed as it comes, so that its value depends on the
units; its authors' code takes the z-scored northward wind times the number of the frame.
"""

import math

import torch
from torch import Tensor

from co2net_phys.batch import Coordinates
from co2net_phys.nn.embeddings import (
    POLE_CAP_DEGREES,
    YEAR_S,
    index_phases,
    phase_terms,
    wind_phases,
)
from co2net_phys.solvers import (
    SECONDS_PER_DAY,
    AdvectionDiffusion,
    ChebyshevPropagator,
    DeformationalFlow,
    Grid,
    SolidBodyPropagator,
    SolidBodyRotation,
    SphericalHarmonics,
)
from co2net_phys.validation.finding import Finding, find
from co2net_phys.validation.statement import Statement

ANGULAR_SPEED = 5e-6
"""U, rad s⁻¹, 32 m s⁻¹ at the equator."""

SPACING = 10800.0
"""Seconds between frames."""

FRAMES = 8
"""In the window, one day."""

TRUNCATION = 21
"""Of the grid."""

KILOMETRES_PER_HOUR = 3.6
"""In 1 m s⁻¹."""


def physical_phase() -> Finding:
    """cos and sin of both phases against those by which the solver turns degree 1."""
    eastward, northward = eastward_error(), northward_error()
    return find(
        "physical-phase",
        "u t/(R cos θ) and v t/R are the angles by which the solver turns the tracer",
        "wind embedding, corrected",
        max(eastward, northward),
        2e-14,
        f"one day; a in rotation about the pole, to {POLE_CAP_DEGREES:g}° latitude, "
        f"{eastward:.1g}; b on the meridians across a tilt of 90°, {northward:.1g}; cos, sin",
    )


def eastward_error() -> float:
    """Largest error of cos a and sin a below the cap, a against the phase of A_11."""
    harmonics, u, v = _rotation()
    coordinates = _window(SPACING, FRAMES)
    terms = phase_terms(wind_phases(u, v, coordinates))[0]  # (T, J, H, W)
    turned = solver_phase(harmonics, coordinates.elapsed[0])[:, None, None]
    below = coordinates.latitude.abs() < POLE_CAP_DEGREES
    error = torch.stack([terms[:, 0] - turned.cos(), terms[:, 1] - turned.sin()])[:, :, below]
    return float(error.abs().max())


def northward_error() -> float:
    """Largest error of cos b and sin b on the meridians along which the air flows due north.

    The axis of rotation lies in the equator at 180° E: the air goes north along 270° E, over the
    pole, and south along 90° E.
    """
    harmonics, u, v = _rotation(tilt_degrees=90.0)
    coordinates = _window(SPACING, FRAMES)
    terms = phase_terms(wind_phases(u, v, coordinates))[0]  # (T, J, H, W)
    turned = solver_tilted_phase(harmonics, coordinates.elapsed[0])[:, None]
    errors = []
    for degrees, sign in ((270.0, 1.0), (90.0, -1.0)):
        here = int((coordinates.longitude - degrees).abs().argmin())
        cosine, sine = terms[:, 2, :, here], terms[:, 3, :, here]  # (T, H)
        errors += [cosine - turned.cos(), sine - sign * turned.sin()]
    return float(torch.stack(errors).abs().max())


def raw_phase_has_units() -> Finding:
    """Change of cos 2πUt when the same wind and time are given in km/h and h."""
    _, u, _ = _rotation()
    seconds = _window(SPACING, FRAMES).elapsed[0][:, None, None]
    change = raw_term(u, seconds) - raw_term(u * KILOMETRES_PER_HOUR, seconds / 3600.0)
    return find(
        "raw-phase",
        "cos 2πUt, U the wind speed, is a function of wind and time",
        "wind embedding, as printed",
        float(change.abs().max()),
        1e-10,
        "largest change from m/s and s to km/h and h: Ut is a length, so that the value is "
        "arbitrary",
    )


def physical_phase_knows_time() -> Finding:
    """Change of the physical terms when the same instants belong to a series of half the step."""
    u, v = _deformation()
    coarse, fine = _window(SPACING, FRAMES), _window(SPACING / 2.0, 2 * FRAMES - 1)
    every, second = (phase_terms(wind_phases(u, v, at))[0] for at in (coarse, fine))
    return find(
        "physical-sampling",
        "the phase of an instant does not depend on how often the series is sampled",
        "wind embedding, corrected",
        float((every - second[::2]).abs().max()),
        1e-14,
        "3-hourly and 1.5-hourly frames, cos and sin of both phases",
    )


def index_phase_knows_time() -> Finding:
    """The same change of the terms with the frame's number in place of time."""
    _, v = _deformation()
    scored = (v - v.mean()) / v.std()
    coarse, fine = _window(SPACING, FRAMES), _window(SPACING / 2.0, 2 * FRAMES - 1)
    every = phase_terms(index_phases(scored, coarse, SPACING))[0]
    second = phase_terms(index_phases(scored, fine, SPACING / 2.0))[0]
    return find(
        "index-sampling",
        "the phase 2πv·i/period, i the number of the frame, is that of wind and time",
        "wind embedding, as in the authors' code",
        float((every - second[::2]).abs().max()),
        1e-10,
        "3-hourly and 1.5-hourly frames: the same instant has another number",
    )


def raw_term(speed: Tensor, time: Tensor) -> Tensor:
    """cos 2πUt as printed, of numbers in whatever units."""
    return (2.0 * math.pi * speed * time).cos()


def solver_phase(harmonics: SphericalHarmonics, times: Tensor) -> Tensor:
    """Angle (T,) in rad by which the solver has turned the coefficient A_11 at ``times`` (s)."""
    wind = SolidBodyRotation(harmonics, ANGULAR_SPEED)
    propagate = SolidBodyPropagator(AdvectionDiffusion(harmonics, wind))
    initial = torch.zeros(TRUNCATION + 1, TRUNCATION + 1, dtype=torch.complex128)
    initial[1, 1] = 1.0
    return torch.stack([-torch.angle(propagate(initial, float(time))[1, 1]) for time in times])


def solver_tilted_phase(harmonics: SphericalHarmonics, times: Tensor) -> Tensor:
    """Angle (T,) in rad by which the solver has turned the field z about the axis −x.

    What was z is then z cos a + y sin a; of degree 1, z is A_10 and y is √2 Im A_11.
    """
    wind = SolidBodyRotation(harmonics, ANGULAR_SPEED, 90.0)
    propagate = ChebyshevPropagator(AdvectionDiffusion(harmonics, wind))
    initial = torch.zeros(TRUNCATION + 1, TRUNCATION + 1, dtype=torch.complex128)
    initial[1, 0] = 1.0
    angles = []
    for time in times:
        later = propagate(initial, float(time)) if time > 0 else initial
        angles.append(torch.atan2(math.sqrt(2.0) * later[1, 1].imag, later[1, 0].real))
    return torch.stack(angles)


def phase_by_latitude() -> tuple[Tensor, Tensor, Tensor]:
    """Latitude (H,) in degrees, and the phases u t/(R cos θ) and u t/R (H,) after a day, rad."""
    harmonics, u, v = _rotation()
    coordinates = _window(SPACING, FRAMES + 1)
    physical = wind_phases(u, v, coordinates)[0][0, -1, :, 0]
    linear = u[0, 0, :, 0] * coordinates.elapsed[0, -1] / harmonics.radius
    return coordinates.latitude, physical, linear


def _rotation(tilt_degrees: float = 0.0) -> tuple[SphericalHarmonics, Tensor, Tensor]:
    """Solid-body rotation: transforms, u and v (1, 1, H, W), m s⁻¹."""
    harmonics = SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION)
    u, v = SolidBodyRotation(harmonics, ANGULAR_SPEED, tilt_degrees)(0.0)
    both = torch.stack(torch.broadcast_tensors(u, v)).expand(2, *harmonics.grid.shape)
    return harmonics, both[0, None, None], both[1, None, None]


def _deformation() -> tuple[Tensor, Tensor]:
    """The deformational wind at its start, u and v (1, 1, H, W), m s⁻¹."""
    harmonics = SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION)
    u, v = DeformationalFlow(harmonics)(0.0)
    return u[None, None], v[None, None]


def _window(spacing: float, frames: int) -> Coordinates:
    """Coordinates of one window of the grid that starts on 1 January, float64."""
    grid = Grid.gaussian(TRUNCATION)
    elapsed = spacing * torch.arange(frames, dtype=torch.float64)[None]
    return Coordinates(
        torch.from_numpy(grid.latitude),
        torch.from_numpy(grid.longitude),
        elapsed,
        elapsed / SECONDS_PER_DAY % 1.0,
        elapsed / YEAR_S,
    )


STATEMENTS = (
    Statement(
        "wind-phase",
        "R17",
        "the phases of the wind embedding are u t/(R cos θ) and v t/R, without dimension",
        corrected=physical_phase,
        printed=raw_phase_has_units,
    ),
    Statement(
        "wind-phase-sampling",
        "R17",
        "the phase belongs to wind and time, not to the number of the frame",
        corrected=physical_phase_knows_time,
        printed=index_phase_knows_time,
        reading="code",
    ),
)
"""Of the wind embedding."""
