"""Which run and which variable a CMIP file belongs to: by its attributes, else by its name."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import xarray as xr

from co2net_phys.errors import DataError

_NAME = re.compile(
    r"^(?P<variable>[A-Za-z0-9]+)_(?P<table>[A-Za-z0-9]+)_(?P<source>[^_]+)_(?P<experiment>[^_]+)_"
    r"(?P<member>r\d+i\d+p\d+(f\d+)?)(_(?P<grid>g[a-z0-9]+))?(_[\d-]+)?(_\w+)?\.nc$"
)
_ATTRIBUTES = {
    "table": ("table_id",),
    "source": ("source_id", "model_id"),
    "experiment": ("experiment_id",),
    "member": ("variant_label",),
    "grid": ("grid_label",),
    "frequency": ("frequency",),
}
_WORDS = {
    "source": "the model",
    "experiment": "the experiment",
    "member": "the member",
    "grid": "the grid",
    "frequency": "the frequency",
    "table": "the table",
}


@dataclass(frozen=True)
class Identity:
    """What a file is part of; ``""`` where it does not say.

    Attributes:
        variable: name in the file, for example "co2s".
        table: for example "Emon".
        source: the model.
        experiment, member, grid: for example "historical", "r1i1p1f1", "gn".
        frequency: "mon", "day", "3hr", …, "fx" for static fields.
    """

    variable: str
    table: str = ""
    source: str = ""
    experiment: str = ""
    member: str = ""
    grid: str = ""
    frequency: str = ""

    @property
    def is_static(self) -> bool:
        """Whether the file holds a field that does not change in time."""
        return self.frequency == "fx" or self.table == "fx"


def identity(dataset: xr.Dataset, path: Path) -> Identity:
    """Return the identity of an open file.

    Raises:
        DataError: nothing tells which of several variables it is about.
    """
    found = _NAME.match(path.name)
    told = {k: v for k, v in (found.groupdict() if found else {}).items() if v}
    for key, names in _ATTRIBUTES.items():
        for name in names:
            if str(dataset.attrs.get(name, "")).strip():
                told[key] = str(dataset.attrs[name]).strip()
    told["variable"] = _variable(dataset, path, told.get("variable", ""))
    told["frequency"] = told.get("frequency", "").removesuffix("Pt")
    # CMIP5 writes "Table Amon (31 January 2011) …".
    told["table"] = re.sub(r"^Table (\w+).*", r"\1", told.get("table", ""))
    known = {entry.name for entry in fields(Identity)}
    return Identity(**{key: value for key, value in told.items() if key in known})


def refuse_mixed_runs(identities: Mapping[Path, Identity]) -> None:
    """Raise unless all files are of one run; static fields need only be of the same model.

    Raises:
        DataError: naming two files and what tells them apart.
    """
    dated = {path: entry for path, entry in identities.items() if not entry.is_static}
    _refuse_two(identities, "source")
    for key in ("experiment", "member", "grid", "frequency"):
        _refuse_two(dated, key)
    for variable in {entry.variable for entry in dated.values()}:
        _refuse_two({p: e for p, e in dated.items() if e.variable == variable}, "table")


def _refuse_two(identities: Mapping[Path, Identity], key: str) -> None:
    """Raise if two files differ in one attribute."""
    seen: dict[str, Path] = {}
    for path, entry in identities.items():
        if getattr(entry, key):
            seen.setdefault(getattr(entry, key), path)
    if len(seen) > 1:
        (one, first), (two, second) = list(seen.items())[:2]
        raise DataError(
            f"{second}: {_WORDS[key]} is '{two}', but in {first} it is '{one}'; give the files of "
            "one at a time"
        )


def _variable(dataset: xr.Dataset, path: Path, by_name: str) -> str:
    """Return the variable that the file is about."""
    for name in (str(dataset.attrs.get("variable_id", "")), by_name):
        if name in dataset.data_vars:
            return name
    candidates = _main_variables(dataset)
    if len(candidates) == 1:
        return candidates[0]
    listed = ", ".join(candidates[:8]) or "no variable at all"
    raise DataError(
        f"{path}: nothing tells which variable it is about ({listed}); CMIP files hold one each, "
        "named in the attribute variable_id"
    )


def _main_variables(dataset: xr.Dataset) -> list[str]:
    """Return the variables that are neither bounds nor parts of a vertical coordinate."""
    bounds = {str(dataset[name].attrs.get("bounds", "")) for name in dataset.variables}
    most = max((dataset[name].ndim for name in dataset.data_vars), default=0)
    names: Iterable[str] = map(str, dataset.data_vars)
    return [
        name
        for name in names
        if name not in bounds
        and not name.endswith(("_bnds", "_bounds"))
        and dataset[name].ndim == most
    ]
