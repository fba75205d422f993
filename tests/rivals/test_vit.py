"""The vision transformer: patches where they were, and each able to ask every other."""

import pytest
import torch

from co2net_phys.data.schema import CO2
from co2net_phys.rivals.vit import TransformerLayer

pytestmark = pytest.mark.usefixtures("small_world")  # one thread


def test_a_patch_is_put_back_where_it_was_found(make, batches):
    """Without layers that mix, a change in a patch changes that patch alone."""
    model = make("vit", patch=(6, 8), auxiliaries=("tas",))
    for layer in model.layers:
        torch.nn.init.zeros_(layer.attention.out.weight)
    batch = batches()
    warm = batch.fields["tas"].clone()
    warm[:, -1, 13, 20] += 3
    with torch.no_grad():
        change = model(batch.with_fields(tas=warm)).fields[CO2] - model(batch).fields[CO2]
    inside = torch.zeros(18, 24, dtype=torch.bool)
    inside[12:18, 16:24] = True
    assert bool((change[..., inside] != 0).all())
    assert bool((change[..., ~inside] == 0).all())


def test_every_patch_is_read_by_every_other(make, batches):
    model, batch = make("vit"), batches()
    warm = batch.fields["tas"].clone()
    warm[:, -1, 0, 0] += 3
    with torch.no_grad():
        change = model(batch.with_fields(tas=warm)).fields[CO2] - model(batch).fields[CO2]
    assert float((change != 0).float().mean()) > 0.9


def test_a_layer_does_not_know_the_order_of_its_tokens():
    torch.manual_seed(0)
    layer = TransformerLayer(16, 2, 32, inner=24).eval()
    tokens, order = torch.randn(2, 7, 16), torch.randperm(7)
    torch.testing.assert_close(layer(tokens[:, order]), layer(tokens)[:, order])
