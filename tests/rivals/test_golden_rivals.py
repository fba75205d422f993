"""What a small network of each kind makes of one fixed batch, so that nothing changes unnoticed.

Weights and batch come from formulas. A change of a rival that is meant changes these numbers;
`python tests/rivals/test_golden_rivals.py` prints them anew, ready to be pasted below.
"""

from __future__ import annotations

import math

import pytest
import torch

from co2net_phys.architectures import ARCHITECTURES, make_network
from co2net_phys.batch import Batch, Coordinates, Observations
from co2net_phys.data.schema import AUXILIARIES, CO2

pytestmark = pytest.mark.usefixtures("small_world")  # one thread

GRID, FRAMES, STATIONS = (18, 24), 4, 12
STATISTICS = dict.fromkeys(AUXILIARIES, (0.0, 1.0)) | {CO2: (400.0, 5.0)}
TOLERANCE = 2e-4
"""Spreads of the data."""

OPTIONS = {
    "vit": {"patch": (3, 4), "width": 32, "depth": 2, "heads": 2, "head_width": 24, "hidden": 48},
    "swin-lstm": {"patch": (3, 4), "width": 16, "fine_layers": 2, "fine_heads": 2, "hidden": 32},
    "cyclegan": {"filters": 4, "blocks": 2, "discriminator_layers": 2},
    "senseiver": {"width": 16, "bands": 6, "depth": 2, "layers_per_block": 2},
}  # fmt: skip

GOLDEN: dict[str, list[float]] = {
    "vit": [0.114, -0.45888, 0.096, -0.77723, 0.81462, 0.04833, 0.44312],
    "swin-lstm": [0.14491, -0.2496, -0.27873, -0.24391, 0.73241, 0.02692, 0.36891],
    "cyclegan": [
        -0.51368, -0.09172, -0.2928, -1.65151, -0.72147, -0.28519, 0.49966,
        1.3673, 1.26175, 1.25335, 0.90761,
    ],
    "senseiver": [-0.15631, -0.31077, -0.26088, -0.10026, -0.13526, -0.2263, 0.17308],
}  # fmt: skip
"""Values in five cells, then mean and standard deviation of the second window, in spreads; then the
losses of its own, if it has such."""


def wave(number: float, *shape: int) -> torch.Tensor:
    """Numbers between −1 and 1 without a pattern that a patch or a frame could repeat."""
    count = torch.arange(math.prod(shape), dtype=torch.float64)
    phase = number + 0.7 * count + (0.013 * number + 0.0017) * count**1.5
    return torch.sin(phase).float().view(shape)


def batch() -> Batch:
    """Two windows with all auxiliaries; one station is silent in the last frame."""
    fields = {
        name: wave(1.0 + index, 2, 1 if name == "oro" else FRAMES, *GRID)
        for index, name in enumerate(AUXILIARIES)
    }
    value = 400 + 5 * wave(20.0, 2, FRAMES, STATIONS)
    value[1, -1, 3] = torch.nan
    elapsed = (torch.arange(FRAMES, dtype=torch.float64) * 10800).expand(2, -1)
    return Batch(
        fields | {CO2: 400 + 5 * wave(40.0, 2, 1, *GRID)},
        Observations(value, 80 * wave(30.0, STATIONS), 179 * wave(31.0, STATIONS)),
        Coordinates(
            torch.linspace(-85, 85, GRID[0]),
            torch.linspace(-172.5, 172.5, GRID[1]),
            elapsed,
            (elapsed / 86400) % 1,
            elapsed / (365 * 86400),
        ),
    )


@torch.no_grad()
def numbers(name: str) -> list[float]:
    """Those of one rival, as in `GOLDEN`."""
    config = ARCHITECTURES[name].config(
        frames=FRAMES, grid=GRID, statistics=STATISTICS, **OPTIONS[name]
    )
    model = make_network(config).eval()
    for number, weight in enumerate(model.parameters()):
        inputs = weight[0].numel() if weight.ndim > 1 else 4
        weight.copy_(wave(number, *weight.shape) / math.sqrt(inputs))
    seen = batch()
    output = model(seen)
    field = (output.fields[CO2][1, 0] - 400) / 5
    places = ((0, 0), (4, 17), (9, 11), (13, 5), (17, 23))
    found = [float(field[place]) for place in places] + [float(field.mean()), float(field.std())]
    return found + [float(value) for value in model.own_losses(seen, output, seen).values()]


@pytest.mark.parametrize("name", OPTIONS)
def test_the_output_of_each_rival_is_what_it_was(name):
    assert numbers(name) == pytest.approx(GOLDEN[name], rel=0, abs=TOLERANCE)


def test_the_numbers_tell_fields_apart():
    """They are neither flat nor all the same."""
    for name, row in GOLDEN.items():
        assert row[6] > 100 * TOLERANCE, name
        assert len({round(value, 3) for value in row}) == len(row), name


if __name__ == "__main__":
    for name in OPTIONS:
        print(f"    {name!r}: {[round(value, 5) for value in numbers(name)]},")
