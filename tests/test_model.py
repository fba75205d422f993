from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.utils.flop_counter
from torch import nn

from co2net_phys.batch import Batch, Coordinates, Observations
from co2net_phys.cost import activation_memory, count_parameters, forward_flops
from co2net_phys.data.schema import AUXILIARIES, BACKGROUND, CO2
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import Windows
from co2net_phys.errors import DataError, UsageError
from co2net_phys.losses import supervised_loss, wind_loss
from co2net_phys.model import DECODED, HOMOGENEOUS, PARTICULAR, CO2Net, CO2NetConfig
from co2net_phys.nn.connection import PositionTerms
from co2net_phys.preparation import fit_background

pytestmark = pytest.mark.usefixtures("small_world")  # one thread: these networks are small

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


LARGER = (27, 48)
"""Three rows and four columns of patches."""

THROUGH = [
    {},
    {"embedding": "none"},
    {"connection": "none"},
    {"experts": "spatial", "connection": "none", "wind_probe": False},
    {"experts": "temporal", "connection": "none"},
    {"head": "additive"},
    {"decode_times": True},
    {"conditioned": False},
]


@pytest.mark.parametrize("changes", THROUGH, ids=str)
def test_a_bright_patch_comes_out_where_it_went_in(changes):
    """Through every layer, with random weights: attention tells the others, but each patch is
    changed most by what is planted in itself."""
    model = make(grid=LARGER, **changes).eval()
    batch = make_batch(1, LARGER)
    dark = {n: torch.zeros_like(f) for n, f in batch.fields.items()}
    plain = model(replace(batch, fields=dark)).fields
    for place in range(12):
        row, column = 9 * (place // 4), 12 * (place % 4)
        bright = torch.zeros_like(dark["ps"])
        bright[..., row : row + 9, column : column + 12] = 3.0
        found = model(replace(batch, fields=dark | {"ps": bright})).fields
        for name in plain:
            change = (found[name] - plain[name])[0, -1].unfold(0, 9, 9).unfold(1, 12, 12)
            brightness = change.square().mean(dim=(-2, -1)).sqrt().flatten()
            assert brightness.argmax() == place, (name, place)
            others = brightness[torch.arange(12) != place]
            assert brightness[place] > 1.5 * others.max(), (name, place)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (4, 17), (13, 5), (17, 23), (26, 47), (9, 36)])
def test_a_planted_cell_goes_through_random_layers(row, column):
    """Tokens carry the cells of a patch past attention, exchange and MLP to a head that shows
    them: the layers add a background, and leave the cell where it was."""
    model, batch = make(grid=LARGER, embedding="none").eval(), make_batch(1, LARGER)
    with torch.no_grad():
        for tokenizer in model.experts.tokenizers.values():
            for weight in tokenizer.weights.values():
                weight.zero_()
            tokenizer.weights["auxiliaries"][-1, :108, :108] = torch.eye(108)
    model.heads["all"] = nn.Linear(192, 108, bias=False)
    model.heads["all"].weight.data.copy_(torch.eye(108, 192))
    field = torch.zeros(1, FRAMES, *LARGER)
    plain = model(batch.with_fields(ps=field)).fields[CO2]
    field[:, -1, row, column] = 5.0
    change = (model(batch.with_fields(ps=field)).fields[CO2] - plain)[0, 0]
    assert change.argmax() == row * LARGER[1] + column
    assert change.max() > 3 * change.flatten().sort().values[-2]


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


def part_of(batch: Batch, chosen: list[int]) -> Batch:
    """Some windows of a batch, in this order."""
    return batch.windows(torch.tensor(chosen))


