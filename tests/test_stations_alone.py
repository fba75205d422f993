"""Training, maps and scores where CO2 is known at stations only, never on a grid."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from co2net_phys.baselines import BASELINES
from co2net_phys.checkpoint import load_model
from co2net_phys.config import TrainingConfig
from co2net_phys.data.schema import CO2, STATION_CO2
from co2net_phys.data.statistics import field_statistics
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError, UsageError
from co2net_phys.preparation import prepare
from co2net_phys.trainer import Callbacks
from co2net_phys.training import start
from co2net_phys.validation_error import TURNS, validation_rmse

TINY = {
    "size": "XS", "model": {"frames": 2}, "background": "none", "epochs": 2, "target": "stations",
    "windows_per_epoch": 8, "batch_size": 4, "precision": "fp32", "device": "cpu",
}  # fmt: skip
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bare(small_world):
    """The small world without its gridded CO2."""
    return TrainingStore(small_world().drop_vars(CO2), "bare.nc", need_target=False)


def run_of(store, folder, **options):
    config = TrainingConfig(**(TINY | options))
    run = start(prepare(config, store), config, folder, [], ["co2phys"], Callbacks(), False)
    run.run()
    return run


class Constant(torch.nn.Module):
    """A field of one value, 2 ppm above the mean of what it sees; keeps what it saw."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, batch):
        self.seen.append(batch.observations.value)
        level = batch.observations.value[:, -1].nanmean(dim=-1) + 2
        return batch.with_fields(
            **{CO2: level[:, None, None, None].expand(-1, 1, *batch.coordinates.shape)}
        )


def test_statistics_are_those_of_the_training_stations_in_training_frames(bare):
    frames, stations = np.arange(20, 90), np.array([5, 0, 3])
    values = bare.observations(frames, stations).astype(np.float64)
    found = field_statistics(bare, frames, stations)
    assert found[CO2] == pytest.approx((values.mean(), values.std()), rel=1e-6)
    config = TrainingConfig(**TINY)
    prepared = prepare(config, bare)
    inside = prepared.train.frames(np.arange(len(prepared.train))).ravel()
    known = bare.observations(np.unique(inside), prepared.train.stations).astype(np.float64)
    expected = (known.mean(), known.std())
    assert prepared.model.config.statistics[CO2] == pytest.approx(expected, rel=1e-6)


def test_missing_reports_are_passed_over(small_world):
    world = small_world().drop_vars(CO2)
    holed = world[STATION_CO2].where(world[STATION_CO2]["time"] > world["time"][70])
    store = TrainingStore(world.assign({STATION_CO2: holed}), "holed.nc", need_target=False)
    every = np.arange(8)
    known = store.observations(np.arange(71, 150), every).astype(np.float64)
    found = field_statistics(store, np.arange(150), every)[CO2]
    assert found == pytest.approx((known.mean(), known.std()), rel=1e-6)
    with pytest.raises(DataError, match=r"holed\.nc: the training stations see no CO2"):
        field_statistics(store, np.arange(60), every)


def test_the_validation_hides_each_station_once_from_each_window(bare):
    config = TrainingConfig(**TINY)
    prepared, model = prepare(config, bare), Constant()
    windows = replace(prepared.validation, ends=prepared.validation.ends[:4])
    error = validation_rmse(model, windows, CPU, config)
    value = windows.batch(range(4)).observations.value
    hidden = torch.stack([seen.isnan() & value.isfinite() for seen in model.seen])
    assert len(model.seen) == TURNS
    assert torch.equal(hidden.sum(dim=0), value.isfinite().int()), "each once, in all its frames"
    errors = []
    for seen in model.seen:
        level = seen[:, -1].nanmean(dim=-1) + 2
        missing = seen[:, -1].isnan()
        errors.append((level[:, None] - value[:, -1])[missing])
    expected = torch.cat(errors).double().square().mean().sqrt()
    assert error == pytest.approx(float(expected), rel=1e-5)
    assert error == validation_rmse(model, windows, CPU, config), "the same each time"


