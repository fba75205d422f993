"""Prior fluxes from a file: units, totals, times."""

import numpy as np
import pytest
import xarray as xr

from co2net_phys.errors import DataError
from co2net_phys.inversion.prior_flux import FileFlux
from co2net_phys.simulation.clock import Clock
from co2net_phys.solvers import Grid

CLOCK = Clock(np.datetime64("2010-03-01"))
GRID = Grid.gaussian(10)


def flux_file(folder, units="mol m-2 s-1", days=(0, 2, 4)):
    north, east = np.arange(-85.0, 90, 10), np.arange(0.0, 360, 15)
    pattern = np.exp(-((north[:, None] - 40) ** 2) / 800) * (1 + np.cos(np.radians(east)))
    values = 1e-7 * pattern * (1 + np.arange(len(days)))[:, None, None]
    dims = ("time", "lat", "lon")
    data = xr.Dataset(
        {"fossil": (dims, values, {"units": units}), "other": (dims, values, {"units": "K"})},
        {
            "time": np.datetime64("2010-03-01", "ns") + np.array(days) * np.timedelta64(1, "D"),
            "lat": ("lat", north, {"units": "degrees_north"}),
            "lon": ("lon", east, {"units": "degrees_east"}),
        },
    )
    path = folder / "flux.nc"
    data.to_netcdf(path)
    return path, values


def total(values, grid):
    return float((values * grid.area_weights).mean())


def test_a_flux_keeps_its_total_and_is_linear_in_time(tmp_path):
    path, values = flux_file(tmp_path)
    flux = FileFlux(path, GRID, CLOCK)
    assert flux.components == ("fossil",)
    source = Grid("cell-centre", 18, 24)
    for days, share in ((0, 1.0), (1, 1.5), (3.5, 2.75), (4, 3.0), (5, 3.0)):
        found = flux.at(86400.0 * days)
        assert found.shape == (1, *GRID.shape)
        assert total(found[0], GRID) == pytest.approx(
            share * 1e6 * total(values[0], source), rel=1e-9
        )


def test_a_flux_that_ends_early_or_has_no_flux_unit_is_refused(tmp_path):
    path, _ = flux_file(tmp_path)
    with pytest.raises(DataError, match="no flux for this period"):
        FileFlux(path, GRID, CLOCK).at(86400.0 * 7)
    (tmp_path / "other").mkdir()
    path, _ = flux_file(tmp_path / "other", units="kg m-2 s-1")
    with pytest.raises(DataError, match=r"no surface flux .* 'mol m-2 s-1'"):
        FileFlux(path, GRID, CLOCK)


def test_a_flux_without_time_holds_always(tmp_path):
    path, _ = flux_file(tmp_path)
    steady = xr.open_dataset(path)[["fossil"]].isel(time=0, drop=True)
    steady.to_netcdf(tmp_path / "steady.nc")
    flux = FileFlux(tmp_path / "steady.nc", GRID, CLOCK)
    assert np.array_equal(flux.at(0.0), flux.at(1e9))
