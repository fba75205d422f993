"""At which zonal scales a field varies, and at which of them a reconstruction follows the truth."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from co2net_phys.errors import UsageError
from co2net_phys.metrics.cells import Floats, latitude_weights


class Spectrum(NamedTuple):
    """Variance by scale: wavenumbers, or degrees, (K,) and the power (K,) of each."""

    wavenumber: NDArray[np.int64]
    power: Floats


class SpectralComparison(NamedTuple):
    """Spectra (K,) of prediction and truth, and how they agree at each wavenumber (K,)."""

    wavenumber: NDArray[np.int64]
    prediction: Floats
    truth: Floats
    ratio: Floats
    """Power of the prediction over that of the truth: below 1 where it is too smooth."""
    coherence: Floats
    """Squared coherence 0…1: 1 where the phases follow the truth, whatever the amplitude."""


def zonal_spectrum(field: ArrayLike, latitude: ArrayLike) -> Spectrum:
    """Power of each zonal wavenumber, mean over area and time, in (µmol mol⁻¹)².

    P_k = ⟨|f̂_k|² + |f̂_−k|²⟩ with f̂ the Fourier series along a latitude. P_0 is the mean of the
    squared zonal mean, and Σ P_k the mean of f² (Parseval).

    Args:
        field: (time, lat, lon) at equal steps around the globe; a missing value makes all NaN.
        latitude: (lat,) degrees north.

    Raises:
        UsageError: the shapes disagree.
    """
    power = _cross_power(field, field, latitude).real
    return Spectrum(np.arange(power.size), power)


def compare_spectra(
    prediction: ArrayLike, truth: ArrayLike, latitude: ArrayLike
) -> SpectralComparison:
    """Zonal spectra of prediction y and truth u, their ratio and coherence by wavenumber.

    The squared coherence |⟨ŷ û*⟩|² / (⟨|ŷ|²⟩⟨|û|²⟩), means over area and time, tells something only
    over many latitudes or times: of a single one it is 1. Both are NaN where power is missing.

    Args:
        prediction: (time, lat, lon) at equal steps around the globe.
        truth: (time, lat, lon).
        latitude: (lat,) degrees north.

    Raises:
        UsageError: the shapes disagree.
    """
    wavenumber, predicted = zonal_spectrum(prediction, latitude)
    _, true = zonal_spectrum(truth, latitude)
    cross = np.abs(_cross_power(prediction, truth, latitude)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(true > 0, predicted / true, np.nan)
        coherence = np.where(predicted * true > 0, cross / (predicted * true), np.nan)
    return SpectralComparison(wavenumber, predicted, true, ratio, coherence)


def _cross_power(one: ArrayLike, other: ArrayLike, latitude: ArrayLike) -> NDArray[Any]:
    """⟨f̂ ĝ*⟩ (K,) over area and time, complex, with the power of −k added to that of k."""
    f, g = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    weights = latitude_weights(latitude)
    if f.shape != g.shape or f.ndim != 3 or f.shape[1] != weights.size or 0 in f.shape:
        raise UsageError(
            f"fields {f.shape} and {g.shape} need (time, lat, lon) with {weights.size} latitudes:"
            " transpose them or pass their own latitude"
        )
    columns = f.shape[2]
    total = np.zeros(columns // 2 + 1, dtype=np.complex128)
    for first, second in zip(f, g, strict=True):  # frame by frame: spectra are as large as fields
        total += weights @ (np.fft.rfft(first) * np.fft.rfft(second).conj())
    wavenumber = np.arange(total.size)
    has_negative = (wavenumber > 0) & (2 * wavenumber != columns)
    return np.where(has_negative, 2, 1) * total / (f.shape[0] * weights.size * columns**2)
