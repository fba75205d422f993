from dataclasses import replace

import pytest
import torch
import torch.utils.flop_counter
from torch import nn

from co2net_phys.batch import Batch, Coordinates, Observations
from co2net_phys.cost import activation_memory, count_parameters, forward_flops
from co2net_phys.data.schema import AUXILIARIES, BACKGROUND, CO2
from co2net_phys.errors import DataError, UsageError
from co2net_phys.losses import supervised_loss, wind_loss
from co2net_phys.model import DECODED, HOMOGENEOUS, PARTICULAR, CO2Net, CO2NetConfig
from co2net_phys.nn.connection import PositionTerms

GRID, FRAMES = (18, 24), 4
STATISTICS = dict.fromkeys(AUXILIARIES, (0.0, 1.0)) | {
    CO2: (400.0, 5.0),
    "uas": (1.0, 8.0),
    "vas": (0.0, 5.0),
}


class Climatology(nn.Module):
    """A background with structure, the same for every window."""

    def __init__(self) -> None:
        super().__init__()
        pattern = 400 + torch.randn(GRID, generator=torch.Generator().manual_seed(9))
        self.pattern = nn.Parameter(pattern)
        self.calls = 0

    def forward(self, batch: Batch) -> Batch:
        self.calls += 1
        return batch.with_fields(**{CO2: self.pattern.expand(len(batch), 1, -1, -1)})


def make_batch(size: int = 2, grid=GRID, frames: int = FRAMES, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    height, width = grid
    time = (torch.arange(frames) * 10800.0).expand(size, -1)
    fields = {n: noise(size, 1 if n == "oro" else frames, *grid) for n in AUXILIARIES}
    fields |= {"uas": 8 * fields["uas"], "vas": 5 * fields["vas"]}
    value = 400 + 5 * noise(size, frames, 12)
    value[0, 1, 3] = float("nan")
    where = torch.rand(2, 12, generator=generator)
    return Batch(
        fields | {CO2: 400 + 5 * noise(size, 1, *grid)},
        Observations(value, 160 * where[0] - 80, 360 * where[1] - 180),
        Coordinates(
            torch.linspace(-90 + 90 / height, 90 - 90 / height, height),
            torch.linspace(-180 + 180 / width, 180 - 180 / width, width),
            time,
            (time / 86400) % 1,
            time / (365 * 86400),
        ),
    )


def tiny(**changes) -> CO2NetConfig:
    plain = {"size": "XS", "frames": FRAMES, "grid": GRID, "statistics": STATISTICS}
    return CO2NetConfig(**(plain | changes))


def make(background: nn.Module | None = None, **changes) -> CO2Net:
    torch.manual_seed(0)
    return CO2Net(tiny(**changes), background)


def test_shapes_and_units_of_the_outputs():
    output = make()(make_batch())
    assert {name: tuple(f.shape) for name, f in output.fields.items()} == {
        CO2: (2, 1, *GRID),
        "uas": (2, FRAMES, *GRID),
        "vas": (2, FRAMES, *GRID),
    }
    assert abs(output.fields[CO2].mean().item() - 400) < 5


@pytest.mark.parametrize(("size", "millions"), [("S", 38), ("B", 95), ("L", 247)])
@pytest.mark.parametrize("background", [None, nn.Identity()])
def test_sizes_have_the_papers_parameters_within_15_per_cent(size, millions, background):
    with torch.device("meta"):
        model = CO2Net(CO2NetConfig(size=size, statistics=STATISTICS), background)
    assert count_parameters(model) == pytest.approx(millions * 1e6, rel=0.15)


@pytest.mark.parametrize("size", ["XS", "S", "B", "L"])
def test_each_size_runs_forward_without_data(size):
    with torch.device("meta"):
        model = CO2Net(CO2NetConfig(size=size, statistics=STATISTICS))
        patches = {
            name: torch.empty(2, 1, 4, 100, group.channels * 108)
            for name, group in model.config.groups(background=False).items()
        }
        hidden = model.experts(patches)
    width = model.config.dimensions.width
    assert {name: tuple(x.shape) for name, x in hidden.items()} == {
        "spatial": (1, 4, 100, width),
        "temporal": (1, 4, 100, width),
    }


ABLATIONS = [
    {},
    {"mask_channel": False},
    {"conditioned": False},
    {"embedding": "climode"},
    {"embedding": "none"},
    {"embedding": "none", "auxiliaries": ()},
    {"embedding": "climode", "frame_spacing_s": 30 * 86400.0},
    {"wind_scaling": "index"},
    {"wind_scaling": "index", "frame_spacing_s": 30 * 86400.0},
    {"experts": "spatial", "connection": "none", "wind_probe": False},
    {"experts": "temporal", "connection": "none"},
    {"connection": "none"},
    {"head": "additive"},
    {"head": "additive", "decode_times": True},
    {"decode_times": True},
    {"spatial_frames": "even"},
    {"withhold_wind": True},
    {"wind_probe": False},
    {"drop_path": 0.2, "dropout": 0.2},
    {"auxiliaries": ("ps", "huss", "tas", "uas", "vas")},
]


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("changes", ABLATIONS, ids=str)
def test_every_ablation_learns_with_finite_gradients(changes, background):
    model = make(Climatology() if background else None, **changes)
    batch = make_batch()
    if background:  # leave the zero of the head, behind which no gradient passes
        for head in model.heads.values():
            nn.init.normal_(head[-1].weight, std=0.02)
    output = model(batch)
    loss = supervised_loss(output.fields[CO2], batch.fields[CO2], 5.0)
    if model.config.wind_probe:
        loss = loss + wind_loss(output, batch, STATISTICS)
    loss.backward()
    trained = [p for name, p in model.named_parameters() if not name.startswith("background")]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trained)
    assert sum(bool(p.grad.any()) for p in trained) > 0.9 * len(trained)


