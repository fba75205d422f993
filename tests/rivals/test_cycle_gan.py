"""CycleGAN: two players that do not move each other, losses of the paper, grids of any size."""

from dataclasses import replace

import pytest
import torch

from co2net_phys.data.schema import CO2
from co2net_phys.rivals.convolutions import Discriminator, Doubling, Generator, pad

pytestmark = pytest.mark.usefixtures("small_world")  # one thread


def terms(model, batch):
    output = model(batch)
    return model.own_losses(batch, output, batch)


def moved(model, loss):
    """Which of the four networks a loss passes a gradient to."""
    model.zero_grad(set_to_none=True)
    loss.backward(retain_graph=True)
    names = ("forwards", "backwards", "field_judge", "station_judge")
    return {
        name
        for name in names
        if any(weight.grad is not None for weight in getattr(model, name).parameters())
    }


def test_no_player_is_moved_by_the_other_s_term(make, batches):
    model = make("cyclegan").train()
    found = terms(model, batches())
    generators, judges = {"forwards", "backwards"}, {"field_judge", "station_judge"}
    assert moved(model, found["discriminator"]) == judges
    for name in ("adversarial", "cycle", "identity"):
        assert moved(model, found[name]) == generators, name


def test_the_terms_are_those_of_the_paper(make, batches):
    """Written out once more, with networks in place of G, F and the two judges."""
    model, batch = make("cyclegan"), batches()
    with torch.no_grad():
        found = terms(model, batch)
        (channels,), base = model._prepared(batch)
        a, rest = channels[:, 0, :1], channels[:, 0, 1:]
        b = (batch.fields[CO2] - base) / model.scale
        forwards, backwards = (
            lambda x, make=make: make(torch.cat([x, rest], 1))
            for make in (model.forwards, model.backwards)
        )
        judge_b, judge_a = model.field_judge, model.station_judge
        fake_b, fake_a = forwards(a), backwards(b)
        one = torch.ones(())
        square, absolute = torch.nn.functional.mse_loss, torch.nn.functional.l1_loss
        expected = {
            "adversarial": square(judge_b(fake_b), one.expand_as(judge_b(b)))
            + square(judge_a(fake_a), one.expand_as(judge_a(a))),
            "cycle": absolute(backwards(fake_b), a) + absolute(forwards(fake_a), b),
            "identity": absolute(forwards(b), b) + absolute(backwards(a), a),
            "discriminator": ((judge_b(b) - 1) ** 2 + judge_b(fake_b) ** 2).mean() / 2
            + ((judge_a(a) - 1) ** 2 + judge_a(fake_a) ** 2).mean() / 2,
        }
    assert found.keys() == expected.keys() == model.config.own_losses.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-5, msg=name)


def test_cells_without_a_truth_teach_nothing(make, batches):
    """What is hidden there does not matter, and no term is lost to it."""
    model, batch = make("cyclegan"), batches()
    holed = batch.fields[CO2].clone()
    holed[:, :, :4, :6] = torch.nan
    with torch.no_grad():
        found = terms(model, batch.with_fields(**{CO2: holed}))
        plain = terms(model, batch)
    assert all(value.isfinite() for value in found.values())
    assert all(found[name] != plain[name] for name in ("cycle", "identity", "discriminator"))


@pytest.mark.parametrize("grid", [(90, 120), (18, 24), (17, 23), (6, 9)])
@pytest.mark.parametrize("padding", ["reflect", "globe"])
def test_any_grid_comes_back_in_its_size(grid, padding):
    generator = Generator(3, 4, 1, 0.0, padding)
    assert generator(torch.randn(2, 3, *grid)).shape == (2, 1, *grid)


def test_on_the_globe_there_is_no_seam():
    torch.manual_seed(0)
    field = torch.randn(1, 3, 18, 24)
    for padding, turns in (("globe", True), ("reflect", False)):
        generator = Generator(3, 4, 2, 0.0, padding).eval()
        with torch.no_grad():
            found, expected = generator(field.roll(8, -1)), generator(field).roll(8, -1)
        assert torch.allclose(found, expected, atol=1e-4) == turns


def test_padding_goes_on_around_the_earth_and_is_mirrored_at_the_poles():
    field = torch.arange(12.0).view(1, 1, 3, 4)
    wide = pad(field, 1, "globe")[0, 0]
    assert wide[1].tolist() == [3, 0, 1, 2, 3, 0]
    assert torch.equal(wide[0], wide[2]) and torch.equal(wide[4], wide[2])
    assert pad(field, 1, "reflect")[0, 0, 1].tolist() == [1, 0, 1, 2, 3, 2]
    other = torch.nn.functional.pad(field, (2, 2, 2, 2), mode="reflect")
    assert torch.equal(pad(field, 2, "reflect"), other)


def test_doubling_has_no_seam_either():
    torch.manual_seed(0)
    double, field = Doubling(2, 3, "globe"), torch.randn(1, 2, 5, 6)
    with torch.no_grad():
        found = double(field.roll(1, -1), (9, 12))
        torch.testing.assert_close(found, double(field, (9, 12)).roll(2, -1))


@pytest.mark.parametrize(("layers", "reach"), [(3, 70), (2, 34), (1, 16)])
def test_a_verdict_looks_at_70_cells(layers, reach):
    """Norms aside, which look at the whole field: how far the gradient of one verdict reaches."""
    torch.manual_seed(0)
    judge = Discriminator(2, layers)
    for number, part in enumerate(judge):
        if isinstance(part, torch.nn.InstanceNorm2d):
            judge[number] = torch.nn.Identity()
    field = torch.randn(1, 1, 128, 128, requires_grad=True)
    verdicts = judge(field)
    middle = verdicts.shape[-1] // 2
    verdicts[0, 0, middle, middle].backward()
    rows = (field.grad[0, 0] != 0).any(dim=1).nonzero().ravel()
    assert int(rows[-1] - rows[0]) + 1 == reach


def test_the_loss_of_windows_is_the_mean_of_theirs(make, batches):
    """So that parts of a batch, and several processes, take the same step."""
    model, batch = make("cyclegan"), batches(size=2)
    with torch.no_grad():
        both = terms(model, batch)
        each = [terms(model, batch.windows(torch.tensor(part)))
                for part in ([True, False], [False, True])]  # fmt: skip
    for name, value in both.items():
        torch.testing.assert_close(value, (each[0][name] + each[1][name]) / 2, rtol=1e-4, atol=1e-5)


class Truth(torch.nn.Module):
    """A first guess with nothing left to correct."""

    def forward(self, batch):
        return batch


def test_a_first_guess_is_taken_off_the_pictures(make, batches):
    """Of the truth nothing is left, and no generator is blamed for leaving that alone."""
    batch = batches()
    silent = torch.full_like(batch.observations.value, torch.nan)
    batch = replace(batch, observations=replace(batch.observations, value=silent))
    model = make("cyclegan", Truth())
    with torch.no_grad():
        found = terms(model, batch)
        (channels,), _ = model._prepared(batch)
        nothing = model.backwards(channels[:, 0])
    assert bool((channels[:, 0, 0] == 0).all())
    torch.testing.assert_close(found["identity"], nothing.abs().mean())
    torch.testing.assert_close(found["cycle"], nothing.abs().mean())
