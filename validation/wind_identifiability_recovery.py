"""Winds recovered in the twins, and their errors; each is computed once.

Errors are relative to the root mean square speed of the true wind. Shares, means and quantiles are
of the area of the sphere.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import fields as fields_of
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.solvers import RecoveredWind, recover_wind
from co2net_phys.validation.wind_twin import (
    ANOMALY,
    CENTRE,
    Twin,
    mean_square,
    moving_twin,
    steady_twin,
)

STRIDES = (4, 6, 8)
"""Output intervals, in units of five minutes, over which the order is measured: with shorter ones
a difference of order six is so good that the truncation of the twin shows."""

NOISE = 0.01 * ANOMALY
"""Standard deviation of the noise: 1 % of that of the tracers, µmol mol⁻¹."""

NOISE_STRIDE = 8
"""Intervals between the noisy fields: 40 minutes, as noise is divided by the interval."""

LARGEST_CONDITION = 1e4
"""cond(G) up to which the wind counts as determined."""

ORDERS = (2, 4, 6)
"""Orders of the time difference."""

NOISE_SEEDS = (1, 2, 3)
"""Of the noise in the check of the claimed uncertainty."""

WINDOWS = (1, 2, 4, 8, 12, 24, 48)
"""Instants, one an hour, over which the wind is taken as steady."""

WINDOW_NOISE = 0.001 * ANOMALY
"""Noise of the windows, µmol mol⁻¹."""

ROUGH_DEGREES = (21, 30, 42)
"""Largest degrees of tracers that come near the truncation of the twin, or fill it."""

LEVELS = (0.1, 0.5, 0.9)
"""Of the quantiles of an error over the sphere."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Recovery:
    """A recovered wind at one instant, or in one window, beside the truth."""

    twin: Twin
    wind: RecoveredWind
    """With one result."""
    truth: tuple[Tensor, Tensor]
    """Eastward and northward, (nlat, nlon), m s⁻¹."""

    @property
    def departure(self) -> Tensor:
        """(nlat, nlon, 2) recovered less true (u, v), m s⁻¹.

        Where one component is determined the recovered wind has no other, and where none is it
        counts as calm: what is not known is an error here.
        """
        recovered = torch.stack([self.wind.u[0], self.wind.v[0]], dim=-1)
        return recovered.nan_to_num(nan=0.0) - torch.stack(self.truth, dim=-1)

    @property
    def speed(self) -> float:
        """Root mean square speed of the truth, m s⁻¹."""
        return math.sqrt(float(mean_square(self.twin.harmonics, torch.hypot(*self.truth))))

    @property
    def error(self) -> Array:
        """(nlat, nlon) length of :attr:`departure`, relative to :attr:`speed`."""
        return (torch.linalg.vector_norm(self.departure, dim=-1) / self.speed).numpy()

    @property
    def parallel_error(self) -> Array:
        """(nlat, nlon) error along the direction best determined, relative to :attr:`speed`."""
        along = (self.departure * self.wind.direction[0]).sum(-1).abs()
        return (along / self.speed).numpy()

    @property
    def condition(self) -> Array:
        """(nlat, nlon) cond(G)."""
        return self.wind.condition[0].numpy()

    @property
    def area(self) -> Array:
        """(nlat, nlon) shares of the sphere, summing to one."""
        weights = self.twin.harmonics.grid.area_weights
        return np.asarray(weights / weights.sum())

    def share(self, where: NDArray[np.bool_]) -> float:
        """Share of the sphere where ``where`` (nlat, nlon) is true."""
        return float(self.area[where].sum())

    def largest(self, error: Array, where: NDArray[np.bool_]) -> float:
        """Of ``error`` (nlat, nlon) where ``where`` is true.

        NaN if that is less than half of the sphere: it would show little.
        """
        return float(error[where].max()) if self.share(where) >= 0.5 else math.nan

    def root_mean_square(self, error: Array) -> float:
        """Over the sphere, of ``error`` (nlat, nlon)."""
        return float(np.sqrt((self.area * error**2).sum()))

    def quantiles(
        self, error: Array, levels: Sequence[float], where: NDArray[np.bool_] | None = None
    ) -> Array:
        """Quantiles (levels,) of ``error`` (nlat, nlon) where ``where`` is true; NaN if nowhere."""
        chosen = np.ones_like(error, dtype=bool) if where is None else where
        if not chosen.any():
            return np.full(len(levels), np.nan)
        return weighted_quantiles(error[chosen], self.area[chosen], levels)


@cache
def recovery(tracers: int, stride: int = 1, order: int = 4) -> Recovery:
    """Wind at the centre of the moving twin without noise.

    Args:
        tracers: how many of the three are used.
        stride: output interval in units of five minutes.
        order: of the time difference.
    """
    twin = moving_twin()
    return _recovered(twin, twin.tracers[:tracers], CENTRE, stride, order, noise=None)


@cache
def noisy_recovery(tracers: int, seed: int, stride: int = NOISE_STRIDE) -> Recovery:
    """The same with :data:`NOISE` at every node and instant, of which the method is told."""
    twin = moving_twin()
    values = twin.tracers[:tracers]
    noisy = values + NOISE * _random(values, seed)
    return _recovered(twin, noisy, CENTRE, stride, order=4, noise=NOISE)


