"""What each size of the network makes of one fixed batch, so that nothing changes unnoticed.

Weights come from a seed, the batch from formulas. A change of the network that is meant changes
these numbers; `python tests/test_golden.py` prints them anew, ready to be pasted below.
"""

from __future__ import annotations

import math

import pytest
import torch

from co2net_phys.batch import Batch, Coordinates, Observations
from co2net_phys.data.schema import AUXILIARIES, CO2
from co2net_phys.model import CO2Net, CO2NetConfig

pytestmark = pytest.mark.usefixtures("small_world")  # one thread

GRID, FRAMES, STATIONS = (18, 24), 4, 12
STATISTICS = dict.fromkeys(AUXILIARIES, (0.0, 1.0)) | {
    CO2: (400.0, 5.0), "uas": (1.0, 8.0), "vas": (0.0, 5.0),
}  # fmt: skip
SPREADS = {CO2: 5.0, "uas": 8.0, "vas": 5.0}

PLACES = ((0, 0), (4, 17), (13, 5), (17, 23))
"""A cell in each patch."""

TOLERANCE = 2e-4
"""Spreads of the data: some hundred times what sums in another order leave in single precision,
some thousandth of what two networks differ by."""

GOLDEN: dict[str, dict[str, list[float]]] = {
    "XS": {
        "co2s": [-0.07402, -0.01901, -0.0464, 0.11295, 0.00293, 0.08794],
        "uas": [-0.08491, 0.28762, -0.22494, 0.70714, -0.06134, 0.61337],
        "vas": [-0.4929, 0.59256, 1.48341, 0.34144, 0.01844, 0.59613],
    },
    "S": {
        "co2s": [-0.05387, 0.00658, -0.11796, 0.02058, -0.01188, 0.08732],
        "uas": [-1.03533, 1.48059, 0.52558, 0.35952, 0.00553, 0.58807],
        "vas": [0.43597, 0.43757, -0.25744, -0.27276, 0.00236, 0.56463],
    },
    "B": {
        "co2s": [0.18108, 0.14216, 0.00715, -0.01624, 0.00756, 0.08627],
        "uas": [0.00201, 0.89805, -0.23415, 1.18337, 0.04314, 0.57945],
        "vas": [0.37289, -0.04526, 0.60225, 1.37668, 0.00484, 0.54059],
    },
    "L": {
        "co2s": [-0.09557, 0.02139, 0.0973, -0.21373, -0.00572, 0.08523],
        "uas": [-0.04398, 0.62557, 1.21947, 0.15893, -0.05523, 0.64201],
        "vas": [0.21861, -0.16641, 0.01378, 0.66901, 0.00828, 0.61094],
    },
}
"""Values at `PLACES`, then mean and standard deviation, of each field of the second window less
its mean in the data, in spreads of the data; the wind is that of the third frame."""


def wave(number: float, *shape: int) -> torch.Tensor:
    """Numbers between −1 and 1 without a pattern that a patch or a frame could repeat."""
    count = torch.arange(math.prod(shape), dtype=torch.float64)
    phase = number + 0.7 * count + (0.013 * number + 0.0017) * count**1.5
    return torch.sin(phase).float().view(shape)


def batch() -> Batch:
    """Two windows with all auxiliaries; one station is silent in one frame."""
    fields = {
        name: wave(1.0 + index, 2, 1 if name == "oro" else FRAMES, *GRID)
        for index, name in enumerate(AUXILIARIES)
    }
    fields |= {"uas": 1 + 8 * fields["uas"], "vas": 5 * fields["vas"]}
    value = 400 + 5 * wave(20.0, 2, FRAMES, STATIONS)
    value[1, 2, 3] = torch.nan
    elapsed = (torch.arange(FRAMES, dtype=torch.float64) * 10800).expand(2, -1)
    start = torch.tensor([[0.0], [40 * 86400.0]], dtype=torch.float64)
    return Batch(
        fields,
        Observations(value, 80 * wave(30.0, STATIONS), 179 * wave(31.0, STATIONS)),
        Coordinates(
            torch.linspace(-85, 85, GRID[0]),
            torch.linspace(-172.5, 172.5, GRID[1]),
            elapsed,
            ((elapsed + start) / 86400) % 1,
            (elapsed + start) / (365 * 86400),
        ),
    )


@torch.no_grad()
def output(size: str) -> dict[str, list[float]]:
    """The numbers of one size, as in `GOLDEN`."""
    torch.manual_seed(2026)
    config = CO2NetConfig(size=size, frames=FRAMES, grid=GRID, statistics=STATISTICS)
    fields = CO2Net(config).eval()(batch()).fields
    numbers = {}
    for name, spread in SPREADS.items():
        frame = 0 if name == CO2 else 2
        field = (fields[name][1, frame] - STATISTICS[name][0]) / spread
        seen = [float(field[place]) for place in PLACES]
        numbers[name] = [*seen, float(field.mean()), float(field.std())]
    return numbers


@pytest.mark.parametrize("size", ["XS", "S", "B", "L"])
def test_the_output_of_each_size_is_what_it_was(size):
    found, expected = output(size), GOLDEN[size]
    assert found.keys() == expected.keys()
    for name, numbers in expected.items():
        assert found[name] == pytest.approx(numbers, rel=0, abs=TOLERANCE), name


def test_the_numbers_tell_networks_apart():
    """Sizes, windows and fields differ by far more than the tolerance."""
    rows = [row for fields in GOLDEN.values() for row in fields.values()]
    for index, one in enumerate(rows):
        assert one[-1] > 100 * TOLERANCE
        for other in rows[:index]:
            assert max(abs(a - b) for a, b in zip(one, other, strict=True)) > 100 * TOLERANCE


if __name__ == "__main__":
    for size in ("XS", "S", "B", "L"):
        rows = {name: [round(v, 5) for v in row] for name, row in output(size).items()}
        print(f"    {size!r}: {rows},")
