"""SwinLSTM: windows around the Earth and not over its poles, memory from frame to frame."""

from dataclasses import replace

import pytest
import torch

from co2net_phys.data.schema import AUXILIARIES, CO2
from co2net_phys.rivals.swin_layer import WindowAttention, offsets, polar_mask, window_of

pytestmark = pytest.mark.usefixtures("small_world")  # one thread


def attention(tokens, *, shifted, size=2):
    torch.manual_seed(0)
    layer = WindowAttention(tokens, 8, 2, size, 0.0, shifted=shifted).eval()
    torch.nn.init.normal_(layer.bias)
    return layer


def reached(layer, tokens, place):
    """Tokens (Y, X) whose output a change at `place` reaches."""
    torch.manual_seed(1)
    before = torch.randn(1, *tokens, 8)
    after = before.clone()
    after[0, place[0], place[1]] += torch.randn(8)
    with torch.no_grad():
        return (layer(after) != layer(before)).any(dim=-1)[0]


def test_a_window_has_the_size_that_tiles_or_the_whole_axis():
    assert window_of((10, 10), 2) == (2, 2)
    assert window_of((5, 8), 2) == (5, 2)
    assert window_of((1, 3), 2) == (1, 3)


def test_tokens_attend_within_their_window():
    seen = reached(attention((4, 6), shifted=False), (4, 6), (1, 3))
    assert seen.nonzero().tolist() == [[0, 2], [0, 3], [1, 2], [1, 3]]


def test_shifted_windows_wrap_around_the_earth_and_not_over_the_poles():
    layer = attention((4, 6), shifted=True)
    assert reached(layer, (4, 6), (1, 5)).nonzero().tolist() == [[1, 0], [1, 5], [2, 0], [2, 5]]
    assert reached(layer, (4, 6), (0, 5)).nonzero().tolist() == [[0, 0], [0, 5]]
    assert reached(layer, (4, 6), (3, 2)).nonzero().tolist() == [[3, 1], [3, 2]]


def test_only_the_last_window_holds_rows_from_both_poles():
    mask = polar_mask((4, 6), (2, 2), 1)
    assert bool((mask[0] == 0).all())
    assert (
        mask[1].isinf().tolist()
        == [[False, False, True, True]] * 2 + [[True, True, False, False]] * 2
    )


@pytest.mark.parametrize("full_circle", [False, True])
def test_an_offset_has_one_number(full_circle):
    found, count = offsets((2, 3), full_circle=full_circle)
    by_offset = {}
    for one in range(6):
        for other in range(6):
            east = one % 3 - other % 3
            key = (one // 3 - other // 3, east % 3 if full_circle else east)
            by_offset.setdefault(key, set()).add(int(found[one, other]))
    assert all(len(numbers) == 1 for numbers in by_offset.values())
    numbers = {number for one in by_offset.values() for number in one}
    assert len(numbers) == len(by_offset) and max(numbers) < count


@pytest.mark.parametrize("patch", [(3, 4), (3, 2)])
def test_the_network_turns_with_the_earth(make, batches, patch):
    """By a window on the coarse grid: two of its tokens where it has six, or any where it is one
    window of three."""
    model, batch = make("swin-lstm", patch=patch), batches()
    with torch.no_grad():  # away from the small weights of the start
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape))
    columns = patch[1] * (2 if patch == (3, 4) else 4)
    turned = replace(
        batch,
        fields={name: field.roll(columns, dims=-1) for name, field in batch.fields.items()},
        observations=replace(
            batch.observations, longitude=batch.observations.longitude + 15.0 * columns
        ),
    )
    with torch.no_grad():
        field, expected = model(turned).fields[CO2], model(batch).fields[CO2].roll(columns, -1)
        other = model(batch).fields[CO2].roll(1, -1)
    torch.testing.assert_close(field, expected, rtol=0, atol=1e-3)
    assert (field - other).abs().max() > 0.1, "the network is not blind to what turns"


def test_the_field_hangs_on_every_frame_in_its_order(make, batches):
    model, batch = make("swin-lstm"), batches()
    with torch.no_grad():
        field = model(batch).fields[CO2]
        backwards = batch.with_fields(**{name: batch.fields[name].flip(1) for name in AUXILIARIES})
        assert not torch.allclose(model(backwards).fields[CO2], field, atol=1e-3)


def test_a_cell_follows_its_equations(make):
    cell = make("swin-lstm").cells[0]
    tokens, hidden, memory = (torch.randn(2, 6, 6, 32) for _ in range(3))
    with torch.no_grad():
        f = tokens
        for layer in cell.layers:
            f = layer(f, hidden)
        found, kept = cell(tokens, (hidden, memory))
    gate = 1 / (1 + torch.exp(-f))
    torch.testing.assert_close(kept, gate * (memory + torch.tanh(f)))
    torch.testing.assert_close(found, gate * torch.tanh(kept))
