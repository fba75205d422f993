"""Kriging on the sphere, all frames of a batch at once."""

from __future__ import annotations

import logging
from typing import ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from co2net_phys.baselines.base import WINDOW, latest_report, station_positions
from co2net_phys.baselines.sphere import great_circle_degrees, grid_points
from co2net_phys.baselines.training_mean import FallsBackToMean
from co2net_phys.baselines.unbiased import bordered, dual_values, reporting, reporting_systems
from co2net_phys.baselines.variogram import (
    MODELS,
    NUGGET_FLOOR,
    SAMPLE_FRAMES,
    fit_variogram,
    merge_places,
    same_place,
)
from co2net_phys.batch import Batch, Coordinates, Observations
from co2net_phys.data.schema import CO2, standard_error_name
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import NumericalError, UsageError

logger = logging.getLogger(__name__)

COINCIDENT_DEGREES = 1e-10
"""Degrees below which a cell centre lies on a station (PyKrige's tolerance)."""


class _Network(NamedTuple):
    """What depends on the positions only, float64."""

    key: Tensor
    place: Tensor  # (S,) labels of the places of the stations
    system: Tensor  # (G+1, G+1) covariances between places, bordered by ones
    to_grid: Tensor  # (H·W, G+1) covariances between cells and places, then one


class KrigingOperator(nn.Module):
    """Ordinary kriging with a fixed variogram: a linear map from station values to a field.

    The nugget is taken as variation smaller than the grid, so a cell on top of a station has its
    value (PyKrige's `exact_values=True`). Stations in the same place are averaged first, those
    that do not report drop out. Any grid and network will do: their matrices are kept until others
    come.

    A variogram may be unfit for a network: a Gaussian one without nugget makes weights of opposite
    sign and any size, and a field of thousands of ppm. So the nugget is raised, with a warning,
    until no contrast between places has a smaller variance than `NUGGET_FLOOR` sills. Removing
    stations cannot make it smaller (Cauchy's interlacing theorem): what holds for the whole
    network holds for whichever of it report. A variogram with clearly negative variances is refused
    with a `NumericalError`.
    """

    variogram: Tensor
    """(3,) partial sill and nugget in (µmol mol-1)², between them the range in degrees.

    For "power" the exponent stands in the middle; see `MODELS` for what its sill is.
    """

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
        dual = dual_values(network.system, merge_places(values.double(), network.place))
        field: Tensor = dual @ network.to_grid.T  # (B, H·W)
        return field.reshape(len(dual), *coordinates.shape)

    def standard_error(
        self, values: Tensor, latitude: Tensor, longitude: Tensor, coordinates: Coordinates
    ) -> Tensor:
        """Root of the kriging variance (B, H, W) in µmol mol-1; of `values` only the gaps count.

        The variance is C(0) less the quadratic form of c(x), bordered by one, with the inverse of
        the bordered system above; the nugget is included. It is zero on top of a station and NaN
        (not known) in frames in which no station reports.
        """
        network = self._network(latitude, longitude, coordinates)
        merged = merge_places(values.double(), network.place)
        errors = []
        for frame in merged.split(1):  # one by one, since each needs all cells times all places
            active = reporting(frame)[0]
            to_grid = network.to_grid * active
            matrix = reporting_systems(network.system, frame)[0][0]
            explained = (to_grid * torch.linalg.solve(matrix, to_grid.T).T).sum(dim=1)
            error = (network.system[0, 0] - explained).clamp(min=0.0).sqrt()
            errors.append(torch.where(active[-1], error, torch.nan))
        return torch.stack(errors).reshape(len(merged), *coordinates.shape)

    def leave_one_out(
        self, values: Tensor, latitude: Tensor, longitude: Tensor, coordinates: Coordinates
    ) -> Tensor:
        """Value minus its prediction from all other places, (B, G), NaN where missing.

        The shortcut a_i / (A⁻¹)_ii avoids solving G systems (Dubrule 1983,
        https://doi.org/10.1007/BF01033232).
        """
        network = self._network(latitude, longitude, coordinates)
        merged = merge_places(values.double(), network.place)
        systems, right = reporting_systems(network.system, merged)
        inverse = torch.linalg.inv(systems)
        dual = (inverse @ right[..., None])[..., 0]
        errors = dual / inverse.diagonal(dim1=-2, dim2=-1)
        return torch.where(torch.isfinite(merged), errors[:, :-1], torch.nan)

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
        between = self.covariance(great_circle_degrees(north, east, north, east))
        cells = grid_points(coordinates.latitude, coordinates.longitude)
        away = great_circle_degrees(*cells, north, east)
        raised = self._missing_nugget(between)
        between.diagonal().add_(raised)
        to_grid = self.covariance(away) + raised * (away <= COINCIDENT_DEGREES)
        return _Network(
            key, place, bordered(between), nn.functional.pad(to_grid, (0, 1), value=1.0)
        )

    def _missing_nugget(self, between: Tensor) -> Tensor:
        """What the nugget lacks for covariances (G, G) to make a well-conditioned system, ()."""
        sill, reach, nugget = self.variogram.double()
        share = smallest_contrast(between) / sill
        if share >= NUGGET_FLOOR * (1.0 - 1e-6):
            return torch.zeros_like(sill)
        found = (
            f"kriging: the {self.model} variogram (sill {sill:.3g}, range or exponent {reach:.3g}, "
            f"nugget {nugget:.3g}) gives a contrast of {len(between)} places a variance of "
            f"{share:.1e} sills"
        )
        if share < -NUGGET_FLOOR:
            raise NumericalError(
                f"{found}, so it is none on the sphere; give a smaller range or exponent"
            )
        lack = (NUGGET_FLOOR - share) * sill
        logger.warning("%s; its nugget was raised by %.3g to keep the field sane", found, lack)
        return lack


