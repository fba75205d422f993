"""What the commands do with emulators of tracer columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from co2net_phys.assessed import Assessed
from co2net_phys.columns.figures import column_maps_figure, stability_figure
from co2net_phys.columns.models import ColumnOptions
from co2net_phys.columns.network import ColumnNetwork
from co2net_phys.columns.network_config import ColumnConfig
from co2net_phys.columns.rollout import Frame, rollout
from co2net_phys.columns.schema import (
    OFFSET_BOUNDS,
    PROFILE_DIMENSIONS,
    SHARE_BOUNDS,
    TRACER,
    VARIABLES,
)
from co2net_phys.columns.scores import stability_scores
from co2net_phys.columns.stability import Stability, compare_courses, persisted
from co2net_phys.columns.store import ColumnStore, open_columns
from co2net_phys.columns.task import ColumnTask
from co2net_phys.data.cells import cell_bounds, latitude_bounds
from co2net_phys.data.opening import explained_reading_errors, open_dataset
from co2net_phys.data.output_layout import (
    OutputVariable,
    TimeEncoding,
    latitude_longitude_template,
)
from co2net_phys.data.splits import split_frames
from co2net_phys.data.writer import StreamingWriter
from co2net_phys.devices import choose_device
from co2net_phys.distributed import Team
from co2net_phys.errors import DataError, UsageError
from co2net_phys.report import Heading, Paragraph, Picture, Table
from co2net_phys.system import Request, Trained

LAYERS = ("level_bnds", OFFSET_BOUNDS, SHARE_BOUNDS, "level", "ap", "b")
"""Of a store: what describes its layers."""

MG_PER_KG = 1e6


def task_of(options: ColumnOptions, data: Path, team: Team) -> ColumnTask:
    """Return what an emulator learns from a store of columns."""
    return ColumnTask(options, data, team)


def reconstruct(trained: Trained, data: Path, output: Path, request: Request) -> dict[str, Any]:
    """Roll an emulator out over a block of a store, the whole block from its first frames on.

    Raises
    ------
    UsageError
        An ensemble, or an option without meaning here.
    DataError
        The store does not suit the model, or the output cannot be written.
    NumericalError
        The roll-out blew up.
    """
    model, *others = trained.models
    if others or not isinstance(model, ColumnNetwork):
        raise UsageError("--checkpoint: a roll-out is of one emulator; give one member")
    request.refuse_all_but(("split",), "an emulator")
    store, split = open_columns(data), request.choices.get("split", "test")
    _require_same_columns(model.config, store)
    device = choose_device(request.device)
    frames = split_frames(store, trained.metadata.get("split", {}), split)
    if frames[-1] - frames[0] >= len(frames):
        raise UsageError(f"--split {split}: is several intervals; a roll-out needs one")
    start, steps = int(frames[0]) + model.frames, len(frames) - model.frames
    course = rollout(model.to(device), store, start, steps, device)
    with _writer(store, output, request, start, steps) as writer:
        for done, (time, field) in enumerate(course, start=1):
            writer.append(time, {TRACER: field})
            request.progress(done, steps)
    return {"frames": steps, "split": split}


def assess(predictions: Sequence[Path], truth: Path) -> Assessed:
    """Compare roll-outs with the store that they were made in, and with persistence.

    Raises
    ------
    DataError
        A roll-out is of other times or another grid than the first, or than the store.
    UsageError
        A roll-out is given twice.
    """
    store = open_columns(truth)
    files = [_opened(path, store) for path in predictions]
    start, steps = _span(files[0], predictions[0], store)
    for file, path in zip(files[1:], predictions[1:], strict=True):
        if _span(file, path, store) != (start, steps):
            raise DataError(f"{path}: other times than {predictions[0]}; roll out the same block")
    names = [_title(file) for file in files]
    if len(set(names)) < len(names) or "" in names:  # members of an ensemble have the same title
        names = list(map(str, predictions))
    if len(set(names)) < len(names):
        raise UsageError("--prediction: a file is given twice; give each roll-out once")
    runs = {
        name: _frames(file, path)
        for name, file, path in zip(names, files, predictions, strict=True)
    }
    runs["persistence"] = persisted(store, start, steps)
    stability = compare_courses(runs, store, start, steps)
    scores = stability_scores(stability)
    return Assessed(scores, _text(scores), _sections(stability, scores))


def _require_same_columns(config: ColumnConfig, store: ColumnStore) -> None:
    """Refuse a store of another grid, of other layers or with other steps than the training's."""
    thickness = np.diff(store.bounds)[..., 0].T
    same = {
        "latitudes": _same(store.latitude, config.latitude),
        "longitudes": len(store.longitude) == config.columns,
        "layers": _same(thickness, config.thickness),
        "interval between frames": _same(store.time_step, config.interval),
    }
    for name, is_same in same.items():
        if not is_same:
            raise DataError(
                f"{store.source}: other {name} than the emulator was trained with; give a store "
                "like that of its training, or train another one"
            )


