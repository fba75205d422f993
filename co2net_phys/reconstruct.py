"""Apply a method to the windows of a store and stream the fields to disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.batch import Batch
from co2net_phys.data.output_layout import (
    OutputVariable,
    TimeEncoding,
    latitude_longitude_template,
)
from co2net_phys.data.schema import CO2, HELD_OUT_ATTRIBUTE, VARIABLES
from co2net_phys.data.splits import split_frames
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import Windows, window_ends
from co2net_phys.data.writer import StreamingWriter
from co2net_phys.devices import autocast
from co2net_phys.errors import DataError, NumericalError
from co2net_phys.model import CO2Net
from co2net_phys.provenance import provenance_attributes
from co2net_phys.solvers.grid import Grid

Method = Callable[[Batch], Batch]
"""Anything that maps a batch to a batch with the field `CO2` (B, 1, H, W)."""


SPACING_TOLERANCE = 1e-3
"""Relative difference between time steps that rounding may leave."""


@torch.no_grad()
def predictions(
    method: Method,
    windows: Windows,
    batch_size: int,
    device: torch.device | None = None,
    precision: str = "fp32",
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield (frame index, CO2 field (H, W) in µmol mol-1) of every window, in order of time.

    Raises
    ------
    NumericalError
        A field is not finite.
    """
    device = device or torch.device("cpu")
    done = 0
    for batch in windows.batches(batch_size):
        with autocast(device, precision):
            fields = method(batch.to(device)).fields[CO2][:, 0].float().cpu().numpy()
        for field in fields:
            frame = int(windows.ends[done])
            if not np.isfinite(field).all():
                moment = windows.store.times.values[frame]
                raise NumericalError(f"the reconstruction at {moment} is not finite; train again")
            yield frame, field
            done += 1


def reconstruct(
    method: Method,
    windows: Windows,
    path: Path,
    *,
    attributes: Mapping[str, Any],
    batch_size: int = 8,
    device: torch.device | None = None,
    precision: str = "fp32",
    overwrite: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Write the reconstruction of every window's last frame; return how many there are.

    Raises
    ------
    DataError
        The output cannot be written; nothing is left behind.
    """
    store = windows.store
    with StreamingWriter(
        path,
        template=grid_template(store),
        variables={CO2: OutputVariable(VARIABLES[CO2].attributes)},
        attributes=attributes,
        encoding=TimeEncoding(store.times.values[windows.ends[0]]),
        overwrite=overwrite,
        expected_bytes=2 * len(windows) * int(np.prod(store.shape)),
    ) as writer:
        fields = predictions(method, windows, batch_size, device, precision)
        for number, (frame, field) in enumerate(fields):
            writer.append(store.times.values[frame], {CO2: field})
            progress(number + 1)
    return len(windows)


def grid_template(store: TrainingStore) -> Any:
    """Coordinates and cell bounds of a store's grid, for the writer."""
    grid = Grid.from_coordinates(store.latitude, store.longitude)
    return latitude_longitude_template(
        store.latitude, store.longitude, grid.latitude_bounds, grid.longitude_bounds
    )


def windows_of(
    model: CO2Net, metadata: Mapping[str, Any], store: TrainingStore, split: str
) -> Windows:
    """The windows of one block of `store`, with the stations the model was trained with.

    Raises
    ------
    DataError
        The store has another grid or time step, lacks a variable or station, or has no
        frame in the block.
    """
    if store.shape != model.config.grid:
        raise DataError(
            f"{store.source}: grid {store.shape}, the model was trained on {model.config.grid}; "
            "regrid the store or train on this grid"
        )
    _require_same_axes(model, metadata, store)
    missing = [name for name in model.config.auxiliaries if name not in store.auxiliaries]
    if missing:
        raise DataError(f"{store.source}: no variable {missing[0]!r}, which the model reads")
    frames = split_frames(store, metadata["split"], split)
    length = model.config.frames
    return Windows(
        store,
        window_ends(store, frames, length),
        store.station_indices(metadata["training_stations"]),
        length,
        with_target=False,
    )


def _require_same_axes(model: CO2Net, metadata: Mapping[str, Any], store: TrainingStore) -> None:
    spacing = model.config.frame_spacing_s
    if abs(store.time_step - spacing) > SPACING_TOLERANCE * spacing:
        raise DataError(
            f"{store.source}: time step {store.time_step:g} s, the model was trained on "
            f"{spacing:g} s; resample the store or train on this time step"
        )
    for axis, found in (("latitude", store.latitude), ("longitude", store.longitude)):
        known = metadata.get(axis)
        if known is not None and not np.allclose(found, known, atol=1e-3):
            raise DataError(
                f"{store.source}: {axis} goes from {found[0]:g} to {found[-1]:g}, the model was "
                f"trained on {known[0]:g} to {known[-1]:g}; regrid the store or train on this grid"
            )


def reconstruction_attributes(
    metadata: Mapping[str, Any], command: list[str], inputs: list[Path], split: str
) -> dict[str, Any]:
    """Global attributes of a reconstruction, with the stations it did and did not see."""
    attributes = provenance_attributes(
        f"Surface CO2 reconstructed by CO2-Net {metadata['config']['size']}",
        "Reconstruction of surface CO2 from station observations, weather and wind.",
        command,
        metadata["config"]["seed"],
        inputs,
        metadata["config"],
    )
    return attributes | {
        "split": split,
        "training_stations": " ".join(metadata["training_stations"]),
        HELD_OUT_ATTRIBUTE: " ".join(metadata["held_out_stations"]),
    }
