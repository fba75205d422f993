"""A small world of columns, made once: 4 layers on the grid of T7, 3 days after 2 of spin-up."""

import pytest
import torch
import xarray as xr

from co2net_phys.columns.simulate import simulate_columns
from co2net_phys.columns.world import ColumnsConfig


@pytest.fixture(scope="session")
def columns_config():
    return ColumnsConfig(levels=4, truncation=7, days=3, spin_up_days=2, seed=5)


@pytest.fixture(scope="session")
def columns_path(columns_config, tmp_path_factory):
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("columns") / "columns.zarr"
    simulate_columns(columns_config, path, command="co2phys simulate --preset columns")
    return path


@pytest.fixture(scope="session")
def columns_store(columns_path):
    with xr.open_zarr(columns_path, consolidated=False) as data:
        return data.load()
