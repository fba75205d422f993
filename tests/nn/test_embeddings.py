import math

import pytest
import torch

from co2net_phys.batch import Coordinates
from co2net_phys.nn.embeddings import (
    POLE_CAP_DEGREES,
    Embedding,
    calendar_terms,
    climode_location_terms,
    index_phases,
    location_terms,
    wind_phases,
)
from co2net_phys.solvers.constants import EARTH_RADIUS_M

HOURS_3 = 10800.0
MONTH = 30 * 86400.0


def coordinates(height: int = 18, width: int = 24, frames: int = 4) -> Coordinates:
    edge, step = 90 - 90 / height, 180 / width
    elapsed = (torch.arange(frames) * HOURS_3).expand(2, -1)
    return Coordinates(
        torch.linspace(-edge, edge, height),
        torch.linspace(-180 + step, 180 - step, width),
        elapsed,
        (elapsed / 86400) % 1,
        0.25 + elapsed / (365 * 86400),
    )


def test_location_terms_by_hand():
    terms = location_terms(torch.tensor([30.0]), torch.tensor([60.0])).flatten()
    half, root = 0.5, math.sqrt(3) / 2  # sin 30 = cos 60 = 1/2
    north, east = (root, half, 1.0), (half, root, 1.0)
    torch.testing.assert_close(terms, torch.tensor([a * b for a in north for b in east]))


def test_climode_location_terms_by_hand():
    terms = climode_location_terms(torch.tensor([30.0]), torch.tensor([60.0])).flatten()
    half, root = 0.5, math.sqrt(3) / 2
    expected = [half, root, root, half, half * half, half * root, 1.0]
    torch.testing.assert_close(terms, torch.tensor(expected))


def test_solid_body_rotation_turns_by_angular_speed_times_time():
    where = coordinates()
    speed = 2 * math.pi / (12 * 86400)  # once in twelve days
    cosine = where.latitude.deg2rad().cos()[:, None]
    u = (speed * EARTH_RADIUS_M * cosine).expand(2, 4, -1, 24)
    zonal, meridional = wind_phases(u, torch.zeros_like(u), where)
    below = where.latitude.abs() < POLE_CAP_DEGREES
    expected = (speed * where.elapsed)[:, :, None, None].expand_as(u)
    torch.testing.assert_close(zonal[:, :, below], expected[:, :, below])
    assert (zonal[:, -1, ~below] < expected[:, -1, ~below]).all()
    assert not meridional.any()


def test_the_meridional_phase_is_the_arc_travelled():
    v = torch.full((2, 4, 18, 24), 10.0)
    _, phase = wind_phases(torch.zeros_like(v), v, coordinates())
    assert phase[0, 3, 5, 7].item() == pytest.approx(10 * 3 * HOURS_3 / 6.371e6, rel=1e-6)


def test_phases_stay_finite_at_the_poles():
    where = Coordinates(
        torch.tensor([-90.0, 0, 90]), torch.tensor([0.0, 180]), *[torch.ones(1, 1) * 86400] * 3
    )
    phase, _ = wind_phases(torch.full((1, 1, 3, 2), 50.0), torch.zeros(1, 1, 3, 2), where)
    assert phase.abs().max() < 2 * math.pi


def test_index_phases_count_samples_of_the_year():
    where = coordinates()
    v = torch.full((2, 4, 18, 24), 0.5)
    fast, slow = index_phases(v, where, HOURS_3)
    sample = 0.25 * 2920 + 3  # the fourth 3-hourly frame after a quarter of 365 days
    assert fast[0, 3, 0, 0].item() == pytest.approx(2 * math.pi * 0.5 * sample / 4, rel=1e-6)
    assert slow[0, 3, 0, 0].item() == pytest.approx(2 * math.pi * 0.5 * sample / 1460, rel=1e-6)
    (monthly,) = index_phases(v, where, 365 * 86400 / 12)
    assert monthly[0, 0, 0, 0].item() == pytest.approx(2 * math.pi * 0.5 * 3 / 12, rel=1e-6)


def test_calendar_terms_by_hand():
    terms = calendar_terms(coordinates(), HOURS_3)[0, 2]  # six o'clock, a quarter into the year
    year = 2 * math.pi * (0.25 + 6 / (365 * 24))
    expected = torch.tensor([1.0, 0.0, math.sin(year), math.cos(year), 1.0])
    torch.testing.assert_close(terms, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "scaling", "spacing", "withheld", "channels"),
    [
        ("wind", "physical", HOURS_3, False, 45),
        ("wind", "physical", MONTH, False, 45),
        ("wind", "index", HOURS_3, False, 45),
        ("wind", "index", MONTH, False, 27),
        ("wind", "physical", HOURS_3, True, 9),
        ("climode", "physical", HOURS_3, False, 35),
        ("climode", "physical", MONTH, False, 21),
        ("climode", "physical", HOURS_3, True, 35),
    ],
)
def test_channels_and_their_mean_square(kind, scaling, spacing, withheld, channels):
    embedding = Embedding(kind, scaling, spacing, wind_withheld=withheld)
    generator = torch.Generator().manual_seed(0)
    u, v = 10 * torch.randn(2, 2, 4, 18, 24, generator=generator)
    patches = embedding(coordinates(), u, v, (9, 12))
    assert patches.shape == (2, 2, 2, 4, channels * 108) and embedding.channels == channels
    power = patches.unflatten(-1, (channels, 108)).square().sum(-2).mean().item()
    assert power == pytest.approx(embedding.mean_square, rel=0.01)


def test_channel_order_is_location_major_and_patches_are_in_place():
    where = coordinates()
    u, v = torch.randn(2, 2, 4, 18, 24, generator=torch.Generator().manual_seed(1))
    patches = Embedding("wind", "physical", HOURS_3)(where, u, v, (9, 12))
    row, column, frame, location, time = 11, 17, 3, 4, 2  # sin lat · sin lon · cos(v t/R)
    value = patches[1, 1, 1, 3].view(9, 5, 9, 12)[location, time, row - 9, column - 12]
    lat, lon = where.latitude[row].deg2rad(), where.longitude[column].deg2rad()
    phase = v[1, frame, row, column] * where.elapsed[1, frame] / EARTH_RADIUS_M
    torch.testing.assert_close(value, lat.sin() * lon.sin() * phase.cos())


def test_withheld_wind_leaves_no_trace():
    embedding = Embedding("wind", "physical", HOURS_3, wind_withheld=True)
    u, v = torch.randn(2, 2, 4, 18, 24, generator=torch.Generator().manual_seed(2))
    assert not embedding.needs_wind
    assert torch.equal(
        embedding(coordinates(), u, v, (9, 12)), embedding(coordinates(), None, None, (9, 12))
    )
