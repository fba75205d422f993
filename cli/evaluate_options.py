"""Options of `co2phys evaluate`: periods, codes, events, station files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from co2net_phys.errors import UsageError

if TYPE_CHECKING:
    import xarray as xr

    from co2net_phys.metrics import Event

_MOMENT = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\d)?)?)?)?)?")


def refuse_useless(
    truth: Path | None,
    files: Sequence[str],
    selection: str,
    units: str | None,
    nearest_time: bool,
    climatology: str,
) -> None:
    """Raise where there is nothing to compare with, or an option has nothing to act on."""
    if truth is None and not files:
        raise UsageError("nothing to compare with; give --truth, --stations, or both")
    if climatology != "cell" and truth is None:
        raise UsageError("--climatology has no effect without --truth; leave it out")
    given = {
        "--selection": selection != "representative",
        "--units": units is not None,
        "--nearest-time": nearest_time,
    }
    useless = [name for name, is_given in given.items() if is_given and not files]
    if useless:
        raise UsageError(f"{useless[0]} has no effect without --stations; leave it out")


def codes(text: str | None) -> list[str] | None:
    """Codes of stations, separated by commas."""
    if text is None:
        return None
    return [code.strip() for code in text.split(",") if code.strip()]


def period(start: str | None, end: str | None) -> tuple[str | None, str | None]:
    """First and last time, both perhaps cut short.

    Raises
    ------
    UsageError
        One is no ISO 8601 time, or the first is after the last.
    """
    for name, moment in (("--start", start), ("--end", end)):
        if moment is not None and not _MOMENT.fullmatch(moment):
            raise UsageError(f"{name} {moment!r} is no ISO 8601 time; write 2008, 2008-06-15, …")
    if start is not None and end is not None:
        length = min(len(start), len(end))
        if start[:length] > end[:length]:
            raise UsageError(f"--start {start} is after --end {end}; swap them")
    return start, end


def events(texts: Sequence[str], truth: Path | None) -> list[Event]:
    """Presets by name, or boxes and periods as name:south,north,west,east:first,last.

    Raises
    ------
    UsageError
        A name is no preset, a text is neither, or there is no truth to follow.
    """
    if texts and truth is None:
        raise UsageError("--event needs maps of the truth; give --truth, or leave it out")
    return [_event(text) for text in texts]


def _event(text: str) -> Event:
    from co2net_phys.metrics import EVENTS, Event

    if text in EVENTS:
        return EVENTS[text]
    parts = text.split(":")
    try:
        name, box, days = parts
        south, north, west, east = (float(edge) for edge in box.split(","))
        first, last = (date.fromisoformat(day.strip()) for day in days.split(","))
    except ValueError as error:
        raise UsageError(
            f"--event {text!r} is no preset ({', '.join(EVENTS)}); write "
            "name:south,north,west,east:2019-08-01,2019-08-15"
        ) from error
    return Event(name, south, north, west, east, first, last)


def observations(files: Sequence[str], selection: str, units: str | None) -> xr.Dataset:
    """The observations of CO2 in station files.

    Raises
    ------
    UsageError
        The selection is unknown.
    DataError
        A file cannot be used.
    """
    from co2net_phys.products import station_files
    from co2net_phys.products.observation_flags import SELECTIONS

    if selection not in SELECTIONS:
        raise UsageError(f"--selection {selection!r} is unknown; choose {', '.join(SELECTIONS)}")
    return station_files.read(files, selection=SELECTIONS[selection], units=units)
