"""Figures of Theorem 4 and of the wind embedding: what is cut off, and which phase turns."""

import math

import numpy as np
import torch
from matplotlib.figure import Figure

from co2net_phys.nn.embeddings import POLE_CAP_DEGREES
from co2net_phys.plotting import LABEL_SIZE, declutter, set_titles
from co2net_phys.solvers import EARTH_RADIUS_M, SECONDS_PER_DAY
from co2net_phys.validation.illustration import Illustration
from co2net_phys.validation.network_representation import (
    POTENTIAL_RATIO,
    SMOOTH_DEGREES,
    cap_errors,
    geometric_errors,
    smooth_errors,
)
from co2net_phys.validation.wind_phase import (
    ANGULAR_SPEED,
    KILOMETRES_PER_HOUR,
    phase_by_latitude,
    raw_term,
)


def truncation_figure() -> Figure:
    """Error against L of a smooth tracer, of one with an edge, and of one from such a source."""
    figure = Figure(figsize=(10.0, 4.0), layout="constrained")
    smooth, rough = figure.subplots(1, 2)
    smooth.semilogy(SMOOTH_DEGREES, smooth_errors(), "o", color="#0072b2", label="measured")
    bound = f"h$^{{L+1}}$/(1 − h), h = {POTENTIAL_RATIO:g}"
    smooth.semilogy(SMOOTH_DEGREES, geometric_errors(), color="0.3", lw=1.0, label=bound)
    smooth.set_ylabel("largest error; the tracer's peak is 3.3", fontsize=LABEL_SIZE)
    set_titles(smooth, "Smooth tracer: geometric")
    degrees = np.arange(4, 257)
    rough.loglog(degrees, cap_errors()[degrees], color="#c1272d", label="with an edge")
    rough.loglog(degrees, 0.9 / np.sqrt(degrees), color="0.3", lw=1.0, ls="--", label="L^(−1/2)")
    rough.loglog(degrees, cap_errors(balanced=True)[degrees], color="#0072b2", label="its response")
    slope = 0.9 * degrees**-2.5
    rough.loglog(degrees, slope, color="0.3", lw=1.0, ls=":", label="L^(−5/2)")
    rough.set_ylabel("relative l2 error", fontsize=LABEL_SIZE)
    set_titles(rough, "Edge: a square root; after diffusion: steeper")
    for axes in (smooth, rough):
        axes.set_xlabel("L, with (L + 1)² factors", fontsize=LABEL_SIZE)
        declutter(axes)
        axes.legend(fontsize=LABEL_SIZE, frameon=False)
    return figure


def phase_figure() -> Figure:
    """Phase by latitude after a day, and the raw term in two systems of units."""
    figure = Figure(figsize=(10.0, 3.8), layout="constrained")
    by_latitude, by_time = figure.subplots(1, 2)
    latitude, physical, linear = phase_by_latitude()
    by_latitude.plot(latitude, physical, color="#0072b2", label="u t/(R cos θ)")
    by_latitude.plot(latitude, linear, color="#c1272d", label="u t/R")
    turn = ANGULAR_SPEED * SECONDS_PER_DAY
    by_latitude.axhline(turn, color="0.3", lw=1.0, ls="--", label="turn of the tracer, U t")
    for pole in (-90.0, 90.0):
        cap = math.copysign(POLE_CAP_DEGREES, pole)
        label = f"cos θ capped beyond {POLE_CAP_DEGREES:g}°" if pole > 0 else None
        by_latitude.axvspan(cap, pole, color="0.88", linewidth=0, label=label)
    by_latitude.set_xlabel("latitude, °N", fontsize=LABEL_SIZE)
    by_latitude.set_ylabel("phase after one day, rad", fontsize=LABEL_SIZE)
    by_latitude.set(ylim=(0.0, 1.2 * turn), xlim=(-90.0, 90.0))
    set_titles(by_latitude, "Only u t/(R cos θ) turns with the tracer")
    hours = torch.linspace(0.0, 24.0, 9, dtype=torch.float64)
    speed = torch.tensor(ANGULAR_SPEED * EARTH_RADIUS_M, dtype=torch.float64)
    seconds = 3600.0 * hours
    by_time.plot(
        hours, (ANGULAR_SPEED * seconds).cos(), color="#0072b2", label="cos(u t/(R cos θ))"
    )
    metres = raw_term(speed, seconds)
    by_time.plot(hours, metres, "o:", color="#c1272d", lw=0.8, label="cos 2πUt in m/s and s")
    kilometres = raw_term(speed * KILOMETRES_PER_HOUR, hours)
    by_time.plot(hours, kilometres, "s:", color="#e69f00", lw=0.8, label="… in km/h and h")
    by_time.set_xlabel("time since the window's start, hours", fontsize=LABEL_SIZE)
    by_time.set_ylabel("value", fontsize=LABEL_SIZE)
    by_time.set(ylim=(-1.1, 2.2), yticks=(-1.0, 0.0, 1.0))
    set_titles(by_time, "cos 2πUt depends on the units", "equator, 32 m s⁻¹")
    for axes in (by_latitude, by_time):
        declutter(axes)
        axes.legend(fontsize=LABEL_SIZE, frameon=False, loc="upper right")
    by_latitude.legend(fontsize=LABEL_SIZE, frameon=False, loc="lower center")
    return figure


ILLUSTRATIONS = (
    Illustration(
        "representation-truncation",
        truncation_figure,
        "Error against the largest degree: a straight line on a logarithmic axis for the smooth "
        "tracer, a slow power law for the one with an edge.",
        "What a finite series leaves out. A smooth tracer costs few factors, one with an edge "
        "keeps an error of order L^(−1/2); the field that such a source makes against diffusion "
        "(its response) is smoother by two degrees.",
    ),
    Illustration(
        "representation-phase",
        phase_figure,
        "Left: the phase divided by the cosine of latitude is constant up to 80 degrees, the other "
        "is not. Right: the raw cosine stays at one in metres and seconds and falls in others.",
        "The wind embedding in solid-body rotation. Beyond 80° the physical phase is capped. As "
        "printed, the phase is a length, and the numbers depend on its unit.",
    ),
)
"""Of Theorem 4 and the wind embedding."""
