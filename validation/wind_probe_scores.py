"""Skill of a probed wind: R² about climatology and about the global mean, on a block unseen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.data.splits import Block, split_frames, split_of
from co2net_phys.data.statistics import CHUNK
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import Windows, window_ends
from co2net_phys.errors import DataError
from co2net_phys.metrics import latitude_weights
from co2net_phys.network import Network
from co2net_phys.network_config import WIND
from co2net_phys.preparation import Prepared, other_times
from co2net_phys.trainer import Interrupted
from co2net_phys.validation.wind_probe_regression import regressed_wind

Wind = NDArray[np.float64]
"""Eastward and northward wind (2, n, H, W), m/s."""

SCORED_WINDOWS = 96
"""At most this many windows without a common frame are scored, evenly spread over the block."""

RIVALS: Mapping[str, str] = MappingProxyType(
    {"climatology": "climatology", "regression": "linear fit to weather"}
)
"""Simple methods beside the arms: each cell's mean over the training block, which earns 0, and what
a linear fit finds in pressure, height, temperature and humidity."""

_BATCH_SIZE = 4


@dataclass(frozen=True)
class Example:
    """Anomalies of the eastward wind (H, W), m/s, at one time of the scored block."""

    time: str
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    truth: NDArray[np.float64]
    probed: Mapping[str, NDArray[np.float64]]
    """By arm, of the first seed."""


def explained(predicted: Wind, truth: Wind, reference: Wind, weights: Wind) -> dict[str, float]:
    """R² = 1 − Σ α (predicted − truth)² / Σ α (truth − reference)², by component and pooled.

    Args:
        predicted: (2, n, H, W), m/s.
        truth: (2, n, H, W), m/s.
        reference: what earns 0, (2, 1, H, W) or (2, 1, 1, 1), m/s.
        weights: α (H,), relative areas of the rows.

    Returns:
        "u", "v" and "pooled", whose sums run over both components; NaN where the truth is the
        reference.
    """
    area = weights[:, None]
    residual = (area * (predicted - truth) ** 2).sum(axis=(1, 2, 3))
    spread = (area * (truth - reference) ** 2).sum(axis=(1, 2, 3))
    pairs = [*zip(residual, spread, strict=True), (residual.sum(), spread.sum())]
    shares = [1.0 - float(lost / all_) if all_ > 0 else float("nan") for lost, all_ in pairs]
    return dict(zip(("u", "v", "pooled"), shares, strict=True))


def global_mean(wind: Wind, weights: Wind) -> Wind:
    """Mean over time and area of each component, (2, 1, 1, 1), m/s."""
    rows = wind.mean(axis=(1, 3), keepdims=True)
    return np.average(rows, axis=2, weights=weights, keepdims=True)


def disjoint(windows: Windows) -> NDArray[np.int64]:
    """Positions of windows that share no frame, at most `SCORED_WINDOWS`, evenly spread."""
    chosen = [0]
    for position, end in enumerate(windows.ends):
        if end - windows.ends[chosen[-1]] >= windows.length:
            chosen.append(position)
    count = min(len(chosen), SCORED_WINDOWS)
    return np.array(chosen)[np.linspace(0, len(chosen) - 1, count).round().astype(np.int64)]


def require_wind(store: TrainingStore) -> None:
    """Raise unless the store has the wind that a probe is asked for.

    Raises:
        DataError: naming what is missing.
    """
    for name in WIND:
        if name not in store.auxiliaries:
            raise DataError(
                f"{store.source}: no {name!r}, which a probe is asked for; add the wind "
                f"({', '.join(WIND)}) to the store"
            )


def scored_block(store: TrainingStore, length: int) -> Windows:
    """All windows of `length` frames of the last block, which is never trained on."""
    frames = split_frames(store, split_of(store, length), "test")
    ends = window_ends(store, frames, length)
    return Windows(store, ends, np.array([0]), length, with_target=False)


def true_wind(windows: Windows, positions: NDArray[np.int64]) -> Wind:
    """Wind of all frames of the windows at `positions`."""
    fields = windows.batch(positions).fields
    return _joined([{name: fields[name] for name in WIND}])


def never() -> bool:
    """Say that nobody asks to stop."""
    return False


@torch.no_grad()
def probed_wind(
    model: Network,
    windows: Windows,
    positions: NDArray[np.int64],
    should_stop: Callable[[], bool] = never,
) -> Wind:
    """Wind that the probe of `model` reads from the windows at `positions`.

    Raises:
        Interrupted: `should_stop`, asked before every few windows and at the end, said so.
    """
    device = next(model.parameters()).device
    found = []
    for batch in windows.batches(_BATCH_SIZE, positions):
        _end_if(should_stop)
        found.append(model(batch.to(device)).fields)
    _end_if(should_stop)
    return _joined(found)


def _end_if(should_stop: Callable[[], bool]) -> None:
    if should_stop():
        raise Interrupted


def _joined(batches: list[Mapping[str, torch.Tensor]]) -> Wind:
    """(2, n, H, W) of fields (B, T, H, W) by name."""
    winds = [torch.stack([fields[name] for name in WIND]).flatten(1, 2) for fields in batches]
    return torch.cat(winds, dim=1).cpu().numpy().astype(np.float64)


@dataclass(frozen=True)
class Scoring:
    """The block never trained on, and what its scores refer to."""

    windows: Windows
    """Of that block."""
    block: Block
    """Its first and last time."""
    training: NDArray[np.int64]
    """Frames of the training block."""
    positions: NDArray[np.int64]
    """Windows that are scored, each frame once."""
    truth: Wind
    climatology: Wind
    """(2, 1, H, W), m/s: mean over the training block."""
    weights: NDArray[np.float64]
    """(H,), relative areas of the rows."""

    @classmethod
    def of(cls, store: TrainingStore, length: int) -> Scoring:
        """Prepare to score windows of `length` frames of the last block.

        Raises:
            DataError: the record is too short, or has no wind.
        """
        require_wind(store)
        split = split_of(store, length)
        windows = scored_block(store, length)
        positions = disjoint(windows)
        training = split_frames(store, split, "train")
        return cls(
            windows,
            split["test"],
            training,
            positions,
            true_wind(windows, positions),
            np.stack([_time_mean(store, name, training) for name in WIND])[:, None],
            latitude_weights(store.latitude),
        )

    def scores(
        self,
        model: Network,
        prepared: Prepared,
        seed: int,
        *,
        shuffled: bool,
        should_stop: Callable[[], bool] = never,
    ) -> tuple[dict[str, float], NDArray[np.float64]]:
        """Scores of one run, and the probed eastward anomaly (H, W) of the example.

        "r2_*" are about `climatology`, "r2_about_mean_*" about the mean over block and globe, both
        against the true wind; "r2_own_target" is against what a `shuffled` arm was taught to give
        here, "r2_own_training" the same in the training block.

        Raises:
            Interrupted: `should_stop` said so.
        """
        windows = replace(self.windows, stations=prepared.train.stations)
        probed = probed_wind(model, windows, self.positions, should_stop)
        others = other_times(windows, seed)[self.positions] if shuffled else self.positions
        seen = disjoint(prepared.train)
        seen = seen[np.linspace(0, len(seen) - 1, min(len(seen), len(others))).astype(np.int64)]
        taught = seen if prepared.wind_from is None else prepared.wind_from[seen]
        before = probed_wind(model, prepared.train, seen, should_stop)
        row = self._about_both(probed) | {
            "r2_own_target": self._pooled(probed, true_wind(windows, others)),
            "r2_own_training": self._pooled(before, true_wind(prepared.train, taught)),
        }
        return row, (probed - self.climatology)[0, self._shown]

    def rivals(self) -> dict[str, dict[str, float]]:
        """Scores of `RIVALS`."""
        windows = self.windows
        ends = windows.ends[self.positions]
        frames = (ends[:, None] + np.arange(1 - windows.length, 1)).ravel()
        fitted = regressed_wind(windows.store, self.training, frames)
        known = np.broadcast_to(self.climatology, self.truth.shape)
        return {"climatology": self._about_both(known), "regression": self._about_both(fitted)}

    def example(self, probed: Mapping[str, NDArray[np.float64]]) -> Example:
        """Truth and probed anomalies (H, W) at the last frame of the window in the middle."""
        store = self.windows.store
        frame = self.windows.ends[self.positions[len(self.positions) // 2]]
        moment = str(store.times.values[frame])[:16].replace("T", " ")
        truth = (self.truth - self.climatology)[0, self._shown]
        return Example(f"{moment} UTC", store.latitude, store.longitude, truth, probed)

    @property
    def _shown(self) -> int:
        return (len(self.positions) // 2 + 1) * self.windows.length - 1

    def _pooled(self, probed: Wind, truth: Wind) -> float:
        return explained(probed, truth, self.climatology, self.weights)["pooled"]

    def _about_both(self, probed: Wind) -> dict[str, float]:
        plain = global_mean(self.truth, self.weights)
        references = {"r2": self.climatology, "r2_about_mean": plain}
        return {
            f"{start}_{name}": value
            for start, reference in references.items()
            for name, value in explained(probed, self.truth, reference, self.weights).items()
        }


def _time_mean(store: TrainingStore, name: str, frames: NDArray[np.int64]) -> Wind:
    """Mean (H, W) of a field over `frames`, read in pieces."""
    total = np.zeros(store.shape)
    for first in range(0, len(frames), CHUNK):
        total += store.field(name, frames[first : first + CHUNK]).sum(axis=0, dtype=np.float64)
    return total / len(frames)
