"""The forward model: transport by a store's winds, scaled prior fluxes, exchange aloft.

    φ_t + w·∇φ = D∇²φ + Σ_c α_c F_c/(n h) − κ (φ − φ_free)

is the equation of `co2net_phys.simulation.mixing` with a factor α_c(x, period) on each component's
flux. It is affine in the initial field and in the factors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError, NumericalError
from co2net_phys.inversion.prior_flux import PriorFlux
from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.geography import Geography
from co2net_phys.simulation.mixing import free_troposphere, layer
from co2net_phys.solvers import (
    AdvectionDiffusion,
    Grid,
    Source,
    SphericalHarmonics,
    TabulatedWind,
    Wind,
    checkpointed_trajectory,
    lawson_rk4,
    stable_time_step,
)

LONGEST_STEP = 5400.0
"""Seconds: sixteen steps a day follow the diurnal cycle of sources and mixing."""

LONGEST_FRAME_STEP = 86400.0
"""Seconds between winds beyond which they no longer say how the air moved."""


@dataclass(frozen=True)
class Forcing:
    """What drives the surface layer, tabulated every half time step from `start` on."""

    start: float
    """Seconds."""
    interval: float
    """Seconds between two entries."""
    period: float
    """Seconds for which one set of factors holds."""
    flux: Tensor
    """(N, C, nlat, nlon) prior flux, µmol m-2 s-1."""
    moles: Tensor
    """(N, nlat, nlon) air in the surface layer, mol m-2."""
    exchange: Tensor
    """(N, nlat, nlon) rate κ, s-1."""
    above: Tensor
    """(N, nlat, 1) mole fraction of the free troposphere, µmol mol-1."""

    @cached_property
    def mean_size_of_flux(self) -> Tensor:
        """Mean of |F_c| over the entries, (C, nlat, nlon), µmol m-2 s-1."""
        return self.flux.abs().mean(0)

    def surface_flux(self, factors: Tensor, entry: int) -> Tensor:
        """Σ_c α_c F_c, (..., nlat, nlon) in µmol m-2 s-1, of factors (..., P, C, nlat, nlon)."""
        period = self.period_of(entry, factors.shape[-4])
        return (factors[..., period, :, :, :] * self.flux[entry]).sum(-3)

    def period_of(self, entry: int, periods: int) -> int:
        """Which of P sets of factors holds at an entry; on a border the later one."""
        return min(int((entry * self.interval + 1e-6) // self.period), periods - 1)

    def source(self, factors: Tensor) -> Source:
        """The source s(t, φ) of the tracer equation, µmol mol-1 s-1."""

        def rate(time: float, tracers: Tensor) -> Tensor:
            entry = round((time - self.start) / self.interval)
            gain = self.surface_flux(factors, entry) / self.moles[entry]
            return gain + self.exchange[entry] * (self.above[entry] - tracers)

        return rate


@dataclass(frozen=True)
class WindowModel:
    """The transport over one window of F frames."""

    harmonics: SphericalHarmonics
    wind: Wind
    diffusivity: float
    forcing: Forcing
    frames: int
    steps_per_frame: int
    time_step: float

    def states(self, initial: Tensor, factors: Tensor) -> Tensor:
        """Modal states (F, ..., l, m) in µmol mol-1, the initial one first.

        Differentiable by both arguments, in memory for the frames and one interval between two.

        Parameters
        ----------
        initial
            Modal (..., l, m), µmol mol-1; leading axes are members.
        factors
            Of the prior fluxes, (..., P, C, nlat, nlon).

        Raises
        ------
        NumericalError
            A state is not finite.
        """
        equation = AdvectionDiffusion(
            self.harmonics, self.wind, self.diffusivity, self.forcing.source(factors)
        )
        states = checkpointed_trajectory(
            lawson_rk4(equation, self.time_step),
            initial,
            self.forcing.start,
            self.time_step,
            self.frames - 1,
            self.steps_per_frame,
        )
        if not torch.isfinite(torch.view_as_real(states.detach())).all():
            raise NumericalError(
                "inversion: the transport is not finite; check winds and fluxes, or lower "
                "--truncation"
            )
        return states

    @property
    def periods(self) -> int:
        """P, how many sets of factors hold one after the other."""
        span = (self.frames - 1) * self.steps_per_frame * self.time_step
        return max(1, math.ceil(span / self.forcing.period - 1e-9))

    def period_of(self, frame: int) -> int:
        """Which set of factors holds at a frame."""
        return self.forcing.period_of(2 * self.steps_per_frame * frame, self.periods)

    def surface_flux(self, factors: Tensor, frame: int) -> Tensor:
        """Flux (..., nlat, nlon) in µmol m-2 s-1 at a frame of the window."""
        return self.forcing.surface_flux(factors, 2 * self.steps_per_frame * frame)


class TransportModel:
    """Makes the model of each window of a store.

    Parameters
    ----------
    store
        Gives winds, uas and vas, in m s-1.
    truncation
        T of the transport.
    exchange
        Whether the surface layer exchanges air with the free troposphere.
    diffusivity
        D, m2 s-1.
    longest_step
        Seconds that a time step may take, however slow the winds.

    Raises
    ------
    DataError
        The store has no winds, a calendar other than the Gregorian, or frames more than a day
        apart.
    """

    def __init__(
        self,
        store: TrainingStore,
        truncation: int,
        *,
        exchange: bool,
        diffusivity: float,
        longest_step: float = LONGEST_STEP,
    ) -> None:
        _require_winds(store)
        self.longest_step = longest_step
        self.store, self.exchange, self.diffusivity = store, exchange, diffusivity
        self.store_grid = Grid.from_coordinates(store.latitude, store.longitude)
        self.harmonics = SphericalHarmonics(Grid.gaussian(truncation), truncation)
        self.geography = Geography(self.harmonics.grid)
        self.clock = Clock(store.times.values[0])
        of_winds = min(truncation, self.store_grid.max_truncation)
        self._of_store = SphericalHarmonics(self.store_grid, of_winds)

    def window(
        self, frames: NDArray[np.int64], flux: PriorFlux, period: float | None = None
    ) -> WindowModel:
        """The model from the first to the last of these consecutive frames.

        Raises
        ------
        DataError
            A frame is missing between them.
        """
        seconds = self.store.seconds[frames]
        interval = self.store.time_step
        if np.abs(np.diff(seconds) - interval).max() > 1e-3 * interval:
            raise DataError(
                f"{self.store.source}: frames are missing before "
                f"{self.store.times.values[frames[-1]]}; choose a period without gaps "
                "(--start, --end)"
            )
        wind = TabulatedWind.from_arrays(
            seconds[0] + interval * np.arange(len(frames)), *self._winds(frames)
        )
        longest = min(stable_time_step(self.harmonics, wind.max_speed), self.longest_step)
        steps = int(np.ceil(interval / longest - 1e-9))
        span = interval * (len(frames) - 1)
        forcing = self._forcing(flux, wind, float(seconds[0]), span, interval / steps, period)
        return WindowModel(
            self.harmonics, wind, self.diffusivity, forcing, len(frames), steps, interval / steps
        )

    def from_store_grid(self, field: Tensor) -> Tensor:
        """Modal (l, m) field of the transport from values (H, W) on the store's grid."""
        modal = self._of_store.to_modal(field)
        return self.harmonics.to_modal(self._of_store.synthesise(modal, self.harmonics.grid))

    def _winds(self, frames: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Winds (F, nlat, nlon) at the nodes of the transport grid."""
        u, v = (
            torch.from_numpy(self.store.field(name, frames)).double() for name in ("uas", "vas")
        )
        potentials = self._of_store.streamfunction_and_potential(u, v)
        return self._of_store.synthesise_wind(*potentials, self.harmonics.grid)

    def _forcing(
        self,
        flux: PriorFlux,
        wind: Wind,
        start: float,
        span: float,
        time_step: float,
        period: float | None,
    ) -> Forcing:
        interval = time_step / 2  # Runge-Kutta stages lie there
        columns: list[tuple[NDArray[np.float64], ...]] = []
        for entry in range(round(span / interval) + 1):
            seconds = start + entry * interval
            speed = torch.hypot(*wind(seconds)).numpy()
            moles, rate = layer(self.geography, self.clock, seconds, speed)
            above = free_troposphere(self.geography.north, self.clock, seconds)
            columns.append((flux.at(seconds), moles, rate if self.exchange else 0 * rate, above))
        tables = [torch.from_numpy(np.stack(column)) for column in zip(*columns, strict=True)]
        return Forcing(start, interval, period or span, *tables)


def _require_winds(store: TrainingStore) -> None:
    for name in ("uas", "vas"):
        if name not in store.auxiliaries:
            raise DataError(f"{store.source}: no variable {name!r}; an inversion needs the winds")
    if not np.issubdtype(store.times.dtype, np.datetime64):
        raise DataError(
            f"{store.source}: 'time' has the calendar '{store.times.dt.calendar}'; an inversion "
            "needs Gregorian dates, convert the time axis"
        )
    if store.time_step > LONGEST_FRAME_STEP:
        raise DataError(
            f"{store.source}: frames are {store.time_step / 86400:g} days apart; an inversion "
            "needs winds at least once a day"
        )
