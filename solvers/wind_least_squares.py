"""Weighted least squares for the wind at every node."""

from dataclasses import dataclass

import torch
from torch import Tensor

from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.wind_noise import smoothed

STRONG_WIND = 30.0
"""Speed beyond which an uncertain estimate is not believed, m s⁻¹."""


@dataclass(frozen=True)
class PointwiseWind:
    """Least squares at the nodes, in the directions of the eigenvectors of G, largest first."""

    gram: Tensor
    """(nlat, nlon, 2, 2) G = Σ ∇φ V⁻¹ ∇φᵀ."""
    score: Tensor
    """(nlat, nlon, 2) Σ ∇φ V⁻¹ y."""
    eigenvalues: Tensor
    """(nlat, nlon, 2) of G."""
    directions: Tensor
    """(nlat, nlon, 2, 2), of (u, v) and component."""
    solvable: Tensor
    """(nlat, nlon, 2), true where round-off leaves something of the component."""
    along: Tensor
    """(nlat, nlon, 2) wind along them, zero where it is not solvable, m s⁻¹."""
    misfit: Tensor
    """(nlat, nlon) sum of squares of the whitened residuals."""
    spare: Tensor
    """(nlat, nlon) equations less unknowns: what the misfit should be."""
    weight: Tensor
    """(K, nlat, nlon) trace of V⁻¹."""
    influence: Tensor
    """(K, nlat, nlon, window, 2) V⁻¹∇φ."""


def pointwise_wind(columns: Tensor, covariance: Tensor, largest_condition: float) -> PointwiseWind:
    """Solve for the wind over the tracers and the window.

    Args:
        columns: (K, nlat, nlon, window, 3) of ∂φ/∂x, ∂φ/∂y and the right-hand side y.
        covariance: V, (K, nlat, nlon, window, window), of the errors of the equations.
        largest_condition: of G, beyond which its smaller eigenvalue counts as round-off.
    """
    factor = torch.linalg.cholesky(covariance)
    white = torch.linalg.solve_triangular(factor, columns, upper=False)
    gradient, right = white[..., :2], white[..., 2]
    gram = torch.einsum("kijea,kijeb->ijab", gradient, gradient)
    score = torch.einsum("kijea,kije->ija", gradient, right)
    ascending, vectors = torch.linalg.eigh(gram)
    eigenvalues, directions = ascending.flip(-1), vectors.flip(-1)
    solvable = eigenvalues * largest_condition > eigenvalues[..., :1]
    along = torch.einsum("ijac,ija->ijc", directions, score) / eigenvalues
    along = torch.where(solvable, along, 0.0)
    wind = torch.einsum("ijac,ijc->ija", directions, along)
    residual = right - torch.einsum("kijea,ija->kije", gradient, wind)
    spare = columns.shape[0] * columns.shape[3] - solvable.sum(-1)
    return PointwiseWind(
        gram,
        score,
        eigenvalues,
        directions,
        solvable,
        along,
        residual.square().sum((0, -1)),
        spare.to(torch.float64),
        torch.cholesky_inverse(factor).diagonal(dim1=-2, dim2=-1).sum(-1),
        torch.linalg.solve_triangular(factor.mT, gradient, upper=True),
    )


def smooth_wind(harmonics: SphericalHarmonics, solution: PointwiseWind, level: Tensor) -> Tensor:
    """(nlat, nlon, 2) wind of neighbourhoods, m s⁻¹: a rough one, but never wild.

    Normal equations are averaged over a neighbourhood, in Cartesian components, as east and north
    are no directions to average in near a pole. Components that are hardly known come out small.

    Args:
        harmonics: gives nodes and truncation.
        solution: least squares at the nodes.
        level: (nlat, nlon) variance of the noise in units of the one assumed.
    """
    axes = local_axes(harmonics)
    gram = torch.einsum("ijpa,ijab,ijqb->pqij", axes, solution.gram, axes)
    score = torch.einsum("ijpa,ija->pij", axes, solution.score)
    gram, score = smoothed(harmonics, gram), smoothed(harmonics, score)
    gram = torch.einsum("ijpa,pqij,ijqb->ijab", axes, gram, axes)
    score = torch.einsum("ijpa,pij->ija", axes, score)
    floor = level / STRONG_WIND**2 + 1e-6 * gram.diagonal(dim1=-2, dim2=-1).sum(-1).amax()
    return torch.linalg.solve(gram + floor[..., None, None] * torch.eye(2).to(gram), score)


def local_axes(harmonics: SphericalHarmonics) -> Tensor:
    """(nlat, nlon, 3, 2) unit vectors to the east and to the north in Cartesian components."""
    latitude, longitude = torch.broadcast_tensors(*harmonics.coordinates())
    sine, cosine = latitude.sin(), latitude.cos()
    zero = torch.zeros_like(sine)
    east = torch.stack([-longitude.sin(), longitude.cos(), zero], dim=-1)
    north = torch.stack([-sine * longitude.cos(), -sine * longitude.sin(), cosine], dim=-1)
    return torch.stack([east, north], dim=-1).to("cpu", torch.float64)
