"""One small carbon world for the tests that read what it wrote, and tower files to break."""

import numpy as np
import pytest
import torch

from co2net_phys.fluxes.config import CarbonWorldConfig
from co2net_phys.fluxes.simulate import simulate_carbon_world
from co2net_phys.fluxes.world import carbon_world

SMALL = CarbonWorldConfig(years=2, grid_step=10.0, truncation=8, towers=48, transport_days=8)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small_config():
    return SMALL


@pytest.fixture(scope="session")
def world():
    return carbon_world(SMALL, lambda day: None)


@pytest.fixture(scope="session")
def world_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("carbon") / "world"
    simulate_carbon_world(SMALL, folder)
    return folder


@pytest.fixture
def write_daily_csv(tmp_path):
    """Write a daily file on the FLUXNET2015 layout; `change` edits its lines."""

    def write(days=10, start="2005-03-01", change=lambda lines: lines, site="ZZ-Tst"):
        dates = np.datetime64(start) + np.arange(days)
        lines = ["TIMESTAMP,TA_F,TA_F_QC,NEE_VUT_REF,NEE_VUT_REF_QC,NEE_VUT_REF_RANDUNC"]
        lines += [
            f"{str(day).replace('-', '')},{number:.1f},1,{-0.5 * number:.3f},0.9,0.1"
            for number, day in enumerate(dates)
        ]
        path = tmp_path / f"FLX_{site}_FLUXNET2015_SUBSET_DD_2005-2005_1-4.csv"
        path.write_text("\n".join(change(lines)) + "\n")
        return path

    return write
