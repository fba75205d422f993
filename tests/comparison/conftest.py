"""A comparison of simple methods on the small world, without a command line."""

import pytest
import torch

from co2net_phys.comparison.config import Comparison
from co2net_phys.comparison.experiment import plan
from co2net_phys.data.store import TrainingStore

torch.set_num_threads(1)

STATION_MEAN = {"station mean": {"baseline": "station-mean"}}


@pytest.fixture
def planned(small_world, tmp_path, monkeypatch):
    """Plan a comparison of methods on a world, which the caller may have changed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "world.zarr").write_text("stands for the store where checksums are taken")

    def make(world=None, methods=STATION_MEAN, source="world.zarr", **options):
        store = TrainingStore(small_world() if world is None else world, source)
        given = {"seeds": (1,), "training_stations": 6, "score_every": 2, **options}
        comparison = Comparison(data=source, methods=methods, **given)
        return plan(comparison, store, tmp_path / "table")

    return make
