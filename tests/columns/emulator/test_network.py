"""The emulators: shapes, sizes, what their inputs may and may not change."""

import math

import pytest
import torch
from torch import nn

from co2net_phys.columns.convlstm import ConvLSTM
from co2net_phys.columns.network import (
    ColumnEmulator,
    Persistence,
    PlainConvLSTM,
    Scale,
    SpatialFeatureTransform,
    with_increment,
)
from co2net_phys.columns.network_config import ColumnConfig
from co2net_phys.columns.schema import PROFILE_INPUTS, SURFACE_INPUTS
from co2net_phys.errors import UsageError

NETWORKS = [ColumnEmulator, PlainConvLSTM]


def awake(network, seed=0):
    """The network away from its start, where it is persistence."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.2 * torch.randn(weight.shape, generator=draw))
    return network


@pytest.mark.parametrize("kind", [*NETWORKS, Persistence])
@pytest.mark.parametrize("levels", [20, 62])
def test_a_network_makes_one_frame_of_all_levels(kind, levels, config, inputs):
    setup = config(levels=levels)
    network = kind() if kind is Persistence else awake(kind(setup))
    surface, profiles = inputs(setup)
    assert network(surface, profiles).shape == (2, 1, levels, 8, 16)


@pytest.mark.parametrize("kind", NETWORKS)
def test_an_untrained_network_is_persistence(kind, config, inputs):
    surface, profiles = inputs(config())
    assert torch.equal(kind(config())(surface, profiles), Persistence()(surface, profiles))


@pytest.mark.parametrize("levels", [20, 62])
def test_the_emulator_has_the_layers_of_the_paper(levels, config):
    """2×(5×5 conv, 64) of fields and of folded profiles, transform, ConvLSTM 3×64, 1×1 read-out."""
    with torch.device("meta"):
        network = ColumnEmulator(config(levels=levels, width=64))

    def convolution(channels, features, kernel):
        return channels * features * kernel**2 + features

    encoders = 2 * convolution(64, 64, 5) + convolution(7, 64, 5) + convolution(8 * levels, 64, 5)
    recurrent = 3 * (convolution(64, 256, 3) + 64 * 256 * 9)
    rest = 4 * convolution(64, 64, 1) + convolution(64, levels, 1)
    assert sum(weight.numel() for weight in network.parameters()) == encoders + recurrent + rest


def test_the_rival_has_the_same_recurrent_layers_on_all_channels(config):
    with torch.device("meta"):
        network, rival = (kind(config(levels=20, width=64)) for kind in NETWORKS)
    assert rival.layers[0].of_input.in_channels == 7 + 160
    for one, other in zip(network.layers[1:], rival.layers[1:], strict=True):
        assert [w.shape for w in one.parameters()] == [w.shape for w in other.parameters()]


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_network_is_made_without_memory(kind, config, inputs):
    with torch.device("meta"):
        network = kind(config())
        surface, profiles = (values.to("meta") for values in inputs(config()))
        assert network(surface, profiles).shape == (2, 1, 3, 8, 16)
    assert all(weight.is_meta for weight in network.parameters())


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("turn", [1, 7])
def test_a_network_turns_with_the_earth(kind, turn, config, inputs):
    network = awake(kind(config())).double()
    fields = inputs(config(), dtype=torch.float64)
    with torch.no_grad():
        still = network(*fields)
        turned = network(*(values.roll(turn, dims=-1) for values in fields))
    torch.testing.assert_close(turned, still.roll(turn, dims=-1), rtol=0, atol=1e-12)
    assert (turned - still).abs().max() > 1e-3, "the network is not blind to what turns"


@pytest.mark.parametrize("kind", NETWORKS)
def test_only_the_wind_changes_its_sign_beyond_the_poles(kind, config):
    network = awake(kind(config())).double()
    signs = [
        layer.signs for layer in network.modules() if getattr(layer, "signs", None) is not None
    ]
    assert len(signs) == 1
    wind = [channel for channel, sign in enumerate(signs[0].tolist()) if sign < 0]
    first = 7 if kind is PlainConvLSTM else 0
    places = [PROFILE_INPUTS.index(name) for name in ("ua", "va")]
    assert wind == [first + 3 * place + level for place in places for level in range(3)]


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_input_and_every_weight_counts(kind, config, inputs):
    network = awake(kind(config()))
    surface, profiles = (values.requires_grad_() for values in inputs(config()))
    network(surface, profiles).square().sum().backward()
    assert all(float(weight.grad.abs().max()) > 0 for weight in network.parameters())
    assert (surface.grad.abs().amax(dim=(0, 3, 4)) > 0).all()  # each frame of each field
    assert (profiles.grad.abs().amax(dim=(0, 4, 5)) > 0).all()


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_tracer_is_never_negative(kind, config, inputs):
    network = awake(kind(config(increment=[50.0] * 3)))
    surface, profiles = inputs(config())
    profiles[:, :, 0, :, :4] = 0  # no tracer in the south
    tracer = network(surface, profiles)
    assert (tracer >= 0).all() and torch.isfinite(tracer).all()
    assert (tracer < profiles[:, -1:, 0]).any() and (tracer > profiles[:, -1:, 0]).any()


def test_gains_add_and_losses_take_a_share():
    step = torch.tensor(2.0, dtype=torch.float64)
    q = torch.tensor([3.0, 3.0, 0.0, 0.0, 1e-30], dtype=torch.float64, requires_grad=True)
    change = torch.tensor([0.5, -0.5, 0.5, -0.5, -9.0], dtype=torch.float64, requires_grad=True)
    found = with_increment(q, change, step)
    expected = [4.0, 3 * math.exp(-1 / 3), 1.0, 0.0, 0.0]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))
    found.sum().backward()
    assert torch.isfinite(q.grad).all() and torch.isfinite(change.grad).all()
    at_rest = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    with_increment(q[:1].detach(), at_rest, step).backward()
    assert at_rest.grad.item() == 2.0


def test_what_spans_decades_is_compressed_and_all_else_is_linear(config):
    statistics = dict(config().statistics)
    statistics["mmrbc"] = ((1e-12, 1.0, 2.0),) * 3
    statistics["ta"] = ((1.0, 250.0, 10.0),) * 3
    scale = Scale(config(statistics=statistics), PROFILE_INPUTS, by_level=True)
    values = torch.zeros(1, 1, 8, 3, 8, 16)
    values[:, :, 0], values[:, :, PROFILE_INPUTS.index("ta")] = 1e-9, 260.0
    found = scale(values)
    assert found[0, 0, 0].mean().item() == pytest.approx((math.asinh(1000) - 1) / 2, rel=1e-6)
    assert found[0, 0, PROFILE_INPUTS.index("ta")].mean().item() == pytest.approx(1.0)


def test_the_transform_scales_and_shifts_by_the_condition():
    torch.manual_seed(0)
    layer = SpatialFeatureTransform(2, 4)
    features, condition = torch.randn(3, 4, 5, 6), torch.randn(3, 2, 5, 6)
    with torch.no_grad():
        shift, first, second = (layer(k * features, condition) for k in (0.0, 1.0, 2.0))
        torch.testing.assert_close(second - first, first - shift)  # affine in the features
        factor = (first - shift) / features
        torch.testing.assert_close(factor, 1 + layer.scale(condition), rtol=1e-3, atol=1e-3)
    assert isinstance(layer.scale[0], nn.Conv2d) and layer.scale[0].kernel_size == (1, 1)


def test_a_recurrent_layer_follows_its_equations():
    torch.manual_seed(0)
    layer = ConvLSTM(2, 3, 3, rows_at_poles=False)
    frames = torch.randn(1, 3, 2, 4, 6)
    hidden = memory = torch.zeros(1, 3, 4, 6)
    with torch.no_grad():
        for number in range(3):
            gates = layer.of_input(frames[:, number]) + layer.of_state(hidden)
            i, f, o, g = gates[:, :3], gates[:, 3:6], gates[:, 6:9], gates[:, 9:]
            memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o) * torch.tanh(memory)
            torch.testing.assert_close(layer(frames)[:, number], hidden)


def test_a_configuration_survives_json(config):
    setup = config(levels=5)
    assert ColumnConfig.model_validate_json(setup.model_dump_json()) == setup


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": 15}, "model.columns: 15 longitudes have no opposite meridians"),
        ({"kernel": 4}, "model.kernel: 4 is even"),
        ({"increment": [1.0]}, "model.increment: needs 3 positive numbers"),
        ({"latitude": [10.0, 30.0, 20.0, 40.0]}, "model.latitude: does not ascend"),
        ({"width": 0}, "model.width"),
        ({"latitude": [-45.0, 45.0]}, "model.latitude: fewer rows"),
        ({"statistics": {}}, "model.statistics: 0 of 'emibc' where 1 are needed"),
    ],
)
def test_a_configuration_that_contradicts_itself_is_refused(options, message, config):
    with pytest.raises(UsageError, match=f"^{message}"):
        config(**options)


@pytest.mark.parametrize(
    ("name", "scaling", "problem"),
    [("ua", (1.0, 3.0, 1.0), "mean of 'ua' must be 0"), ("ta", (1.0, 0.0, 0.0), "not positive")],
)
def test_scales_that_cannot_be_are_refused(name, scaling, problem, config):
    with pytest.raises(UsageError, match=problem):
        config(statistics=dict(config().statistics) | {name: (scaling,) * 3})


def test_inputs_of_another_grid_are_refused_in_one_line(config, inputs):
    surface, profiles = inputs(config())
    with pytest.raises(UsageError, match=r"shape \(3, 8, 2, 8, 16\) where the model needs"):
        ColumnEmulator(config())(surface, profiles[:, :, :, :2])


def test_the_inputs_are_those_of_the_paper():
    assert len(SURFACE_INPUTS) == 6 and len(PROFILE_INPUTS) == 8 and PROFILE_INPUTS[0] == "mmrbc"
