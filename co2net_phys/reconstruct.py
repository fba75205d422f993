"""Apply a method to the windows of a store and stream the fields to disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.architectures import network_title
from co2net_phys.batch import Batch
from co2net_phys.data.output_layout import (
    OutputVariable,
    TimeEncoding,
    latitude_longitude_template,
)
from co2net_phys.data.schema import (
    CO2,
    HELD_OUT_ATTRIBUTE,
    VARIABLES,
    standard_error_attributes,
)
from co2net_phys.data.splits import split_frames
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import Windows, window_ends
from co2net_phys.data.writer import StreamingWriter
from co2net_phys.devices import autocast
from co2net_phys.errors import DataError, NumericalError
from co2net_phys.network import Network
from co2net_phys.provenance import provenance_attributes, sha256_of
from co2net_phys.solvers.grid import Grid

Method = Callable[[Batch], Batch]
"""Anything that maps a batch to a batch with the field `CO2` (B, 1, H, W)."""

Record = tuple[int, dict[str, NDArray[np.float32]]]
"""The frame reconstructed, and its fields (H, W) by name."""


SPACING_TOLERANCE = 1e-3
"""Relative difference between time steps that rounding may leave."""


@torch.no_grad()
def records(
    method: Method,
    windows: Windows,
    batch_size: int,
    device: torch.device | None = None,
    precision: str = "fp32",
    names: Sequence[str] = (CO2,),
) -> Iterator[Record]:
    """Yield the fields called `names` of every window's last frame, in order of time.

    Raises
    ------
    NumericalError
        A field is not finite.
    """
    device = device or torch.device("cpu")
    done = 0
    for batch in windows.batches(batch_size):
        with autocast(device, precision):
            output = method(batch.to(device)).fields
        fields = {name: output[name][:, 0].float().cpu().numpy() for name in names}
        for place in range(len(batch)):
            frame = int(windows.ends[done])
            record = {name: field[place] for name, field in fields.items()}
            if not all(np.isfinite(field).all() for field in record.values()):
                moment = windows.store.times.values[frame]
                raise NumericalError(f"the reconstruction at {moment} is not finite; train again")
            yield frame, record
            done += 1


def predictions(
    method: Method,
    windows: Windows,
    batch_size: int,
    device: torch.device | None = None,
    precision: str = "fp32",
    name: str = CO2,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield (frame index, field `name` (H, W) in its unit) of every window; see `records`."""
    for frame, record in records(method, windows, batch_size, device, precision, (name,)):
        yield frame, record[name]


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
    names: Sequence[str] = (CO2,),
) -> int:
    """Write the reconstruction of every window's last frame; return how many there are.

    `names` are those of the fields to write: a variable, and perhaps its standard error.

    Raises
    ------
    DataError
        The output cannot be written; nothing is left behind.
    """

    def counted() -> Iterator[Record]:
        found = records(method, windows, batch_size, device, precision, names)
        for done, record in enumerate(found):
            yield record
            progress(done + 1)

    return write_records(
        counted(), windows, path, names, attributes=attributes, overwrite=overwrite
    )


def write_records(
    found: Iterable[Record],
    windows: Windows,
    path: Path,
    names: Sequence[str],
    *,
    attributes: Mapping[str, Any],
    overwrite: bool = False,
) -> int:
    """Write records of the fields `names` as they come; return how many windows there are.

    Raises
    ------
    DataError
        The output cannot be written; nothing is left behind.
    """
    store = windows.store
    with StreamingWriter(
        path,
        template=grid_template(store),
        variables=output_variables(names),
        attributes=attributes,
        encoding=TimeEncoding(store.times.values[windows.ends[0]], _cell_method(store, names[0])),
        overwrite=overwrite,
        expected_bytes=2 * len(names) * len(windows) * int(np.prod(store.shape)),
    ) as writer:
        for frame, record in found:
            writer.append(store.times.values[frame], record)
    return len(windows)