def test_a_validation_block_without_reports_is_refused(small_world):
    world = small_world().drop_vars(CO2)
    config = TrainingConfig(**TINY)
    start_of_it = prepare(config, TrainingStore(world, "", need_target=False)).validation.ends[0]
    silent = world[STATION_CO2].where(world["time"] < world["time"][int(start_of_it) - 2])
    store = TrainingStore(world.assign({STATION_CO2: silent}), "silent.nc", need_target=False)
    prepared = prepare(config, store)
    with pytest.raises(DataError, match=r"silent\.nc: what the training stations report is miss"):
        validation_rmse(Constant(), prepared.validation, CPU, config)


@pytest.mark.parametrize("background", ["none", "station-mean", "kriging"])
def test_a_run_says_what_its_validation_is(bare, tmp_path, background):
    run = run_of(bare, tmp_path, background=background)
    model, metadata = load_model(tmp_path / "best")
    assert "umol mol-1 at training stations hidden" in metadata["validation"]
    assert metadata["progress"]["best"] == pytest.approx(
        validation_rmse(model, run.task.prepared.validation, CPU, run.config), rel=1e-5
    )
    assert (run.task.prepared.cross_fitted is None) == (background == "none")


@pytest.mark.parametrize(
    "background", ["station-mean", pytest.param("kriging", marks=pytest.mark.slow)]
)
def test_stations_held_out_change_nothing(small_world, tmp_path, background):
    """Neither statistics, first guess, losses nor validation: the weights are the same bits."""
    world = small_world().drop_vars(CO2)
    config = TrainingConfig(**(TINY | {"background": background}))
    plain = prepare(config, TrainingStore(world, "", need_target=False))
    out = [station.code for station in plain.held_out_stations]
    absurd = world[STATION_CO2].where(~world["station_code"].isin(out), 900.0)
    changed = TrainingStore(world.assign({STATION_CO2: absurd}), "", need_target=False)
    store = TrainingStore(world, "", need_target=False)
    one = run_of(store, tmp_path / "one", background=background)
    other = run_of(changed, tmp_path / "other", background=background)
    for left, right in zip(
        one.model.state_dict().values(), other.model.state_dict().values(), strict=True
    ):
        assert torch.equal(left, right)
    assert one.progress.best == other.progress.best


@pytest.mark.parametrize("name", [name for name, kind in BASELINES.items() if kind.learns_fields])
def test_first_guesses_say_whether_they_need_the_field(bare, name):
    with pytest.raises(DataError, match=CO2):
        BASELINES[name].fit(bare, np.arange(140), np.arange(8))


@pytest.mark.parametrize(
    "name", [name for name, kind in BASELINES.items() if not kind.learns_fields]
)
def test_first_guesses_of_stations_alone_are_those_with_the_field(bare, small_world, name):
    whole = TrainingStore(small_world(), "world.nc")
    parts = [BASELINES[name].fit(one, np.arange(140), np.arange(8)) for one in (bare, whole)]
    left, right = (part.state_dict() for part in parts)
    assert all(torch.equal(left[key], right[key]) for key in left)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"target": "dense"}, DataError, r"bare\.nc: no variable 'co2s'.*--target stations"),
        (
            {"background": "climatology-kriging"}, UsageError,
            r"--background climatology-kriging is fitted to gridded CO2.*kriging, station-mean or",
        ),
        ({"background": "optimal-interpolation"}, UsageError, "use kriging, station-mean or none"),
    ],
)  # fmt: skip
def test_what_needs_the_field_is_refused_in_one_line(bare, options, kind, words):
    with pytest.raises(kind, match=words) as refusal:
        prepare(TrainingConfig(**(TINY | options)), bare)
    assert "\n" not in str(refusal.value)


def test_a_field_that_is_there_is_used_as_before(small_world):
    """With gridded CO2 the statistics and the validation are those of the field."""
    store = TrainingStore(small_world(), "world.nc")
    config = TrainingConfig(**TINY)
    prepared = prepare(config, store)
    inside = np.unique(prepared.train.frames(np.arange(len(prepared.train))))
    field = store.field(CO2, inside).astype(np.float64)
    found = prepared.model.config.statistics[CO2]
    assert found == pytest.approx((field.mean(), field.std()), rel=1e-6)
    assert prepared.validation.with_target
    assert "validation" not in prepared.description


def test_rivals_learn_from_stations_alone(bare, tmp_path):
    rival = {"architecture": "senseiver", "size": "S", "wind_weight": 0.0}
    run = run_of(bare, tmp_path, **rival, epochs=1, validate_every=1)
    assert np.isfinite(run.progress.best)