@pytest.mark.parametrize("head", ["mlp", "additive"])
def test_before_training_the_output_is_the_background_exactly(head):
    background = Climatology()
    output = make(background, head=head).eval()(make_batch())
    assert torch.equal(output.fields[CO2], background.pattern.expand(2, 1, -1, -1))


def test_a_cached_background_replaces_the_call_and_no_gradient_reaches_the_module():
    background = Climatology()
    model = make(background)
    cached = torch.full((2, 1, *GRID), 411.0)
    output = model(make_batch().with_fields(**{BACKGROUND: cached}))
    assert background.calls == 0 and torch.equal(output.fields[CO2], cached)
    model(make_batch()).fields[CO2].sum().backward()
    assert background.calls == 1 and background.pattern.grad is None


def test_a_background_for_each_frame_gives_innovations_frame_by_frame():
    model = make(Climatology())
    batch = make_batch()
    drift = torch.arange(4.0)[None, :, None, None].expand(2, -1, *GRID) + 400
    observed = replace(
        batch.observations, value=torch.arange(4.0)[None, :, None].expand(2, -1, 12) + 405
    )
    moving = replace(batch, observations=observed).with_fields(**{BACKGROUND: drift})
    innovation, mask = (
        model._patches(moving, drift)["observations"].unflatten(-1, (2, 108)).unbind(-2)
    )
    torch.testing.assert_close(innovation, mask)  # 5 µmol mol-1 everywhere, one spread
    assert mask.any() and torch.equal(model(moving).fields[CO2], drift[:, -1:])


def test_the_target_is_not_read():
    model, batch = make().eval(), make_batch()
    other = batch.with_fields(**{CO2: torch.zeros(2, 1, *GRID)})
    assert torch.equal(model(batch).fields[CO2], model(other).fields[CO2])


