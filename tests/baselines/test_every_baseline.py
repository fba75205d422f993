"""What holds for every baseline: no leakage, a faithful checkpoint, finite fields, clear errors."""

import json

import numpy as np
import pytest
import synthetic_world as world
import torch
from safetensors.torch import load, save

from co2net_phys.baselines import BASELINES, build_baseline
from co2net_phys.batch import Batch, Observations
from co2net_phys.data.schema import CO2, STATION_CO2
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError, UsageError

KEPT = world.ALL_STATIONS[:22]
HELD_OUT = world.ALL_STATIONS[22:]
NEED_FIELDS = (
    *(name for name in BASELINES if "climatology" in name),
    *("persistence", "ridge", "eof-regression", "optimal-interpolation"),
)


@pytest.fixture(scope="module")
def fitted(store):
    return {name: method.fit(store, world.TRAINING, KEPT) for name, method in BASELINES.items()}


@pytest.fixture(scope="module")
def batch(store):
    return world.make_batch(store, world.TEST, KEPT)


def field(baseline, batch):
    return baseline(batch).fields[CO2]


every = pytest.mark.parametrize("name", BASELINES)


@every
def test_returns_one_field_with_the_coordinates_and_observations_it_was_given(name, fitted, batch):
    result = fitted[name](batch)
    assert list(result.fields) == [CO2]
    assert result.fields[CO2].shape == (len(world.TEST), 1, 18, 24)
    assert result.fields[CO2].dtype == torch.float32
    assert result.coordinates is batch.coordinates
    assert result.observations is batch.observations


@every
def test_target_is_not_read(name, fitted, batch):
    garbage = batch.with_fields(**{CO2: torch.full_like(batch.fields[CO2], torch.nan)})
    assert torch.equal(field(fitted[name], garbage), field(fitted[name], batch))


@every
def test_stations_kept_apart_and_frames_after_training_are_not_read(name, fitted, batch, store):
    dataset = store.dataset.copy(deep=True)
    dataset[STATION_CO2][:, HELD_OUT] = -1e6
    dataset[STATION_CO2][len(world.TRAINING) :] = -1e6
    dataset[CO2][len(world.TRAINING) :] = -1e6
    again = BASELINES[name].fit(TrainingStore(dataset, "spoilt"), world.TRAINING, KEPT)
    torch.testing.assert_close(field(again, batch), field(fitted[name], batch), rtol=0, atol=0)


@every
def test_checkpoint_of_safetensors_and_json_brings_it_back(name, fitted, batch):
    weights = save({key: value.contiguous() for key, value in fitted[name].state_dict().items()})
    settings = json.dumps(fitted[name].configuration())
    back = build_baseline(json.loads(settings))
    back.load_state_dict(load(weights))
    assert type(back) is BASELINES[name]
    assert torch.equal(field(back, batch), field(fitted[name], batch))
    assert not list(back.parameters())


@every
def test_field_is_finite_and_sensible_with_any_reports_missing(name, fitted, batch):
    values = batch.observations.value.clone()
    values[0] = float("nan")
    values[1, -2:] = float("nan")
    values[2, :, 1:] = float("nan")
    values[3, :, ::2] = float("nan")
    observations = Observations(values, batch.observations.latitude, batch.observations.longitude)
    silent = field(fitted[name], Batch({}, observations, batch.coordinates))
    assert torch.isfinite(silent).all()
    assert (silent - 400.0).abs().max() < 40.0


@every
def test_result_of_a_frame_does_not_depend_on_the_rest_of_the_batch(name, fitted, batch, store):
    alone = world.make_batch(store, world.TEST[4:5], KEPT)
    torch.testing.assert_close(
        field(fitted[name], alone)[0], field(fitted[name], batch)[4], rtol=0, atol=1e-4
    )


@every
def test_mixed_precision_does_not_reach_it(name, fitted, batch):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = field(fitted[name], batch)
    assert torch.equal(mixed, field(fitted[name], batch))


