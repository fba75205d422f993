"""Senseiver: stations are a set, the Earth has no seam, silence is not a value."""

from dataclasses import replace

import pytest
import torch

from co2net_phys.batch import Observations
from co2net_phys.data.schema import CO2
from co2net_phys.rivals.senseiver import position_terms

pytestmark = pytest.mark.usefixtures("small_world")  # one thread


def with_stations(batch, chosen):
    """The batch with these of its stations, in this order."""
    seen = batch.observations
    return replace(
        batch,
        observations=Observations(
            seen.value[:, :, chosen], seen.latitude[chosen], seen.longitude[chosen]
        ),
    )


def estimated(model, batch):
    with torch.no_grad():
        return model(batch).fields[CO2]


@pytest.fixture
def model(make):
    network = make("senseiver")
    with torch.no_grad():  # away from the small weights of the start
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn(weight.shape))
    return network


def test_the_order_of_the_stations_does_not_matter(model, batches):
    batch = batches()
    field = estimated(model, batch)
    shuffled = with_stations(batch, torch.randperm(12))
    torch.testing.assert_close(estimated(model, shuffled), field, rtol=0, atol=1e-3)
    mixed = replace(batch, observations=replace(
        batch.observations, value=batch.observations.value.flip(2)
    ))  # fmt: skip
    assert (estimated(model, mixed) - field).abs().max() > 0.1, "who says what does matter"


def test_a_silent_station_is_not_there(model, batches):
    batch = batches()
    value = batch.observations.value.clone()
    value[:, -1, 5:] = torch.nan
    silent = replace(batch, observations=replace(batch.observations, value=value))
    value = value.clone()
    value[:, -1, 3] = torch.nan
    one_less = replace(batch, observations=replace(batch.observations, value=value))
    fewer = with_stations(silent, torch.arange(5))
    field = estimated(model, silent)
    torch.testing.assert_close(estimated(model, fewer), field, rtol=0, atol=1e-3)
    assert (estimated(model, one_less)[1] - field[1]).abs().max() > 1e-2


def test_with_all_silent_the_weather_is_left(model, batches):
    batch = batches()
    silent = torch.full_like(batch.observations.value, torch.nan)
    none = replace(batch, observations=replace(batch.observations, value=silent))
    field = estimated(model, none)
    moved = replace(none, observations=replace(
        none.observations, latitude=-none.observations.latitude
    ))  # fmt: skip
    assert torch.equal(estimated(model, moved), field)
    assert field.isfinite().all()


def test_two_stations_in_one_cell_are_two(model, batches):
    """The raster would only know their mean."""
    batch = batches()
    seen = batch.observations
    latitude, longitude = seen.latitude.clone(), seen.longitude.clone()
    latitude[1], longitude[1] = latitude[0], longitude[0]
    value = seen.value.clone()
    value[..., 0], value[..., 1] = 395.0, 405.0
    apart = replace(batch, observations=Observations(value, latitude, longitude))
    value = value.clone()
    value[..., :2] = 400.0
    same = replace(batch, observations=Observations(value, latitude, longitude))
    assert (estimated(model, apart) - estimated(model, same)).abs().max() > 1e-3


def test_positions_are_one_at_the_date_line_and_tell_cells_apart():
    latitude, longitude = torch.tensor([30.0, 30.0, 30.0]), torch.tensor([180.0, -180.0, 170.0])
    terms = position_terms(latitude, longitude, 32, (90, 120))
    assert terms.shape == (3, 128)
    torch.testing.assert_close(terms[0], terms[1], rtol=0, atol=1e-5)
    assert (terms[0] - terms[2]).abs().max() > 0.5
    north = torch.arange(-89.0, 90, 2).repeat_interleave(120)
    east = torch.arange(-178.5, 180, 3).repeat(90)
    every = position_terms(north, east, 32, (90, 120))
    nearest = torch.cdist(every[:500], every).topk(2, largest=False).values[:, 1]
    assert nearest.min() > 0.05


def test_a_position_is_a_sine_of_multiples_of_the_angle():
    terms = position_terms(torch.tensor([45.0]), torch.tensor([90.0]), 2, (4, 8))
    pi = torch.pi
    expected = torch.tensor([pi / 2, pi, 0, 0, pi / 2, 2 * pi, 0, 0])
    expected = torch.cat([expected[:2].sin(), expected[:2].cos(), expected[4:6].sin(),
                          expected[4:6].cos()])  # fmt: skip
    torch.testing.assert_close(terms[0], expected, rtol=0, atol=1e-6)


def test_weights_are_shared_by_the_blocks(make):
    counts = {
        depth: sum(weight.numel() for weight in make("senseiver", depth=depth).parameters())
        for depth in (1, 4)
    }
    assert counts[1] == counts[4]