def smallest_contrast(covariance: Tensor) -> Tensor:
    """Smallest eigenvalue of a covariance matrix (G, G) among weights (G,) that sum to zero."""
    count = len(covariance)
    centred = covariance - covariance.mean(dim=0)
    centred = centred - centred.mean(dim=1, keepdim=True)
    # The constant vector is no contrast: give it an eigenvalue that is not the smallest.
    return torch.linalg.eigvalsh(centred + covariance.trace() / count)[0]


class Kriging(FallsBackToMean):
    """Ordinary kriging of the stations at the last frame with a report, spherical variogram."""

    name = "kriging"
    model: ClassVar[str] = "spherical"

    def __init__(self) -> None:
        super().__init__()
        self.operator = KrigingOperator(model=self.model)

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
        parameters = fit_variogram(values, *positions, cls.model)
        module.operator.variogram.copy_(torch.tensor(parameters))
        return module

    def predict(self, observations: Observations, coordinates: Coordinates) -> Tensor:
        """The kriged field, (B, H, W) µmol mol-1."""
        anomaly = latest_report(observations.value).double() - self.training_mean
        field: Tensor = self.operator(
            anomaly, observations.latitude, observations.longitude, coordinates
        )
        return field + self.training_mean

    def with_standard_error(self, batch: Batch) -> Batch:
        """The kriged batch with the standard error as a second field, (B, 1, H, W) µmol mol-1."""
        observations = batch.observations
        errors = self.operator.standard_error(
            latest_report(observations.value),
            observations.latitude,
            observations.longitude,
            batch.coordinates,
        )
        result: Batch = self(batch)
        return result.with_fields(**{standard_error_name(CO2): errors.float()[:, None]})


class KrigingLinear(Kriging):
    """`Kriging` with a linear variogram."""

    name = "kriging-linear"
    model = "linear"


class KrigingPower(Kriging):
    """`Kriging` with a power variogram, its exponent at most 1 to be valid on the sphere."""

    name = "kriging-power"
    model = "power"


class KrigingGaussian(Kriging):
    """`Kriging` with a Gaussian variogram, its range at most 90° to be nearly valid on the sphere.

    Such fields are too smooth for CO2 near its sources; it is here because the paper has it.
    """

    name = "kriging-gaussian"
    model = "gaussian"


class KrigingExponential(Kriging):
    """`Kriging` with an exponential variogram."""

    name = "kriging-exponential"
    model = "exponential"


def sample(frames: NDArray[np.int64], count: int = 4 * SAMPLE_FRAMES) -> NDArray[np.int64]:
    """At most `count` of the frames, evenly spread.

    Four times what a variogram needs, since frames with few reports drop out.
    """
    positions = np.linspace(0, len(frames) - 1, min(count, len(frames))).astype(np.int64)
    chosen: NDArray[np.int64] = frames[positions]
    return chosen
