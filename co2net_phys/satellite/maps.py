"""Daily maps of XCO2 without gaps, of any region, tile by tile.

One tile is in memory at a time: its features, its prediction, and nothing that grows with the
region or the record. A tile is a chunk of the output, so it is written once and never read back,
and a run that was stopped goes on at the first chunk that is not there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import xarray as xr
import zarr

from co2net_phys.data.atomic import explained_writing_errors, prepare_target, publish, remove
from co2net_phys.data.output_layout import (
    CONVENTIONS,
    FILL_VALUE,
    OutputVariable,
    TimeEncoding,
    coverage_attributes,
    latitude_longitude_template,
)
from co2net_phys.data.writer import is_zarr_path
from co2net_phys.data.writer_backends import filled, write_zarr, zarr_variable
from co2net_phys.data.writer_identity import attributes_of, refuse_another_run
from co2net_phys.data.writer_lock import locked, one_at_a_time
from co2net_phys.errors import DataError, UsageError
from co2net_phys.satellite.covariate_store import Covariates
from co2net_phys.satellite.features import features
from co2net_phys.satellite.points import TARGET, Days, Floats, Points, Predictor, prediction
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import feature_names
from co2net_phys.satellite.tiles import Tile, TileSize, cells_of, tile_count, tiles

XCO2 = OutputVariable(
    {
        "standard_name": "dry_atmosphere_mole_fraction_of_carbon_dioxide",
        "long_name": "Column-averaged dry-air mole fraction of CO2 (XCO2)",
        "units": "umol mol-1",
    }
)

TILING = "co2phys_tiling"
"""Attribute with region, days and tile size of a store: what a continued run must agree with."""


def tile_points(covariates: Covariates, region: Region, days: Days, tile: Tile) -> Points:
    """Every cell of a tile on every day, days first, then rows, then columns.

    Features come from the very function that gives samples theirs.
    """
    time, latitude, longitude = cells_of(region, days, tile)
    names = feature_names(covariates.names)
    values = np.empty((len(time), len(names)), np.float32)
    of_day = np.split(np.arange(len(time)), tile.shape[0])
    for day, rows in zip(days[tile.days], of_day, strict=True):
        values[rows] = features(covariates, day, latitude[rows], longitude[rows])
    return Points(time, latitude, longitude, values, names)


def tile_map(
    predictor: Predictor, covariates: Covariates, region: Region, days: Days, tile: Tile
) -> Floats:
    """XCO2 (days, rows, columns) of a tile, NaN where a feature is missing."""
    points = tile_points(covariates, region, days, tile)
    return prediction(predictor, points).reshape(tile.shape)


def write_maps(
    predictor: Predictor,
    covariates: Covariates,
    region: Region,
    days: Days,
    path: Path,
    *,
    attributes: Mapping[str, str | float],
    size: TileSize | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write daily maps of XCO2 as a Zarr store that appears when it is complete.

    Args:
        predictor: a fitted method.
        covariates: of the whole region, for all days.
        region: what is mapped.
        days: ascending, datetime64[D].
        path: ``*.zarr``; while the run goes on, its tiles are in ``<name>.partial.zarr``.
        attributes: provenance, for the store; a continued run must have the same inputs in it.
        size: of a tile, which is a chunk of the store.
        overwrite: whether `path`, and without `resume` an unfinished run, may be replaced.
        resume: go on where an earlier run of the same configuration stopped.
        progress: called after each tile with the number done and that of all.

    Raises
    ------
    UsageError
        The name is not that of a Zarr store; an unfinished run had another configuration, region,
        days or tiles.
    DataError
        The output exists or cannot be written, or another process is writing it.
    """
    if not is_zarr_path(path):
        raise UsageError(f"--output {path}: maps are written tile by tile; name it *.zarr")
    if len(days) == 0 or (np.diff(days) <= np.timedelta64(0, "D")).any():
        raise UsageError("the days of the maps must ascend, and be one or more")
    size = size or TileSize()
    prepare_target(path, overwrite=overwrite)
    partial = path.with_name(f"{path.name}.partial.zarr")
    described = {**attributes, TILING: _tiling(region, days, size)}
    with explained_writing_errors(path):
        # Two that start together must see each other, not the other's half-made store.
        with one_at_a_time(path.parent):
            claim = _begin(
                partial, region, days, size, described, overwrite=overwrite, resume=resume
            )
        try:
            _fill(
                partial, lambda t: tile_map(predictor, covariates, region, days, t), size, progress
            )
            publish(partial, path)
        finally:
            os.close(claim)


