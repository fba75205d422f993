"""How to recover a wind from tracers: the choices, and what they mean for a file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from co2net_phys.data.tracers import TracerSeries
from co2net_phys.errors import UsageError
from co2net_phys.solvers import Grid
from co2net_phys.solvers.wind_fit import FINEST_WIND

ORDERS = (2, 4, 6)
"""Of the difference in time."""


@dataclass(frozen=True)
class WindSettings:
    """How to recover the wind."""

    method: Literal["pointwise", "global"] = "pointwise"
    """Every node by itself, or a band-limited wind for the whole globe."""
    diffusivity: float | None = None
    """m2 s-1; None takes that of the co2phys run that made the tracers, else 1e5."""
    form: Literal["advective", "flux"] | None = None
    """Of the equation; None takes that of the run, else the advective one."""
    noise: tuple[tuple[float, bool], ...] = ()
    """Standard deviation of the tracers, one for all or one for each; whether it is a share of the
    tracer's standard deviation in space. None: estimated."""
    order: int | None = None
    """Of the difference in time; None takes 4, or 2 where the times are too few."""
    window: int = 1
    """Instants over which the wind is taken to be steady."""
    truncation: int | None = None
    """Of the tracers; None takes that of the run, else what the grid resolves."""
    wind_truncation: int | None = None
    """Of the wind, for the global method; None takes that of the tracers, at most `FINEST_WIND`."""
    largest_error: float = 10.0
    """Standard error beyond which a component does not count as determined, m s-1."""
    components: int = 1
    """How many components of the wind must be determined somewhere."""

    def __post_init__(self) -> None:
        """Check what needs no file.

        Raises
        ------
        UsageError
            A number makes no sense; names the option.
        """
        if self.order not in (None, *ORDERS):
            raise UsageError(f"--order {self.order}: the time difference is of order 2, 4 or 6")
        if self.diffusivity is not None and not 0 <= self.diffusivity < math.inf:
            raise UsageError(
                f"--diffusivity {self.diffusivity:g}: give a number of at least 0, m2 s-1"
            )
        if not self.largest_error > 0:
            raise UsageError(f"--largest-error {self.largest_error:g}: must be above 0 m s-1")


def default_truncation(grid: Grid) -> int:
    """The largest truncation that fields on `grid` are likely to have.

    A Gaussian grid is nearly always that of a model in which products of two fields are free of
    aliasing, 3T < nlon; on cell centres it is what their quadrature determines.
    """
    if grid.kind == "gaussian":
        return min(grid.max_truncation, (grid.nlon - 1) // 3)
    return grid.max_truncation


def tracer_truncation(series: TracerSeries, settings: WindSettings, grid: Grid) -> int:
    """Truncation of the tracers: given, of the run that made them, or what the grid resolves.

    Raises
    ------
    UsageError
        The grid does not resolve it.
    """
    given, most = settings.truncation, grid.max_truncation
    if given is None:
        best = default_truncation(grid)
        return min(series.made_with.get("truncation") or best, best)
    if not 1 <= given <= most:
        raise UsageError(
            f"--truncation {given}: the grid of {series.source}, {grid.nlat} × {grid.nlon}, "
            f"resolves 1 to {most}; choose one of these"
        )
    return given


def wind_truncation(settings: WindSettings, tracers: int) -> int | None:
    """Truncation of the wind where that of the tracers is `tracers`; None for the other method.

    Raises
    ------
    UsageError
        It is finer than that of the tracers.
    """
    if settings.method != "global":
        return None
    given = settings.wind_truncation
    if given is not None and not 1 <= given <= tracers:
        raise UsageError(
            f"--wind-truncation {given}: must be 1 to {tracers}, the truncation of the tracers; "
            "lower it, or raise --truncation"
        )
    return min(tracers, FINEST_WIND) if given is None else given
