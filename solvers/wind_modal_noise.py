"""Covariance of the equations for the wind in modal space, and their normal matrix."""

import torch
from torch import Tensor

from co2net_phys.solvers.legendre import legendre_tables
from co2net_phys.solvers.wind_noise import difference_covariance
from co2net_phys.solvers.wind_terms import WindProblem


class ModalNoise:
    """What noise in the tracers does to the projected equations.

    White noise at the nodes has coefficients that are correlated only within an order m, as
    Σ_j W_j² P_lm P_l'm/nlon. The part of ∂ε/∂t and D∇²ε is exact (for the mean of D); that of w·∇ε
    is taken to be the same in all directions.
    """

    def __init__(self, problem: WindProblem) -> None:
        harmonics = problem.harmonics
        self.problem = problem
        grid = harmonics.grid
        values = legendre_tables(grid.latitude, harmonics.truncation).values
        weights = 2.0 * torch.pi * torch.from_numpy(grid.quadrature_weights)
        weighted = values * weights
        self._value = weighted @ weighted.mT / grid.nlon  # (m, l, l')
        self._wavenumber = (-harmonics.laplacian_eigenvalues.to(torch.float64)).sqrt()
        self._time = difference_covariance(problem.order, problem.window) / problem.dt**2
        diffusivity = torch.as_tensor(problem.diffusivity, dtype=torch.float64)
        self._diffusivity = float(diffusivity.mean())

    def normal_matrix(self, columns: Tensor, speed: float) -> tuple[Tensor, int]:
        """Σ (columns)ᴴ V⁻¹ (columns), real, over tracers and orders; and the number of equations.

        Args:
            columns: (K, window, l, m, size), complex.
            speed: rms of the wind, m s⁻¹.
        """
        tracers, length, size, _, unknowns = columns.shape
        total = torch.zeros(unknowns, unknowns, dtype=torch.float64)
        count = 0
        for k in range(tracers):
            for m in range(size):
                covariance = self._covariance(k, m, speed)
                rows = columns[k, :, m:, m].reshape(length * (size - m), unknowns)
                # The real and the imaginary part of a wave have half its variance each.
                parts = [rows.real] if m == 0 else [2**0.5 * rows.real, 2**0.5 * rows.imag]
                factor = torch.linalg.cholesky(covariance)
                for part in parts:
                    white = torch.linalg.solve_triangular(factor, part, upper=False)
                    total += white.mT @ white
                    count += part.shape[0]
        return total, count

    def _covariance(self, k: int, m: int, speed: float) -> Tensor:
        """(window · l, window · l) of tracer k and order m, tracer unit² s⁻²."""
        problem = self.problem
        known = problem.spread if problem.noise is None else problem.noise
        variance = float(known[k] ** 2 + problem.round_off[k] ** 2)
        value, wavenumber = self._value[m, m:, m:], self._wavenumber[m:]
        advected = speed / 2**0.5 * wavenumber
        diffused = self._diffusivity * wavenumber**2
        space = value * (advected[:, None] * advected + diffused[:, None] * diffused)
        same = torch.eye(problem.window, dtype=torch.float64)
        return variance * (torch.kron(self._time, value) + torch.kron(same, space))
