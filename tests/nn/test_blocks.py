import pytest
import torch

from co2net_phys.nn.blocks import Dimensions, DropPath, Experts, Head, StreamAttention, fuse
from co2net_phys.nn.connection import Connection, PositionTerms, StreamReader

TIMES, PLACES, WIDTH = 3, 5, 16
SIZE = Dimensions(TIMES, PLACES, WIDTH, 2, 4, 32, 0.0, 0.0)


def tokens(batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, TIMES, PLACES, WIDTH)


def depends_on(output: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """Which (time, place) of `source` the given output vector depends on."""
    (gradient,) = torch.autograd.grad(output.square().sum(), source)
    return gradient[0].abs().sum(-1) > 0


@pytest.mark.parametrize(("stream", "reached"), [("spatial", 1), ("temporal", TIMES)])
def test_the_spatial_stream_attends_within_a_frame_the_temporal_one_to_all(stream, reached):
    torch.manual_seed(0)
    x = tokens().requires_grad_()
    seen = depends_on(StreamAttention(stream, SIZE)(x)[0, 1, 2], x)
    assert seen[1].all() and seen.sum() == reached * PLACES


@pytest.mark.parametrize("along", ["time", "space"])
def test_a_stream_reads_the_other_along_its_own_axis_only(along):
    torch.manual_seed(0)
    reader = StreamReader(along, TIMES, PLACES, WIDTH, 4, 0.0)
    receiver, source = tokens().requires_grad_(), tokens().requires_grad_()
    update = reader(receiver, source)[0, 1, 2]
    expected = torch.zeros(TIMES, PLACES, dtype=torch.bool)
    if along == "time":
        expected[:, 2] = True
    else:
        expected[1, :] = True
    assert torch.equal(depends_on(update, source), expected)


def test_both_directions_read_the_state_before_the_exchange():
    torch.manual_seed(0)
    connection = Connection(TIMES, PLACES, WIDTH, 4, 0.0, DropPath(0.0))
    spatial, temporal = tokens(), tokens()
    new_spatial, new_temporal = connection(spatial, temporal)
    torch.testing.assert_close(new_spatial, spatial + connection.to_spatial(spatial, temporal))
    torch.testing.assert_close(new_temporal, temporal + connection.to_temporal(temporal, spatial))


def test_swapping_two_places_swaps_the_outputs_without_position_terms():
    torch.manual_seed(0)
    experts = Experts(
        {"spatial": torch.nn.Identity(), "temporal": torch.nn.Identity()}, SIZE, connected=True
    )
    order = torch.tensor([0, 3, 2, 1, 4])
    x = tokens()
    with_positions = experts(x)["spatial"]
    assert not torch.allclose(experts(x[:, :, order])["spatial"], with_positions[:, :, order])
    for module in experts.modules():
        if isinstance(module, PositionTerms):
            torch.nn.init.zeros_(module.place)
    for name in ("spatial", "temporal"):
        swapped = experts(x[:, :, order])[name]
        torch.testing.assert_close(swapped, experts(x)[name][:, :, order])


def test_drop_path_drops_whole_samples_and_keeps_the_mean():
    torch.manual_seed(0)
    drop = DropPath(0.25)
    branch = drop(torch.ones(4000, 2, 3))
    per_sample = branch.flatten(1)
    assert (per_sample == per_sample[:, :1]).all()
    assert branch.mean().item() == pytest.approx(1, abs=0.04)
    assert branch.unique().tolist() == pytest.approx([0, 4 / 3])
    assert torch.equal(drop.eval()(branch), branch)


def test_drop_path_grows_linearly_with_depth():
    size = Dimensions(TIMES, PLACES, WIDTH, 5, 4, 32, 0.0, 0.2)
    experts = Experts({"spatial": torch.nn.Identity()}, size, connected=False)
    rates = [layer.drop_path.probability for layer in experts.layers]
    assert rates == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])


def test_streams_are_added_and_averaged_over_time():
    a, b = tokens(), tokens()
    torch.testing.assert_close(fuse({"a": a, "b": b}, average=False), a + b)
    mean = fuse({"a": a, "b": b}, average=True)
    torch.testing.assert_close(mean, (a + b).mean(1, keepdim=True))


def test_a_zero_head_answers_zero_and_can_learn():
    head = Head(WIDTH, 6, zero=True)
    answer = head(tokens())
    assert answer.shape == (2, TIMES, PLACES, 6) and not answer.any()
    (answer - 1).square().mean().backward()
    assert head[-1].weight.grad.abs().sum() > 0
