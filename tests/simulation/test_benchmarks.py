"""A versioned twin is the same everywhere: its first frames are compared with known numbers."""

import numpy as np
import pytest

from co2net_phys.data.schema import STATION_CO2
from co2net_phys.data.splits import check_split
from co2net_phys.data.stations import load_stations
from co2net_phys.data.store import open_store
from co2net_phys.simulation.benchmarks import BENCHMARKS
from co2net_phys.simulation.config import SimulationConfig
from co2net_phys.simulation.run import simulate
from co2net_phys.simulation.world import twin_world


def test_every_option_of_a_benchmark_is_written_out():
    for benchmark in BENCHMARKS.values():
        assert benchmark.config.model_fields_set == set(SimulationConfig.model_fields)
        check_split(benchmark.split)


@pytest.fixture(scope="module")
def first_frames(tmp_path_factory):
    config = BENCHMARKS["twin-v1"].config.model_copy(update={"frames": 4, "spin_up": 86400.0})
    path = tmp_path_factory.mktemp("twin") / "twin.zarr"
    simulate(twin_world(config), config, path, attributes={}, stations=load_stations())
    return open_store(path)


def test_the_first_frames_of_twin_v1_are_what_they_were(first_frames):
    data = first_frames.dataset.isel(time=-1)
    for name, numbers in FIRST_FRAMES.items():
        np.testing.assert_allclose(known(data[name].values), numbers, rtol=1e-4, err_msg=name)


def test_the_first_observations_of_twin_v1_are_what_they_were(first_frames):
    seen = first_frames.dataset[STATION_CO2].isel(time=0)
    silent = [str(code) for code in seen["station_code"].values[np.isnan(seen.values)]]
    assert silent == SILENT
    assert float(seen.mean()) == pytest.approx(MEAN_OBSERVATION, rel=1e-5)


def known(field: np.ndarray) -> list[float]:
    """Mean, spread, and two cells: changes anywhere show in the first, shifts in the others."""
    field = field.astype(np.float64)
    return [float(field.mean()), float(field.std()), float(field[30, 40]), float(field[65, 100])]


FIRST_FRAMES = {
    "co2s": [398.907095, 2.103252, 405.682007, 404.500153],
    "uas": [0.316946, 4.997451, -0.877470, 7.371892],
    "tas": [275.270611, 19.276219, 296.229156, 270.617859],
    "ps": [98423.817379, 6699.589369, 99954.898438, 99941.695313],
}
"""Of the last frame, in the units of the store."""
SILENT = ["EIC", "HUN", "KUM", "YON"]
MEAN_OBSERVATION = 399.610107
