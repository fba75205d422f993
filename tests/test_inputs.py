"""What the network is allowed to read: history, sampling, auxiliaries."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from co2net_phys.checkpoint import load_model
from co2net_phys.config import TrainingConfig
from co2net_phys.data.splits import SPLIT_ATTRIBUTE
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import Windows
from co2net_phys.errors import DataError, UsageError
from co2net_phys.preparation import prepare
from co2net_phys.reconstruct import predictions, windows_of
from co2net_phys.trainer import Callbacks
from co2net_phys.training import start

SMALL = {"frames": 4, "patch": (6, 8)}


@pytest.fixture(scope="module")
def data(small_world):
    return small_world(240)


@pytest.fixture(scope="module")
def store(data):
    return TrainingStore(data, "world.nc")


def prepared(store, **options):
    model = SMALL | options.pop("model", {})
    config = TrainingConfig(
        size="XS", model=model, background="none", training_stations=6, device="cpu", **options
    )
    return prepare(config, store)


def test_blocks_of_several_intervals_go_through_a_run(data, store, tmp_path):
    """As in the paper: validation before and after the training years; no window goes across."""
    split = {
        "train": ("2010-03-06", "2010-03-20"),
        "validation": (("2010-03-04", "2010-03-05"), ("2010-03-21", "2010-03-22")),
        "test": (("2010-03-01", "2010-03-03"), ("2010-03-23", "2010-03-30")),
    }
    options = {"split": split, "epochs": 1, "windows_per_epoch": 8, "batch_size": 4}
    ready = prepared(store, **options)
    days = np.unique(store.times.values[ready.validation.ends].astype("datetime64[D]"))
    assert days.astype(str).tolist() == ["2010-03-04", "2010-03-05", "2010-03-21", "2010-03-22"]
    assert len(ready.validation) == 2 * (16 - 3), "each interval loses three frames"
    config = TrainingConfig.validated(
        {"size": "XS", "model": SMALL, "background": "none", "training_stations": 6, **options}
    )
    start(ready, config, tmp_path / "run", [], ["co2phys"], Callbacks(), False).run()
    model, metadata = load_model(tmp_path / "run" / "best")
    windows = windows_of(model, metadata, store, "test")
    assert len(windows) == 3 * 8 + 8 * 8 - 2 * 3


def test_a_store_says_what_its_blocks_are(data):
    split = {"train": ["2010-03-06", "2010-03-20"], "validation": [["2010-03-04", "2010-03-05"]]}
    marked = data.assign_attrs(
        {SPLIT_ATTRIBUTE: json.dumps(split | {"test": ["2010-03-21", "2010-03-25"]})}
    )
    ready = prepared(TrainingStore(marked, "marked.nc"))
    assert ready.split["validation"] == ("2010-03-04", "2010-03-05")
    first, last = ready.train.store.times.values[ready.train.ends[[0, -1]]]
    assert str(first)[:13] == "2010-03-06T09" and str(last)[:13] == "2010-03-20T21"


def changed(batch, name):
    return batch.with_fields(**{name: batch.fields[name] + 7.0})


@pytest.mark.parametrize("scaling", ["physical", "index"])
@pytest.mark.parametrize("without", [("uas",), ("vas",), ("uas", "vas"), ("huss", "oro")])
def test_what_is_taken_away_is_not_read(store, without, scaling):
    ready = prepared(store, without=without, wind_weight=0.0, model={"wind_scaling": scaling})
    model, batch = ready.model.eval(), ready.train.batch([0, 5])
    assert not {*without} & {*model.config.inputs}
    with torch.no_grad():
        before = model(batch).fields["co2s"]
        for name in store.auxiliaries:
            after = model(changed(batch, name)).fields["co2s"]
            assert torch.equal(before, after) == (name in without), name


def test_without_wind_the_embedding_keeps_its_places(store):
    ready = prepared(store, without=("uas", "vas"), wind_weight=0.0)
    assert ready.model.embedding.channels == 9
    assert prepared(store, without=("uas",), wind_weight=0.0).model.embedding.channels == 45


def test_an_unknown_auxiliary_cannot_be_taken_away(store):
    with pytest.raises(UsageError, match=r"without: 'snow' .* it has ps, huss"):
        prepared(store, without=("snow",))


def test_a_spaced_window_is_that_of_a_coarser_record(data, store):
    """Every third frame of a 3-hourly record is a 9-hourly record."""
    ready = prepared(store, sample_every=3)
    assert ready.model.config.frame_spacing_s == 32400.0
    metadata = {**ready.description, "config": {}}
    fine = windows_of(ready.model, metadata, store, "test")
    assert isinstance(fine, Windows) and fine.spacing == 3
    coarse_store = TrainingStore(data.isel(time=slice(None, None, 3)), "coarse.nc")
    coarse = windows_of(ready.model, metadata, coarse_store, "test")
    assert coarse.spacing == 1
    shared = replace(fine, ends=3 * coarse.ends)
    assert set(shared.ends) <= set(fine.ends)
    model = ready.model.eval()
    pairs = zip(predictions(model, shared, 8), predictions(model, coarse, 8), strict=True)
    for (_, one), (_, other) in pairs:
        np.testing.assert_array_equal(one, other)


def test_a_store_whose_steps_do_not_fit_is_refused(data, store):
    ready = prepared(store, sample_every=3)
    other = TrainingStore(data.isel(time=slice(None, None, 2)), "six.nc")
    with pytest.raises(DataError, match=r"six\.nc: time step 21600 s, .* trained on 32400 s"):
        windows_of(ready.model, ready.description, other, "test")


class Seen(torch.nn.Module):
    """Stands for the learner; keeps what it is given."""

    def forward(self, seen, batch, hidden):
        self.given = seen, batch, hidden
        return {}


def split_of_a_batch(store, tmp_path, **options):
    ready = prepared(store, **options)
    config = TrainingConfig.validated(
        {"size": "XS", "model": SMALL, "background": "none", "training_stations": 6, **options}
    )
    trainer = start(ready, config, tmp_path / "run", [], ["co2phys"], Callbacks(), False)
    trainer.module = Seen()
    torch.manual_seed(0)
    positions = np.arange(100)
    trainer.task.losses(trainer.module, positions, ready.train.batch(positions))
    return [torch.isnan(part.observations.value) for part in trainer.module.given]


def test_station_dropout_hides_stations_from_the_input_only(store, tmp_path):
    seen, batch, target = split_of_a_batch(store, tmp_path, station_dropout=0.4)
    assert not batch.any() and not target.any()
    assert (seen == seen[:, :1]).all(), "a station is hidden in all frames of a window"
    assert seen[:, 0].float().mean() == pytest.approx(0.4, abs=0.07)  # 600 draws
    assert len(seen[:, 0].unique(dim=0)) > 10, "drawn anew for each window"


def test_without_dropout_nothing_is_hidden(store, tmp_path):
    assert not any(part.any() for part in split_of_a_batch(store, tmp_path))


def test_stations_hidden_are_the_target_where_stations_are(store, tmp_path):
    options = {"target": "stations", "station_dropout": 0.5}
    seen, _, target = split_of_a_batch(store, tmp_path, **options)
    assert (seen ^ target).all() and 0.4 < seen.float().mean() < 0.6
    with pytest.raises(UsageError, match="station_dropout: 0 hides no station"):
        prepared(store, target="stations", station_dropout=0.0)
