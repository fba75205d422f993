"""What tells a sound run from a failing one, worked out at every frame and written with it."""

from __future__ import annotations

import math

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.data.output_layout import OutputVariable
from co2net_phys.simulation.integration import Integration
from co2net_phys.simulation.world import World

COURANT = "courant_number"
"""Output name of the Courant number."""

DEGREE = "degree"
"""Dimension of spectra: total wavenumber l."""

SQUARE = "umol2 mol-2"
"""Unit of variances; every tracer is in umol mol-1."""

STATISTICS = {
    "mean": ("Area mean of {}", "area: mean"),
    "variance": ("Area variance of {}", "area: variance"),
    "minimum": ("Smallest cell of {}", "area: minimum"),
    "maximum": ("Largest cell of {}", "area: maximum"),
    "spectrum": ("Variance of {} by degree", ""),
}
"""Suffix, description and CF cell method of what is worked out for each tracer."""


class Diagnostics:
    """Mean, variance, extremes and spectrum of every tracer, and the Courant number.

    Mean, variance and spectrum come from the coefficients, Σ over degrees l ≥ 1 of
    Σ_m |a_lm|²/(4π); extremes are those of the frame as it is written. The mean mole fraction is
    what a scheme must conserve: the mass of the tracer in a layer of even depth. Everything is
    float64, since a drift of 1e-12 must be seen.
    """

    def __init__(self, integration: Integration):
        self.integration, self.world = integration, integration.world

    @property
    def coordinates(self) -> dict[str, xr.Variable]:
        """The axis of the spectra."""
        degrees = np.arange(self.world.harmonics.truncation + 1, dtype=np.float64)
        attributes = {"long_name": "degree (total wavenumber) of spherical harmonics", "units": "1"}
        return {DEGREE: xr.Variable((DEGREE,), degrees, attributes)}

    @property
    def variables(self) -> dict[str, OutputVariable]:
        """Descriptions of what `values` gives."""
        described = {
            f"{tracer}_{statistic}": _described(self.world, tracer, statistic)
            for tracer in self.world.tracers
            for statistic in STATISTICS
        }
        courant = {
            "long_name": "Courant number: fastest wind × time step × sqrt(T(T+1)) / Earth radius",
            "units": "1",
        }
        return described | {COURANT: OutputVariable(courant, ("time",), "float64")}

    def values(
        self, seconds: float, state: Tensor, frame: NDArray[np.float64]
    ) -> dict[str, NDArray[np.float64]]:
        """Return the diagnostics of one frame, its tracers (K, nlat, nlon) on the output grid."""
        modal = self.integration.modal(state)
        spectra = power(modal).numpy()
        mean = self.world.harmonics.global_mean(modal).numpy()
        found: dict[str, NDArray[np.float64]] = {COURANT: np.asarray(self._courant(seconds))}
        for number, tracer in enumerate(self.world.tracers):
            found |= {
                f"{tracer}_mean": np.asarray(mean[number]),
                f"{tracer}_variance": np.asarray(spectra[number, 1:].sum()),
                f"{tracer}_minimum": np.asarray(frame[number].min()),
                f"{tracer}_maximum": np.asarray(frame[number].max()),
                f"{tracer}_spectrum": spectra[number],
            }
        return found

    def _courant(self, seconds: float) -> float:
        degree, radius = self.world.harmonics.truncation, self.world.harmonics.radius
        fastest = float(torch.hypot(*self.world.wind(seconds)).max())
        return fastest * self.integration.time_step * math.sqrt(degree * (degree + 1.0)) / radius


def power(modal: Tensor) -> Tensor:
    """Mean square of a field by degree, (..., T+1), of coefficients (..., T+1, T+1) with m ≥ 0.

    Σ_m |a_lm|²/(4π), each m > 0 standing for ±m; degree 0 is the square of the mean.
    """
    square = modal.abs().square()
    return (2.0 * square.sum(dim=-1) - square[..., 0]) / (4.0 * math.pi)


def _described(world: World, tracer: str, statistic: str) -> OutputVariable:
    variable = world.variables[tracer]
    words, method = STATISTICS[statistic]
    is_square = statistic in ("variance", "spectrum")
    attributes = {
        "long_name": words.format(variable.long_name),
        "units": SQUARE if is_square else variable.units,
    }
    if method:
        attributes["cell_methods"] = f"{method} time: point"
    dimensions = ("time", DEGREE) if statistic == "spectrum" else ("time",)
    return OutputVariable(attributes, dimensions, "float64")
