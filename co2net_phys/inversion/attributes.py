"""Global attributes of an inversion's file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from co2net_phys.data.schema import HELD_OUT_ATTRIBUTE
from co2net_phys.inversion.experiment import Inversion
from co2net_phys.provenance import provenance_attributes

NAMES = {"4dvar": "4D-Var", "letkf": "a local ensemble transform Kalman filter"}


def inversion_attributes(
    inversion: Inversion, inputs: Sequence[Path], period: str, command: list[str]
) -> dict[str, str]:
    """What was done, from which files, and which stations were and were not assimilated."""
    settings = inversion.settings
    frames = [int(inversion.spans[0][0]), int(inversion.frames[-1])]
    attributes = provenance_attributes(
        f"Surface CO2 and its fluxes by {NAMES[settings.method]}",
        "Inversion of station observations with the transport of the store's winds; prior and "
        "posterior CO2, fluxes and factors of the prior fluxes.",
        command,
        settings.seed,
        inputs,
        {**asdict(settings), "period": period, "frames": frames},
    )
    return attributes | {
        "training_stations": " ".join(station.code for station in inversion.training),
        HELD_OUT_ATTRIBUTE: " ".join(station.code for station in inversion.held_out),
    }
