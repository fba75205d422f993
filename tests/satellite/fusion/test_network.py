from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from co2net_phys.errors import UsageError
from co2net_phys.satellite.learner import AbsoluteError
from co2net_phys.satellite.network import (
    ROWS_AT_ONCE,
    FusionConfig,
    NetworkPredictor,
    ResidualBlock,
    ResNetLSTM,
    statistics_of,
)
from co2net_phys.satellite.points import Points, prediction

PAPER_FEATURES = 46


def config(features: int = PAPER_FEATURES, **options: Any) -> FusionConfig:
    names = tuple(f"f{i}" for i in range(features))
    statistics = {name: (float(i), 1.0 + i) for i, name in enumerate(names)}
    return FusionConfig(features=names, statistics={**statistics, "xco2": (410.0, 4.0)}, **options)


def small(features: int = 5) -> FusionConfig:
    return config(features, first_width=4, widths=(6, 8), hidden=5)


def test_default_sizes_are_those_of_table_4() -> None:
    network = ResNetLSTM(config())
    first = network.first
    assert (first.in_channels, first.out_channels) == (1, 32)
    assert (first.kernel_size, first.stride, first.padding) == ((3,), (1,), (1,))
    blocks = [block for block in network.blocks if isinstance(block, ResidualBlock)]
    assert [block.first.out_channels for block in blocks] == [64, 128, 256, 512]
    assert all(block.first.stride == block.skip.stride == (2,) for block in blocks)
    assert all(block.first.kernel_size == block.second.kernel_size == (3,) for block in blocks)
    lstm = network.lstm
    assert (lstm.input_size, lstm.hidden_size, lstm.num_layers, lstm.dropout) == (512, 128, 2, 0.5)
    assert network.dense.out_features == 1


def test_number_of_parameters_by_hand() -> None:
    def convolution(inputs: int, outputs: int) -> int:
        return 3 * inputs * outputs + outputs

    count = convolution(1, 32)
    for i, o in [(32, 64), (64, 128), (128, 256), (256, 512)]:
        count += convolution(i, o) + convolution(o, o) + i * o
    count += 4 * 128 * (512 + 128 + 2) + 4 * 128 * (128 + 128 + 2)
    count += 128 + 1
    network = ResNetLSTM(config())
    assert sum(p.numel() for p in network.parameters()) == count == 2_203_777


@pytest.mark.parametrize(("features", "positions"), [(46, 3), (1, 1), (16, 1), (17, 2)])
def test_lstm_sees_what_four_halvings_leave(features: int, positions: int) -> None:
    network = ResNetLSTM(config(features))
    seen = []
    network.lstm.register_forward_hook(lambda module, given, found: seen.append(given[0].shape))
    assert network(torch.zeros(2, features)).shape == (2,)
    assert seen == [(2, positions, 512)]


def test_residual_block_is_equation_3() -> None:
    torch.manual_seed(0)
    block = ResidualBlock(2, 3)
    x = torch.randn(4, 2, 7)
    padded = torch.nn.functional.pad(x, (1, 1))
    windows = padded.unfold(2, 3, 2)  # (B, inputs, ⌈L/2⌉, 3)
    first = torch.einsum("bilk,oik->bol", windows, block.first.weight)
    inner = torch.relu(first + block.first.bias[:, None])
    windows = torch.nn.functional.pad(inner, (1, 1)).unfold(2, 3, 1)
    change = torch.einsum("bilk,oik->bol", windows, block.second.weight)
    shortcut = torch.einsum("bil,oi->bol", x[:, :, ::2], block.skip.weight[:, :, 0])
    expected = torch.relu(change + block.second.bias[:, None] + shortcut)
    torch.testing.assert_close(block(x), expected)


