"""The map from the nodes of a grid to their departure points, to a tolerance, at little cost.

Over one time step the map is about as smooth as the wind, however fine the tracer: its Cartesian
components are three scalar fields on the sphere. So it is traced from a few nodes, expanded in
spherical harmonics, and evaluated at all nodes; where the wind has fine scales of its own the
expansion says so by its last terms, and more nodes are traced, in the end all of them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.errors import NumericalError
from co2net_phys.solvers.departures import Trajectories, WindAt, coordinates
from co2net_phys.solvers.dormand_prince import DORMAND_PRINCE_8, estimated_error
from co2net_phys.solvers.grid import Grid
from co2net_phys.solvers.harmonics import SphericalHarmonics

MAX_SUBSTEPS = 256
"""Beyond as many substeps the time step is far too long for the wind."""

FIRST_TRUNCATION = 21
"""Of the expansion that is tried first; a cheap one, and enough for planetary winds."""

LAST_TERMS = 0.2
"""Share of the degrees, the highest ones, that tell how well an expansion has converged."""


class Departures(NamedTuple):
    """Where the parcels at the nodes come from."""

    latitude: Tensor
    """(nlat, nlon), radians."""
    longitude: Tensor
    """(nlat, nlon), radians in [−π, π]."""
    area_ratio: Tensor | None
    """(nlat, nlon) area of a parcel at departure per area at arrival, e^{−∫ ∇·w dt}, if asked
    for."""


@dataclass(frozen=True)
class AnyWind:
    """A wind at any point, and how far it can be trusted."""

    at: WindAt
    """The wind."""
    records: NDArray[np.float64] | None = None
    """Ascending times (s) at which its rate of change may jump, if there are any."""
    error: Callable[[float], float] | None = None
    """Of a wind that is interpolated, the error (m s⁻¹) at a time (s)."""


class DepartureMap:
    """Departure points of the nodes of ``harmonics.grid``.

    Args:
        harmonics: the nodes, the radius, and the largest truncation an expansion may have.
        wind: at any point.
        time_step: Δt, s.
        tolerance: error of the points, radians; where the wind is less certain, its error × Δt/R.
        substeps: of each path; None for as many as ``tolerance`` needs.
        rotation: see :class:`Trajectories`.
        with_area_ratio: whether a flux form needs the ratio of areas, too.
    """

    def __init__(
        self,
        harmonics: SphericalHarmonics,
        wind: AnyWind,
        time_step: float,
        tolerance: float,
        substeps: int | None = None,
        rotation: float = 0.0,
        with_area_ratio: bool = False,
    ) -> None:
        if harmonics.laplacian_eigenvalues.dtype != torch.float64:
            # Rounded to float32 the paths would not reach the tolerance.
            grid, truncation = harmonics.grid, harmonics.truncation
            harmonics = SphericalHarmonics(grid, truncation, harmonics.radius)
        self.harmonics, self.time_step, self.tolerance = harmonics, time_step, tolerance
        self.wind, self.substeps, self.with_area_ratio = wind, substeps, with_area_ratio
        self._trajectories = Trajectories(
            wind.at, harmonics.radius, rotation, DORMAND_PRINCE_8, estimate=estimated_error
        )
        self._expected_substeps = 1
        self._truncation = min(FIRST_TRUNCATION, harmonics.truncation)

    def __call__(self, time: float) -> Departures:
        """Departures at ``time`` (s) of the parcels that arrive one time step later.

        Raises:
            NumericalError: the paths need too many substeps, or the wind is not finite.
        """
        tolerance = self._tolerance(time)
        expansion = self._converged_expansion(time, tolerance)
        if expansion is None:
            positions = self._trace(self.harmonics, time, tolerance)
            if not self.with_area_ratio:
                return Departures(*coordinates(positions), None)
            modal = self.harmonics.to_modal(positions)
            return Departures(*coordinates(positions), _area_ratio(self.harmonics, modal))
        refined = _harmonics(self.harmonics.grid, self._truncation)
        ratio = _area_ratio(refined, expansion) if self.with_area_ratio else None
        return Departures(*coordinates(refined.to_nodal(expansion)), ratio)

    def _tolerance(self, time: float) -> float:
        if self.wind.error is None:
            return self.tolerance
        wind_error = self.wind.error(time + 0.5 * self.time_step)
        return max(self.tolerance, wind_error * self.time_step / self.harmonics.radius)

    def _converged_expansion(self, time: float, tolerance: float) -> Tensor | None:
        """(3, l, m) positions, or None if tracing all nodes costs less than to expand them."""
        while self._pays():
            truncation = self._truncation
            coarse = _harmonics(Grid("gaussian", truncation + 1, 2 * truncation + 2), truncation)
            modal = coarse.to_modal(self._trace(coarse, time, tolerance))
            if _last_terms(modal) <= tolerance:
                return modal
            self._truncation = math.ceil(1.5 * truncation)
        return None

    def _pays(self) -> bool:
        traced = 2 * (self._truncation + 1) ** 2
        return self._truncation <= self.harmonics.truncation and traced < math.prod(
            self.harmonics.grid.shape
        )

    def _trace(self, harmonics: SphericalHarmonics, time: float, tolerance: float) -> Tensor:
        """(3, nlat, nlon) positions at ``time`` of the parcels that arrive at the nodes."""
        while True:
            count = self.substeps or self._expected_substeps
            positions, error = self._follow(harmonics, time, count)
            if not bool(torch.isfinite(positions).all()):
                raise NumericalError(
                    f"trajectories over {self.time_step:g} s at {time:g} s are not finite: look "
                    "for missing values in the wind"
                )
            if self.substeps is not None:
                return positions
            self._expected_substeps = _enough_substeps(count, error / tolerance)
            if error <= tolerance:
                return positions
            if self._expected_substeps > MAX_SUBSTEPS:
                raise NumericalError(
                    f"trajectories over {self.time_step:g} s at {time:g} s do not reach an error "
                    f"of {tolerance:g} rad in {MAX_SUBSTEPS} substeps: shorten the time step, "
                    "raise the tolerance, or give the number of substeps"
                )

    def _follow(
        self, harmonics: SphericalHarmonics, time: float, count: int
    ) -> tuple[Tensor, float]:
        """Positions at ``time`` after ``count`` substeps or a few more, and the error of them."""
        latitude, longitude = harmonics.coordinates()
        positions, total = torch.empty(0), 0.0
        for start, end in reversed(self._legs(time, count)):
            substeps = math.ceil(count * (end - start) / self.time_step - 1e-6)
            positions, error = self._trajectories.back(
                latitude, longitude, start, end - start, max(substeps, 1)
            )
            latitude, longitude = coordinates(positions)
            total += error
        return positions, total

    def _legs(self, time: float, count: int) -> list[tuple[float, float]]:
        """The time step, cut at the records within it, unless that takes more substeps.

        A Runge–Kutta step loses its order where the rate of change of the wind jumps; a few steps
        across small jumps may be accurate enough all the same.
        """
        bounds = [time, time + self.time_step]
        if self.wind.records is not None:
            inside = (self.wind.records > time) & (self.wind.records < bounds[1])
            if count > inside.sum():
                bounds[1:1] = self.wind.records[inside].tolist()
        return list(pairwise(bounds))


def _enough_substeps(count: int, excess: float) -> int:
    """Substeps after an error of ``excess`` tolerances with ``count``, the error ∝ count⁻⁷."""
    if excess > 1.0:
        return max(count + 1, math.ceil(min(count * (2.0 * excess) ** (1 / 7), 1e6)))
    fewer = count - 1
    # One substep less only where it is sure to do; not to swing between the two.
    return fewer if fewer and 4.0 * excess * (count / fewer) ** 8 < 1.0 else count


def _last_terms(modal: Tensor) -> float:
    """Bound of what the highest degrees of (3, l, m) contribute anywhere on the sphere.

    |Σ_m a_lm Y_lm| ≤ √((2l + 1)/4π) √(Σ_m |a_lm|²) by the addition theorem.
    """
    size = modal.shape[-1]
    # Two at least, since a map that is symmetric about the equator has every other degree only.
    degree = torch.arange(max(size - max(2, math.ceil(LAST_TERMS * size)), 0), size)
    power = modal[:, degree].abs().square()  # (3, l, m)
    power[..., 1:] *= 2.0  # the conjugate orders
    bound = (power.sum(-1) * (2 * degree + 1) / (4.0 * math.pi)).sqrt().sum(-1)
    return float(bound.max())


def _area_ratio(harmonics: SphericalHarmonics, modal: Tensor) -> Tensor:
    """Jacobian determinant of the map x → X(x): X · (∂X/∂east × ∂X/∂north), |X| = 1.

    The truncated expansion is off the sphere by its error, hence the division by |X|³.
    """
    position = harmonics.to_nodal(modal)
    east, north = (harmonics.radius * part for part in harmonics.gradient(modal))
    determinant = (position * torch.linalg.cross(east, north, dim=0)).sum(0)
    return determinant / position.norm(dim=0) ** 3


@lru_cache(maxsize=8)
def _harmonics(grid: Grid, truncation: int) -> SphericalHarmonics:
    return SphericalHarmonics(grid, truncation)
