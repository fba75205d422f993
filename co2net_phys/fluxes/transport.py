"""From surface fluxes to mole fractions at stations, by the project's differentiable transport.

NEE is given by day and held through it. Fossil fuels and the ocean come from a file of mole fluxes,
linear between its records. Everything else, winds, mixing and exchange with the free troposphere,
is that of `co2net_phys.inversion.transport_model`, so that a flux model can be trained through it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.data.stations import Station
from co2net_phys.data.store import TrainingStore, open_store
from co2net_phys.errors import DataError
from co2net_phys.fluxes.half_hourly import TO_GRAMS_PER_DAY
from co2net_phys.fluxes.schema import BACKGROUND_FLUXES, FIRE
from co2net_phys.inversion.observation_operator import StationOperator
from co2net_phys.inversion.prior_flux import FileFlux
from co2net_phys.inversion.transport_model import LONGEST_STEP, TransportModel
from co2net_phys.regridding import ConservativeRegridder, LatLonGrid
from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.mixing import free_troposphere
from co2net_phys.solvers import Grid

Array = NDArray[np.float64]

LOG = logging.getLogger(__name__)

DIFFUSIVITY = 1e5
"""m2 s-1, as in `co2phys simulate`."""

MOST_WAVES = 21
"""Truncation of the physics bridge unless more is asked for; its cost grows with the square."""

BRIDGE_STEP = 10800.0
"""Seconds: longest step of the physics bridge, which averages over the day what stations see."""

WINDOW_FRAMES = 41
"""Frames integrated in one piece: ten days of six-hourly winds."""

INVENTED = re.compile("synthetic|invented", re.IGNORECASE)
"""Stands in the summary of every store that the package simulates."""

NEE_COMPONENT = 0
"""Position of NEE among the components of `CarbonFluxes`."""


class CarbonFluxes:
    """NEE, fossil fuels and ocean on the transport grid; see `inversion.prior_flux.PriorFlux`.

    Parameters
    ----------
    nee
        (day, nlat, nlon) g m-2 d-1 per area of land, NaN where there is none.
    land
        (nlat, nlon) share of land.
    grid
        Of both.
    first_day
        Date of the first day of `nee`.
    background
        File of mole fluxes.
    target
        Grid of the transport.
    clock
        Of the transport.
    """

    components = ("nee", *BACKGROUND_FLUXES)

    def __init__(
        self,
        nee: NDArray[Any],
        land: Array,
        grid: LatLonGrid,
        first_day: np.datetime64,
        background: Path,
        target: Grid,
        clock: Clock,
    ) -> None:
        self._nee, self._land = nee, land
        self._regrid = ConservativeRegridder(grid, LatLonGrid.of_solver(target))
        self._offset = float((clock.start - first_day) / np.timedelta64(1, "D"))
        self._background = FileFlux(background, target, clock)
        if self._background.components != BACKGROUND_FLUXES:
            raise DataError(
                f"{background}: holds {', '.join(self._background.components)}; "
                f"expected {', '.join(BACKGROUND_FLUXES)}"
            )
        self._kept: tuple[int, Array] | None = None

    def at(self, seconds: float) -> Array:
        """(3, nlat, nlon) in µmol m-2 s-1, `seconds` after the clock's start."""
        return np.concatenate([self.nee_at(seconds)[None], self._background.at(seconds)])

    def nee_at(self, seconds: float) -> Array:
        """NEE alone, (nlat, nlon) in µmol m-2 s-1 per area of the whole cell."""
        # The end of the record belongs to its last day.
        day = min(int(np.floor(seconds / 86400 + self._offset + 1e-9)), len(self._nee) - 1)
        if self._kept is None or self._kept[0] != day:
            per_cell = np.where(self._land > 0, self._nee[day] * self._land, 0.0)
            self._kept = day, self._regrid(per_cell) / TO_GRAMS_PER_DAY
        return self._kept[1]


def transport_model(
    store: TrainingStore,
    truncation: int,
    *,
    exchange: bool = True,
    longest_step: float = LONGEST_STEP,
) -> TransportModel:
    """The transport by the winds of a station store."""
    return TransportModel(
        store,
        truncation,
        exchange=exchange,
        diffusivity=DIFFUSIVITY,
        longest_step=longest_step,
    )


def known_transport(
    stations: Path, background: Path, truncation: int | None = None
) -> tuple[TransportModel, FileFlux]:
    """The transport by the winds of a station store, and the fluxes other than NEE.

    Warns where the store is none that the package has simulated: the free troposphere that the
    surface layer exchanges air with is an invented one.

    Parameters
    ----------
    stations
        File of mole fractions and winds.
    background
        File of mole fluxes, of fuels and ocean and perhaps of fires.
    truncation
        T; None takes that of a Gaussian grid with as many rows as the winds have, `MOST_WAVES` at
        most.

    Raises
    ------
    DataError
        A file cannot be read, there are no winds, a flux is missing or another is given.
    """
    store = open_store(stations, need_target=False)
    if not INVENTED.search(str(store.dataset.attrs.get("summary", ""))):
        LOG.warning(
            "%s: no simulation of this package, yet the free troposphere of its invented Earth is "
            "taken as true; the baseline may be wrong by several µmol mol-1",
            stations,
        )
    of_winds = (2 * len(store.latitude) - 1) // 3
    model = transport_model(
        store, truncation or min(of_winds, MOST_WAVES), longest_step=BRIDGE_STEP
    )
    known = FileFlux(background, model.harmonics.grid, model.clock)
    _require_known(known.components, background)
    return model, known


def _require_known(components: tuple[str, ...], background: Path) -> None:
    """Refuse fluxes of land, which are what is looked for, and a lack of those that are not."""
    missing = [name for name in BACKGROUND_FLUXES if name not in components]
    if missing:
        raise DataError(f"{background}: {missing[0]}: no such mole flux; add it, or rename it so")
    others = [name for name in components if name not in (*BACKGROUND_FLUXES, FIRE)]
    if others:
        raise DataError(
            f"{background}: {others[0]}: only {', '.join((*BACKGROUND_FLUXES, FIRE))} are taken as "
            "known; leave it out, exchange with land is what is looked for"
        )


def initial_state(model: TransportModel, seconds: float = 0.0) -> Tensor:
    """Modal (l, m) mole fractions in µmol mol-1: those of the free troposphere.

    The surface layer forgets them within a few days.
    """
    above = free_troposphere(model.geography.latitude, model.clock, seconds)
    return model.harmonics.to_modal(torch.as_tensor(above))


def station_mole_fractions(
    model: TransportModel,
    fluxes: CarbonFluxes,
    stations: tuple[Station, ...],
    on_window: Callable[[int], None] = lambda frames: None,
) -> Array:
    """Mole fractions (frame, station) in µmol mol-1 at every frame of the store, without noise.

    `on_window` is called with the number of frames done after each window.
    """
    operator = StationOperator(stations, model.harmonics.truncation)
    total = len(model.store)
    state = initial_state(model)
    factors = torch.ones(1, len(fluxes.components), 1, 1, dtype=torch.float64)
    found = [operator(state)[None]]
    for first in range(0, total - 1, WINDOW_FRAMES - 1):
        frames = np.arange(first, min(first + WINDOW_FRAMES, total))
        with torch.no_grad():
            states = model.window(frames, fluxes).states(state, factors)
        found.append(operator(states[1:]))
        state = states[-1]
        on_window(int(frames[-1]) + 1)
    return np.asarray(torch.cat(found).numpy())