def test_is_made_without_memory_and_takes_weights_afterwards() -> None:
    torch.manual_seed(0)
    real = ResNetLSTM(small())
    with torch.device("meta"):
        empty = ResNetLSTM(small())
    assert all(p.is_meta for p in empty.parameters())
    assert {n: p.shape for n, p in empty.state_dict().items()} == {
        n: p.shape for n, p in real.state_dict().items()
    }
    empty.load_state_dict(real.state_dict(), assign=True)
    assert all(b.device.type == "cpu" for b in empty.buffers())
    features = torch.randn(3, 5)
    torch.testing.assert_close(empty.eval()(features), real.eval()(features), rtol=0, atol=0)


def test_configuration_comes_back_from_json() -> None:
    assert FusionConfig.model_validate_json(small().model_dump_json()) == small()


def test_units_go_in_and_out() -> None:
    """Features in other units with the statistics to match give the same XCO2."""
    torch.manual_seed(1)
    network = ResNetLSTM(small()).eval()
    rescaled = {n: (32 + 1.8 * m, 1.8 * s) for n, (m, s) in small().statistics.items()}
    rescaled["xco2"] = (410e3, 4e3)
    other = ResNetLSTM(small().model_copy(update={"statistics": rescaled})).eval()
    other.load_state_dict(network.state_dict())
    features = torch.randn(7, 5)
    torch.testing.assert_close(other(32 + 1.8 * features), 1e3 * network(features))


def test_every_weight_learns() -> None:
    torch.manual_seed(0)
    network = ResNetLSTM(small())
    AbsoluteError()(network.standardised(torch.randn(16, 5)), torch.randn(16)).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"statistics": {}}, "statistics: 'f0'"),
        ({"features": ("f0", "f0")}, "features: name each once"),
        ({"features": ("xco2",)}, "features: name each once"),
        ({"widths": (5000,)}, "widths.0"),
        ({"dropout": 1.0}, "dropout"),
        ({"depth": 3}, "depth"),
    ],
)
def test_a_wrong_configuration_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        FusionConfig(**{**small().model_dump(), **change})


def points(count: int, names: tuple[str, ...], seed: int = 0) -> Points:
    rng = np.random.default_rng(seed)
    time = np.full(count, np.datetime64("2019-01-01", "D"))
    features = rng.normal(size=(count, len(names))).astype(np.float32)
    return Points(time, rng.uniform(0, 1, count), rng.uniform(0, 1, count), features, names)


def test_bits_do_not_depend_on_company() -> None:
    torch.manual_seed(0)
    network = ResNetLSTM(config(12))
    network.train()
    fusion = NetworkPredictor(network)
    many = points(ROWS_AT_ONCE + 40, network.config.features)
    whole = fusion.predict(many)
    assert network.training
    for part in (slice(0, 3), slice(700, 1060)):
        alone = Points(
            many.time[part], many.latitude[part], many.longitude[part],
            many.features[part], many.names,
        )  # fmt: skip
        np.testing.assert_array_equal(fusion.predict(alone), whole[part])
    with torch.no_grad():
        plain = network.eval()(torch.from_numpy(many.features)).numpy()
    np.testing.assert_allclose(whole, plain, rtol=3e-7)  # float32 at 410


def test_other_features_are_refused_and_gaps_stay_gaps() -> None:
    fusion = NetworkPredictor(ResNetLSTM(small()))
    with pytest.raises(UsageError, match="not those that the network learned from"):
        fusion.predict(points(3, ("a", "b", "c", "d", "e")))
    some = points(6, small().features)
    some.features[2, 1] = np.nan
    found = prediction(fusion, some)
    assert np.isnan(found[2]) and np.isfinite(np.delete(found, 2)).all()


def test_statistics_are_of_the_samples(make_samples: Any) -> None:
    samples = make_samples(100)
    samples.features[:, 3] = 7.1  # constant, not exactly so in float64
    found = statistics_of(samples)
    assert found["wind_speed"] == (pytest.approx(7.1), 1.0)
    assert found["xco2"] == pytest.approx((samples.xco2.mean(), samples.xco2.std()))
    assert found["elevation"][1] == pytest.approx(samples.features[:, 2].std(), rel=1e-6)