def _fill(
    store: Path,
    values_of: Callable[[Tile], Floats],
    size: TileSize,
    progress: Callable[[int, int], None],
) -> None:
    """Write all tiles that are not there yet."""
    # A chunk without a value must be written too: that it is there says that it is done.
    with zarr.config.set({"array.write_empty_chunks": True}):
        maps = zarr.open_array(store / TARGET, mode="r+")
    days, rows, columns = maps.shape
    total = tile_count((days, rows, columns), size)
    for done, tile in enumerate(tiles((days, rows, columns), size), start=1):
        if not _chunk(store, tile, size).exists():
            maps[tile] = filled(values_of(tile).astype(np.float32))
        progress(done, total)


def _chunk(store: Path, tile: Tile, size: TileSize) -> Path:
    """File of a tile. Zarr renames it into place, so it is complete if it exists."""
    numbers = (part.start // step for part, step in zip(tile, size, strict=True))
    return store.joinpath(TARGET, "c", *map(str, numbers))


def _begin(
    partial: Path,
    region: Region,
    days: Days,
    size: TileSize,
    attributes: Mapping[str, str | float],
    *,
    overwrite: bool,
    resume: bool,
) -> int:
    """Make the unfinished store, or make sure that it is one of this very run; return the claim."""
    with ExitStack() as claims:
        if partial.exists():
            claim = locked(partial)  # before anything: it may be another process that writes it
            claims.callback(os.close, claim)
            if resume:
                _refuse_other_maps(partial, attributes)
                claims.pop_all()
                return claim
            if not overwrite:
                raise DataError(
                    f"{partial}: is of an unfinished run; go on with --resume, or begin again with "
                    "--overwrite"
                )
        beginning = partial.with_name(f"{partial.name}.new")
        remove(beginning)
        remove(partial)
        chunks = dict(zip(XCO2.dimensions, size, strict=True))
        empty = empty_maps(region, days, attributes)
        write_zarr(empty, beginning, mode="w", chunk_sizes=chunks, compute=False)
        os.rename(beginning, partial)
        return locked(partial)


def _refuse_other_maps(partial: Path, attributes: Mapping[str, str | float]) -> None:
    """Raise unless an unfinished store is of this configuration, inputs, region, days, tiles."""
    there = attributes_of(partial)
    refuse_another_run(partial, there, attributes)
    if there.get(TILING) != attributes[TILING]:
        raise UsageError(
            f"{partial}: cannot be resumed, its region, days or tiles are others; repeat the "
            "options of its first start, or begin again with --overwrite"
        )


def empty_maps(region: Region, days: Days, attributes: Mapping[str, str | float]) -> xr.Dataset:
    """The description of daily maps: coordinates, attributes, and values that are never made."""
    encoding = TimeEncoding(days[0].astype("datetime64[s]"), cell_method="mean")
    template = latitude_longitude_template(
        region.latitude, region.longitude, region.latitude_edges, region.longitude_edges
    )
    hours = np.array([encoding.hours(day) for day in days])
    data = template.assign_coords(time=xr.Variable("time", hours, dict(encoding.attributes)))
    values = dask.array.full(  # type: ignore[no-untyped-call]
        (len(days), *region.shape), FILL_VALUE, dtype=np.float32, chunks=-1
    )
    data[TARGET] = zarr_variable(XCO2, template, encoding.cell_method, values)
    covered = coverage_attributes(template, encoding, days[0], days[-1])
    return data.assign_attrs({**covered, **attributes, "Conventions": CONVENTIONS})


def _tiling(region: Region, days: Days, size: TileSize) -> str:
    """Region, days and tiles as one line."""
    gaps = np.flatnonzero(np.diff(days) != np.timedelta64(1, "D"))
    parts: dict[str, Any] = {
        "region": asdict(region),
        "days": [str(days[0]), str(days[-1]), len(days), [str(days[gap]) for gap in gaps]],
        "size": list(size),
    }
    return json.dumps(parts)
