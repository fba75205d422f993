"""Regional bridges: the NEE of a few pixels of a region to the sum over the whole of it.

A bridge is the sparse linear model Θ, b of section 3.4 of Upton et al. (2024,
doi:10.5194/acp-24-2555-2024). It lets a flux model be compared with regional totals at every step
of its training without being run everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from torch import Tensor, nn

from co2net_phys.data.atomic import atomic_write_bytes
from co2net_phys.errors import DataError
from co2net_phys.fluxes.schema import REGION_CODES

SAME_DEGREES = 1e-3
"""How far a pixel's centre may be from that of the cell it is looked up as."""

Numbers = Annotated[tuple[Annotated[float, Field(allow_inf_nan=False)], ...], Field(min_length=1)]


class Bridge(BaseModel):
    """The sparse linear model of one region, and how good it is."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    region: str
    """Its code."""
    latitude: Numbers
    """Of the contributing pixels, degrees north."""
    longitude: Numbers
    """Of the contributing pixels, degrees east."""
    coefficients: Numbers
    """Θ, Pg d-1 of carbon for each g m-2 d-1 at a pixel."""
    intercept: float
    """b, Pg d-1 of carbon."""
    alpha: float
    """Weight of the L1 norm at which it was found, of series with unit variance."""
    training_r2: float
    """Coefficient of determination of the daily sums that it was fitted to."""
    test_r2: float
    """The same of blocks of time that were left out in turn."""
    candidates: int
    """Pixels that it was chosen from."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.region not in REGION_CODES:
            raise ValueError(f"no region is called {self.region!r}")
        if not len(self.latitude) == len(self.longitude) == len(self.coefficients):
            raise ValueError("latitude, longitude and coefficients differ in length")
        return self


_BRIDGES = TypeAdapter(tuple[Bridge, ...])


def write_bridges(path: Path, bridges: Sequence[Bridge], *, overwrite: bool = False) -> None:
    """Write bridges as JSON.

    Raises
    ------
    DataError
        The file exists and `overwrite` is false, or it cannot be written.
    """
    atomic_write_bytes(path, _BRIDGES.dump_json(tuple(bridges), indent=1), overwrite=overwrite)


def read_bridges(path: Path) -> tuple[Bridge, ...]:
    """Read what `write_bridges` wrote.

    Raises
    ------
    DataError
        The file cannot be read, or does not hold bridges of different regions.
    """
    try:
        bridges = _BRIDGES.validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); make it with `co2phys bridge`, and pass "
            "--set bridges=FILE"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise DataError(f"{path}: {where}: {first['msg']}; fit the bridges again") from error
    codes = [bridge.region for bridge in bridges]
    if not codes or len(set(codes)) < len(codes):
        raise DataError(f"{path}: region: none, or one twice; fit the bridges again")
    return bridges


class BridgeOperator(nn.Module):
    """All bridges at once, on the pixels that contribute to any of them.

    Attributes
    ----------
    pixels
        (N, 2) rows and columns of the grid.
    regions
        (R,) numbers of the regions, in the order of the bridges.

    Parameters
    ----------
    bridges
        Of R regions.
    latitude, longitude
        Of the grid, degrees.

    Raises
    ------
    DataError
        The grid has no cell at a pixel.
    """

    coefficients: Tensor
    intercepts: Tensor

    def __init__(
        self,
        bridges: Sequence[Bridge],
        latitude: NDArray[np.float64],
        longitude: NDArray[np.float64],
    ) -> None:
        super().__init__()
        places = [_cells(bridge, latitude, longitude) for bridge in bridges]
        self.pixels, position = np.unique(np.concatenate(places), axis=0, return_inverse=True)
        self.regions = np.array([REGION_CODES.index(bridge.region) for bridge in bridges])
        matrix = np.zeros((len(self.pixels), len(bridges)))
        column = np.repeat(np.arange(len(bridges)), [len(place) for place in places])
        np.add.at(
            matrix,
            (position.ravel(), column),
            np.concatenate([bridge.coefficients for bridge in bridges]),
        )
        self.register_buffer("coefficients", torch.from_numpy(matrix), persistent=False)
        intercepts = torch.tensor([bridge.intercept for bridge in bridges], dtype=torch.float64)
        self.register_buffer("intercepts", intercepts, persistent=False)

    def forward(self, nee: Tensor) -> Tensor:
        """Regional sums (..., R) in Pg d-1 of NEE (..., N) in g m-2 d-1 at the pixels."""
        kind = nee.dtype
        return nee @ self.coefficients.to(kind) + self.intercepts.to(kind)

    def monthly(self, nee: Tensor, months: Tensor) -> Tensor:
        """Monthly totals (M, R) in Pg of daily NEE (D, N); `months` (D,) numbers them from 0.

        Equation 5 has the mean over the days of a month; times their number it is the total, as
        inversions give it.
        """
        daily = self(nee)
        totals = daily.new_zeros(int(months.max()) + 1, daily.shape[1])
        return totals.index_add(0, months, daily)


def _cells(
    bridge: Bridge, latitude: NDArray[np.float64], longitude: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Rows and columns (n, 2) of a bridge's pixels."""
    north = np.abs(latitude - np.array(bridge.latitude)[:, None])
    east = np.abs((longitude - np.array(bridge.longitude)[:, None] + 180) % 360 - 180)
    rows, columns = north.argmin(axis=1), east.argmin(axis=1)
    pixel = np.arange(len(rows))
    off = np.maximum(north[pixel, rows], east[pixel, columns]).max()
    if off > SAME_DEGREES:
        raise DataError(
            f"bridge {bridge.region}: latitude, longitude: no cell of the grid has a pixel's "
            "centre; fit the bridges on the grid of the drivers"
        )
    return np.stack([rows, columns], axis=1)
