"""At which scales on the sphere a field varies, by spherical-harmonic degree."""

import numpy as np
from numpy.typing import ArrayLike

from co2net_phys.errors import UsageError
from co2net_phys.metrics.spectrum import Spectrum


def degree_spectrum(
    field: ArrayLike, latitude: ArrayLike, longitude: ArrayLike, truncation: int | None = None
) -> Spectrum:
    """Power of each spherical-harmonic degree, mean over time, in (µmol mol⁻¹)².

    P_l = Σ_m |a_lm|² / 4π, so that Σ P_l is the area mean of f² for a field that the truncation
    resolves. Unlike `zonal_spectrum` it stays the same however the globe is turned.

    Args:
        field: (time, lat, lon); a missing value makes all NaN.
        latitude: (lat,) degrees north, ascending or descending.
        longitude: (lon,) degrees east.
        truncation: largest degree, by default the largest that the grid determines.

    Raises:
        UsageError: the shapes disagree, or the truncation lies beyond the grid.
        DataError: the grid is neither Gaussian nor one of equal cells.
    """
    # Imported here because PyTorch comes with it, seconds that other scores need not wait for.
    import torch

    from co2net_phys.solvers.grid import Grid
    from co2net_phys.solvers.harmonics import SphericalHarmonics

    north = np.asarray(latitude, dtype=np.float64)
    east = np.unwrap(np.asarray(longitude, dtype=np.float64), period=360.0)
    values = np.asarray(field, dtype=np.float64)
    if values.ndim != 3 or values.shape[1:] != (north.size, east.size) or len(values) == 0:
        raise UsageError(
            f"field {values.shape} needs (time, lat, lon) = (…, {north.size}, {east.size}):"
            " transpose it or pass its own coordinates"
        )
    southward = north[0] > north[-1]
    grid = Grid.from_coordinates(north[::-1] if southward else north, east)
    degrees = grid.max_truncation if truncation is None else truncation
    harmonics = SphericalHarmonics(grid, degrees, dtype=torch.float64)
    power = np.zeros(degrees + 1)
    for frame in values:
        rows = frame[::-1].copy() if southward else frame
        squares = np.abs(harmonics.to_modal(torch.from_numpy(rows)).numpy()) ** 2  # (l, m ≥ 0)
        power += squares[:, 0] + 2 * squares[:, 1:].sum(axis=1)
    return Spectrum(np.arange(power.size), power / (4 * np.pi * len(values)))
