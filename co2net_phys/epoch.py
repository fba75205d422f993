"""The order of an epoch: which samples every step takes, and which of them each process."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from co2net_phys.data.windows import shuffled
from co2net_phys.distributed import Team
from co2net_phys.run_options import RunOptions
from co2net_phys.task import Positions


def shares_of_epoch(
    count: int, options: RunOptions, team: Team, epoch: int, done: int, taken: int | None = None
) -> Iterator[list[tuple[Positions, float]]]:
    """Positions of this process at every step of an epoch but the first `done`.

    Each step has a list of parts, each with its share of the mean loss of the whole batch. `taken`
    of `count` samples are drawn (None: all); the order depends on the seed and the epoch alone. All
    processes have the same number of parts, as they meet at each one (FSDP).
    """
    order = shuffled(count, options.seed, epoch)[:taken]
    for first in range(done * options.batch_size, len(order), options.batch_size):
        batch = order[first : first + options.batch_size]
        parts = np.array_split(batch, min(options.accumulate, len(batch)))
        shares = [(*team.share(part), len(part) / len(batch)) for part in parts]
        yield [(positions, weight * share) for positions, weight, share in shares]
