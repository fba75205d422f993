"""The flux network against its formula, and its configuration against nonsense."""

import numpy as np
import pytest
import torch

from co2net_phys.errors import UsageError
from co2net_phys.fluxes.network import FluxConfig, FluxNetwork
from co2net_phys.fluxes.schema import DRIVERS, NEE

STATISTICS = {NEE: (-1.0, 2.5)} | {name: (float(n), 1.0 + n) for n, name in enumerate(DRIVERS)}


def config(**fields):
    return FluxConfig(statistics=STATISTICS, **fields)


def test_it_is_three_layers_with_relu_and_its_own_units():
    model = FluxNetwork(config()).double()
    random = np.random.default_rng(0)
    drivers = 5 * random.standard_normal((4, 3, 10))
    weights = [parameter.detach().numpy() for parameter in model.parameters()]
    assert [weight.shape for weight in weights] == [(32, 10), (32,), (32, 32), (32,), (1, 32), (1,)]
    hidden = (drivers - np.arange(10)) / (1 + np.arange(10))
    hidden = np.maximum(hidden @ weights[0].T + weights[1], 0)
    hidden = np.maximum(hidden @ weights[2].T + weights[3], 0)
    expected = -1.0 + 2.5 * (hidden @ weights[4].T + weights[5])[..., 0]
    result = model(torch.from_numpy(drivers)).detach().numpy()
    assert result.shape == (4, 3)
    np.testing.assert_allclose(result, expected, rtol=1e-13)


def test_equal_seeds_give_equal_bits_whatever_was_drawn_before():
    torch.manual_seed(1)
    one = FluxNetwork(config(initial_seed=4))
    torch.manual_seed(2)
    before = torch.get_rng_state()
    other = FluxNetwork(config(initial_seed=4))
    assert torch.equal(before, torch.get_rng_state())
    different = FluxNetwork(config(initial_seed=5))
    pairs = list(zip(one.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(one.layers[0].weight, different.layers[0].weight)


def test_it_can_be_made_again_from_json_and_without_memory():
    original = config(width=7)
    again = FluxConfig.model_validate_json(original.model_dump_json())
    assert again == original
    with torch.device("meta"):
        model = FluxNetwork(again)
    assert all(parameter.is_meta for parameter in model.parameters())
    assert sum(p.numel() for p in model.parameters()) == 10 * 7 + 7 + 7 * 7 + 7 + 7 + 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"statistics": {**STATISTICS, "Tair": (0.0, 0.0)}}, "'Tair'"),
        ({"statistics": {NEE: (0.0, 1.0)}}, "WAI2"),
        ({"statistics": {**STATISTICS, NEE: (float("nan"), 1.0)}}, "'nee'"),
        ({"statistics": STATISTICS, "width": 0}, "width"),
        ({"statistics": STATISTICS, "width": 10**9}, "width"),
        ({"statistics": STATISTICS, "drivers": ()}, "drivers"),
        ({"statistics": STATISTICS, "depth": 3}, "depth"),
    ],
)
def test_nonsense_is_refused_in_one_line(fields, message):
    with pytest.raises(UsageError, match=message) as caught:
        FluxConfig(**fields)
    assert "\n" not in str(caught.value)
