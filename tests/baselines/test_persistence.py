"""Persistence keeps fields of the end of training, hour by hour."""

import numpy as np
import pytest
import synthetic_world as world
import torch

from co2net_phys.baselines.persistence import Persistence
from co2net_phys.data.schema import CO2
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError


@pytest.mark.parametrize("frames_at_a_time", [5, 256])
def test_field_is_the_last_one_of_training_at_the_same_hour(store, monkeypatch, frames_at_a_time):
    monkeypatch.setattr("co2net_phys.baselines.base.CHUNK_FRAMES", frames_at_a_time)
    fitted = Persistence.fit(store, world.TRAINING, world.ALL_STATIONS)
    last_frames = np.array([165, 170, 199])
    field = fitted(world.make_batch(store, last_frames, world.ALL_STATIONS)).fields[CO2][:, 0]
    same_hour = world.TRAINING[-1] - (world.TRAINING[-1] - last_frames) % 8
    np.testing.assert_allclose(field, store.field(CO2, same_hour), rtol=0, atol=1e-4)


def test_incomplete_fields_are_passed_over(store):
    dataset = store.dataset.copy(deep=True)
    dataset[CO2][143:147, 2, 2] = np.nan
    holes = TrainingStore(dataset, "holes")
    fitted = Persistence.fit(holes, world.TRAINING, world.ALL_STATIONS)
    field = fitted(world.make_batch(store, [168], world.ALL_STATIONS)).fields[CO2][0, 0]
    np.testing.assert_allclose(field, store.field(CO2, [136])[0], rtol=0, atol=1e-4)


def test_an_hour_that_is_never_complete_takes_the_nearest_one(store):
    dataset = store.dataset.copy(deep=True)
    dataset[CO2][3::8, 0, 0] = np.nan
    fitted = Persistence.fit(TrainingStore(dataset, "holes"), world.TRAINING, world.ALL_STATIONS)
    assert len(fitted.climatology.slots) == 7
    field = fitted(world.make_batch(store, [171], world.ALL_STATIONS)).fields[CO2]
    assert torch.isfinite(field).all() and (field - 400).abs().max() < 40


def test_order_of_the_frames_does_not_matter(store):
    batch = world.make_batch(store, world.TEST, world.ALL_STATIONS)
    fields = [
        Persistence.fit(store, frames, world.ALL_STATIONS)(batch).fields[CO2]
        for frames in (world.TRAINING, world.TRAINING[::-1].copy())
    ]
    assert torch.equal(*fields)


def test_no_complete_field_is_said(store):
    dataset = store.dataset.copy(deep=True)
    dataset[CO2][:, 0, 0] = np.nan
    with pytest.raises(DataError, match="holes: no training frame has a complete 'co2s'"):
        Persistence.fit(TrainingStore(dataset, "holes"), world.TRAINING, world.ALL_STATIONS)
