"""Choices of the person who makes a store."""

from __future__ import annotations

from dataclasses import dataclass

from co2net_phys.regridding.conservative import COVERAGE
from co2net_phys.regridding.fields import Choice
from co2net_phys.store_building.alignment import Alignment

SOURCE_GRID = "source"
"""Name of the grid of the files, which leaves values as they are."""


@dataclass(frozen=True)
class BuildOptions:
    """How a store is made. Attributes are those of the command line.

    Attributes
    ----------
    grid
        "2x3", degrees of latitude and longitude, or "source".
    method
        Of regridding; see `co2net_phys.regridding.regrid_dataset`.
    split
        "carbontracker", "cmip6" or "blocks"; None takes `product_split` where the record holds
        frames of all its blocks, otherwise "blocks".
    product_split
        The split of the paper for this product, if it has one.
    start, end
        First and last time kept, inclusive, ISO 8601, may be cut short ("2018").
    variables
        To keep beside CO2; None keeps all of the schema.
    coverage
        Share of a target cell that must have values.
    alignment
        How auxiliaries with other times are brought to those of CO2.
    """

    grid: str = "2x3"
    method: Choice = "auto"
    split: str | None = None
    product_split: str | None = None
    start: str | None = None
    end: str | None = None
    variables: tuple[str, ...] | None = None
    coverage: float = COVERAGE
    alignment: Alignment = "linear"