@pytest.mark.parametrize(("training", "background"), [(False, True), (True, False)])
@pytest.mark.parametrize("changes", ABLATIONS, ids=str)
def test_a_window_does_not_depend_on_its_neighbours_in_the_batch(changes, training, background):
    """Alone, or beside others and others still, in another place: the same numbers."""
    still = {"dropout": 0.0, "drop_path": 0.0, "predict_variance": True}
    model = make(Climatology() if background else None, **(changes | still)).train(training)
    for head in (*model.heads.values(), model.variance_head):
        nn.init.normal_(head[-1].weight, std=0.05)
    batch, others = make_batch(3), make_batch(3, seed=1)
    moved = replace(
        batch,
        fields={n: torch.cat([others.fields[n][:2], f[:1]]) for n, f in batch.fields.items()},
        observations=replace(
            batch.observations,
            value=torch.cat([others.observations.value[:2], batch.observations.value[:1]]),
        ),
    )
    assert moved.observations.value[2].isnan().any(), "a gap in the window of the test alone"
    alone = model(part_of(batch, [0])).fields
    for beside, place in ((batch, 0), (part_of(batch, [2, 1, 0]), 2), (moved, 2)):
        found = model(beside).fields
        assert found.keys() == alone.keys()
        for name, field in alone.items():
            torch.testing.assert_close(found[name][place], field[0], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("changes", ABLATIONS, ids=str)
def test_no_gradient_goes_from_one_window_to_another(changes):
    """The same, exactly: what a window's loss asks for in the inputs of its neighbours is zero."""
    still = {"dropout": 0.0, "drop_path": 0.0}
    model, batch = make(**(changes | still)).train(), make_batch(3)
    inputs = {n: f.clone().requires_grad_() for n, f in batch.fields.items() if n != CO2}
    value = batch.observations.value.clone().requires_grad_()
    fields = model(
        replace(batch, fields=inputs, observations=replace(batch.observations, value=value))
    ).fields
    sum(field[1].square().sum() for field in fields.values()).backward()
    given = [x.grad for x in (*inputs.values(), value) if x.grad is not None]
    assert any(gradient[1].any() for gradient in given)
    for gradient in given:
        assert not gradient[[0, 2]].any()


@pytest.mark.parametrize("background", [None, "station-mean", "climatology-kriging"])
@pytest.mark.parametrize("mask_channel", [True, False])
def test_the_order_of_the_stations_does_not_matter(small_world, background, mask_channel):
    store = TrainingStore(small_world(60), "w")
    frames, stations = np.arange(40), np.arange(8)
    windows = Windows(store, np.arange(FRAMES - 1, 60), stations, FRAMES)
    first = fit_background(background or "none", store, frames, stations, FRAMES)
    model = make(first, mask_channel=mask_channel).eval()
    for head in model.heads.values():
        nn.init.normal_(head[-1].weight, std=0.05)
    batch = windows.batch([0, 30])
    seen = batch.observations
    near = replace(  # two pairs share a cell, so that the order of a mean is tested, too
        seen, latitude=seen.latitude[[0, 0, 2, 2, 4, 5, 6, 7]],
        longitude=seen.longitude[[0, 0, 2, 2, 4, 5, 6, 7]],
    )  # fmt: skip
    near.value[0, 1, 3] = torch.nan
    order = torch.tensor([3, 7, 1, 0, 6, 2, 5, 4])
    mixed = Observations(near.value[..., order], near.latitude[order], near.longitude[order])
    wrong = replace(near, value=near.value[..., order])
    expected = model(replace(batch, observations=near)).fields
    for name, field in model(replace(batch, observations=mixed)).fields.items():
        torch.testing.assert_close(field, expected[name], rtol=1e-6, atol=2e-3)
    moved = (model(replace(batch, observations=wrong)).fields[CO2] - expected[CO2]).abs().max()
    assert moved > 0.02, "values at the places of others do matter"


@pytest.mark.parametrize("kind", ["wind", "climode"])
def test_the_embedding_is_of_the_files_own_coordinates(small_world, kind):
    """Shifted in the file by a cell, or to another convention, it is shifted in the network."""
    config = tiny(embedding=kind)
    embedding = config.make_embedding()

    def embedded(world) -> torch.Tensor:
        store = TrainingStore(world, "w")
        batch = Windows(store, np.array([10]), np.arange(8), FRAMES).batch([0])
        where = batch.coordinates
        assert torch.allclose(where.longitude.double(), torch.tensor(world["longitude"].values))
        still = torch.zeros(1, FRAMES, *where.shape)
        patches = embedding(where, still, still, (1, 1))  # (2, 1, T/2, H·W, E)
        return patches.unflatten(-2, where.shape)

    world = small_world(20)
    plain = embedded(world)
    east = world.assign_coords(longitude=world["longitude"] + 15)
    torch.testing.assert_close(embedded(east)[..., :-1, :], plain[..., 1:, :])
    torch.testing.assert_close(embedded(east)[..., -1, :], plain[..., 0, :])
    north = world.assign_coords(latitude=world["latitude"] * 0.5)
    assert (embedded(north) - plain).abs().max() > 0.1
    other = world.assign_coords(longitude=world["longitude"] + 180)  # from 0 to 360
    torch.testing.assert_close(embedded(other), plain.roll(-12, -2))


@pytest.mark.parametrize("kind", ["wind", "climode", "none"])
def test_the_network_sees_where_a_field_is_by_its_embedding_only(kind):
    model, batch = make(embedding=kind).eval(), make_batch()
    silent = replace(batch.observations, value=torch.full_like(batch.observations.value, torch.nan))
    batch = replace(batch, observations=silent)
    where = batch.coordinates
    east = replace(batch, coordinates=replace(where, longitude=where.longitude + 30))
    change = (model(east).fields[CO2] - model(batch).fields[CO2]).abs().max()
    assert change == 0 if kind == "none" else change > 1e-2


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
