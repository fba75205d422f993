"""The head of standard errors, and targets other than CO2."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from co2net_phys.checkpoint import METADATA, load_model, save_checkpoint
from co2net_phys.data.schema import AUXILIARIES, CO2, TARGETS, standard_error_name
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import Windows
from co2net_phys.errors import DataError, UsageError
from co2net_phys.json_text import json_text
from co2net_phys.losses import gaussian_loss, supervised_loss
from co2net_phys.model import LARGEST_LOG_VARIANCE, CO2Net, CO2NetConfig
from co2net_phys.nn.rasterise import nearest_cells, sample
from co2net_phys.targets import observations_of, target_field

ERROR = standard_error_name(CO2)
GRID, FRAMES = (18, 24), 4
STATISTICS = dict.fromkeys(AUXILIARIES, (0.0, 1.0)) | {CO2: (400.0, 5.0)}
UNSEEN = [name for name in TARGETS if name != CO2]


class Climatology(nn.Module):
    """A background with structure, the same for every window."""

    def __init__(self) -> None:
        super().__init__()
        pattern = 400 + torch.randn(GRID, generator=torch.Generator().manual_seed(9))
        self.register_buffer("pattern", pattern)

    def forward(self, batch):
        return batch.with_fields(**{CO2: self.pattern.expand(len(batch), 1, -1, -1)})


@pytest.fixture(scope="module")
def store(small_world):
    return TrainingStore(small_world(60), "world.nc")


@pytest.fixture
def batch(store):
    windows = Windows(store, np.arange(FRAMES - 1, 60), np.arange(8), FRAMES)
    found = windows.batch([0, 40])
    found.observations.value[0, 1, 3] = torch.nan
    return found


def tiny(**changes) -> CO2NetConfig:
    plain = {"size": "XS", "frames": FRAMES, "grid": GRID, "statistics": STATISTICS}
    return CO2NetConfig(**(plain | changes))


def make(background: nn.Module | None = None, **changes) -> CO2Net:
    torch.manual_seed(0)
    return CO2Net(tiny(**changes), background)


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize(
    "changes", [{}, {"head": "additive"}, {"decode_times": True, "dropout": 0.1}], ids=str
)
def test_the_standard_error_starts_at_one_spread_and_learns(batch, changes, background):
    model = make(Climatology() if background else None, predict_variance=True, **changes)
    error = model(batch).fields[ERROR]
    assert error.shape == (2, 1, *GRID)
    assert torch.equal(error, torch.full_like(error, 5.0))
    for head in (*model.heads.values(), model.variance_head):
        nn.init.normal_(head[-1].weight, std=0.02)
    output = model(batch).fields
    assert (output[ERROR] > 0).all() and output[ERROR].std() > 0
    gaussian_loss(output[CO2], output[ERROR], batch.fields[CO2], 5.0).backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in model.variance_head.parameters())


def test_the_standard_error_changes_no_other_weight_and_no_prediction(batch):
    torch.manual_seed(3)
    plain = CO2Net(tiny()).eval()
    torch.manual_seed(3)
    both = CO2Net(tiny(predict_variance=True)).eval()
    state = both.state_dict()
    assert all(torch.equal(state[name], weight) for name, weight in plain.state_dict().items())
    assert {name.split(".")[0] for name in set(state) - set(plain.state_dict())} == {
        "variance_head"
    }
    assert torch.equal(plain(batch).fields[CO2], both(batch).fields[CO2])


@pytest.mark.parametrize("value", [-1e4, 1e4])
def test_the_standard_error_is_bounded(batch, value):
    model = make(predict_variance=True).eval()
    nn.init.constant_(model.variance_head[-1].bias, value)
    error = model(batch).fields[ERROR]
    expected = 5.0 * torch.tensor(LARGEST_LOG_VARIANCE / 2 * (1 if value > 0 else -1)).exp()
    torch.testing.assert_close(error, expected.expand_as(error))


def test_a_step_of_the_gaussian_loss_teaches_the_errors_of_a_noisy_half(batch):
    """The target of the northern half is noise that no input explains; the southern is its mean."""
    model = make(Climatology(), predict_variance=True, dropout=0.0, drop_path=0.0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    noise = torch.Generator().manual_seed(4)
    for _ in range(60):
        target = model.background.pattern.detach().expand(2, 1, -1, -1).clone()
        target[..., 9:, :] += 10 * torch.randn(2, 1, 9, 24, generator=noise)
        output = model(batch).fields
        loss = gaussian_loss(output[CO2], output[ERROR], target, 5.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    error = model(batch).fields[ERROR].detach()
    assert error[..., 9:, :].mean() == pytest.approx(10, rel=0.3)
    assert error[..., :9, :].mean() < 2.5


def test_a_checkpoint_from_before_these_options_loads(batch, tmp_path):
    model = make()
    save_checkpoint(tmp_path / "last", model, {"config": {}})
    path = tmp_path / "last" / METADATA
    metadata = json.loads(path.read_text())
    for name in ("target_variable", "predict_variance"):
        del metadata["model"][name]
    path.write_text(json_text(metadata))
    loaded, _ = load_model(tmp_path / "last")
    assert loaded.config == model.config and loaded.config.target_variable == CO2
    assert torch.equal(loaded(batch).fields[CO2], model.eval()(batch).fields[CO2])


def test_the_configuration_names_its_outputs():
    assert tiny().outputs == (CO2,)
    assert tiny(predict_variance=True).outputs == (CO2, ERROR)
    assert tiny(target_variable="tas", predict_variance=True).outputs == (
        "tas",
        "tas_standard_error",
    )


@pytest.mark.parametrize("target", UNSEEN)
def test_another_target_is_predicted_in_its_own_unit_and_is_no_input(batch, target):
    statistics = STATISTICS | {target: (250.0, 20.0)}
    config = tiny(target_variable=target, statistics=statistics, predict_variance=True)
    assert target not in config.inputs and CO2 not in config.inputs
    assert len(config.inputs) == len(tiny().inputs) - 1
    torch.manual_seed(0)
    model = CO2Net(config)
    batch = batch.with_fields(**{target: 250 + 20 * batch.fields[target]})
    output = model(batch).fields
    assert CO2 not in output and output[target].shape == (2, 1, *GRID)
    assert 200 < output[target].mean() < 300
    truth = target_field(batch, target)
    assert torch.equal(truth, batch.fields[target][:, -1:])
    loss = supervised_loss(output[target], truth, 20.0)
    loss.backward()
    assert loss < 3


def test_only_what_the_stations_see_of_another_target_reaches_the_output(batch):
    config = tiny(target_variable="tas")
    torch.manual_seed(0)
    model = CO2Net(config).eval()
    seen, field = batch.observations, batch.fields["tas"]
    touched = torch.zeros(GRID).flatten()
    for north in (-11, 0, 11):  # all cells that a bilinear value reads lie within one cell
        for east in (-16, 0, 16):
            cells = nearest_cells(
                (seen.latitude + north).clamp(-85, 85), seen.longitude + east, batch.coordinates
            )
            touched[cells] = 1
    far = field + 1e3 * (1 - touched.view(GRID))
    assert 0 < touched.sum() < touched.numel()
    output = model(batch).fields["tas"]
    assert torch.equal(output, model(batch.with_fields(tas=far)).fields["tas"])
    assert not torch.equal(output, model(batch.with_fields(tas=field + 1)).fields["tas"])
    other = replace(seen, value=torch.where(seen.value.isnan(), seen.value, 1e3))
    assert torch.equal(output, model(replace(batch, observations=other)).fields["tas"]), "CO2"
    assert torch.equal(output, model(batch.with_fields(**{CO2: 0 * field[:, :1]})).fields["tas"])


def test_the_stations_report_another_target_where_they_report_co2(batch):
    seen = observations_of(batch, "huss")
    assert torch.equal(seen.value.isnan(), batch.observations.value.isnan())
    expected = sample(
        batch.fields["huss"], seen.latitude, seen.longitude, batch.coordinates
    )  # (B, T, S)
    known = ~seen.value.isnan()
    assert torch.equal(seen.value[known], expected[known])
    assert observations_of(batch, CO2) is batch.observations


def test_a_batch_without_the_target_is_explained(batch):
    bare = replace(batch, fields={n: f for n, f in batch.fields.items() if n not in ("tas", CO2)})
    with pytest.raises(DataError, match="'tas' at its 4 frames"):
        observations_of(bare, "tas")
    with pytest.raises(DataError, match="'tas' at its 4 frames"):
        observations_of(batch.with_fields(tas=batch.fields["tas"][:, :1]), "tas")
    with pytest.raises(DataError, match=f"'{CO2}'"):
        target_field(bare, CO2)


def test_a_wrong_target_is_explained_in_one_line():
    for changes, words in (
        ({"target_variable": "uas"}, r"model\.target_variable: 'uas' is not one of co2s, ps"),
        (
            {"target_variable": "tas", "statistics": {k: STATISTICS[k] for k in ("ps", CO2)}},
            r"statistics: no mean and spread of 'tas'",
        ),
    ):
        with pytest.raises(UsageError, match=words) as caught:
            tiny(**changes)
        assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="background=none"):
        CO2Net(tiny(target_variable="ps"), Climatology())
    assert isinstance(tiny(target_variable="ps"), CO2NetConfig)
    assert tiny().frames == FRAMES
