"""The emulators: shapes, sizes, what their inputs may and may not change."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from co2net_phys.columns.convlstm import ConvLSTM
from co2net_phys.columns.network import (
    LIMIT,
    ColumnEmulator,
    Persistence,
    PlainConvLSTM,
    Scale,
    SpatialFeatureTransform,
)
from co2net_phys.columns.network_config import ColumnConfig
from co2net_phys.columns.schema import PROFILE_INPUTS, SURFACE_INPUTS
from co2net_phys.errors import UsageError

NETWORKS = [ColumnEmulator, PlainConvLSTM]


def awake(network, seed=0):
    """The network away from its start, where its inputs do not count."""
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
def test_an_untrained_network_is_nearly_persistence_plus_emission(kind, config, inputs):
    surface, profiles = inputs(config())
    profiles[:, :, 0] = 2.0  # the same everywhere: what is gathered is what was there
    surface[:, -1, 0] = 0.0
    network = kind(config())
    torch.testing.assert_close(network(surface, profiles), torch.full((2, 1, 3, 8, 16), 1.90515))
    surface[:, -1, 0] = 0.6
    added = network(surface, profiles).sum(dim=2) - 3 * 1.90515
    torch.testing.assert_close(added, torch.full((2, 1, 8, 16), 0.6 * 0.952574), rtol=1e-4, atol=0)


@pytest.mark.parametrize("kind", NETWORKS)
def test_each_layer_passes_the_signal_on(kind, config, inputs):
    """Features vary from cell to cell as much as inputs do, down to the read-out."""
    network, heard = kind(config(width=32, depth=3)), []
    network.read_out.register_forward_pre_hook(lambda module, given: heard.append(given[0]))
    network(*inputs(config()))
    assert 0.3 < float(heard[0].detach().std(dim=(0, 2, 3)).mean()) < 1.5


@pytest.mark.parametrize("levels", [20, 62])
def test_the_emulator_has_the_layers_of_the_paper(levels, config):
    """2×(5×5 conv, 64) of fields and of folded profiles, transform, ConvLSTM 3×64, 1×1 read-out."""
    with torch.device("meta"):
        network = ColumnEmulator(config(levels=levels, width=64))

    def convolution(channels, features, kernel):
        return channels * features * kernel**2 + features

    encoders = 2 * convolution(64, 64, 5) + convolution(7, 64, 5) + convolution(8 * levels, 64, 5)
    recurrent = 3 * (convolution(64, 256, 3) + 64 * 256 * 9)
    rest = 4 * convolution(64, 64, 1) + 3 * 2 * 64 + convolution(64, (5 * 5 + 4) * levels, 1)
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


def test_an_encoder_goes_on_over_the_poles_as_around_the_earth(config):
    """Compared with convolutions along full meridians, over both poles and back: a torus."""
    network = awake(ColumnEmulator(config())).double()
    first, second = (network.profile_encoder[number] for number in (0, 2))
    field = torch.randn(1, 24, 8, 16, dtype=torch.float64)
    there = field.flip(-2).roll(8, dims=-1) * first.signs[:, None, None]
    around = torch.cat([field, there], dim=-2)  # every meridian goes on as the opposite one
    with torch.no_grad():
        for layer in (first, second):
            padded = functional.pad(around, (2, 2, 2, 2), mode="circular")
            weight = layer.gain * layer.weight
            around = functional.leaky_relu(functional.conv2d(padded, weight, layer.bias), 0.1)
        torch.testing.assert_close(network.profile_encoder(field), around[..., :8, :])


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_network_begins_by_listening_to_its_own_place(kind, config, inputs):
    """Share of the squared sensitivity of the features before the read-out."""
    torch.manual_seed(0)
    network, heard = kind(config(width=16, rows=16, columns=32)), []
    network.read_out.register_forward_pre_hook(lambda module, given: heard.append(given[0]))
    surface, profiles = inputs(config(rows=16, columns=32))
    network(surface, profiles.requires_grad_())
    squares = torch.zeros(16, 32)
    for feature in heard[0][:, :, 8, 16].sum(dim=0):
        (slope,) = torch.autograd.grad(feature, profiles, retain_graph=True)
        squares += slope[:, -1].square().sum(dim=(0, 1, 2))
    assert squares[7:10, 15:18].sum() > 0.6 * squares.sum()


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
    network = awake(kind(config()))
    surface, profiles = inputs(config())
    profiles[:, :, 0, :, :4] = 0  # no tracer in the south
    tracer = network(surface, profiles)
    assert (tracer >= 0).all() and torch.isfinite(tracer).all()
    assert (tracer < profiles[:, -1:, 0]).any() and (tracer > profiles[:, -1:, 0]).any()


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


def test_what_is_far_beyond_the_usual_is_cut(config):
    """A temperature of 5 ± 2: what counts is its size in spreads, after the mean is taken off."""
    statistics = config().statistics | {"ta": [(1.0, 5.0, 2.0)] * 3}
    scale = Scale(config(statistics=statistics), PROFILE_INPUTS, by_level=True)
    warmth = PROFILE_INPUTS.index("ta")
    values = torch.full((1, 1, 8, 3, 8, 16), 5.0)
    values[0, 0, warmth, 0, 0, :4] = torch.tensor([300.0, -300.0, 27.0, -17.0])
    found = scale(values)[0, 0, warmth, 0, 0, :5]
    assert found.tolist() == [LIMIT, -LIMIT, 11.0, -11.0, 0.0]


def test_the_transform_scales_and_shifts_by_the_condition():
    torch.manual_seed(0)
    layer = SpatialFeatureTransform(2, 4)
    features, condition = torch.randn(3, 4, 5, 6), torch.randn(3, 2, 5, 6)
    with torch.no_grad():
        assert torch.equal(layer(features, condition), features), "the start"
        awake(layer)
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
        ({"thickness": [(0.0, 0.0)] * 3}, "model.thickness: needs 3 positive numbers"),
        ({"interval": 0.0}, "model.interval"),
        ({"reach": 8}, "model.latitude: fewer rows"),
        ({"latitude": [-60.0, -20.0, -40.0, 20.0, 60.0]}, "model.latitude: does not ascend"),
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
    [
        ("ua", (1.0, 3.0, 1.0), "mean of 'ua' must be 0"),
        ("ta", (1.0, 0.0, 0.0), "not positive"),
        ("ta", (1.0, math.nan, 1.0), "not finite"),
    ],
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