def test_withheld_wind_does_not_reach_the_output():
    batch = make_batch()
    calm = batch.with_fields(uas=0 * batch.fields["uas"], vas=0 * batch.fields["vas"])
    for withheld in (True, False):
        model = make(withhold_wind=withheld).eval()
        same = [torch.equal(model(batch).fields[n], model(calm).fields[n]) for n in (CO2, "uas")]
        assert same == [withheld, withheld]


def test_the_additive_parts_add_up():
    output = make(Climatology(), head="additive", decode_times=True)
    nn.init.normal_(output.heads["spatial"][-1].weight)
    fields = output.eval()(make_batch()).fields
    torch.testing.assert_close(fields[PARTICULAR] + fields[HOMOGENEOUS], fields[CO2])
    assert fields[DECODED].shape == (2, FRAMES // 2, *GRID)
    assert torch.equal(fields[DECODED][:, -1:], fields[CO2])
    assert fields[PARTICULAR].std() > 0


def planted(model: CO2Net, frame: int, row: int, column: int) -> Batch:
    """Let tokens carry the first auxiliary of the spatial patch, cell by cell, to the head."""
    width = model.config.dimensions.width
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for norm in (m for m in model.modules() if isinstance(m, nn.LayerNorm)):
            norm.weight.fill_(1.0)
        first_auxiliary = torch.eye(width, 108)
        for tokenizer in model.experts.tokenizers.values():
            tokenizer.weights["auxiliaries"][:, :, :108] = first_auxiliary
    batch = make_batch()
    field = torch.zeros(2, FRAMES, *GRID)
    field[1, frame, row, column] = 1.0
    return batch.with_fields(ps=field)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (4, 17), (13, 5), (17, 23)])
def test_a_planted_cell_is_found_where_it_was_put(row, column):
    model = make().eval()
    batch = planted(model, FRAMES - 1, row, column)
    model.heads["all"] = nn.Linear(192, 108, bias=False)
    model.heads["all"].weight.data.copy_(torch.eye(108, 192))
    field = model(batch).fields[CO2]
    assert field[1, 0].argmax() == row * GRID[1] + column
    assert field[0].std() == 0 and (field[1] > field[0].max()).sum() == 1


@pytest.mark.parametrize(("frame", "row", "column"), [(0, 4, 17), (1, 13, 5), (3, 17, 23)])
def test_the_probe_puts_each_wind_component_in_its_place_and_frame(frame, row, column):
    model = make().eval()
    batch = planted(model, frame, row, column)
    with torch.no_grad():
        weight = model.probe.weight.view(2, 2, 108, 192)  # (frame of the tubelet, u or v, ...)
        weight[frame % 2, 1] = torch.eye(108, 192)
    output = model(batch).fields
    v = output["vas"][1]
    assert v.argmax() == (frame * GRID[0] + row) * GRID[1] + column
    assert (v > v.median()).sum() == 1
    assert (output["uas"] == 1.0).all()  # the mean of the statistics, nothing else


def test_swapping_two_patches_swaps_the_output_without_position_terms():
    model = make(embedding="none").eval()
    for module in model.modules():
        if isinstance(module, PositionTerms):
            nn.init.zeros_(module.place)

    def swapped(field: torch.Tensor) -> torch.Tensor:
        return torch.roll(field, (9, 12), (-2, -1))  # 2 × 2 patches: south-west ↔ north-east

    batch = make_batch()
    silent = replace(batch.observations, value=torch.full_like(batch.observations.value, torch.nan))
    batch = replace(batch, observations=silent)
    rolled = replace(batch, fields={name: swapped(field) for name, field in batch.fields.items()})
    for name in (CO2, "vas"):
        torch.testing.assert_close(model(rolled).fields[name], swapped(model(batch).fields[name]))


def test_the_same_seed_gives_the_same_step():
    def step() -> list[torch.Tensor]:
        model = make(dropout=0.2, drop_path=0.2)
        optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)
        model(make_batch()).fields[CO2].square().mean().backward()
        optimizer.step()
        return [p.detach() for p in model.parameters()]

    assert all(torch.equal(a, b) for a, b in zip(step(), step(), strict=True))


