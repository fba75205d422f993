"""Horizontal transport of a mixing ratio in one layer whose air mass changes in a known way.

A divergent wind piles air up. With the air's own continuity equation solved elsewhere, the mixing
ratio only has to move: q(arrival) = q(departure), kept between the nodes around the departure. The
tracer's mass Σ A m q is then restored within these bounds, so that constants stay exactly what
they are, nothing turns negative, and no mass is lost.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.solvers.bounds import BoundedInterpolator, restore_mass, total_masses
from co2net_phys.solvers.departures import WindAt, departure_points
from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.local_interpolation import LocalInterpolator, extend
from co2net_phys.solvers.monotone import LONGEST_ARC
from co2net_phys.solvers.winds import Components

Array = NDArray[np.float64]


class LayerTransport:
    """Steps of ``time_step`` s of the scheme of ``monotone``, for layers of varying air mass.

    Order ``width`` in space where no bound is active, order 2 in time if the wind is that of the
    middle of the step; stable with any step.

    Args:
        harmonics: gives the grid, with an even number of longitudes, and the radius.
        time_step: s.
        width: nodes per direction of the interpolation: 2, 4, 6 or 8.
        bounds_width: nodes per direction whose extremes are the bounds, at most ``width``.
    """

    def __init__(
        self,
        harmonics: SphericalHarmonics,
        time_step: float,
        width: int = 6,
        bounds_width: int = 4,
    ) -> None:
        self.time_step, self.radius = time_step, harmonics.radius
        self._interpolator = LocalInterpolator(harmonics.grid, width)
        self._bounded = BoundedInterpolator(self._interpolator, bounds_width)
        self._areas = harmonics.grid.area_weights.ravel()
        latitude, longitude = harmonics.coordinates()
        self._latitude, self._longitude = latitude.double().cpu(), longitude.double().cpu()

    def __call__(self, ratio: Array, before: Array, after: Array, u: Array, v: Array) -> Array:
        """Mixing ratio one step later.

        Args:
            ratio: (nlat, nlon), any unit.
            before: air mass per area, (nlat, nlon), any unit.
            after: the same one step later; its global sum must be that of ``before``.
            u: eastward wind during the step, (nlat, nlon), m s⁻¹.
            v: northward wind, likewise.
        """
        points = departure_points(
            self._wind_at(u, v),
            self._latitude,
            self._longitude,
            0.0,
            self.time_step,
            max(1, math.ceil(self._arc(u, v) / LONGEST_ARC)),
            self.radius,
        )
        stencils = self._interpolator.stencils(*points)
        bounded = self._bounded(torch.from_numpy(np.ascontiguousarray(ratio)[None]), stencils)
        flat = ratio.reshape(1, -1)
        mass = total_masses(flat, self._areas * before.ravel())
        extremes = np.stack([np.full_like(flat, flat.min()), np.full_like(flat, flat.max())], 1)
        moved = restore_mass(bounded, self._areas * after.ravel(), mass, extremes)
        return moved.reshape(ratio.shape)

    def _arc(self, u: Array, v: Array) -> float:
        """Radians that the fastest parcel travels in one step."""
        return float(np.hypot(u, v).max()) * self.time_step / self.radius

    def _wind_at(self, u: Array, v: Array) -> WindAt:
        """The wind between the nodes."""
        samples = extend(torch.from_numpy(np.stack([u, v])), self._interpolator.halo, True)

        def wind_at(latitude: Tensor, longitude: Tensor, time: float) -> Components:
            stencils = self._interpolator.stencils(latitude, longitude)
            east, north = self._interpolator.interpolate_extended(samples, stencils)
            return east, north

        return wind_at
