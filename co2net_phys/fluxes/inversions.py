"""Regional monthly exchange as an ensemble of atmospheric inversions sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.kinds import INVERSIONS
from co2net_phys.data.opening import open_dataset
from co2net_phys.data.writer import write_dataset
from co2net_phys.errors import DataError
from co2net_phys.fluxes.schema import QUANTITIES, REGION_CODES, REGIONAL_NEE, require

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Inversions:
    """Sums over regions and months."""

    months: NDArray[np.datetime64]
    """(M,) datetime64[M], consecutive."""
    nee: Array
    """(A, M, 18) Pg of carbon in the month, positive into the air."""

    @property
    def mean(self) -> Array:
        """Mean (M, 18) of the members."""
        return np.asarray(self.nee.mean(axis=0))

    @property
    def range(self) -> Array:
        """Largest less smallest member (M, 18)."""
        return np.asarray(np.ptp(self.nee, axis=0))


def write_inversions(inversions: Inversions, path: str | Path, *, overwrite: bool = False) -> None:
    """Write the ensemble as NetCDF or Zarr, see `co2net_phys.fluxes.schema`."""
    names = [f"member {number}" for number in range(len(inversions.nee))]
    data = xr.Dataset(
        {REGIONAL_NEE: (("member", "time", "region"), inversions.nee)},
        coords={
            "member": np.array(names, dtype=object),
            "time": inversions.months.astype("datetime64[ns]"),
            "region": np.array(REGION_CODES, dtype=object),
        },
    )
    data[REGIONAL_NEE].attrs = QUANTITIES[REGIONAL_NEE].attributes
    write_dataset(data, path, overwrite=overwrite)


def read_inversions(path: str | Path) -> Inversions:
    """Read an ensemble of inversions.

    Raises:
        DataError: the file cannot be read, lacks a region, or has gaps.
    """
    source = str(path)
    with open_dataset(path, INVERSIONS) as data:
        require(data, source, (REGIONAL_NEE,), ("member", "time", "region"))
        codes = [str(code) for code in data["region"].values]
        missing = [code for code in REGION_CODES if code not in codes]
        if missing:
            raise DataError(f"{source}: region: lacks {', '.join(missing)}; add them")
        order = [codes.index(code) for code in REGION_CODES]
        field = data[REGIONAL_NEE].transpose("member", "time", "region").values[..., order]
        months = data["time"].values.astype("datetime64[M]")
    if not np.isfinite(field).all():
        raise DataError(f"{source}: {REGIONAL_NEE}: holds missing values; give whole months only")
    if np.any(np.diff(months) != np.timedelta64(1, "M")):
        raise DataError(f"{source}: time: is not one value a month; average or fill it first")
    return Inversions(months, field.astype(np.float64))