@every
def test_nothing_to_fit_is_said_in_one_line(name, store):
    with pytest.raises(DataError, match="frames") as no_frames:
        BASELINES[name].fit(store, np.arange(0), KEPT)
    assert "\n" not in str(no_frames.value)
    if name not in ("climatology", "persistence"):
        with pytest.raises(DataError, match="stations"):
            BASELINES[name].fit(store, world.TRAINING, KEPT[:2])


@every
def test_constant_world_is_reproduced(name):
    store = world.make_store(np.full((world.FRAMES, 18, 24), 412.5), missing=0.3)
    fitted = BASELINES[name].fit(store, world.TRAINING, KEPT)
    assert world.error(fitted, world.make_batch(store, world.TEST, KEPT)) < 1e-4


@every
def test_stations_in_the_same_place_and_on_another_grid_do_no_harm(name):
    """Two stations in every place of a half-globe grid of uneven rows."""
    random = np.random.default_rng(4)
    dataset = world.make_store(world.daily_cycle() + world.waves()).dataset
    uneven = np.sort(random.choice(18, size=11, replace=False))
    dataset = dataset.isel(latitude=uneven, longitude=slice(3, 20))
    twice = np.repeat(np.arange(6), 2)
    pairs = dataset.isel(station=twice)
    pairs["station_code"] = ("station", [f"S{i:02d}" for i in range(12)])
    store = TrainingStore(pairs, "pairs")
    fitted = BASELINES[name].fit(store, world.TRAINING, np.arange(12))
    result = field(fitted, world.make_batch(store, world.TEST, np.arange(12)))
    assert torch.isfinite(result).all()
    assert (result - 400.0).abs().max() < 40.0


@every
def test_fit_is_repeatable(name, fitted, batch, store):
    again = BASELINES[name].fit(store, world.TRAINING, KEPT)
    assert torch.equal(field(again, batch), field(fitted[name], batch))


@pytest.mark.parametrize("name", NEED_FIELDS)
def test_missing_targets_are_said_and_partly_missing_ones_left_out(name, store, fitted, batch):
    dataset = store.dataset.copy(deep=True)
    dataset[CO2][:, 0, 0] = np.nan
    with pytest.raises(DataError, match="target"):
        BASELINES[name].fit(TrainingStore(dataset, "holes"), world.TRAINING, KEPT)
    dataset = store.dataset.copy(deep=True)
    dataset[CO2][40:44, 0, 0] = np.nan
    partly = BASELINES[name].fit(TrainingStore(dataset, "few holes"), world.TRAINING, KEPT)
    assert (field(partly, batch) - field(fitted[name], batch)).abs().mean() < 0.2


def test_another_grid_is_refused_where_a_climatology_belongs_to_one(fitted, batch):
    coordinates = batch.coordinates
    shifted = type(coordinates)(
        coordinates.latitude,
        coordinates.longitude + 5.0,
        coordinates.elapsed,
        coordinates.day_phase,
        coordinates.year_phase,
    )
    with pytest.raises(DataError, match="grid"):
        fitted["climatology-offset"](Batch({}, batch.observations, shifted))


def test_stations_that_never_report_are_said(store):
    dataset = store.dataset.copy(deep=True)
    dataset[STATION_CO2][:] = np.nan
    with pytest.raises(DataError, match="reports"):
        BASELINES["kriging"].fit(TrainingStore(dataset, "silent"), world.TRAINING, KEPT)


def test_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(UsageError, match="climatology-kriging"):
        build_baseline({"name": "magic"})


def test_what_knows_more_does_better(fitted, batch):
    score = {name: world.error(baseline, batch) for name, baseline in fitted.items()}
    assert score["climatology-kriging"] < score["climatology-offset"] < score["climatology"]
    assert score["climatology-kriging"] < score["kriging"] < score["station-mean"]
    assert score["ridge"] < score["climatology-offset"]
    assert score["eof-regression"] < score["climatology-offset"]
    assert score["optimal-interpolation"] < score["climatology-kriging"]
