"""The physics bridge: NEE of all land to monthly means at stations, through the transport.

The outlook of Upton et al. (2024, doi:10.5194/acp-24-2555-2024). Fluxes of fuels and ocean are
known; NEE enters as its monthly mean. The surface layer exchanges air with the free
troposphere, so that what happened more than a few weeks ago is forgotten, and each month needs a
window of its own only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError
from co2net_phys.fluxes.half_hourly import TO_GRAMS_PER_DAY
from co2net_phys.fluxes.regions import region_fractions
from co2net_phys.fluxes.station_response import StationResponse
from co2net_phys.inversion.observation_operator import StationOperator, observation_errors
from co2net_phys.inversion.prior_flux import PriorFlux
from co2net_phys.inversion.transport_model import TransportModel, WindowModel
from co2net_phys.regridding import ConservativeRegridder, LatLonGrid

Months = NDArray[np.datetime64]


@dataclass(frozen=True)
class PhysicsBridge:
    """What I months of observations at S stations say of the NEE of the months up to them."""

    months: Months
    """(I,) of the observations, consecutive."""
    codes: tuple[str, ...]
    """Of the stations."""
    grid: LatLonGrid
    """Of the transport."""
    response: Tensor
    """(I, S, L, nlat, nlon) µmol mol-1 per µmol m-2 s-1 of the flux l months before."""
    baseline: Tensor
    """(I, S) µmol mol-1 of the known fluxes and the free troposphere."""
    observed: Tensor
    """(I, S) monthly means, µmol mol-1, NaN without a report."""
    error: Tensor
    """(I, S) standard deviation of observation and representation, µmol mol-1."""

    @property
    def lags(self) -> int:
        """L, the month of an observation and those before it that it still knows of."""
        return self.response.shape[2]

    def at_pixels(self, grid: LatLonGrid, pixels: NDArray[np.int64]) -> Tensor:
        """Response (I, S, L, N), µmol mol-1 per g m-2 d-1 of land at `pixels` (N, 2) of a grid.

        The adjoint of conservative regridding: as both ways share the same overlaps, it is the
        regridding back of what each unit of area does.
        """
        by_area = self.response.numpy() / self.grid.area_weights
        land = region_fractions(grid).sum(axis=0)
        of_cells = ConservativeRegridder(self.grid, grid)(by_area) * grid.area_weights * land
        chosen = of_cells[..., pixels[:, 0], pixels[:, 1]]
        return torch.from_numpy(chosen / TO_GRAMS_PER_DAY)


@dataclass(frozen=True)
class BridgedErrors:
    """Standard deviation of a monthly mean about the model, µmol mol-1."""

    observation: float = 0.5
    """Of a report, at least."""
    representation: float = 1.0
    """Share of a station's own variations within a day that is added to that of a report."""
    model: float = 0.3
    """What no average removes; reports of one day share an error, days do not."""

    def of_means(
        self, store: TrainingStore, frames: NDArray[np.int64], stations: NDArray[np.int64]
    ) -> Callable[[Tensor], Tensor]:
        """Errors (S,) as a function of the numbers of reports (S,) in a mean."""
        single = observation_errors(store, frames, stations, self.observation, self.representation)
        a_day = max(1.0, 86400 / store.time_step)
        return lambda reports: torch.hypot(
            single * (a_day / reports.clamp(min=a_day)).sqrt(), torch.tensor(self.model).double()
        )


