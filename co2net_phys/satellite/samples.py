"""Samples: one cell of the region on one day, its XCO2 and its features; written as they come."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from co2net_phys.data.writer_backends import write_zarr
from co2net_phys.satellite.covariate_store import Covariates
from co2net_phys.satellite.features import features
from co2net_phys.satellite.gridding import Cells
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import SAMPLE_VARIABLES, SENSORS, feature_names

_CHUNK_SAMPLES = 16384
"""Samples of a chunk, about 3 MB of features."""

_LONG_NAMES = {
    "time": "Day of the observations (UTC)",
    "latitude": "Centre of the cell",
    "longitude": "Centre of the cell",
    "row": "Row of the region, from the south",
    "column": "Column of the region, from the west",
    "xco2": "Column mean mole fraction of CO2 in dry air",
    "xco2_standard_error": "Standard error of the column mean",
    "sounding_count": "Soundings behind the value",
    "source": "Sensors behind the value",
    "features": "Features, in the units of their covariates",
}


def build_samples(cells: Cells, covariates: Covariates, region: Region) -> xr.Dataset:
    """Samples of gridded XCO2: dimensions sample and feature, see `SAMPLE_VARIABLES`.

    Raises:
        DataError: the covariates do not cover the region or a day.
    """
    latitude, longitude = region.latitude[cells.row], region.longitude[cells.column]
    names = feature_names(covariates.names)
    matrix = np.empty((len(cells), len(names)), dtype=np.float32)
    for day in np.unique(cells.day):
        of_day = cells.day == day
        matrix[of_day] = features(covariates, day, latitude[of_day], longitude[of_day])
    values = {
        "time": cells.day.astype("datetime64[D]").astype(np.int32),
        "latitude": latitude,
        "longitude": longitude,
        "row": cells.row.astype(np.int32),
        "column": cells.column.astype(np.int32),
        "xco2": cells.xco2,
        "xco2_standard_error": cells.standard_error,
        "sounding_count": cells.count.astype(np.int32),
        "source": cells.source,
    }
    dataset = xr.Dataset({name: ("sample", array) for name, array in values.items()})
    dataset["features"] = (("sample", "feature"), matrix)
    for name, units in SAMPLE_VARIABLES.items():
        dataset[name].attrs = {"long_name": _LONG_NAMES[name], "units": units}
    dataset["source"].attrs |= {
        "flag_masks": np.array(list(SENSORS.values()), dtype=np.int8),
        "flag_meanings": " ".join(SENSORS),
    }
    return dataset.set_coords(["time", "latitude", "longitude"]).assign_coords(
        feature=("feature", np.array(names, dtype=object))
    )


class SampleWriter:
    """Write samples block by block to a Zarr store, in chunks of one size.

    Args:
        path: of the store, new; best a temporary one, see `co2net_phys.data.atomic`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: list[xr.Dataset] = []
        self._written = 0

    @property
    def count(self) -> int:
        """Samples appended so far."""
        return self._written + sum(block.sizes["sample"] for block in self._waiting)

    def append(self, block: xr.Dataset) -> None:
        """Add the samples of a block; they reach the disk a chunk at a time."""
        self._waiting.append(block)
        while self.count - self._written >= _CHUNK_SAMPLES:
            whole = _joined(self._waiting)
            self._waiting = [whole.isel(sample=slice(_CHUNK_SAMPLES, None))]
            self._write(whole.isel(sample=slice(0, _CHUNK_SAMPLES)))

    def close(self, attributes: Mapping[str, Any]) -> None:
        """Write what waits, at least one sample in all, and the global attributes."""
        rest = _joined(self._waiting)
        if rest.sizes["sample"]:
            self._write(rest)
        self._waiting = []
        zarr.open_group(self._path, mode="r+").attrs.update(dict(attributes))

    def _write(self, block: xr.Dataset) -> None:
        if self._written:
            # Names of features are there already, and have no dimension to append along.
            block.drop_vars("feature").to_zarr(
                self._path, append_dim="sample", zarr_format=3, consolidated=False
            )
        else:
            write_zarr(block, self._path, mode="w", chunk_sizes={"sample": _CHUNK_SAMPLES})
        self._written += block.sizes["sample"]


def _joined(blocks: list[xr.Dataset]) -> xr.Dataset:
    return xr.concat(blocks, dim="sample", data_vars="minimal", coords="minimal", join="exact")