@cache
def rough_recovery(tracers: int, degree: int) -> Recovery:
    """The same as :func:`recovery` from tracers with degrees up to ``degree`` at the start.

    Where that is near the truncation, the twin obeys the projected equation only.
    """
    twin = moving_twin(degree)
    return _recovered(twin, twin.tracers[:tracers], CENTRE, stride=1, order=4, noise=None)


def error_without_closure(tracers: int, degree: int) -> Array:
    """(nlat, nlon) relative error if these tracers are said to obey the equation at the nodes.

    Plain least squares, without anything of :mod:`co2net_phys.solvers.wind_recovery`.
    """
    twin, (u, v) = moving_twin(degree), moving_twin(degree).truth(CENTRE)
    near = twin.tracers[:tracers, CENTRE - 2 : CENTRE + 3]
    weights = torch.tensor([1.0, -8.0, 0.0, 8.0, -1.0], dtype=near.dtype) / 12.0
    tendency = torch.einsum("t,ktij->kij", weights, near) / twin.interval
    modal = twin.harmonics.to_modal(near[:, 2])
    diffused = twin.diffusivity * twin.harmonics.to_nodal(twin.harmonics.laplacian(modal))
    right = diffused + twin.sources[:tracers] - tendency
    gradient = torch.stack(twin.harmonics.gradient(modal), dim=-1)
    scale = gradient.square().mean().sqrt()
    columns, right = (gradient / scale).permute(1, 2, 0, 3), (right / scale).permute(1, 2, 0)
    found = torch.linalg.lstsq(columns, right[..., None], driver="gelsd").solution[..., 0]
    size = mean_square(twin.harmonics, torch.hypot(u, v)).sqrt()
    return (torch.hypot(found[..., 0] - u, found[..., 1] - v) / size).numpy()


@cache
def window_recovery(window: int, noise: float = 0.0, seed: int = 0) -> Recovery:
    """Wind of the steady twin from one tracer.

    Args:
        window: number of hourly instants over which the wind is taken as steady, from the start.
        noise: standard deviation added to every node and instant, µmol mol⁻¹.
        seed: of the noise.
    """
    twin = steady_twin()
    values = twin.tracers[:, : window + 4]
    if noise:
        # The same noise in windows of any length.
        values = values + noise * _random(twin.tracers, seed)[:, : window + 4]
    wind = _recover(twin, values, 1, 4, noise or None, window)
    return Recovery(twin, wind, twin.truth(0.0))


def weighted_quantiles(values: Array, weights: Array, levels: Sequence[float]) -> Array:
    """Quantiles (levels,) of ``values`` (n,) that stand for ``weights`` (n,), not negative."""
    found = np.quantile(values, np.array(levels), weights=weights, method="inverted_cdf")
    return np.asarray(found)


def normalised_errors(recovered: Recovery) -> Array:
    """(2 · nodes,) errors of u and v over their claimed standard deviations, where determined."""
    variance = torch.diagonal(recovered.wind.covariance[0], dim1=-2, dim2=-1)
    known = recovered.wind.determined[0]
    return (recovered.departure[known] / variance[known].sqrt()).flatten().numpy()


def interval_errors(order: int, strides: Sequence[int] = STRIDES) -> Array:
    """Root mean square errors from three tracers where cond(G) < :data:`LARGEST_CONDITION`.

    Args:
        order: of the time difference.
        strides: output intervals in units of five minutes.

    Returns:
        One error, relative to the rms wind, for each interval.
    """
    errors = []
    for stride in strides:
        found = recovery(3, stride, order)
        known = found.condition < LARGEST_CONDITION
        errors.append(found.root_mean_square(np.where(known, found.error, 0.0)))
    return np.array(errors)


def measured_order(order: int) -> float:
    """Slope of log error over log interval, for a time difference of this order."""
    return float(np.polyfit(np.log(STRIDES), np.log(interval_errors(order)), 1)[0])


def pooled_errors(tracers: int) -> Array:
    """Errors of u and v over their claimed standard deviations, of all draws of noise."""
    return np.concatenate([normalised_errors(noisy_recovery(tracers, s)) for s in NOISE_SEEDS])


def window_errors(noise: float = WINDOW_NOISE) -> Array:
    """(windows, 3) quantiles 10, 50 and 90 % over the sphere of the relative error, by window."""
    found = [window_recovery(window, noise) for window in WINDOWS]
    return np.array([each.quantiles(each.error, LEVELS) for each in found])


def _recovered(
    twin: Twin, values: Tensor, centre: int, stride: int, order: int, noise: float | None
) -> Recovery:
    """Recovery at one instant."""
    # With noise, one more field on either side: the claimed error is the better for it.
    spare = 0 if noise is None else 1
    reach = (order // 2 + spare) * stride
    fields = values[:, centre - reach : centre + reach + 1 : stride]
    wind = _recover(twin, fields, stride, order, noise, window=1)
    middle = (getattr(wind, field.name)[spare : spare + 1] for field in fields_of(wind))
    return Recovery(twin, RecoveredWind(*middle), twin.truth(centre))


def _recover(
    twin: Twin, fields: Tensor, stride: int, order: int, noise: float | None, window: int
) -> RecoveredWind:
    return recover_wind(
        fields,
        stride * twin.interval,
        twin.diffusivity,
        twin.sources[: fields.shape[0]],
        noise,
        harmonics=twin.harmonics,
        order=order,
        window=window,
    )


def _random(like: Tensor, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(like.shape, generator=generator, dtype=like.dtype)