def physics_bridge(
    transport: TransportModel,
    stations: NDArray[np.int64],
    known: PriorFlux,
    *,
    memory_days: float = 20.0,
    months: int | None = None,
    errors: BridgedErrors | None = None,
    progress: Callable[[int], None] = lambda months: None,
) -> PhysicsBridge:
    """Run the adjoint of the transport for every whole month of a store but the first ones.

    Parameters
    ----------
    transport
        With exchange, of a store with winds and observations.
    stations
        Positions of the S stations in the store.
    known
        Fluxes other than NEE.
    memory_days
        How long before a month its window begins; an older flux has no effect, and the field there
        is that of the free troposphere.
    months
        The first so many; None: all.
    errors
        Of the monthly means.
    progress
        Told how many months are done.

    Raises
    ------
    DataError
        The store has no whole month after `memory_days`, or misses frames.
    """
    store = transport.store
    windows = _windows(store, memory_days)[:months]
    operator = StationOperator(
        tuple(store.stations[place] for place in stations), transport.harmonics.truncation
    )
    error = (errors or BridgedErrors()).of_means(store, np.arange(len(store)), stations)
    columns: list[tuple[Tensor, ...]] = []
    for done, (frames, month) in enumerate(windows):
        columns.append(_month(transport, operator, known, frames, month, stations))
        progress(done + 1)
    response, baseline, observed, reports = zip(*columns, strict=True)
    lags = max(len(one[0]) for one in response)
    padded = [_padded(one, lags) for one in response]
    return PhysicsBridge(
        months=np.array([month for _, month in windows]),
        codes=tuple(store.stations[place].code for place in stations),
        grid=LatLonGrid.of_solver(transport.harmonics.grid),
        response=torch.stack(padded),
        baseline=torch.stack(baseline),
        observed=torch.stack(observed),
        error=torch.stack([error(number) for number in reports]),
    )


def bridged_months(store: TrainingStore, memory_days: float) -> Months:
    """Months (I,) of a store that `physics_bridge` makes a bridge for.

    Raises
    ------
    DataError
        There is none.
    """
    return np.array([month for _, month in _windows(store, memory_days)])


def _month(
    transport: TransportModel,
    operator: StationOperator,
    known: PriorFlux,
    frames: NDArray[np.int64],
    month: np.datetime64,
    stations: NDArray[np.int64],
) -> tuple[Tensor, ...]:
    """Response (S, L, nlat, nlon), latest month first; baseline, means and reports, each (S,)."""
    store = transport.store
    model = transport.window(frames, known)
    inside = store.times.values[frames].astype("datetime64[M]") == month
    values = torch.from_numpy(store.observations(frames, stations)).double()
    given = torch.isfinite(values) & torch.from_numpy(inside)[:, None]
    reports = given.sum(0)
    weights = given.double() / reports.clamp(min=1)
    window = StationResponse(model, operator, _entry_months(transport, model), weights)
    above = model.forcing.above[0].expand(*model.harmonics.grid.shape)
    baseline = window.baseline(model.harmonics.to_modal(above.contiguous()))
    means = torch.where(reports > 0, (weights * values.nan_to_num()).sum(0), torch.nan)
    return window.matrix().flip(1), baseline, means, reports


def _entry_months(transport: TransportModel, model: WindowModel) -> Tensor:
    """Position of the month of each entry of the forcing, from 0 on."""
    forcing = model.forcing
    seconds = forcing.start + forcing.interval * np.arange(len(forcing.moles))
    moments = np.array([transport.clock.moment(float(second)) for second in seconds])
    months = moments.astype("datetime64[M]").astype(np.int64)
    # The window ends where the next month may begin: that instant is still of the last one.
    months[-1] = months[-2]
    return torch.from_numpy(months - months[0])


def _windows(
    store: TrainingStore, memory_days: float
) -> list[tuple[NDArray[np.int64], np.datetime64]]:
    """Frames of the window of each whole month, and the month."""
    times = store.times.values
    step = np.timedelta64(round(store.time_step * 1e9), "ns")
    found = []
    for month in np.unique(times.astype("datetime64[M]")):
        begin, end = (month + more for more in (0, 1))
        first = begin.astype("datetime64[ns]") - np.timedelta64(round(memory_days * 86400), "s")
        if first < times[0] or end.astype("datetime64[ns]") > times[-1] + step:
            continue
        chosen = (times >= first) & (times < end.astype("datetime64[ns]"))
        found.append((np.flatnonzero(chosen), month))
    if not found:
        raise DataError(
            f"{store.source}: time: no whole month with {memory_days:g} days before it; give a "
            "longer record"
        )
    return found


def _padded(response: Tensor, lags: int) -> Tensor:
    """With zeros for months that the window does not reach."""
    stations, given, *shape = response.shape
    return torch.cat([response, response.new_zeros(stations, lags - given, *shape)], dim=1)
