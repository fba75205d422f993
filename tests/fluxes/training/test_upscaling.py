"""The NEE store of an ensemble: what the members say, in bounded memory, all or nothing."""

import numpy as np
import pytest
import torch
import xarray as xr

from co2net_phys.errors import DataError
from co2net_phys.fluxes import upscaling
from co2net_phys.fluxes.drivers import DriverStore
from co2net_phys.fluxes.network import FluxConfig, FluxNetwork
from co2net_phys.fluxes.prior_nee import PriorNee
from co2net_phys.fluxes.schema import CELL_AREA, DRIVERS, LAND_FRACTION, NEE
from co2net_phys.fluxes.upscaling import SPREAD, upscale


def network(seed, **fields):
    names = fields.get("drivers", tuple(DRIVERS))
    statistics = dict.fromkeys((NEE, *names), (0.0, 1.0))
    return FluxNetwork(FluxConfig(statistics=statistics, initial_seed=seed, **fields))


@pytest.fixture
def drivers(coarse_land):
    return DriverStore(coarse_land.drivers.isel(time=slice(0, 70)), "drivers.nc")


def test_the_store_has_mean_and_spread_of_the_members(drivers, coarse_land, tmp_path):
    models, path, done = [network(seed) for seed in range(3)], tmp_path / "nee.nc", []
    upscale(models, drivers, path, progress=done.append)
    assert done == [32, 64, 70]
    pixels = coarse_land.land
    inputs = torch.from_numpy(drivers.at(np.arange(70), pixels))
    with torch.no_grad():
        members = np.stack([model(inputs).numpy() for model in models])
    with xr.open_dataset(path) as store:
        assert np.array_equal(store.time.values.astype("datetime64[D]"), drivers.days)
        values = {name: store[name].values for name in (NEE, SPREAD)}
        np.testing.assert_allclose(store[LAND_FRACTION], coarse_land.fractions.sum(axis=0))
        np.testing.assert_allclose(store[CELL_AREA], coarse_land.areas)
        PriorNee([store], "nee.nc").summary()  # is what bridges are fitted to
    rows, columns = pixels.T
    np.testing.assert_allclose(values[NEE][:, rows, columns], members.mean(0), atol=1e-6)
    np.testing.assert_allclose(values[SPREAD][:, rows, columns], members.std(0, ddof=1), atol=1e-6)
    values[NEE][:, rows, columns] = np.nan
    assert np.isnan(values[NEE]).all()


def test_one_member_has_no_spread(drivers, tmp_path):
    upscale([network(0)], drivers, tmp_path / "nee.zarr")
    with xr.open_zarr(tmp_path / "nee.zarr", consolidated=False) as store:
        assert SPREAD not in store and NEE in store


def test_blocks_do_not_show(drivers, tmp_path, monkeypatch):
    upscale([network(0)], drivers, tmp_path / "one.nc")
    monkeypatch.setattr(upscaling, "BLOCK", 9)
    upscale([network(0)], drivers, tmp_path / "two.nc")
    with xr.open_dataset(tmp_path / "one.nc") as one, xr.open_dataset(tmp_path / "two.nc") as two:
        np.testing.assert_allclose(one[NEE], two[NEE], atol=1e-6)


def test_a_failure_leaves_what_was_there(drivers, tmp_path, monkeypatch):
    path = tmp_path / "nee.nc"
    upscale([network(0)], drivers, path)
    before = path.read_bytes()
    with pytest.raises(DataError, match="already exists"):
        upscale([network(1)], drivers, path)

    def fail(day):
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        upscale([network(1)], drivers, path, overwrite=True, progress=fail)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["nee.nc"]


def test_a_model_of_other_drivers_is_refused(drivers, tmp_path):
    with pytest.raises(DataError, match=r"drivers\.nc: drivers: a model has learned from WAI2"):
        upscale([network(0, drivers=("WAI2",))], drivers, tmp_path / "nee.nc")
