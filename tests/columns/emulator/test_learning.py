"""How an emulator learns: the loss, the feeding back of its tracer, and that it beats persistence.

The truth of the small world is known: waves that turn with the wind.
"""

import numpy as np
import pytest
import torch

from co2net_phys.columns.learner import ColumnLearner, ColumnLoss, unrolled, validation_error
from co2net_phys.columns.network import ColumnEmulator, Persistence, PlainConvLSTM
from co2net_phys.columns.scaling import column_config
from co2net_phys.columns.store import ColumnStore
from co2net_phys.columns.windows import column_windows
from co2net_phys.data.windows import shuffled


def test_the_loss_weighs_by_mass_of_air(store):
    config = column_config(store, np.arange(40))
    item = column_windows(store, np.arange(20), 2, 2).batch([3, 8])
    error = 1e-10 * torch.randn(item.target.shape, generator=torch.Generator().manual_seed(0))
    found = ColumnLoss(config.latitude, config.increment)(item.target + error, item)
    edges = np.radians(np.linspace(-90, 90, 9))
    mass = item.air.double().numpy() * np.diff(np.sin(edges))[:, None]
    ratio = error.numpy() / np.array(config.increment)[:, None, None]
    assert ratio.min() < -3 and np.abs(ratio).min() < 0.1, "errors of all sizes"
    loss = np.sqrt(1 + ratio**2) - 1
    assert float(found) == pytest.approx((mass * loss).sum() / mass.sum(), rel=1e-4)


def test_each_step_reads_what_the_network_made(store):
    """A network that adds the emission and a tenth of its oldest tracer: in closed form."""

    class Sum(torch.nn.Module):
        frames = 2

        def forward(self, surface, profiles):
            return (0.1 * profiles[:, 0, 0] + surface[:, -1, 0][:, None])[:, None]

    item = column_windows(store, np.arange(20), 2, 3).batch([4])
    emission, old, new = item.surface[:, :, 0][:, :, None], *item.history.unbind(dim=1)
    first = 0.1 * old + emission[:, 1]
    second = 0.1 * new + emission[:, 2]
    third = 0.1 * first + emission[:, 3]
    torch.testing.assert_close(unrolled(Sum(), item), torch.stack([first, second, third], dim=1))


def test_mixed_precision_leaves_the_tracer_in_32_bits(store):
    config = column_config(store, np.arange(40), frames=2, width=4, depth=1)
    item = column_windows(store, np.arange(20), 2, 2).batch([0, 5])
    exact, mixed = (ColumnLearner(ColumnEmulator(config), kind) for kind in ("fp32", "bf16"))
    assert float(exact(item)["tracer"].detach()) == float(mixed(item)["tracer"].detach())
    for learner in (exact, mixed):  # away from the start, where no input counts
        torch.manual_seed(0)
        with torch.no_grad():
            for weight in learner.parameters():
                weight.copy_(0.1 * torch.randn(weight.shape))
    one, other = (learner(item)["tracer"] for learner in (exact, mixed))
    assert one.dtype == other.dtype == torch.float32
    assert 0 < abs(float((one - other).detach())) < 0.02 * float(one.detach())


def test_errors_of_later_steps_teach_earlier_ones(store):
    config = column_config(store, np.arange(40), frames=2, width=4, depth=1)
    learner = ColumnLearner(ColumnEmulator(config))
    item = column_windows(store, np.arange(20), 2, 3).batch([0])
    item.history.requires_grad_()
    unrolled(learner.model, item)[:, -1].sum().backward()
    assert (item.history.grad.abs().sum(dim=(0, 2, 3, 4)) > 0)[-1]


def test_the_validation_error_of_persistence_is_the_change(store):
    windows = column_windows(store, np.arange(30), 1)
    tracer, weights = store.tracer(range(30)).astype(np.float64), np.cos(np.radians(store.latitude))
    mass = store.air_mass(range(30))[1:] * weights[:, None]
    expected = np.sqrt((mass * np.diff(tracer, axis=0) ** 2).sum() / mass.sum())
    assert validation_error(Persistence(), windows) == pytest.approx(expected, rel=1e-4)


@pytest.fixture(scope="module")
def larger(world):
    return ColumnStore(world(frames=120, levels=4, rows=16, columns=32), "world")


@pytest.mark.parametrize("kind", [ColumnEmulator, PlainConvLSTM])
def test_a_network_learns_to_carry_the_tracer(kind, larger):
    block = np.arange(90)
    windows = column_windows(larger, block, 2)
    later = column_windows(larger, np.arange(95, 120), 2)
    torch.manual_seed(0)
    learner = ColumnLearner(kind(column_config(larger, block, frames=2, width=16, depth=1)))
    optimiser = torch.optim.AdamW(learner.parameters(), lr=1e-2)
    for epoch in range(4):
        order = shuffled(len(windows), 0, epoch)
        for item in windows.stream(np.array_split(order, len(order) // 4)):
            optimiser.zero_grad()
            learner(item)["tracer"].backward()
            optimiser.step()
    error, rival = (validation_error(model, later) for model in (learner.model, Persistence()))
    assert error < 0.6 * rival
    steps = column_windows(larger, np.arange(95, 120), 2, 8)
    error, rival = (validation_error(model, steps) for model in (learner.model, Persistence()))
    assert error < 0.8 * rival, "also when it goes on from its own tracer"
