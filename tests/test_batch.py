from dataclasses import replace

import pytest
import torch

from co2net_phys.batch import Batch, Coordinates, Observations
from co2net_phys.data.schema import CO2


def coordinates(**changes):
    phase = torch.zeros(2, 3)
    parts = {
        "latitude": torch.tensor([-45.0, 45.0]),
        "longitude": torch.tensor([0.0, 90.0, 180.0]),
        "elapsed": phase, "day_phase": phase, "year_phase": phase,
    }  # fmt: skip
    return Coordinates(**(parts | changes))


def observations(frames=3):
    return Observations(torch.zeros(2, frames, 4), torch.zeros(4), torch.zeros(4))


def batch():
    return Batch({CO2: torch.ones(2, 1, 2, 3)}, observations(), coordinates())


def test_sizes():
    assert (len(batch()), batch().frames, batch().coordinates.shape) == (2, 3, (2, 3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latitude": torch.tensor([45.0, -45.0])}, "latitude"),
        ({"longitude": torch.tensor([0.0, 0.0])}, "longitude"),
        ({"latitude": torch.tensor([0.0, 91.0])}, "90"),
        ({"day_phase": torch.zeros(2, 4)}, "day_phase"),
    ],
)
def test_wrong_coordinates_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        coordinates(**change)


def test_stations_need_places():
    with pytest.raises(ValueError, match="each station"):
        Observations(torch.zeros(2, 3, 4), torch.zeros(5), torch.zeros(4))
    with pytest.raises(ValueError, match="shape"):
        Observations(torch.zeros(3, 4), torch.zeros(4), torch.zeros(4))


@pytest.mark.parametrize("shape", [(2, 1, 3, 2), (1, 1, 2, 3), (2, 2, 3)])
def test_fields_of_another_grid_are_refused(shape):
    with pytest.raises(ValueError, match=CO2):
        batch().with_fields(**{CO2: torch.zeros(shape)})


def test_observations_of_other_frames_are_refused():
    with pytest.raises(ValueError, match="disagree"):
        replace(batch(), observations=observations(frames=2))


def test_fields_are_added_without_touching_the_batch():
    first = batch()
    second = first.with_fields(tas=torch.zeros(2, 3, 2, 3))
    assert set(second.fields) == {CO2, "tas"}
    assert set(first.fields) == {CO2}
