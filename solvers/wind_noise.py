"""What noise in the tracers does to the equations for the wind.

Noise ε that is independent at the nodes and instants passes through linear operators only:
projection on the truncation, derivatives and time differences. Its covariance after them is
computed, not approximated; the projection commutes with shifts in longitude, so that it depends on
latitude only.
"""

import torch
from torch import Tensor

from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.legendre import legendre_tables
from co2net_phys.solvers.wind_terms import DIFFERENCES, WindProblem, difference_variance

SMOOTHING = 6.0
"""Local means reach over degrees up to the truncation divided by this number."""

LASTING = 0.5
"""Correlation in time of the error of the time difference, within a window."""


def noise_covariance(harmonics: SphericalHarmonics) -> Tensor:
    """Covariance of (ε, ∂ε/∂x, ∂ε/∂y, ∇²ε) at a node for unit noise at all nodes.

    The projected noise at a node is Σ_j W_j/nlon Σ_k ε_jk Σ_m F_m(i, j) e^{im(λ − λ_k)} with
    F_m(i, j) = Σ_l P_lm(θ_i) P_lm(θ_j), W the quadrature weights of latitude; its derivatives
    likewise. ∂ε/∂x is out of phase with the others, and so uncorrelated with them.

    Returns:
        (nlat, 4, 4), dimensionless to m⁻⁴ according to the derivatives.
    """
    grid, radius = harmonics.grid, harmonics.radius
    tables = legendre_tables(grid.latitude, harmonics.truncation)
    eigenvalues = harmonics.laplacian_eigenvalues.to("cpu", torch.float64)
    weights = 2.0 * torch.pi * torch.from_numpy(grid.quadrature_weights)
    covariance = torch.zeros(grid.nlat, 4, 4, dtype=torch.float64)
    for m in range(harmonics.truncation + 1):
        values = tables.values[m]  # (l, i)
        operators = (
            values,
            tables.over_cosine[m] / radius,
            tables.derivative[m] / radius,
            eigenvalues[:, None] * values,
        )
        kernels = torch.stack([operator.mT @ (values * weights) for operator in operators])
        twice = 1.0 if m == 0 else 2.0  # order −m carries as much
        covariance += twice * torch.einsum("aij,bij->iab", kernels, kernels)
    covariance[:, 1, [0, 2, 3]] = 0.0
    covariance[:, [0, 2, 3], 1] = 0.0
    return covariance / grid.nlon


def difference_covariance(order: int, window: int) -> Tensor:
    """(window, window) covariance of successive differences of unit white noise, times Δt²."""
    lag = (torch.arange(window)[:, None] - torch.arange(window)).abs()
    of_lag = [difference_variance(DIFFERENCES[order], d) for d in range(window)]
    return torch.tensor(of_lag, dtype=torch.float64)[lag]


def lasting_error(window: int) -> Tensor:
    """(window, window) correlation of the errors of successive time differences of smooth fields.

    They change little within a window; that they do change keeps the covariance regular.
    """
    changing = torch.eye(window, dtype=torch.float64)
    return LASTING * torch.ones_like(changing) + (1.0 - LASTING) * changing


class EquationNoise:
    """Covariance of the residuals w·∇ε − ∇·(D∇ε) + ∂ε/∂t of a tracer's equations in a window.

    A centred difference leaves out its own instant, so that the derivatives in space, independent
    from instant to instant, are uncorrelated with the derivative in time at every lag.
    """

    def __init__(self, problem: WindProblem) -> None:
        harmonics = problem.harmonics
        table = noise_covariance(harmonics)
        self.of_value = table[:, 0, 0, None]
        """(nlat, 1) variance of the projected unit noise."""
        self.of_gradient = table[:, [1, 2], [1, 2]][:, None]
        """(nlat, 1, 2) variances of its derivatives eastward and northward, m⁻²."""
        self._space = table[:, 1:, 1:]
        self._time = difference_covariance(problem.order, problem.window) / problem.dt**2
        diffusivity = torch.as_tensor(problem.diffusivity, dtype=torch.float64)
        self._diffusivity = diffusivity.expand(harmonics.grid.shape)
        east, north = torch.zeros(2, *harmonics.grid.shape, dtype=torch.float64)
        if diffusivity.ndim:
            east, north = harmonics.gradient(harmonics.to_modal(diffusivity))
        self._slope = torch.stack([east, north], dim=-1)

    def covariance(self, wind: Tensor) -> Tensor:
        """(nlat, nlon, window, window) for unit noise in a wind (nlat, nlon, 2), s⁻²."""
        slope = self._slope - wind  # ∇·(D∇ε) = D∇²ε + ∇D·∇ε
        operator = torch.cat([slope, self._diffusivity[..., None]], dim=-1)
        space = torch.einsum("ija,iab,ijb->ij", operator, self._space, operator)
        same = torch.eye(self._time.shape[0], dtype=torch.float64)
        return self.of_value[..., None, None] * self._time + space[..., None, None] * same


def smoothed(harmonics: SphericalHarmonics, field: Tensor, smoothing: float = SMOOTHING) -> Tensor:
    """Local mean of a field (..., nlat, nlon) that is not negative, with a Gaussian kernel."""
    reach = max(harmonics.truncation / smoothing, 1.0)
    degree = torch.arange(harmonics.truncation + 1, dtype=torch.float64)
    factor = torch.exp(-degree * (degree + 1.0) / (2.0 * reach**2))
    return harmonics.to_nodal(harmonics.to_modal(field) * factor[:, None])


def smoothing_scatter(harmonics: SphericalHarmonics, smoothing: float = SMOOTHING) -> float:
    """Relative standard deviation of a local mean of squared projected white noise."""
    reach = max(harmonics.truncation / smoothing, 1.0)
    return 2.0**0.5 * reach / (harmonics.truncation + 1)