def _same(found: ArrayLike, expected: ArrayLike) -> bool:
    return np.shape(found) == np.shape(expected) and np.allclose(found, expected, atol=1e-6)


def _writer(
    store: ColumnStore, output: Path, request: Request, start: int, steps: int
) -> StreamingWriter:
    template = latitude_longitude_template(
        store.latitude,
        store.longitude,
        latitude_bounds(store.latitude),
        cell_bounds(store.longitude),
    ).merge(store.dataset[[name for name in LAYERS if name in store.dataset]].load())
    attributes = VARIABLES[TRACER].attributes | {"cell_methods": "time: point"}
    return StreamingWriter(
        output,
        template=template,
        variables={TRACER: OutputVariable(attributes, PROFILE_DIMENSIONS)},
        attributes=request.attributes,
        encoding=TimeEncoding(store.times.values[start]),
        overwrite=request.overwrite,
        expected_bytes=2 * steps * store.levels * math.prod(store.shape),
    )


def _opened(path: Path, store: ColumnStore) -> xr.DataArray:
    """The tracer of a roll-out (time, level, latitude, longitude) on the grid of the store."""
    data = open_dataset(path)
    if TRACER not in data:
        raise DataError(f"{path}: no variable {TRACER!r}; give a file of `co2phys reconstruct`")
    tracer, expected = data[TRACER], (store.levels, *store.shape)
    if tracer.dims != PROFILE_DIMENSIONS or tracer.shape[1:] != expected:
        raise DataError(
            f"{path}: {TRACER!r} is {dict(tracer.sizes)}, the truth has {expected} at each time"
        )
    for name, known in (("latitude", store.latitude), ("longitude", store.longitude)):
        if name not in data.coords or not _same(data[name].values, known):
            raise DataError(f"{path}: other values of {name!r} than {store.source}")
    if "time" not in data.coords:
        raise DataError(f"{path}: no coordinate 'time'; give a file of `co2phys reconstruct`")
    return data[TRACER].assign_attrs(title=data.attrs.get("title", ""))


def _span(tracer: xr.DataArray, path: Path, store: ColumnStore) -> tuple[int, int]:
    """First frame of the store that a roll-out is of, and how many there are."""
    times = tracer["time"].values
    found = np.flatnonzero(store.times.values == times[0])
    start, steps = int(found[0]) if found.size else 0, len(times)
    if not found.size or not np.array_equal(store.times.values[start : start + steps], times):
        raise DataError(f"{path}: 'time' is not that of {store.source}; give the store of the run")
    return start, steps


def _title(tracer: xr.DataArray) -> str:
    return str(tracer.attrs["title"]).removeprefix("Output of ")


def _frames(tracer: xr.DataArray, path: Path) -> Iterator[Frame]:
    for number in range(tracer.sizes["time"]):
        with explained_reading_errors(path):
            yield tracer["time"].values[number], tracer.isel(time=number).values


def _text(scores: dict[str, Any]) -> str:
    lines = [
        f"{scores['frames']} frames, {scores['days']:.0f} days",
        f"{'':<24}{'RMSE':>10}{'burden':>10}{'drift':>10}{'columns':>10}",
        f"{'':<24}{'mg kg-1':>10}{'bias %':>10}{'% a year':>10}{'r':>10}",
    ]
    for name, row in scores["methods"].items():
        lines.append(
            f"{name:<24}{MG_PER_KG * row['rmse']:10.3g}{row['burden_bias_percent']:10.2f}"
            f"{row['drift_percent_per_year']:10.2f}{row['column_correlation']:10.3f}"
        )
    return "\n".join(lines)


def _sections(stability: Stability, scores: dict[str, Any]) -> list[Any]:
    kinds = (
        *("burden_bias_percent", "burden_rms_percent", "drift_percent_per_year"),
        *("profile_error_percent", "column_error_percent", "column_correlation"),
    )
    table = Table(
        ["roll-out", "RMSE, mg kg-1", *(kind.replace("_percent", ", %") for kind in kinds)],
        [
            [name, MG_PER_KG * row["rmse"], *(row[kind] for kind in kinds)]
            for name, row in scores["methods"].items()
        ],
        caption="Errors of the whole roll-out",
        best=[None, "min", "zero", "min", "zero", "min", "min", "max"],
        decimals=4,
    )
    return [
        Paragraph(f"{scores['frames']} frames predicted one from another."),
        table,
        Heading("Course and scales"),
        Picture(stability_figure(stability), "Burden, error, profile and spectrum of each method"),
        Heading("Columns"),
        Picture(column_maps_figure(stability), "Mean column burden of each method"),
    ]
