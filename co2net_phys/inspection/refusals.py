"""Ask the reader itself whether it takes a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from co2net_phys.errors import DataError
from co2net_phys.inspection.opening import captured_warnings
from co2net_phys.inspection.recognition import CARBONTRACKER, CMIP5, CMIP6, Origin
from co2net_phys.inspection.report import Problem
from co2net_phys.inspection.sources import reason_of
from co2net_phys.products import carbontracker, cmip6


def refusals(path: Path, origin: Origin, known: Sequence[Problem]) -> list[Problem]:
    """What the reader of CarbonTracker or CMIP objects to in one file, beyond what is known.

    It looks at the coordinates and at the values of up to eight records.

    Args:
        path: of the file.
        origin: what it is.
        known: problems found already; with one about units the reader gets no further.
    """
    if any(problem.severity == "error" for problem in known):
        return []
    try:
        with captured_warnings():
            if origin.product == CARBONTRACKER:
                carbontracker.read([path])
            elif origin.product in (CMIP5, CMIP6):
                cmip6.read([path], variables=[origin.identity["variable"]])
    except DataError as error:
        return [Problem("error", "files", reason_of(error, path))]
    return []
