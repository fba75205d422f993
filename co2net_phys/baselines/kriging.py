"""Kriging on the sphere, all frames of a batch at once."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from co2net_phys.baselines.base import WINDOW, latest_report, station_positions
from co2net_phys.baselines.sphere import great_circle_degrees, grid_points
from co2net_phys.baselines.training_mean import FallsBackToMean
from co2net_phys.baselines.variogram import (
    MODELS,
    SAMPLE_FRAMES,
    fit_variogram,
    merge_places,
    same_place,
)
from co2net_phys.batch import Coordinates, Observations
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import UsageError

COINCIDENT_DEGREES = 1e-10
"""Degrees below which a cell centre lies on a station (PyKrige's tolerance)."""


class _Network(NamedTuple):
    """What depends on the positions only, float64."""

    key: Tensor
    place: Tensor  # (S,) labels of the places of the stations
    system: Tensor  # (G+1, G+1) covariances between places, bordered by ones
    to_grid: Tensor  # (H·W, G+1) covariances between cells and places, then one


class KrigingOperator(nn.Module):
    """The map from station values to a field for a fixed variogram, linear in the values.

    With covariance matrix A of the stations, covariances c(x) of a cell with them and values z,
    solve the dual system once for all cells,

        [A 1; 1ᵀ 0] [a; μ] = [z; 0],        z*(x) = c(x)·a + μ,

    which is ordinary kriging (Cressie 1993, section 3.4.5). The nugget is taken as variation
    smaller than the grid, so a cell on top of a station has its value (PyKrige's
    `exact_values=True`). Stations in the same place are averaged first; stations that do not
    report become rows of the identity. Any grid and network will do: their matrices are kept
    until others come.
    """

    variogram: Tensor
    """(3,) partial sill and nugget in (µmol mol-1)², between them the range in degrees."""

    def __init__(self, *, model: str = "spherical"):
        super().__init__()
        if model not in MODELS:
            raise UsageError(f"no variogram {model!r}; choose one of {', '.join(MODELS)}")
        self.model = model
        self.register_buffer("variogram", torch.tensor([1.0, 60.0, 0.0], dtype=torch.float64))
        self._kept: _Network | None = None

    def covariance(self, distance: Tensor) -> Tensor:
        """Covariance in (µmol mol-1)² at great-circle distances in degrees, of the same shape."""
        sill, reach, nugget = self.variogram.double()
        smooth = sill * (1.0 - MODELS[self.model](distance, reach))
        return torch.where(distance <= COINCIDENT_DEGREES, sill + nugget, smooth)

    def forward(
        self, values: Tensor, latitude: Tensor, longitude: Tensor, coordinates: Coordinates
    ) -> Tensor:
        """Field (B, H, W) from station values (B, S), NaN where missing, in the same unit.

        Frames in which no station reports give zero.
        """
        network = self._network(latitude, longitude, coordinates)
        merged = merge_places(values.double(), network.place)
        systems, right = self._systems(network.system, merged)
        dual = torch.linalg.solve(systems, right)  # (B, G+1)
        field: Tensor = dual @ network.to_grid.T  # (B, H·W)
        return field.reshape(len(dual), *coordinates.shape)

    def leave_one_out(
        self, values: Tensor, latitude: Tensor, longitude: Tensor, coordinates: Coordinates
    ) -> Tensor:
        """Value minus its prediction from all other places, (B, G), NaN where missing.

        The shortcut a_i / (A⁻¹)_ii avoids solving G systems (Dubrule 1983,
        https://doi.org/10.1007/BF01033232).
        """
        network = self._network(latitude, longitude, coordinates)
        merged = merge_places(values.double(), network.place)
        systems, right = self._systems(network.system, merged)
        inverse = torch.linalg.inv(systems)
        dual = (inverse @ right[..., None])[..., 0]
        errors = dual / inverse.diagonal(dim1=-2, dim2=-1)
        return torch.where(torch.isfinite(merged), errors[:, :-1], torch.nan)

    def _systems(self, system: Tensor, merged: Tensor) -> tuple[Tensor, Tensor]:
        """Matrices (B, G+1, G+1) and right-hand sides (B, G+1), missing places neutralised."""
        reports = torch.isfinite(merged)  # (B, G)
        active = torch.cat([reports, reports.any(dim=1, keepdim=True)], dim=1)  # (B, G+1)
        active = active.to(system)
        systems = system * active[:, :, None] * active[:, None, :] + torch.diag_embed(1.0 - active)
        right = torch.nan_to_num(merged, nan=0.0)
        return systems, torch.cat([right, torch.zeros_like(right[:, :1])], dim=1)

    def _network(self, latitude: Tensor, longitude: Tensor, coordinates: Coordinates) -> _Network:
        parts = (self.variogram, latitude, longitude, coordinates.latitude, coordinates.longitude)
        key = torch.cat([part.detach().double() for part in parts])
        kept = self._kept
        if kept is None or kept.key.device != key.device or not torch.equal(kept.key, key):
            kept = self._kept = self._build(key, latitude, longitude, coordinates)
        return kept

    def _build(
        self, key: Tensor, latitude: Tensor, longitude: Tensor, coordinates: Coordinates
    ) -> _Network:
        place = same_place(latitude, longitude)
        count = int(place.max()) + 1
        order = torch.arange(len(place), device=place.device)
        first = order.new_full((count,), len(place)).scatter_reduce(0, place, order, "amin")
        north, east = latitude[first], longitude[first]
        system = nn.functional.pad(
            self.covariance(great_circle_degrees(north, east, north, east)), (0, 1, 0, 1), value=1.0
        )
        system[-1, -1] = 0.0
        cells = grid_points(coordinates.latitude, coordinates.longitude)
        to_grid = self.covariance(great_circle_degrees(*cells, north, east))
        return _Network(key, place, system, nn.functional.pad(to_grid, (0, 1), value=1.0))


class Kriging(FallsBackToMean):
    """Ordinary kriging of the stations at the last frame with a report, spherical variogram."""

    name = "kriging"

    def __init__(self) -> None:
        super().__init__()
        self.operator = KrigingOperator(model="spherical")

    @classmethod
    def fit(
        cls,
        store: TrainingStore,
        frames: NDArray[np.int64],
        stations: NDArray[np.int64],
        *,
        window: int = WINDOW,
    ) -> Self:
        """Fit the variogram to a sample of frames; see `Baseline.fit`."""
        module = super().fit(store, frames, stations, window=window)
        values = store.observations(sample(frames), stations).astype(np.float64)
        positions = station_positions(store, stations)
        parameters = fit_variogram(values, *positions, module.operator.model)
        module.operator.variogram.copy_(torch.tensor(parameters))
        return module

    def predict(self, observations: Observations, coordinates: Coordinates) -> Tensor:
        """The kriged field, (B, H, W) µmol mol-1."""
        anomaly = latest_report(observations.value).double() - self.training_mean
        field: Tensor = self.operator(
            anomaly, observations.latitude, observations.longitude, coordinates
        )
        return field + self.training_mean


def sample(frames: NDArray[np.int64], count: int = 4 * SAMPLE_FRAMES) -> NDArray[np.int64]:
    """At most `count` of the frames, evenly spread.

    Four times what a variogram needs, since frames with few reports drop out.
    """
    positions = np.linspace(0, len(frames) - 1, min(count, len(frames))).astype(np.int64)
    chosen: NDArray[np.int64] = frames[positions]
    return chosen
