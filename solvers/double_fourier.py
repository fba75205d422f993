"""Spectral interpolation: point values of modal fields anywhere on the sphere, to a tolerance.

Continued over the poles, a field is periodic in latitude too (the double Fourier sphere), and a
field of truncation T is a trigonometric polynomial of degree T in both directions. Its values at
scattered points are a non-uniform FFT of type 2: divide the coefficients by those of a narrow
kernel, transform to a grid twice as fine as need be, and weight the nodes around each point by the
kernel. Reference: Townsend, Wilber and Wright (2016), doi:10.1137/15M1045855, for the sphere;
Fessler and Sutton (2003), doi:10.1109/TSP.2002.807005, for the transform and the kernel.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from torch import Tensor

from co2net_phys.errors import UsageError
from co2net_phys.solvers.grid import Grid
from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.spreading_kernel import KaiserBessel, gather

TIGHTEST, LOOSEST = 1e-12, 1e-2
"""Tolerances the interpolation can be asked for."""


class Points(NamedTuple):
    """Scattered points, as positions on the fine grid."""

    row: NDArray[np.float64]
    """(n,) fractional row of the extended field."""
    column: NDArray[np.float64]
    """(n,) fractional column, likewise."""
    shape: tuple[int, ...]
    """Shape of the points as they were given."""


class SpectralInterpolator:
    """Values of modal fields at any points, as exact as ``tolerance``.

    All in float64 on the CPU. Preparing a field costs O(T³) for the Legendre sums and O(T² log T),
    a point w² multiplications, with w about −log₁₀(tolerance) + 1.

    Args:
        truncation: T of the fields.
        tolerance: largest error relative to the size of the field, between ``TIGHTEST`` and
            ``LOOSEST``.

    Raises:
        UsageError: ``tolerance`` is out of range.
    """

    def __init__(self, truncation: int, tolerance: float = 1e-8) -> None:
        if not TIGHTEST <= tolerance <= LOOSEST:
            raise UsageError(
                f"interpolation tolerance {tolerance:g}: choose {TIGHTEST:g} to {LOOSEST:g}"
            )
        self.truncation, self.tolerance = truncation, tolerance
        self.kernel = KaiserBessel.for_tolerance(tolerance)
        self.halo = self.kernel.width // 2 + 1
        # Oversampling by two: (T + 1/2) / n ≤ 1/4 of the sampling rate, in both directions.
        size = next_fast_len(max(2 * truncation + 1, self.halo), real=True)
        self.nlat, self.nlon = size, 2 * size
        coarse = Grid("cell-centre", size, size)
        self._harmonics = SphericalHarmonics(coarse, truncation)
        self._scale = torch.from_numpy(self._deconvolution())

    def _deconvolution(self) -> NDArray[np.float64]:
        """(2 nlat, m) inverse kernel transform of each wave; zero beyond the truncation."""
        degree = np.abs(np.fft.fftfreq(2 * self.nlat, 1.0 / (2 * self.nlat)))
        order = np.arange(self.truncation + 1)
        in_latitude = 1.0 / self.kernel.transform(degree / (2 * self.nlat))
        in_longitude = 1.0 / self.kernel.transform(order / self.nlon)
        in_latitude[degree > self.truncation] = 0.0
        # Half the columns are synthesised before they are refined.
        return in_latitude[:, None] * in_longitude

    def prepare(self, modal: Tensor) -> NDArray[np.float64]:
        """The field on the fine grid, divided by the kernel, with halos for :meth:`at`.

        Args:
            modal: (..., l, m), any unit.

        Returns:
            (fields, rows, columns), the leading axes of ``modal`` in one.

        Raises:
            UsageError: the tensor is not on the CPU or asks for gradients.
        """
        if modal.device.type != "cpu" or (modal.requires_grad and torch.is_grad_enabled()):
            raise UsageError(
                "spectral interpolation works on the CPU and without gradients: "
                "use lawson_rk4 for the rest, or torch.no_grad()"
            )
        nodal = self._harmonics.to_nodal(modal.reshape(-1, *modal.shape[-2:]).to(torch.complex128))
        waves = torch.fft.rfft(nodal, norm="forward")[..., : self.truncation + 1]
        beyond = waves.flip(-2)
        beyond[..., 1::2].neg_()  # half a circle away e^{imλ} is (−1)^m times as large
        spectrum = torch.fft.fft(torch.cat([waves, beyond], dim=-2), dim=-2)
        circle = torch.fft.ifft(spectrum.mul_(self._scale), dim=-2)  # (fields, 2 nlat, m)
        rows = torch.cat([circle[:, -self.halo :], circle[:, : self.nlat + self.halo]], dim=-2)
        fine = torch.fft.irfft(rows, n=self.nlon, norm="forward")
        extended = torch.cat([fine[..., -self.halo :], fine, fine[..., : self.halo]], dim=-1)
        values: NDArray[np.float64] = extended.numpy()
        return values

    def points(self, latitude: Tensor, longitude: Tensor) -> Points:
        """Positions of points, to be used for any number of fields.

        Args:
            latitude: radians, between −π/2 and π/2.
            longitude: radians, any turn; the two are broadcast together.
        """
        latitude, longitude = torch.broadcast_tensors(latitude.double(), longitude.double())
        row = latitude * (self.nlat / math.pi) + (0.5 * self.nlat - 0.5 + self.halo)
        turns = longitude * (0.5 / math.pi)
        column = (turns - turns.floor()) * self.nlon + self.halo
        return Points(row.reshape(-1).numpy(), column.reshape(-1).numpy(), tuple(latitude.shape))

    def at(self, prepared: NDArray[np.float64], points: Points) -> Tensor:
        """Values (fields, *points) of ``prepared`` fields, float64, in their unit."""
        values = gather(prepared, points.row, points.column, self.kernel)
        return torch.from_numpy(values).reshape(-1, *points.shape)

    def __call__(self, modal: Tensor, latitude: Tensor, longitude: Tensor) -> Tensor:
        """Values (..., *points) of ``modal`` (..., l, m) at points given in radians."""
        values = self.at(self.prepare(modal), self.points(latitude, longitude))
        return values.reshape(*modal.shape[:-2], *values.shape[1:])
