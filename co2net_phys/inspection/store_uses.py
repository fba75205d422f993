"""What the stores of the systems are good for: satellites, columns of a tracer, land and air."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from co2net_phys.data.kinds import (
    COLUMNS,
    DRIVERS,
    INVERSIONS,
    NEE,
    SAMPLES,
    XCO2_MAPS,
    StoreKind,
)
from co2net_phys.inspection.report import Use

_FOLDER = "the folder, with drivers, towers and their sites.csv"

_USES: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    SAMPLES.holds: (
        ("training", "train --model resnet-lstm --data {path} --output runs/fusion", ""),
        ("comparing methods", "crossvalidate --samples {path} --report scores", ""),
    ),
    XCO2_MAPS.holds: (
        ("means of periods", "data periods {path} --output means.zarr", ""),
        ("a truth", "evaluate --prediction other-maps.zarr --truth {path}", ""),
    ),
    COLUMNS.holds: (
        ("training", "train --model column-emulator --data {path} --output runs/emulator", ""),
    ),
    DRIVERS.holds: (
        ("training", "train --model ec --data {folder} --output runs/ec", _FOLDER),
        ("NEE", "reconstruct --checkpoint runs/ec --data {path} --output ec.zarr", ""),
    ),
    NEE.holds: (
        ("regional bridges", "bridge --kind regional --nee {path} --output bridges.json", ""),
        ("a truth", "evaluate --prediction other-nee.zarr --truth {path}", ""),
    ),
    INVERSIONS.holds: (
        (
            "training",
            "train --model ec-atm --data {folder} --set bridges=bridges.json --output runs/ec-atm",
            f"{_FOLDER}; bridges of `co2phys bridge --kind regional`",
        ),
        ("a truth of regions", "evaluate --prediction ec.zarr --truth {path}", ""),
    ),
}
"""Purpose, command and note, by what a store holds."""

_PHYSICS_BRIDGE = "bridge --kind physics --data {folder} --output bridge.nc"


def uses_of_store(kind: StoreKind, path: str) -> tuple[Use, ...]:
    """The commands that take a store of this kind."""
    return tuple(_use(*words, path) for words in _USES[kind.holds])


def physics_bridge(path: str) -> tuple[Use, ...]:
    """What mole fractions and winds are good for where the known fluxes lie beside them."""
    place = Path(path)
    beside = [place.with_name(f"background{suffix}") for suffix in (".nc", ".zarr")]
    if place.stem != "stations" or not any(other.exists() for other in beside):
        return ()
    return (_use("a bridge from land to stations", _PHYSICS_BRIDGE, "", path),)


def _use(purpose: str, words: str, note: str, path: str) -> Use:
    folder = str(Path(path).parent)
    command = (word.format(path=path, folder=folder) for word in words.split())
    return Use(purpose, ("co2phys", *command), note)
