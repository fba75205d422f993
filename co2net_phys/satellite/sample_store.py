"""Read a store of samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from co2net_phys.data.kinds import SAMPLES
from co2net_phys.data.opening import explained_reading_errors, open_dataset
from co2net_phys.errors import DataError, UsageError
from co2net_phys.satellite.points import TARGET, Samples
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import SAMPLE_VARIABLES


@dataclass(frozen=True)
class SampleStore:
    """Samples of a region."""

    samples: Samples
    region: Region


def holds_samples(dataset: xr.Dataset) -> bool:
    """Whether a file is a store of samples, not of maps."""
    return "sample" in dataset.sizes


def read_samples(path: Path) -> SampleStore:
    """Read all samples of a store.

    Raises
    ------
    DataError
        The store cannot be read, has another unit, a gap, no sample, or no region.
    """
    dataset = open_dataset(path, SAMPLES)
    with explained_reading_errors(path):
        samples = Samples.of(dataset, str(path)).require_complete()
    units = dataset[TARGET].attrs.get("units")
    if units != SAMPLE_VARIABLES[TARGET]:
        raise DataError(
            f"{path}: {TARGET}: is in {units!r}, expected {SAMPLE_VARIABLES[TARGET]!r}; make the "
            "samples with co2phys data fuse"
        )
    try:
        region = Region.from_json(str(dataset.attrs.get("region", "")))
    except UsageError as error:
        raise DataError(f"{path}: {error}; make the samples with co2phys data fuse") from error
    return SampleStore(samples, region)