def output_variables(names: Sequence[str]) -> dict[str, OutputVariable]:
    """Description of a variable and, if `names` has a second one, of its standard error."""
    target, *errors = names
    attributes = VARIABLES[target].attributes
    if errors:
        attributes |= {"ancillary_variables": " ".join(errors)}
    described = {target: OutputVariable(attributes)}
    return described | {
        error: OutputVariable(standard_error_attributes(target)) for error in errors
    }


def _cell_method(store: TrainingStore, name: str) -> str:
    """Whether the store's values are instants or, as in monthly data, means over time."""
    methods = (
        str(store.dataset[name].attrs.get("cell_methods", "")) if name in store.dataset else ""
    )
    return "mean" if "time: mean" in methods else "point"


def grid_template(store: TrainingStore) -> Any:
    """Coordinates and cell bounds of a store's grid, for the writer."""
    grid = Grid.from_coordinates(store.latitude, store.longitude)
    return latitude_longitude_template(
        store.latitude, store.longitude, grid.latitude_bounds, grid.longitude_bounds
    )


def windows_of(
    model: Network, metadata: Mapping[str, Any], store: TrainingStore, split: str
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
    spacing = _frame_spacing(model, store)
    _require_same_axes(metadata, store)
    read = {*model.config.auxiliaries, model.config.target_variable} - {CO2}
    missing = sorted(read - set(store.auxiliaries))
    if missing:
        raise DataError(f"{store.source}: no variable {missing[0]!r}, which the model reads")
    frames = split_frames(store, metadata["split"], split)
    length = model.config.frames
    return Windows(
        store,
        window_ends(store, frames, length, spacing),
        store.station_indices(metadata["training_stations"]),
        length,
        with_target=False,
        spacing=spacing,
    )


def _frame_spacing(model: Network, store: TrainingStore) -> int:
    """Steps of the store between the frames of the model's windows."""
    seconds = model.config.frame_spacing_s
    steps = round(seconds / store.time_step)
    if abs(steps * store.time_step - seconds) > SPACING_TOLERANCE * seconds:
        raise DataError(
            f"{store.source}: time step {store.time_step:g} s, the model was trained on "
            f"{seconds:g} s; resample the store or train on this time step"
        )
    return steps


def _require_same_axes(metadata: Mapping[str, Any], store: TrainingStore) -> None:
    for axis, found in (("latitude", store.latitude), ("longitude", store.longitude)):
        known = metadata.get(axis)
        if known is not None and not np.allclose(found, known, atol=1e-3):
            raise DataError(
                f"{store.source}: {axis} goes from {found[0]:g} to {found[-1]:g}, the model was "
                f"trained on {known[0]:g} to {known[-1]:g}; regrid the store or train on this grid"
            )


def reconstruction_attributes(
    metadata: Mapping[str, Any],
    command: list[str],
    inputs: list[Path],
    split: str,
    members: int = 1,
) -> dict[str, Any]:
    """Global attributes of a reconstruction, with the stations it did and did not see."""
    target = metadata.get("model", {}).get("target_variable", CO2)
    what = "Surface CO2" if target == CO2 else VARIABLES[target].long_name
    network = network_title(metadata["config"])
    several = f"an ensemble of {members} networks " if members > 1 else ""
    attributes = provenance_attributes(
        f"{what} reconstructed by {several}{network}",
        f"Reconstruction of {_in_a_sentence(what)} from station observations, weather and wind.",
        command,
        metadata["config"]["seed"],
        (),
        metadata["config"],
    )
    return attributes | {
        "co2phys_input_sha256": json.dumps(_checksums(inputs)),
        "split": split,
        "training_stations": " ".join(metadata["training_stations"]),
        HELD_OUT_ATTRIBUTE: " ".join(metadata["held_out_stations"]),
    }


def _checksums(inputs: Sequence[Path]) -> dict[str, str]:
    """Checksum of each input by its name, with its folders where members have the same name."""
    names = [path.name for path in inputs]
    return {
        path.name if names.count(path.name) == 1 else "/".join(path.parts[-3:]): sha256_of(path)
        for path in inputs
    }


def _in_a_sentence(name: str) -> str:
    return name[0].lower() + name[1:]
