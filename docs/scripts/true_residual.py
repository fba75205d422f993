"""What the losses of physics give to the truth itself, for docs/results/ablation.md.

    python docs/scripts/true_residual.py twin.zarr

The residual supposes a source that is constant in a window. Printed is what true fields of a store
get, the same fields in another order, and one that stands still, over windows of the test block.
"""

import sys

import numpy as np
import torch

from co2net_phys.config import TrainingConfig
from co2net_phys.data.schema import CO2
from co2net_phys.data.splits import block_split, split_frames
from co2net_phys.data.store import open_store
from co2net_phys.data.windows import window_ends
from co2net_phys.physics_losses import TransportResidual, mass_loss
from co2net_phys.preparation import DEFAULT_FRAMES
from co2net_phys.solvers import Grid

WINDOWS = 24
OTHER_ORDER = [2, 0, 3, 1]


def main(path):
    store = open_store(path)
    split = block_split(store, DEFAULT_FRAMES)
    train = split_frames(store, split, "train")
    spread = float(np.std(store.field(CO2, train), dtype=np.float64))
    grid = Grid.from_coordinates(store.latitude, store.longitude)
    residual = TransportResidual(grid, TrainingConfig().residual_diffusivity, spread)
    area = torch.from_numpy(grid.area_weights[:, :1].copy()).float()
    ends = window_ends(store, split_frames(store, split, "test"), DEFAULT_FRAMES)
    rows = []
    for end in ends[np.linspace(0, len(ends) - 1, WINDOWS).astype(int)]:
        frames = np.arange(end - DEFAULT_FRAMES + 1, end + 1)
        field, u, v = (torch.from_numpy(store.field(n, frames))[None] for n in (CO2, "uas", "vas"))
        decoded, wind = field[:, 1::2], (u[:, 1:], v[:, 1:])  # as the network decodes: odd frames
        spacing = 2 * store.time_step
        still = decoded[:, -1:].expand_as(decoded)
        shown = (decoded, decoded[:, OTHER_ORDER], still)
        values = [float(residual(one, wind, spacing)) for one in shown]
        rows.append([*values, float(mass_loss(decoded, area, spacing, 0.0, spread))])
    names = ("residual of the truth", "of its frames in another order", "of a field that stands "
             "still", "mass loss of the truth")  # fmt: skip
    for name, value in zip(names, np.mean(rows, axis=0), strict=True):
        print(f"{name}: {value:.2g}")


if __name__ == "__main__":
    main(sys.argv[1])
