"""Where NOAA's CarbonTracker is: one file a day, in a folder of its release.

The folder of a release stays when a newer one comes out, while `co2/molefractions/` without a
release is always the latest; so the release is always named.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from co2net_phys.errors import UsageError
from co2net_phys.fetching.remote_file import RemoteFile, checked_base

BASE = "https://gml.noaa.gov/aftp/products/carbontracker/co2"

Kind = Literal["molefractions", "fluxes"]

SPANS = {"CT2022": (date(2000, 1, 1), date(2021, 2, 28))}
"""First and last day of the releases whose span is known."""

FIRST_DAY = date(2000, 1, 1)
"""Of every release."""

TYPICAL_BYTES: dict[Kind, int | None] = {"molefractions": 97_000_000, "fluxes": None}
"""Size of a daily file, roughly; None where it is not known."""

_FOLDERS: dict[Kind, str] = {
    "molefractions": "molefractions/co2_total",
    "fluxes": "fluxes/three-hourly",
}


def carbontracker_files(
    start: date,
    end: date,
    release: str = "CT2022",
    kind: Kind = "molefractions",
    base: str = BASE,
) -> list[RemoteFile]:
    """Files of the days from `start` to `end`, both included.

    Raises:
        UsageError: the days are not in the release, or the release is no name of one.
    """
    if not re.fullmatch(r"CT[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", release):
        raise UsageError(f"--release {release!r}: is no release; write for example CT2022")
    first, last = SPANS.get(release, (FIRST_DAY, datetime.now(UTC).date()))
    if start > end:
        raise UsageError(f"--start {start} is after --end {end}; exchange them")
    if start < first or end > last:
        raise UsageError(
            f"--start {start} --end {end}: {release} has the days {first} to {last}; "
            "choose days among them, or another --release"
        )
    folder = f"{checked_base(base)}/{release}/{_FOLDERS[kind]}"
    days = (start + timedelta(days=n) for n in range((end - start).days + 1))
    names = (_name(release, kind, day) for day in days)
    return [RemoteFile(name, (f"{folder}/{name}",)) for name in names]


def _name(release: str, kind: Kind, day: date) -> str:
    if kind == "molefractions":
        return f"{release}.molefrac_glb3x2_{day:%Y-%m-%d}.nc"
    return f"{release}.flux1x1.{day:%Y%m%d}.nc"
