"""Which product an open file is of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import xarray as xr

from co2net_phys.data.coordinates import find_coordinate
from co2net_phys.data.kinds import (
    COLUMNS,
    KINDS,
    SAMPLES,
    SURFACE,
    XCO2_MAPS,
    StoreKind,
    kind_of,
)
from co2net_phys.data.schema import CO2, HELD_OUT_ATTRIBUTE
from co2net_phys.errors import DataError
from co2net_phys.inspection.report import Kind, Problem
from co2net_phys.products import carbontracker, observation_file, obspack
from co2net_phys.products.cmip6_identity import Identity, identity

CARBONTRACKER, CMIP6, CMIP5, GEOS_CHEM = "CarbonTracker", "CMIP6", "CMIP5", "GEOS-Chem"
STORE, RECONSTRUCTION = "co2phys training store", "co2phys reconstruction"
WIND, OBSERVATIONS = "co2phys recovered wind", "co2phys observations"
SYSTEM_STORES: Mapping[str, StoreKind] = {
    f"co2phys {kind.holds}": kind for kind in KINDS if kind != SURFACE
}
"""What the systems read and write, by the name of the product."""

_FLUXES = re.compile(r"^(bio|ocn|ocean|fossil|fire)s?(_flux)?_(opt|imp)")
_MONTH_NAME = re.compile(r"[_.]\d{4}-?\d{2}\.nc4?$")
_RELEASE = re.compile(r"\bCT(-NRT\.v)?\d{4}[\w-]*")
_ECMWF = re.compile(r"\b(ECMWF|ERA-?Interim|ERA-?5|CAMS)\b", re.IGNORECASE)
_DESCRIBING = ("title", "source", "institution", "Info", "history")


@dataclass(frozen=True)
class Origin:
    """What a file is.

    Attributes:
        product: its name, or that of its format.
        kind: see `co2net_phys.inspection.report.Kind`.
        identity: what tells its series from others of the product.
    """

    product: str
    kind: Kind
    identity: Mapping[str, str] = field(default_factory=dict)


def recognise(dataset: xr.Dataset, path: Path) -> Origin:
    """What an open NetCDF file or Zarr store is, by its contents first."""
    if observation_file.is_observation_file(dataset):
        return Origin(OBSERVATIONS, "stations")
    if "determined_components" in dataset:
        return Origin(WIND, "grid")
    if HELD_OUT_ATTRIBUTE in dataset.attrs and CO2 in dataset:
        return Origin(RECONSTRUCTION, "store")
    is_own = "co2phys_version" in dataset.attrs  # others have files of surface CO2 and of XCO2
    if is_own and SURFACE.matches(dataset):
        return Origin(STORE, "store")
    found = kind_of(dataset)
    if found is not None and (is_own or found not in (SURFACE, XCO2_MAPS)):
        # Columns have winds and tracers that other commands take as those of any grid.
        return Origin(f"co2phys {found.holds}", "grid" if found == COLUMNS else "store")
    if obspack.is_obspack(dataset):
        return Origin("ObsPack", "stations")
    if carbontracker.is_carbontracker(dataset, path):
        return Origin(CARBONTRACKER, "grid", _release(dataset, path))
    if any(_FLUXES.match(str(name)) for name in dataset.data_vars):
        return Origin("CarbonTracker fluxes", "grid", _release(dataset, path))
    if is_cmip(dataset, path):
        return _of_cmip(dataset, path)
    kind: Kind = "grid" if gridded_variables(dataset) else "other"
    text = " ".join(str(dataset.attrs.get(name, "")) for name in _DESCRIBING)
    if "GEOS-Chem" in text or any(str(n).startswith("SpeciesConc") for n in dataset.data_vars):
        return Origin(GEOS_CHEM, kind)
    if _ECMWF.search(text):
        return Origin("ECMWF", kind)
    return Origin("CF grid" if kind == "grid" else "NetCDF", kind)


def is_cmip(dataset: xr.Dataset, path: Path) -> bool:
    """Whether a file is of CMIP, by its attributes, those of its variable, or its name."""
    eras = [str(dataset.attrs.get(name, "")) for name in ("mip_era", "project_id")]
    eras += [str(array.attrs.get("associated_files", "")) for array in dataset.values()]
    named = re.match(r"^\w+?_\w+?_[^_]+_[^_]+_r\d+i\d+p\d+", path.name)
    return bool(named) or any("CMIP" in era for era in eras)


def contradictions(dataset: xr.Dataset, path: Path) -> list[Problem]:
    """Where the name of a CMIP file says something else than its attributes."""
    bare = dataset.copy()
    bare.attrs = {}
    try:
        named, told = identity(bare, path), identity(dataset, path)
    except DataError:
        return []
    return [
        Problem(
            "warning",
            "identity",
            f"the name of {path.name} says {key} {getattr(named, key)}, its attributes "
            f"{getattr(told, key)}; the attributes count",
        )
        for key in ("source", "experiment", "member", "table")
        if getattr(named, key) and getattr(named, key) != getattr(told, key)
    ]


def gridded_variables(dataset: xr.Dataset) -> list[str]:
    """Variables that have a latitude and a longitude and are no bounds; samples make no grid."""
    if SAMPLES.matches(dataset):
        return []
    bounds = {str(array.attrs.get("bounds", "")) for array in dataset.variables.values()}
    names = [str(n) for n in dataset.data_vars if str(n) not in bounds and dataset[n].ndim > 0]
    return [
        name
        for name in names
        if not name.endswith(("_bnds", "_bounds"))
        and all(find_coordinate(dataset, name, role) for role in ("latitude", "longitude"))
    ]


def _release(dataset: xr.Dataset, path: Path) -> dict[str, str]:
    """Release of CarbonTracker, and whether the file holds a monthly mean."""
    found = _RELEASE.search(path.name) or _RELEASE.search(str(dataset.attrs.get("title", "")))
    means = "monthly mean" if _MONTH_NAME.search(path.name) else "3-hourly"
    return {"release": found[0] if found else "", "frequency": means}


def _of_cmip(dataset: xr.Dataset, path: Path) -> Origin:
    era = str(dataset.attrs.get("mip_era", "")) or str(dataset.attrs.get("project_id", ""))
    member = re.search(r"_r\d+i\d+p\d+(f\d+)?", path.name)
    is_fifth = era == "CMIP5" or (not era and (member is None or member[1] is None))
    try:
        told = identity(dataset, path)
    except DataError:
        return Origin("CF grid", "grid" if gridded_variables(dataset) else "other")
    known = {entry.name: getattr(told, entry.name) for entry in fields(Identity)}
    kind: Kind = "grid" if gridded_variables(dataset) else "other"
    return Origin(CMIP5 if is_fifth else CMIP6, kind, known)
