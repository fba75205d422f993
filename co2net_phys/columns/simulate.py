"""Follow a world of columns and write it to disk, from the start or from where a run stopped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from co2net_phys.columns.levels import Array, Levels
from co2net_phys.columns.schema import (
    AREA,
    BUDGET,
    GRID,
    OFFSET_BOUNDS,
    PROFILE_DIMENSIONS,
    PROFILE_VARIABLES,
    SHARE_BOUNDS,
    SURFACE_DIMENSIONS,
    TRACER,
    VARIABLES,
)
from co2net_phys.columns.world import TIME_STEP, ColumnsConfig, ColumnWorld, Step
from co2net_phys.data.output_layout import (
    OutputVariable,
    TimeEncoding,
    latitude_longitude_template,
)
from co2net_phys.data.writer_messages import saying_what_is_kept
from co2net_phys.data.writer_partial import Layout
from co2net_phys.data.writer_restart import Restart
from co2net_phys.data.writer_resumable import ResumableWriter
from co2net_phys.provenance import provenance_attributes
from co2net_phys.simulation.output import output_bytes

LOG = logging.getLogger(__name__)

INSTANTS = (TRACER, "ps")
"""Variables of the moment of a frame; all others are means over the interval that ends there."""


def simulate_columns(
    config: ColumnsConfig,
    output: Path,
    *,
    command: str | Sequence[str],
    overwrite: bool = False,
    resume: bool = False,
    progress: Callable[[int], None] = lambda frame: None,
    say: Callable[[str], None] = LOG.info,
) -> None:
    """Write a store of columns (see `co2net_phys.columns.schema`) as ``*.zarr`` or ``*.nc``.

    A run that ends early leaves its frames in ``<output>.partial.zarr``; with `resume` it goes on
    from there and gives the same bytes as without the interruption.

    Args:
        config: which world.
        output: the target; it appears, complete, at the end.
        command: command line, for the history.
        overwrite: whether an existing output may be replaced.
        resume: go on with the unfinished run of the same configuration, if there is one.
        progress: called with the number of frames done, those of the spin-up included;
            `ColumnsConfig.skipped` + `ColumnsConfig.frames` in all.
        say: called with a message that the user should see.

    Raises:
        DataError: the output exists or cannot be written, or an unfinished run is there.
        UsageError: the unfinished run is of another configuration.
    """
    world = ColumnWorld(config)
    layout = columns_layout(world, config, command)
    writer = ResumableWriter(
        output,
        layout,
        resume=resume,
        overwrite=overwrite,
        expected_bytes=output_bytes(layout) // 2,  # compression saves at least this much
    )
    if resume and writer.is_finished():
        say(f"{output}: is complete already, nothing to do")
        return
    with saying_what_is_kept(writer), writer:
        done = 0
        if writer.restart is not None:
            done = writer.restart.done
            world.take_up(writer.restart.arrays["ratio"].copy(), done * config.steps_per_frame)
            say(f"{output}: go on after {max(done - config.skipped, 0)} of {config.frames} frames")
        for number in range(done, config.skipped + config.frames):
            record = _frame(world, config.steps_per_frame)
            is_written = number >= config.skipped
            restart = Restart(number + 1, {"ratio": world.ratio.copy()})
            writer.append(record if is_written else None, restart)
            progress(number + 1)


def columns_layout(
    world: ColumnWorld, config: ColumnsConfig, command: str | Sequence[str]
) -> Layout:
    """Everything about the output but its values."""
    grid = world.grid
    template = latitude_longitude_template(
        grid.latitude, grid.longitude, grid.latitude_bounds, grid.longitude_bounds
    ).merge(level_coordinates(world.levels))
    interval = config.output_hours * 3600.0
    attributes = provenance_attributes(
        "Columns of black carbon from fires in an invented atmosphere",
        "Mass fraction of black carbon from biomass burning on terrain-following layers, with the "
        "emission, weather and mixing that made it, from a transport model with invented weather "
        "and fires. Layers are numbered from the ground up. The change of the global burden "
        "between two frames is what was emitted less what was deposited.",
        command,
        config.seed,
        (),
        config.model_dump(mode="json"),
    )
    attributes["keywords"] = "EARTH SCIENCE > ATMOSPHERE > AEROSOLS > CARBONACEOUS AEROSOLS"
    return Layout(
        template=template,
        variables=_output_variables(),
        static={AREA: grid.cell_area},
        # The frame at the start ends the spin-up.
        times=[world.clock.moment(frame * interval) for frame in range(config.frames)],
        encoding=TimeEncoding(world.clock.moment(0.0)),
        attributes=attributes,
    )


def level_coordinates(levels: Levels) -> xr.Dataset:
    """The layers as a CF hybrid coordinate with ap = 0: p = b ps, and the bounds of each layer."""
    interfaces = levels.interfaces
    bounds = np.stack([interfaces[:-1], interfaces[1:]], axis=-1)
    centre = levels.centre[:, 0, 0]
    pascal, share = {"units": "Pa"}, {"units": "1"}
    level = {
        "standard_name": "atmosphere_hybrid_sigma_pressure_coordinate",
        "long_name": "layer, from the ground up",
        "axis": "Z",
        "positive": "down",
        "units": "1",
        "formula_terms": "ap: ap b: b ps: ps",
        "bounds": "level_bnds",
    }
    return xr.Dataset(
        {
            "level_bnds": (
                ("level", "bnds"),
                bounds,
                {"formula_terms": f"ap: {OFFSET_BOUNDS} b: {SHARE_BOUNDS} ps: ps"},
            ),
            OFFSET_BOUNDS: (("level", "bnds"), np.zeros_like(bounds), pascal),
            SHARE_BOUNDS: (("level", "bnds"), bounds, share),
        },
        coords={
            "level": ("level", centre, level),
            "ap": ("level", np.zeros_like(centre), pascal | {"long_name": "ap of the layer"}),
            "b": ("level", centre, share | {"long_name": "b of the layer"}),
        },
    )


def _output_variables() -> dict[str, OutputVariable]:
    averaged = f"time: mean (interval: {TIME_STEP:g} s comment: over the time since the last frame)"
    variables = {}
    for name, variable in VARIABLES.items():
        method = "time: point" if name in INSTANTS else averaged
        dimensions = PROFILE_DIMENSIONS if name in PROFILE_VARIABLES else SURFACE_DIMENSIONS
        attributes = variable.attributes | {"cell_methods": method}
        variables[name] = OutputVariable(attributes, dimensions)
    for name, words in BUDGET.items():
        method = "point" if name == "burden" else "sum"
        attributes = {
            "long_name": words,
            "units": "kg",
            "cell_methods": f"time: {method} area: sum",
        }
        variables[name] = OutputVariable(attributes, ("time",), "float64")
    area = {"standard_name": "cell_area", "long_name": "Area of the cell", "units": "m2"}
    return variables | {AREA: OutputVariable(area, GRID, "float64")}


def _frame(world: ColumnWorld, count: int) -> dict[str, Array]:
    """Take `count` steps and return everything to write at their end."""
    total: dict[str, Array] = {}
    for _ in range(count):
        for name, values in _values(world.step()).items():
            total[name] = total[name] + values if name in total else values
    record = {name: values if name in BUDGET else values / count for name, values in total.items()}
    return record | {
        TRACER: world.ratio,
        "ps": world.pressure,
        "burden": np.asarray(world.burden),
    }


def _values(step: Step) -> Mapping[str, Array]:
    """What of a step is averaged or, of the budget, summed over the interval of a frame."""
    flow, air = step.flow, step.air
    budget = ("emitted", "dry_deposited", "wet_deposited")
    return {
        "emibc": step.emission,
        "ua": flow.u,
        "va": flow.v,
        "wap": flow.pressure_velocity,
        **{name: getattr(air, name) for name in ("tas", "pr", "prc", "bldep")},
        **{name: getattr(air, name) for name in ("ta", "hus", "edt", "mc")},
        **{name: np.asarray(getattr(step, name)) for name in budget},
    }
