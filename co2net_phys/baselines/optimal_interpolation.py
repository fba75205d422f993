"""Optimal interpolation with the localised covariance of the training residuals."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from co2net_phys.baselines.analysis import Analysis, Covariances, Tuning
from co2net_phys.baselines.residuals import Residuals
from co2net_phys.baselines.sphere import gaspari_cohn, great_circle_degrees, grid_points

RADII_DEGREES = (5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 50.0, 60.0, 75.0, 90.0)
"""Half-widths of the localisation tried. Twice the largest is half a circle: see `gaspari_cohn`."""

ERROR_FACTORS = (0.3, 1.0, 3.0, 10.0)
"""Multiples of the estimated error variances tried."""


class OptimalInterpolation(Analysis):
    """`Analysis` with B the sample covariance of training residuals, localised.

    Of some hundred frames correlations over long distances are mostly chance; they are tapered to
    zero at twice a tuned radius. R is diagonal: the mean square of report − field in the cell of
    the station, times a tuned factor.
    """

    name = "optimal-interpolation"
    extents = RADII_DEGREES
    error_factors = ERROR_FACTORS

    def prior(self, residuals: Residuals, area: Tensor, source: str) -> LocalisedCovariance:
        """Sample covariances of the residuals; see `Analysis.prior`."""
        at_stations = residuals.field[:, residuals.cells]
        cells = grid_points(self.climatology.latitude, self.climatology.longitude)
        stations = (self.station_latitude, self.station_longitude)
        return LocalisedCovariance(
            (at_stations.T @ residuals.field).double() / len(residuals),
            residuals.error_variance(source),
            residuals.cells,
            great_circle_degrees(*stations, *cells),
            great_circle_degrees(*stations, *stations),
        )


@dataclass(frozen=True)
class LocalisedCovariance:
    """A sample covariance that is tapered to zero with distance."""

    sample: Tensor
    """(S, C) sample covariance of the cells of the stations with all cells, (µmol mol-1)²."""
    errors: Tensor
    """(S,) error variances of the reports, (µmol mol-1)²."""
    cells: Tensor
    """(S,) cell of each station."""
    to_cells: Tensor
    """(S, C) distances of stations and cells in degrees."""
    to_stations: Tensor
    """(S, S) distances of stations in degrees."""

    def covariances(self, tuning: Tuning) -> Covariances:
        """With the localisation radius in degrees for an extent."""
        radius = tuning.extent
        between = self.sample[:, self.cells] * gaspari_cohn(self.to_stations / radius)
        reports = between + torch.diag(tuning.error_factor * self.errors)
        return Covariances(reports, self.sample * gaspari_cohn(self.to_cells / radius))
