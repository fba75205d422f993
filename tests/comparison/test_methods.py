"""What a method costs, and one that the store does not allow."""

from types import SimpleNamespace

import numpy as np
import torch

from co2net_phys.comparison import methods
from co2net_phys.comparison.experiment import run_all
from co2net_phys.data.schema import CO2
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import Windows


def test_a_map_takes_what_the_method_takes_once_it_is_warm(small_world, monkeypatch):
    """Neither reading nor the first batch counts, nor one that something else held up."""
    store = TrainingStore(small_world(60), "world.zarr")
    read, batches, clock = Windows.batch, iter([80.0, 8.0, 8.0, 16.0, 80.0]), [0.0]

    def slow_reading(self, positions):
        clock[0] += 1000
        return read(self, positions)

    def method(batch):
        clock[0] += next(batches)
        return batch

    monkeypatch.setattr(Windows, "batch", slow_reading)
    monkeypatch.setattr(methods, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    windows = Windows(store, np.arange(10, 50), np.arange(6), 2)
    field, seconds = methods._maps(method, windows, torch.device("cpu"))
    np.testing.assert_allclose(field, store.field(CO2, windows.ends), rtol=1e-6)
    assert seconds == 12 / 8, "the median of the last four, of eight maps each"


def test_a_simple_method_that_the_store_does_not_allow_is_named(planned, small_world):
    """A climatology needs maps without holes; without any, the others go on."""
    world = small_world()
    world[CO2][{"latitude": 3, "longitude": 4}] = np.nan
    both = {"climatology": {"baseline": "climatology"}, "mean": {"baseline": "station-mean"}}
    refused, mean = run_all(planned(world, both), [])
    assert "no training frame has a complete" in refused["failed"]
    assert mean["regions"]["global"]["rmse"] > 0
    folder = planned(world, both).runs[0].folder
    assert (folder / "scores.json").exists(), "known to be so when the comparison goes on"
