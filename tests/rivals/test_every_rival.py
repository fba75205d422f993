"""What holds for every rival, whatever its method."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from co2net_phys.architectures import ARCHITECTURES, Name, make_network
from co2net_phys.config import TrainingConfig
from co2net_phys.cost import count_parameters
from co2net_phys.data.schema import AUXILIARIES, BACKGROUND, CO2, VARIABLES
from co2net_phys.errors import DataError, UsageError

RIVALS = [name for name in ARCHITECTURES if name != "co2net"]
GRID = (18, 24)

pytestmark = pytest.mark.usefixtures("small_world")  # one thread


class Pattern(nn.Module):
    """A first guess with structure, the same for every window."""

    def __init__(self):
        super().__init__()
        self.pattern = 400 + 3 * torch.randn(GRID, generator=torch.Generator().manual_seed(9))

    def forward(self, batch):
        return batch.with_fields(**{CO2: self.pattern.expand(len(batch), 1, -1, -1)})


def estimated(model, batch):
    with torch.no_grad():
        return model(batch).fields[CO2]


def test_the_names_are_those_of_the_option():
    assert tuple(ARCHITECTURES) == Name.__args__


@pytest.mark.parametrize("background", [None, nn.Identity()])
@pytest.mark.parametrize("name", RIVALS)
def test_each_has_the_papers_parameters_within_15_per_cent(name, background):
    kind = ARCHITECTURES[name]
    with torch.device("meta"):
        config = kind.config(statistics=dict.fromkeys(VARIABLES, (0.0, 1.0)))
        model = make_network(config, background)
    assert count_parameters(model) == pytest.approx(kind.paper_parameters, rel=0.15)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"embedding": "wind"},
        {"embedding": "climode"},
        {"auxiliaries": ()},
        {"withhold_wind": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", RIVALS)
def test_a_field_in_units_comes_out_and_the_target_is_not_read(make, batches, name, options):
    model, batch = make(name, **options), batches()
    field = estimated(model, batch)
    assert field.shape == (2, 1, *GRID) and field.isfinite().all()
    assert abs(field.mean() - 400) < 20
    blind = replace(batch, fields={k: v for k, v in batch.fields.items() if k != CO2})
    assert torch.equal(estimated(model, blind), field)


@pytest.mark.parametrize("name", RIVALS)
def test_with_a_first_guess_nothing_is_changed_before_training(make, batches, name):
    model, batch = make(name, Pattern()), batches()
    guess = model.background.pattern.expand(2, 1, -1, -1)
    assert torch.equal(estimated(model, batch), guess)
    cached = batch.with_fields(**{BACKGROUND: guess + 1})
    assert torch.equal(estimated(model, cached), guess + 1)


@pytest.mark.parametrize("name", RIVALS)
def test_what_is_seen_matters(make, batches, name):
    """The stations of the last frame, the weather, and the frames before only where they are
    read."""
    model, batch = make(name), batches()
    field, static = estimated(model, batch), model.config.frames_read == 1
    seen = batch.observations.value
    for frame, used in ((-1, True), (0, not static)):
        value = seen.clone()
        value[:, frame, 5] += 20
        other = replace(batch, observations=replace(batch.observations, value=value))
        assert torch.equal(estimated(model, other), field) == (not used)
    warmer = batch.with_fields(tas=batch.fields["tas"] + 1)
    assert not torch.equal(estimated(model, warmer), field)


@pytest.mark.parametrize("name", RIVALS)
def test_windows_do_not_mix(make, batches, name):
    model, batch = make(name), batches(size=3)
    both = estimated(model, batch)
    alone = estimated(model, batch.windows(torch.tensor([False, True, False])))
    torch.testing.assert_close(alone, both[1:2], rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", RIVALS)
def test_every_weight_learns(make, batches, name):
    model, batch = make(name).train(), batches()
    output = model(batch)
    loss = (output.fields[CO2] - batch.fields[CO2]).square().mean()
    own = model.own_losses(batch, output, batch)
    assert own.keys() == model.config.own_losses.keys()
    sum([loss, *own.values()]).backward()
    for key, weight in model.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all(), key


@pytest.mark.parametrize("name", RIVALS)
def test_no_station_reports(make, batches, name):
    model, batch = make(name), batches()
    silent = torch.full_like(batch.observations.value, torch.nan)
    batch = replace(batch, observations=replace(batch.observations, value=silent))
    assert estimated(model, batch).isfinite().all()


@pytest.mark.parametrize("name", RIVALS)
def test_another_target_is_reconstructed_in_its_own_unit(make, batches, name):
    statistics = dict.fromkeys(AUXILIARIES, (0.0, 1.0)) | {"tas": (280.0, 10.0)}
    model = make(name, target_variable="tas", statistics=statistics)
    field = batches().fields["tas"] * 10 + 280
    with torch.no_grad():
        output = model(batches().with_fields(tas=field))
    assert set(output.fields) == {"tas"} and abs(output.fields["tas"].mean() - 280) < 40
    with pytest.raises(UsageError, match="first guesses are of CO2"):
        make(name, Pattern(), target_variable="tas", statistics=statistics)


@pytest.mark.parametrize("name", RIVALS)
def test_a_batch_that_does_not_fit_is_refused(make, batches, name):
    with pytest.raises(UsageError, match=r"set model\.frames"):
        make(name)(batches(frames=6))
    batch = batches()
    rest = {key: field for key, field in batch.fields.items() if key != "ps"}
    with pytest.raises(DataError, match="no field 'ps'"):
        make(name)(replace(batch, fields=rest))


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("vit", {"patch": (4, 4)}, "patch: 4 rows do not divide"),
        ("vit", {"depth": 10**9}, "depth"),
        ("vit", {"size": "S"}, "size"),
        ("swin-lstm", {"width": 126}, "width: 4 heads do not divide 126"),
        ("swin-lstm", {"patch": (6, 4)}, "3 × 6 tokens, which cannot be halved"),
        ("cyclegan", {"discriminator_layers": 3}, "grid of at least 24"),
        ("cyclegan", {"padding": "zeros"}, "padding"),
        ("senseiver", {"heads": 3}, "3 heads do not divide 32"),
        ("senseiver", {"mask_channel": False}, "mask_channel"),
        ("senseiver", {"frames": 3}, "frames: 3 is not an even number"),
        ("senseiver", {"grid": (0, 24)}, "grid: 0 rows"),
    ],
)
def test_wrong_options_are_one_line(make, name, options, said):
    with pytest.raises(UsageError, match=r"model\..*" + said) as caught:
        make(name, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vit", (1e-4, 5e-4, (0.9, 0.999), "constant", 0.0)),
        ("swin-lstm", (1e-4, 0.01, (0.9, 0.999), "cosine", 0.4)),
        ("cyclegan", (1e-4, 0.0, (0.5, 0.999), "constant", 0.0)),
        ("senseiver", (1e-4, 0.0, (0.9, 0.999), "cosine", 0.02)),
        ("co2net", (5e-4, 8e-4, (0.9, 0.999), "cosine", 0.02)),
    ],
)
def test_each_is_trained_as_its_paper_says_unless_told_otherwise(name, expected):
    plain = TrainingConfig(architecture=name)
    options = ("learning_rate", "weight_decay", "betas", "schedule", "warm_up")
    assert tuple(getattr(plain, option) for option in options) == expected
    assert plain.background == ("climatology-kriging" if name == "co2net" else "none")
    told = TrainingConfig(architecture=name, learning_rate=3e-3, background="climatology")
    assert (told.learning_rate, told.background) == (3e-3, "climatology")
    assert TrainingConfig(**plain.model_dump(mode="json")) == plain
