"""The physics bridge on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import xarray as xr

from co2net_phys.data.fields import open_dataset
from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.data.writer import write_dataset
from co2net_phys.errors import DataError
from co2net_phys.fluxes.physics_bridge import PhysicsBridge
from co2net_phys.regridding import LatLonGrid

_MONTHLY = ("time", "station")
_CONTENTS = {
    "response": (
        (*_MONTHLY, "lag", "latitude", "longitude"),
        "Response of a monthly mean mole fraction to the flux some months before",
        "umol mol-1 / (umol m-2 s-1)",
    ),
    "baseline": (_MONTHLY, "Mole fraction without net ecosystem exchange", "umol mol-1"),
    "observed": (_MONTHLY, "Observed monthly mean mole fraction", "umol mol-1"),
    "error": (_MONTHLY, "Error of the observed mean about the model", "umol mol-1"),
}


def write_physics_bridge(path: Path, bridge: PhysicsBridge, *, overwrite: bool = False) -> None:
    """Write as NetCDF or Zarr.

    Raises
    ------
    DataError
        The file exists and `overwrite` is false, or it cannot be written.
    """
    dataset = xr.Dataset(
        {
            name: (dimensions, getattr(bridge, name).numpy(), {"long_name": title, "units": unit})
            for name, (dimensions, title, unit) in _CONTENTS.items()
        },
        coords={
            "time": bridge.months.astype("datetime64[ns]"),
            "station": ("station", np.array(bridge.codes, dtype=object)),
            "latitude": bridge.grid.latitude,
            "longitude": bridge.grid.longitude,
            "latitude_edges": bridge.grid.latitude_edges,
            "longitude_edges": bridge.grid.longitude_edges,
        },
    )
    write_dataset(dataset, path, overwrite=overwrite)


def read_physics_bridge(path: Path) -> PhysicsBridge:
    """Read what `write_physics_bridge` wrote.

    Raises
    ------
    DataError
        The file cannot be read, or lacks a variable.
    """
    dataset = open_dataset(path)
    for name in (*_CONTENTS, "time", "station", "latitude_edges", "longitude_edges"):
        if name not in dataset:
            raise DataError(f"{path}: no variable {name!r}; make the bridge again")
    axes = ("latitude", "longitude", "latitude_edges", "longitude_edges")
    with explained_reading_errors(str(path)):
        values = {
            name: torch.from_numpy(dataset[name].transpose(*dimensions).values.astype(np.float64))
            for name, (dimensions, _, _) in _CONTENTS.items()
        }
    return PhysicsBridge(
        months=dataset["time"].values.astype("datetime64[M]"),
        codes=tuple(str(code) for code in dataset["station"].values),
        grid=LatLonGrid(*(dataset[name].values for name in axes)),
        **values,
    )
