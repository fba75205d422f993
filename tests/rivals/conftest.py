"""Rivals small enough for a test, and batches for them."""

import pytest
import torch

from co2net_phys.architectures import ARCHITECTURES, make_network
from co2net_phys.batch import Batch, Coordinates, Observations
from co2net_phys.data.schema import AUXILIARIES, CO2

GRID, FRAMES, STATIONS = (18, 24), 4, 12

STATISTICS = dict.fromkeys(AUXILIARIES, (0.0, 1.0)) | {CO2: (400.0, 5.0), "uas": (1.0, 8.0)}

TINY = {
    "vit": {"patch": (3, 4), "width": 32, "depth": 2, "heads": 2, "head_width": 16, "hidden": 64},
    "swin-lstm": {
        "patch": (3, 4), "width": 32, "fine_layers": 2, "coarse_layers": 1, "fine_heads": 2,
        "coarse_heads": 4, "hidden": 64,
    },
    "cyclegan": {"filters": 8, "blocks": 2, "discriminator_layers": 2},
    "senseiver": {"width": 32, "latents": 8, "bands": 8, "depth": 2, "layers_per_block": 1},
}  # fmt: skip


@pytest.fixture(scope="session")
def tiny():
    """Function of a rival's name: the options of a small one."""
    return lambda name: dict(TINY[name])


@pytest.fixture(scope="session")
def make(small_world):
    """Function of a rival's name and options: a small network from a fixed seed."""

    def network(name, background=None, **options):
        plain = {"frames": FRAMES, "grid": GRID, "statistics": STATISTICS} | TINY[name]
        torch.manual_seed(0)
        return make_network(ARCHITECTURES[name].config(**(plain | options)), background).eval()

    return network


def make_batch(size=2, seed=0, grid=GRID, frames=FRAMES):
    """Random windows, whose station 3 is silent in the last frame of the first one."""
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape):
        return torch.randn(*shape, generator=generator)

    fields = {name: noise(size, 1 if name == "oro" else frames, *grid) for name in AUXILIARIES}
    value = 400 + 5 * noise(size, frames, STATIONS)
    value[0, -1, 3] = torch.nan
    elapsed = (torch.arange(frames) * 10800.0).expand(size, -1)
    rows, columns = (180 / grid[0], 360 / grid[1])
    return Batch(
        fields | {CO2: 400 + 5 * noise(size, 1, *grid)},
        Observations(value, 80 * torch.rand(STATIONS, generator=generator) * 2 - 80,
                     360 * torch.rand(STATIONS, generator=generator) - 180),
        Coordinates(
            torch.arange(grid[0]) * rows - 90 + rows / 2,
            torch.arange(grid[1]) * columns - 180 + columns / 2,
            elapsed,
            (elapsed / 86400) % 1,
            elapsed / (365 * 86400),
        ),
    )  # fmt: skip


@pytest.fixture(scope="session")
def batches():
    """Function that makes a batch."""
    return make_batch
