"""The plain network is the same function as the fast one, and its attention is what it says."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from co2net_phys.batch import Batch, Coordinates, Observations
from co2net_phys.data.schema import AUXILIARIES, CO2
from co2net_phys.errors import UsageError
from co2net_phys.losses import supervised_loss, wind_loss
from co2net_phys.model import CO2Net, CO2NetConfig
from co2net_phys.validation.plain_co2net import attend, plain_copy

GRID, FRAMES = (18, 24), 4
STATISTICS = dict.fromkeys(AUXILIARIES, (0.25, 1.25)) | {
    CO2: (400.0, 5.0), "uas": (1.0, 8.0), "vas": (0.5, 5.0)
}  # fmt: skip
"""No mean is zero, so that a forgotten one shows; all are exact in float32."""


def make_batch(dtype: torch.dtype, size: int = 2) -> Batch:
    generator = torch.Generator().manual_seed(1)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    height, width = GRID
    fields = {n: noise(size, 1 if n == "oro" else FRAMES, *GRID) for n in AUXILIARIES}
    fields |= {"uas": 8 * fields["uas"], "vas": 5 * fields["vas"]}
    value = 400 + 5 * noise(size, FRAMES, 12)
    value[0, 1, 3] = torch.nan
    north, east = torch.rand(2, 12, generator=generator)
    seconds = (torch.arange(FRAMES) * 10800.0).expand(size, -1).to(dtype)
    late = torch.tensor([[0.0], [0.4]])[:size].to(dtype)
    return Batch(
        fields | {CO2: 400 + 5 * noise(size, 1, *GRID)},
        Observations(value, 160 * north - 80, 360 * east - 180),
        Coordinates(
            torch.linspace(-85, 85, height, dtype=dtype),
            torch.linspace(-172.5, 172.5, width, dtype=dtype),
            seconds,
            (seconds / 86400 + late) % 1,
            (seconds / (365 * 86400) + late) % 1,
        ),
    )


def make(size: str, dtype: torch.dtype, **changes) -> CO2Net:
    torch.manual_seed(0)
    plain = {"size": size, "frames": FRAMES, "grid": GRID, "statistics": STATISTICS}
    model = CO2Net(CO2NetConfig(**plain, **changes)).to(dtype)
    with torch.no_grad():  # terms that start at zero would hide that they are left out
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=0.02)
    return model


EMBEDDINGS, HEADS = ("wind", "climode", "none"), ("mlp", "additive")
OPTIONS = [
    *({"embedding": embedding, "head": head} for embedding in EMBEDDINGS for head in HEADS),
    {"mask_channel": False, "conditioned": False, "spatial_frames": "even"},
    {"embedding": "climode", "frame_spacing_s": 30 * 86400.0},
    {"wind_probe": False},
]
CASES = [("XS", torch.float64, changes) for changes in OPTIONS]
CASES += [("S", torch.float64, changes) for changes in OPTIONS[:6]]
CASES += [(size, torch.float32, changes) for size in ("XS", "S") for changes in OPTIONS[:2]]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
"""Of the difference, in spreads."""


@pytest.mark.parametrize(("size", "dtype", "changes"), CASES, ids=str)
def test_it_gives_the_output_of_the_fast_network(size, dtype, changes):
    model, batch = make(size, dtype, **changes).eval(), make_batch(dtype)
    with torch.no_grad():
        fast, plain = model(batch).fields, plain_copy(model).eval()(batch).fields
    assert fast.keys() == plain.keys()
    for name, field in fast.items():
        mean, spread = STATISTICS.get(name, STATISTICS[CO2])
        mean = 0.0 if name == "co2_particular" else mean
        assert plain[name].dtype == dtype and plain[name].shape == field.shape
        assert ((field - mean) / spread).std() > 0.01  # there is something to agree about
        assert (plain[name] - field).abs().max() / spread < TOLERANCE[dtype]


def test_the_gradients_agree():
    model = make("XS", torch.float64)
    plain, batch = plain_copy(model), make_batch(torch.float64)
    for network in (model, plain):
        output = network(batch)
        loss = supervised_loss(output.fields[CO2], batch.fields[CO2], 5.0)
        (loss + wind_loss(output, batch, STATISTICS)).backward()
    for name in ("heads.all.0.weight", "probe.weight"):
        torch.testing.assert_close(plain.get_parameter(name).grad, model.get_parameter(name).grad)
    ours = model.get_parameter("experts.layers.0.attention.temporal.attention.query_key_value.bias")
    theirs = plain.get_parameter("layers.0.attention.temporal.query_key_value.bias")
    torch.testing.assert_close(theirs.grad, ours.grad)


def test_other_weights_give_another_output():
    """The comparison can fail: one weight of the attention is enough."""
    model, batch = make("XS", torch.float64).eval(), make_batch(torch.float64)
    plain = plain_copy(model).eval()
    with torch.no_grad():
        before = plain(batch).fields[CO2]
        plain.layers[1].connection["to_spatial"].query.weight[0, 0] += 1.0
        after = plain(batch).fields[CO2]
    assert (after - before).abs().max() > 1e-6


def test_attention_is_softmax_of_the_products():
    query, key, value = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]), None
    value = torch.tensor([[[3.0, 5.0], [7.0, 11.0]]])
    first = torch.sigmoid(torch.tensor(-1 / 2**0.5)).item()  # scores 1/√2 and 2/√2
    mixed = attend(query, key, value, heads=1)[0, 0]
    assert mixed.tolist() == pytest.approx(
        [3 * first + 7 * (1 - first), 5 * first + 11 * (1 - first)]
    )
    apart = attend(query, key, value, heads=2)[0, 0]  # each head sees one component
    first, second = torch.sigmoid(torch.tensor([1.0, -2.0])).tolist()
    assert apart.tolist() == pytest.approx(
        [3 * first + 7 * (1 - first), 5 * second + 11 * (1 - second)]
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"connection": "none"}, "connection=bcast"),
        ({"wind_scaling": "index"}, "wind_scaling=physical"),
        ({"decode_times": True}, "decode_times=False"),
    ],
)
def test_what_it_leaves_out_is_refused(changes, words):
    with pytest.raises(UsageError, match=words):
        plain_copy(make("XS", torch.float32, **changes))


def test_a_first_guess_is_refused():
    model = make("XS", torch.float32)
    model.background = nn.Identity()
    with pytest.raises(UsageError, match="background=none"):
        plain_copy(model)


def test_a_station_that_does_not_report_changes_nothing_elsewhere():
    """The plain network reads observations as the fast one does, NaN included."""
    model, batch = make("XS", torch.float32).eval(), make_batch(torch.float32)
    silent = replace(batch.observations, value=torch.full_like(batch.observations.value, torch.nan))
    quiet = replace(batch, observations=silent)
    with torch.no_grad():
        fast, plain = model(quiet).fields[CO2], plain_copy(model).eval()(quiet).fields[CO2]
    assert plain.isfinite().all()
    torch.testing.assert_close(plain, fast, rtol=0, atol=1e-4)
