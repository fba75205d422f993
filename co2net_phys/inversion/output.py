"""What the file of an inversion holds, and the values of its records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.data.output_layout import (
    OutputVariable,
    TimeEncoding,
    latitude_longitude_template,
)
from co2net_phys.data.schema import (
    CO2,
    VARIABLES,
    standard_error_attributes,
    standard_error_name,
)
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.writer_partial import Layout
from co2net_phys.inversion.cycling import Outcome, Window
from co2net_phys.inversion.regions import REGION_NAMES, region_partition
from co2net_phys.regridding import ConservativeRegridder, LatLonGrid
from co2net_phys.solvers import Grid, SphericalHarmonics

CO2_PRIOR = f"{CO2}_prior"
FLUX, FLUX_PRIOR = "co2_flux", "co2_flux_prior"
FACTOR, FACTOR_PRIOR, FACTOR_ERROR = (
    "flux_factor",
    "flux_factor_prior",
    "flux_factor_standard_error",
)
BY_REGION = ("time", "component", "region")

Record = dict[str, NDArray[np.float64]]


def variables(with_errors: bool) -> dict[str, OutputVariable]:
    """Description of every variable of an inversion, `with_errors` where members give them."""
    co2 = VARIABLES[CO2].attributes
    flux = {
        "standard_name": "surface_upward_mole_flux_of_carbon_dioxide",
        "units": "mol m-2 s-1",
    }
    factor = "factor of the prior flux, mean over a region weighted with the prior flux"
    by_region = {"units": "1", "coordinates": "component_name region_name"}
    described = {
        CO2: OutputVariable(co2),
        CO2_PRIOR: OutputVariable(
            co2 | {"long_name": "Surface CO2 without any assimilation (ppm, dry air)"}
        ),
        FLUX: OutputVariable(flux | {"long_name": "Surface flux of CO2, posterior"}),
        FLUX_PRIOR: OutputVariable(flux | {"long_name": "Surface flux of CO2, prior"}),
        FACTOR: OutputVariable(by_region | {"long_name": f"Posterior {factor}"}, BY_REGION),
        FACTOR_PRIOR: OutputVariable(
            by_region | {"long_name": f"Before the window's analysis: {factor}"}, BY_REGION
        ),
    }
    if with_errors:
        name = standard_error_name(CO2)
        described[CO2] = OutputVariable(co2 | {"ancillary_variables": name})
        described[name] = OutputVariable(standard_error_attributes(CO2))
        described[FACTOR_ERROR] = OutputVariable(
            by_region | {"long_name": f"Standard error of: posterior {factor}"}, BY_REGION
        )
    return described


def output_layout(
    store: TrainingStore,
    frames: NDArray[np.int64],
    components: Sequence[str],
    with_errors: bool,
    attributes: Mapping[str, str | float],
) -> Layout:
    """Layout of the output for `frames` of a store."""
    grid = Grid.from_coordinates(store.latitude, store.longitude)
    template = latitude_longitude_template(
        store.latitude, store.longitude, grid.latitude_bounds, grid.longitude_bounds
    )
    names = {"component": components, "region": REGION_NAMES}
    template = template.assign_coords(
        {
            f"{axis}_name": (axis, np.array(list(values), dtype=object), {"long_name": axis})
            for axis, values in names.items()
        }
    )
    times = list(store.times.values[frames])
    return Layout(template, variables(with_errors), {}, times, TimeEncoding(times[0]), attributes)


def expected_bytes(layout: Layout) -> int:
    """Size of the data before compression."""
    sizes = {str(name): size for name, size in layout.template.sizes.items()}
    sizes["time"] = len(layout.times)
    return sum(
        4 * math.prod(sizes[axis] for axis in variable.dimensions)
        for variable in layout.variables.values()
    )


class Recorder:
    """Turns the outcome of a window into records, on the store's grid.

    Parameters
    ----------
    harmonics
        Of the transport.
    store_grid
        Of the output.
    """

    def __init__(self, harmonics: SphericalHarmonics, store_grid: Grid) -> None:
        self.harmonics, self.store_grid = harmonics, store_grid
        self._regrid = ConservativeRegridder(
            LatLonGrid.of_solver(harmonics.grid), LatLonGrid.of_solver(store_grid)
        )
        area = harmonics.grid.area_weights
        self._regions = torch.from_numpy(region_partition(harmonics.grid) * area)

    def record(self, window: Window, outcome: Outcome, free: Tensor, frame: int) -> Record:
        """Values of every variable at one frame of a window.

        `free` are the modal states (F, l, m) of a run that assimilates nothing.
        """
        model, period = window.model, window.model.period_of(frame)
        prior_flux = model.surface_flux(outcome.prior_factors, frame)
        values = {
            CO2: self._on_grid(outcome.mean[frame]),
            CO2_PRIOR: self._on_grid(free[frame]),
            FLUX: 1e-6 * self._regrid(model.surface_flux(outcome.factors, frame).numpy()),
            FLUX_PRIOR: 1e-6 * self._regrid(prior_flux.numpy()),
            FACTOR: self._by_region(window, outcome.factors[period]),
            FACTOR_PRIOR: self._by_region(window, outcome.prior_factors[period]),
        }
        if outcome.members is not None and outcome.factor_members is not None:
            values[standard_error_name(CO2)] = self._on_grid(outcome.members[frame]).std(0, ddof=1)
            members = self._by_region(window, outcome.factor_members[:, period])
            values[FACTOR_ERROR] = members.std(0, ddof=1)
        return values

    def _on_grid(self, modal: Tensor) -> NDArray[np.float64]:
        return np.asarray(self.harmonics.synthesise(modal, self.store_grid).numpy())

    def _by_region(self, window: Window, factors: Tensor) -> NDArray[np.float64]:
        """Means (..., C, R) of factors (..., C, nlat, nlon); NaN where a region has no flux."""
        size = window.model.forcing.mean_size_of_flux
        weights = torch.einsum("cij,rij->crij", size, self._regions)
        total = weights.sum((-2, -1))
        means = torch.einsum("...cij,crij->...cr", factors, weights) / total
        return torch.where(total > 0, means, torch.nan).numpy()
