"""Roll-outs: the same as a loop by hand, refused where the store has gaps, stopped at a blow-up."""

import numpy as np
import pytest
import torch

from co2net_phys.columns.network import ColumnEmulator, Persistence
from co2net_phys.columns.rollout import rollout
from co2net_phys.columns.scaling import column_config
from co2net_phys.columns.store import ColumnStore
from co2net_phys.errors import DataError, NumericalError


@pytest.fixture(scope="module")
def emulator(store):
    torch.manual_seed(0)
    model = ColumnEmulator(column_config(store, np.arange(40), frames=3, width=4, depth=2))
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape))
    return model.eval()


def test_a_rollout_is_the_loop_by_hand_to_the_last_bit(emulator, store):
    start, steps = 10, 9
    tracers = [torch.from_numpy(field) for field in store.tracer(range(start - 3, start))]
    found = list(rollout(emulator, store, start, steps))
    for frame in range(start, start + steps):
        seen = range(frame - 2, frame + 1)
        surface, forcing = (torch.from_numpy(f(seen))[None] for f in (store.surface, store.forcing))
        recent = torch.stack(tracers[-3:])[None, :, None]
        with torch.no_grad():
            tracers.append(emulator(surface, torch.cat([recent, forcing], dim=2))[0, 0])
        time, field = found[frame - start]
        assert time == store.times.values[frame]
        assert np.array_equal(field, tracers[-1].numpy())


def test_a_rollout_reads_no_tracer_but_its_start(emulator, world, store):
    data = world()
    data["mmrbc"][10:] = 0.0
    other = ColumnStore(data, "world without a future")
    for (_, one), (_, same) in zip(
        rollout(emulator, store, 10, 5), rollout(emulator, other, 10, 5), strict=True
    ):
        assert np.array_equal(one, same)


def test_what_a_caller_does_to_a_field_does_not_come_back(emulator, store):
    untouched = [field for _, field in rollout(emulator, store, 10, 4)]
    for (_, field), expected in zip(rollout(emulator, store, 10, 4), untouched, strict=True):
        assert np.array_equal(field, expected)
        field[:] = np.nan


def test_persistence_stays(store):
    for _, field in rollout(Persistence(), store, 5, 20):
        assert np.array_equal(field, store.tracer([4])[0])


@pytest.mark.parametrize(("start", "steps"), [(2, 5), (50, 11), (10, 0)])
def test_a_start_without_history_or_forcing_is_refused(emulator, store, start, steps):
    with pytest.raises(DataError, match=f"^world: a roll-out of {steps} frames from frame {start}"):
        next(rollout(emulator, store, start, steps))


def test_a_gap_in_time_is_refused(emulator, world):
    store = ColumnStore(world().isel(time=np.r_[0:20, 22:60]), "world")
    with pytest.raises(DataError, match=r"gap after 2003-01-05T18:00:00"):
        next(rollout(emulator, store, 10, 20))
    assert len(list(rollout(emulator, store, 23, 20))) == 20


class Emitting(torch.nn.Module):
    """A tracer of a given size, whatever was before."""

    frames = 1

    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, surface, profiles):
        return torch.full_like(profiles[:, -1:, 0], self.size)


def test_a_start_without_tracer_is_no_blow_up(world):
    data = world()
    data["mmrbc"][:] = 0.0
    store = ColumnStore(data, "empty air")
    for size in (1e-12, 1e30):
        assert len(list(rollout(Emitting(size), store, 10, 3))) == 3
    for size in (float("inf"), float("nan")):
        with pytest.raises(NumericalError, match="blew up after 1 frames"):
            next(rollout(Emitting(size), store, 10, 3))


class Growing(torch.nn.Module):
    """The tracer times a factor each frame."""

    frames = 1

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, surface, profiles):
        return self.factor * profiles[:, -1:, 0]


def test_a_blow_up_is_told_when_and_how_large(store):
    run = rollout(Growing(20.0), store, 10, 40)
    next(run), next(run)
    with pytest.raises(NumericalError, match=r"^mmrbc: the roll-out blew up after 3 frames, at 20"):
        next(run)
    with pytest.raises(NumericalError, match=r"after 1 frames.*\(nan kg kg-1\)"):
        next(rollout(Growing(float("nan")), store, 10, 40))
