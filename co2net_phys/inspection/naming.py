"""Which variables of a file the readers know, and what they make of them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import xarray as xr

from co2net_phys.data.schema import CO2, VARIABLES
from co2net_phys.inspection.recognition import CARBONTRACKER, CMIP5, CMIP6, STORE, Origin
from co2net_phys.products.gridded import recognised

COLUMNS = ("xco2", "tcco2")
"""Lower-case names of CO2 that is the mean of the whole column of air."""

CARBONTRACKER_NAMES: Mapping[str, str] = {
    "co2": CO2,
    "pressure": "ps",
    "press": "ps",
    "specific_humidity": "huss",
    "temperature": "tas",
    "temp": "tas",
    "u": "uas",
    "v": "vas",
    "gph": "gph",
    "orography": "oro",
}
"""Name in a training store of the variables of CarbonTracker, of all releases."""

CMIP_NAMES: Mapping[str, str] = {
    "co2s": CO2,
    "co2": CO2,
    "co23D": CO2,
    "orog": "oro",
    "zg": "gph",
    **{name: name for name in ("tas", "uas", "vas", "huss", "ps")},
}
"""The same for the variables of CMIP."""


def schema_names(dataset: xr.Dataset, origin: Origin) -> dict[str, str]:
    """Name in a training store of every variable of a file that has a place there."""
    if origin.product == CARBONTRACKER:
        known = CARBONTRACKER_NAMES
    elif origin.product in (CMIP5, CMIP6):
        variable = origin.identity["variable"]
        known = {variable: CMIP_NAMES[variable]} if variable in CMIP_NAMES else {}
    elif origin.kind == "store" or origin.product == STORE:
        known = {name: name for name in VARIABLES}
    elif origin.kind == "grid":
        known = {variable: name for name, variable in recognised(dataset).items()}
    else:
        known = {}
    return {name: schema for name, schema in known.items() if name in dataset}


def main_variable(dataset: xr.Dataset, names: Mapping[str, str], gridded: list[str]) -> str | None:
    """The variable whose grid and times stand for the file: CO2, else known ones, else large."""
    by_schema = {schema: name for name, schema in names.items()}
    for schema in (CO2, *VARIABLES):
        if schema in by_schema and by_schema[schema] in gridded:
            return by_schema[schema]
    sizes: dict[Hashable, tuple[int, int]] = {
        name: (dataset[name].ndim, dataset[name].size) for name in gridded
    }
    return max(gridded, key=lambda name: sizes[name]) if gridded else None