def test_a_window_does_not_depend_on_its_neighbours_in_the_batch():
    both = make_batch()
    c, o = both.coordinates, both.observations
    first = Batch(
        {name: field[:1] for name, field in both.fields.items()},
        replace(o, value=o.value[:1]),
        replace(c, elapsed=c.elapsed[:1], day_phase=c.day_phase[:1], year_phase=c.year_phase[:1]),
    )
    model = make().eval()
    torch.testing.assert_close(model(first).fields[CO2], model(both).fields[CO2][:1])
    torch.testing.assert_close(model(first).fields["uas"], model(both).fields["uas"][:1])


def test_bfloat16_agrees_with_single_precision():
    model, batch = make().eval(), make_batch()
    exact = (model(batch).fields[CO2] - 400) / 5
    with torch.autocast("cpu", torch.bfloat16):
        rounded = (model(batch).fields[CO2] - 400) / 5
    assert rounded.dtype == torch.float32 and not torch.equal(rounded, exact)
    assert (rounded - exact).abs().max() < 2e-2


def test_the_configuration_survives_json():
    config = tiny(experts="temporal", connection="none")
    assert CO2NetConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"patch": (7, 12)}, "1, 2, 3, 6, 9, 18 rows, or a grid of 14 or 21"),
        ({"patch": (9, 5)}, "columns"),
        ({"patch": (9, 0)}, "positive"),
        ({"frames": 5}, "even"),
        ({"size": "XXL"}, "model.size"),
        ({"colour": 1}, "model.colour"),
        ({"auxiliaries": ("ps", "snow")}, "snow"),
        ({"auxiliaries": ("ps", "ps")}, "once"),
        ({"statistics": {CO2: (400.0, 5.0)}}, "statistics"),
        ({"statistics": STATISTICS | {"tas": (280.0, 0.0)}}, "'tas'"),
        ({"experts": "spatial"}, "connection=none"),
        ({"experts": "spatial", "connection": "none"}, "wind_probe=false"),
        ({"experts": "temporal", "connection": "none", "head": "additive"}, "experts=both"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_a_wrong_configuration_is_explained_in_one_line(changes, words):
    with pytest.raises(UsageError, match=words) as caught:
        tiny(**changes)
    assert "\n" not in str(caught.value)


def test_a_batch_that_does_not_fit_is_explained():
    model = make()
    with pytest.raises(UsageError, match=r"model\.frames"):
        model(make_batch(frames=6))
    batch = make_batch()
    with pytest.raises(DataError, match="'gph'"):
        model(replace(batch, fields={n: f for n, f in batch.fields.items() if n != "gph"}))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"grid": (90, 120), "frames": 8},
        {"experts": "spatial", "connection": "none", "wind_probe": False},
        {"head": "additive", "decode_times": True, "embedding": "climode", "mask_channel": False},
    ],
    ids=str,
)
def test_counted_flops_agree_with_torch(changes):
    config = tiny(**changes)
    model = make(**changes).eval()
    batch = make_batch(1, config.grid, config.frames)
    backend = torch.nn.attention.SDPBackend.MATH
    counter = torch.utils.flop_counter.FlopCounterMode(display=False)
    with torch.no_grad(), torch.nn.attention.sdpa_kernel(backend), counter:
        model(batch)
    assert forward_flops(config) == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_estimated_memory_agrees_with_what_autograd_keeps():
    config = tiny(grid=(90, 120), frames=8, dropout=0.1, drop_path=0.1)
    model, batch = CO2Net(config), make_batch(2, (90, 120), 8)
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor, nn.Parameter):
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    parameters = {p.data_ptr() for p in model.parameters()}
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16):
        output = model(batch)
    assert output.fields[CO2].requires_grad
    measured = sum(size for where, size in kept.items() if where not in parameters)
    assert 1 / 1.5 < activation_memory(config, 2) / measured < 1.5
