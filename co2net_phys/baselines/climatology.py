"""The mean field of the training frames for each hour of the day and time of the year."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from co2net_phys.baselines.base import chunks
from co2net_phys.baselines.sphere import nearest_cell
from co2net_phys.batch import Coordinates, Observations
from co2net_phys.data.schema import CO2
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError

DAY_SECONDS = 86400.0
"""Seconds in a day."""

SHORTEST_YEAR_DAYS = 330.0
"""Days the training frames must span before an annual cycle is fitted."""

ANNUAL_HARMONICS = 2
"""Pairs of sine and cosine of the year: annual and half-annual."""

MOST_SLOTS = 24
"""Hours of the day told apart at most."""


class Climatology(nn.Module):
    """Per-cell regression on the hour of the day and the harmonics of the year.

    c(x, t) = a_{s(t)}(x) + Σ_k b_k(x) cos 2πk y(t) + c_k(x) sin 2πk y(t)

    where s is the nearest of the hours seen in training and y the fraction of the year. There is
    no trend: extrapolated, it is worse than the offset that current stations give.
    """

    slots: Tensor
    """(K,) day phases told apart, in [0, 1)."""
    coefficients: Tensor
    """(P, H, W) a, then b and c, in µmol mol-1, P = K + 2 · harmonics."""
    latitude: Tensor
    """(H,) degrees north."""
    longitude: Tensor
    """(W,) degrees east."""

    def __init__(self, *, height: int, width: int, slots: int, harmonics: int):
        super().__init__()
        self.harmonics = harmonics
        rows = slots + 2 * harmonics
        self.register_buffer("slots", torch.zeros(slots, dtype=torch.float64))
        self.register_buffer("coefficients", torch.zeros(rows, height, width))
        self.register_buffer("latitude", torch.zeros(height, dtype=torch.float64))
        self.register_buffer("longitude", torch.zeros(width, dtype=torch.float64))

    @property
    def sizes(self) -> dict[str, int]:
        """The arguments that make a climatology of the same shapes."""
        _, height, width = self.coefficients.shape
        slots = len(self.slots)
        return {"height": height, "width": width, "slots": slots, "harmonics": self.harmonics}

    @classmethod
    def fit(cls, store: TrainingStore, frames: NDArray[np.int64]) -> Self:
        """Least squares over the target fields of the training frames, read in chunks.

        Frames whose target is incomplete are left out.

        Raises
        ------
        DataError
            if no training frame has a complete target.
        """
        if len(frames) == 0:
            raise DataError(f"{store.source}: no training frames; check the dates of the split")
        height, width = store.shape
        slots = day_slots(store, frames)
        days = float(np.ptp(store.seconds[frames])) / DAY_SECONDS
        harmonics = ANNUAL_HARMONICS if days >= SHORTEST_YEAR_DAYS else 0
        module = cls(height=height, width=width, slots=len(slots), harmonics=harmonics)
        module.slots.copy_(slots)
        module.latitude.copy_(torch.from_numpy(store.latitude))
        module.longitude.copy_(torch.from_numpy(store.longitude))
        gram, moments = module._normal_equations(store, frames)
        solution = torch.linalg.pinv(gram, hermitian=True, rtol=1e-10) @ moments
        module.coefficients.copy_(solution.reshape(-1, height, width))
        return module

    def forward(self, day_phase: Tensor, year_phase: Tensor) -> Tensor:
        """Mean field (..., H, W) in µmol mol-1 at times given by two phases (...)."""
        design = self._design(day_phase, year_phase)
        return torch.einsum("...p,phw->...hw", design, self.coefficients.double())

    def at_stations(self, observations: Observations, coordinates: Coordinates) -> Tensor:
        """Climatology (B, T, S) in µmol mol-1 in the cell of each station.

        The nearest cell, as stations are rasterised for the networks.
        """
        self.check_grid(coordinates)
        return self.at_positions(
            coordinates.day_phase,
            coordinates.year_phase,
            observations.latitude,
            observations.longitude,
        )

    def at_positions(
        self, day_phase: Tensor, year_phase: Tensor, latitude: Tensor, longitude: Tensor
    ) -> Tensor:
        """Climatology (..., S) at times given by phases (...) and positions (S,) in degrees."""
        rows, columns = nearest_cell(self.latitude, self.longitude, latitude, longitude)
        design = self._design(day_phase, year_phase)
        return design @ self.coefficients[:, rows, columns].double()

    def last_frame(self, coordinates: Coordinates) -> Tensor:
        """Climatology (B, H, W) in µmol mol-1 at the last frame of each window."""
        self.check_grid(coordinates)
        field: Tensor = self(coordinates.day_phase[:, -1], coordinates.year_phase[:, -1])
        return field

    def check_grid(self, coordinates: Coordinates) -> None:
        """Raise `DataError` unless the grid is the one of the training frames."""
        height, width = self.coefficients.shape[1:]
        same = coordinates.shape == (height, width) and all(
            torch.allclose(mine, theirs.to(mine), atol=1e-3)
            for mine, theirs in (
                (self.latitude, coordinates.latitude),
                (self.longitude, coordinates.longitude),
            )
        )
        if not same:
            raise DataError(
                f"the climatology was fitted on another grid ({height}×{width}) than that of the "
                f"batch ({coordinates.shape[0]}×{coordinates.shape[1]}); regrid or fit again"
            )

    def _design(self, day_phase: Tensor, year_phase: Tensor) -> Tensor:
        """Regressors (..., P) at times given by two phases (...)."""
        hours = nn.functional.one_hot(nearest_slot(day_phase, self.slots), len(self.slots)).double()
        order = torch.arange(1, self.harmonics + 1, device=hours.device)
        angle = 2.0 * torch.pi * year_phase.double()[..., None] * order
        return torch.cat([hours, angle.cos(), angle.sin()], dim=-1)

    def _normal_equations(
        self, store: TrainingStore, frames: NDArray[np.int64]
    ) -> tuple[Tensor, Tensor]:
        """X'X (P, P) and X'Y (P, H·W)."""
        count, height, width = self.coefficients.shape
        gram = torch.zeros(count, count, dtype=torch.float64)
        moments = torch.zeros(count, height * width, dtype=torch.float64)
        for chunk in chunks(frames):
            day, year = phases(store, chunk)
            target = target_fields(store, chunk)
            complete = torch.isfinite(target).all(dim=1)
            design = self._design(day, year)[complete]
            gram += design.T @ design
            moments += design.T @ target[complete]
        if not gram.any():
            raise no_complete_target(store)
        return gram, moments


def target_fields(store: TrainingStore, frames: NDArray[np.int64]) -> Tensor:
    """CO2 at `frames` as (n, H·W) float64, µmol mol-1."""
    return torch.from_numpy(store.field(CO2, frames)).double().flatten(1)


def phases(store: TrainingStore, frames: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Day and year phase (n,), (n,) of `frames`."""
    return torch.from_numpy(store.day_phase[frames]), torch.from_numpy(store.year_phase[frames])


def no_complete_target(store: TrainingStore) -> DataError:
    """What to raise where no training frame has CO2 in every cell."""
    return DataError(
        f"{store.source}: no training frame has a complete {CO2!r}; this baseline needs gridded "
        "targets"
    )


def nearest_slot(day_phase: Tensor, slots: Tensor) -> Tensor:
    """Index (...) of the slot (K,) nearest to each phase (...) of the day, across midnight."""
    apart = day_phase.double()[..., None] - slots
    nearest: Tensor = (apart - apart.round()).abs().argmin(dim=-1)
    return nearest


def day_slots(store: TrainingStore, frames: NDArray[np.int64]) -> Tensor:
    """Day phases (K,) to tell apart: one for frames a day or more apart, else those that occur."""
    if store.time_step >= DAY_SECONDS:
        return torch.zeros(1, dtype=torch.float64)
    seen = np.unique(np.round(store.day_phase[frames], 6))
    if len(seen) > MOST_SLOTS:
        hours = np.round(seen * MOST_SLOTS) % MOST_SLOTS
        seen = np.unique(hours) / MOST_SLOTS
    return torch.from_numpy(seen)
