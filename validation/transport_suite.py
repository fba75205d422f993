"""Runs of the standard transport test suite and what they show.

Lauritzen et al. (2012), doi:10.5194/gmd-5-887-2012, Nair and Lauritzen (2010),
doi:10.1016/j.jcp.2010.08.014, Williamson et al. (1992), doi:10.1016/S0021-9991(05)80016-6.

All flows bring the tracer back after a period, where the suite judges. That flatters a reversible
scheme, whose errors cancel on the way back: here the tracer is also judged at half of the period,
against exact trajectories.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.errors import NumericalError
from co2net_phys.solvers.equations import Form
from co2net_phys.validation.tracer_mixing import mixing
from co2net_phys.validation.transport_cases import InitialField, cosine_bells, initial_field
from co2net_phys.validation.transport_diagnostics import (
    FILAMENT_LEVELS,
    area_shares,
    error_norms,
    filament_preservation,
    minimal_resolution,
    new_extremes,
    order_of_convergence,
)
from co2net_phys.validation.transport_flows import PERIOD, Flow, flow
from co2net_phys.validation.transport_schemes import Discretisation, discretise

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Moment:
    """Mixing ratios and masses at one time."""

    tracers: Array
    """(tracer, nlat, nlon) mixing ratios."""
    exact: Array
    """Likewise, by exact trajectories."""
    masses: Array
    """(tracer,) mean of density times mixing ratio over the sphere."""


@dataclass(frozen=True)
class TransportRun:
    """What one run gave; the last tracer is the one of the case."""

    discretisation: Discretisation
    start: Moment
    middle: Moment
    end: Moment
    seconds: float
    """Wall time of the steps, without the set-up."""
    summary: dict[str, Any]
    """The diagnostics under the names that the command prints."""


def run_transport(
    case: str,
    flow_name: str,
    scheme: str,
    resolution: float = 1.5,
    *,
    tilt_degrees: float = 0.0,
    form: Form = "flux",
    steps: int | None = None,
    truncation: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TransportRun:
    """Carry the tracer of ``case`` for one period.

    In the flux form what is carried is density: in the divergent flow that of the tracer and, by
    the same scheme, that of the air, and their ratio is judged. In the advective form it is the
    mixing ratio itself, and its mass is counted with the exact density of the air.

    Args:
        case: one of ``CASES``; "correlated-bells" carries the cosine bells along.
        flow_name: "nondivergent", "divergent" or "solid-body".
        scheme: one of ``SCHEMES``.
        resolution: spacing at the equator, degrees.
        tilt_degrees: of the axis of solid-body rotation.
        form: "flux" or "advective".
        steps: number of steps, even; None for the scheme's default.
        truncation: of a spectral scheme; None for the alias-free one.
        progress: called with the steps done and their number.

    Raises:
        UsageError: a name or number that does not fit.
        NumericalError: the step is unstable.
    """
    carrier = flow(flow_name, tilt_degrees)
    fields = [initial_field(case)]
    if case == "correlated-bells":
        fields.insert(0, cosine_bells)
    chosen = discretise(scheme, carrier, resolution, form, steps, truncation)
    moments, seconds = _carry(chosen, carrier, fields, progress or (lambda done, total: None))
    summary = {
        "case": case,
        "flow": flow_name,
        "tilt": tilt_degrees,
        "scheme": scheme,
        "form": form,
        "resolution": resolution,
        "truncation": chosen.truncation,
        "grid": list(chosen.grid.shape),
        "steps": chosen.steps,
        "seconds": seconds,
        **_diagnostics(case, carrier, *moments, area_shares(chosen.grid)),
    }
    return TransportRun(chosen, *moments, seconds, summary)


def convergence(runs: Sequence[TransportRun]) -> dict[str, Any]:
    """Order of convergence and minimal resolution, at both times, of runs of one scheme.

    The minimal resolution is defined for cosine bells in the non-divergent flow, else None.

    Raises:
        UsageError: fewer than two different resolutions.
    """
    spacing = [run.summary["resolution"] for run in runs]
    errors = {name: [run.summary[name] for run in runs] for name in ("l2", "l2_mid")}
    first = runs[0].summary
    defined = first["case"] == "cosine-bells" and first["flow"] == "nondivergent"
    found: dict[str, Any] = {}
    for suffix in ("", "_mid"):
        of_time = errors["l2" + suffix]
        found["order" + suffix] = order_of_convergence(spacing, of_time)
        coarsest = minimal_resolution(spacing, of_time) if defined else None
        found["minimal_resolution" + suffix] = coarsest
    return found


def _carry(
    chosen: Discretisation,
    carrier: Flow,
    fields: list[InitialField],
    progress: Callable[[int, int], None],
) -> tuple[tuple[Moment, Moment, Moment], float]:
    """The three moments, and the seconds that the steps took."""
    latitude = np.radians(chosen.grid.latitude)[:, None]
    longitude = np.radians(chosen.grid.longitude)[None, :]
    nodal = np.stack([field(latitude, longitude) for field in fields])
    with_air = carrier.divergent and chosen.equation.form == "flux"
    if with_air:
        nodal = np.concatenate([nodal, np.ones((1, *chosen.grid.shape))])
    state = chosen.encode(torch.from_numpy(nodal))
    chosen.new_step()(state, 0.0)  # compiles what is compiled
    step, seconds, reached = chosen.new_step(), 0.0, []
    for first in (0, chosen.steps // 2):
        started = time.perf_counter()
        for n in range(first, first + chosen.steps // 2):
            state = step(state, n * chosen.time_step)
            progress(n + 1, chosen.steps)
        seconds += time.perf_counter() - started
        reached.append(_finite(chosen.decode(state), chosen))
    at = [0.0, PERIOD / 2.0, PERIOD]
    states = [nodal, *(state.numpy() for state in reached)]
    start, middle, end = (
        _moment(chosen, carrier, fields, values, now, with_air)
        for now, values in zip(at, states, strict=True)
    )
    return (start, middle, end), seconds


def _finite(nodal: Tensor, chosen: Discretisation) -> Tensor:
    if not torch.isfinite(nodal).all():
        raise NumericalError(
            f"the tracer is not finite after {chosen.steps} steps or fewer: take more of them"
        )
    return nodal


def _moment(
    chosen: Discretisation,
    carrier: Flow,
    fields: list[InitialField],
    nodal: Array,
    now: float,
    with_air: bool,
) -> Moment:
    latitude = np.radians(chosen.grid.latitude)[:, None]
    longitude = np.radians(chosen.grid.longitude)[None, :]
    origin = carrier.origin(latitude, longitude, now)
    exact = np.stack([field(origin.latitude, origin.longitude) for field in fields])
    air = nodal[-1] if with_air else origin.density
    densities = nodal[: len(fields)] if with_air else nodal * air
    masses = (area_shares(chosen.grid) * densities).sum((-2, -1))
    return Moment(densities / air, exact, masses)


def _diagnostics(
    case: str, carrier: Flow, start: Moment, middle: Moment, end: Moment, weights: Array
) -> dict[str, Any]:
    initial = start.tracers[-1]
    found: dict[str, Any] = {}
    for suffix, moment in (("", end), ("_mid", middle)):
        field = moment.tracers[-1]
        norms = error_norms(field, moment.exact[-1], weights)
        lower, upper = new_extremes(field, initial)
        found |= {name + suffix: value for name, value in norms.items()}
        found |= {"min" + suffix: float(field.min()), "max" + suffix: float(field.max())}
        found |= {"min_change" + suffix: lower, "max_change" + suffix: upper}
        drift = (moment.masses[-1] - start.masses[-1]) / start.masses[-1]
        found["mass_drift" + suffix] = float(drift)
    found["mixing"] = found["filament"] = None
    if case == "correlated-bells":
        kinds = mixing(middle.tracers[0], middle.tracers[1], weights)
        found["mixing"] = {
            "real": kinds.real,
            "unmixing": kinds.unmixing,
            "overshooting": kinds.overshooting,
        }
    if case == "cosine-bells" and not carrier.divergent:
        kept = filament_preservation(middle.tracers[-1], initial, weights)
        found["filament"] = {"threshold": FILAMENT_LEVELS.tolist(), "percent": kept.tolist()}
    return found
