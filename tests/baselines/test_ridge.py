"""Ridge regression in linear worlds and against the textbook formula."""

import numpy as np
import pytest
import synthetic_world as world
import torch

from co2net_phys.baselines.moments import PENALTIES, Moments, choose_penalty
from co2net_phys.baselines.ridge import Ridge
from co2net_phys.data.schema import CO2, STATION_CO2
from co2net_phys.errors import DataError


def linear_world(seed=0, modes=6):
    """Random amplitudes of fewer modes than stations, so that stations determine the field."""
    random = np.random.default_rng(seed)
    amplitudes = random.normal(size=(world.FRAMES, modes))
    shapes = np.stack([world.waves(seed + i, count=3)[0] for i in range(modes)])
    return world.make_store(400.0 + np.einsum("tm,mhw->thw", amplitudes, shapes))


def moments(predictors, target):
    predictors, target = torch.from_numpy(predictors), torch.from_numpy(target)
    return Moments(len(predictors), predictors.T @ predictors, predictors.T @ target)


def test_exactly_linear_world_is_recovered():
    store = linear_world()
    ridge = Ridge.fit(store, world.TRAINING, world.ALL_STATIONS)
    batch = world.make_batch(store, world.TEST, world.ALL_STATIONS)
    spread = float(batch.fields[CO2].std())
    assert world.error(ridge, batch) < 0.01 * spread


def test_earlier_frames_are_used():
    """Stations show now what the field will be four frames later, and nothing of the present.

    The amplitude repeats after nine days and has no daily cycle, so the climatology is constant.
    """
    period = np.random.default_rng(0).normal(size=(9, 8))
    period -= period.mean(axis=0)
    seen = np.resize(period, world.FRAMES)
    shape = world.waves(count=3)[0]
    store = world.make_store(400.0 + np.roll(seen, 4)[:, None, None] * shape)
    rows, columns = world.cells()
    reports = 400.0 + seen[:, None] * shape[rows, columns]
    store.dataset[STATION_CO2] = (("time", "station"), reports.astype(np.float32))
    ridge = Ridge.fit(store, np.arange(72, 144), world.ALL_STATIONS)
    batch = world.make_batch(store, world.TEST, world.ALL_STATIONS)
    assert ridge.lags == (0, 4, 7)
    assert world.error(ridge, batch) < 0.01 * float(batch.fields[CO2].std())


def test_solution_is_the_textbook_one_and_pieces_add_up():
    random = np.random.default_rng(1)
    predictors, target = random.normal(size=(40, 5)), random.normal(size=(40, 7))
    pieces = moments(predictors[:15], target[:15]) + moments(predictors[15:], target[15:])
    scale = np.trace(predictors.T @ predictors) / 5
    expected = np.linalg.solve(
        predictors.T @ predictors + 0.1 * scale * np.eye(5), predictors.T @ target
    )
    np.testing.assert_allclose(pieces.solve(0.1), expected, atol=1e-10)
    assert pieces.count == 40


@pytest.mark.parametrize("noise", [0.01, 3.0, 30.0])
def test_penalty_minimises_the_error_on_the_held_out_block(noise):
    random = np.random.default_rng(2)
    truth = random.normal(size=(6, 9))
    early, late = random.normal(size=(12, 6)), random.normal(size=(30, 6))
    first = moments(early, early @ truth + noise * random.normal(size=(12, 9)))
    held = late @ truth + noise * random.normal(size=(30, 9))
    area = np.linspace(0.2, 1.0, 9)
    direct = [
        (area * (late @ first.solve(penalty).numpy() - held) ** 2).sum() for penalty in PENALTIES
    ]
    chosen = choose_penalty(first, moments(late, held), torch.from_numpy(area))
    assert chosen == PENALTIES[int(np.argmin(direct))]


def test_windows_across_a_gap_in_time_or_out_of_the_split_are_not_used(store):
    ridge = Ridge.fit(store, world.TRAINING, world.ALL_STATIONS)
    frames = np.concatenate([np.arange(20, 40), np.arange(60, 70)])
    usable = ridge._usable(store, frames)
    assert usable.tolist() == [*range(27, 40), *range(67, 70)]


def test_another_network_or_a_shorter_window_is_refused(store):
    ridge = Ridge.fit(store, world.TRAINING, world.ALL_STATIONS)
    with pytest.raises(DataError, match="stations"):
        ridge(world.make_batch(store, [170], world.ALL_STATIONS[::-1]))
    with pytest.raises(DataError, match="window"):
        ridge(world.make_batch(store, [170], world.ALL_STATIONS, window=4))
