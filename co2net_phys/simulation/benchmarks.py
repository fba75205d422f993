"""Invented Earths with a version: the same fields on every machine and in every release.

Every option is written out, so that no change of a default reaches them. A change of the weather or
of the sources would: a test compares the first frames with the numbers of this version, and what
changes them needs a version of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from co2net_phys.data.splits import Split
from co2net_phys.simulation.config import SimulationConfig


@dataclass(frozen=True)
class Benchmark:
    """A twin that results can be compared on.

    Attributes
    ----------
    config
        How it is integrated, whole.
    split
        Blocks of time for training, validation and test, with gaps between them.
    """

    config: SimulationConfig
    split: Split


BENCHMARKS: Mapping[str, Benchmark] = {
    "twin-v1": Benchmark(
        config=SimulationConfig(
            truncation=63,
            start=datetime(2015, 1, 1, 1, 30),
            frames=8 * (3 * 365 + 1 + 2 * 365),
            output_every=10800.0,
            spin_up=30 * 86400.0,
            time_step=3600.0,
            diffusivity=1e5,
            hyperdiffusivity=0.0,
            lifetime=None,
            scheme="spectral",
            integrator="rk4",
            form="advective",
            diagnostics=False,
            grid="carbontracker",
            components=("fossil", "biosphere", "ocean", "fires"),
            exchange=True,
            separate=False,
            seed=1,
        ),
        split={
            "train": ("2015-01-01", "2017-12-31"),
            "validation": ("2018-01-08", "2018-12-31"),
            "test": ("2019-01-08", "2019-12-31"),
        },
    )
}
"""Twins by name: `twin-v1` has five years of 3-hourly frames, three of them to train on."""
