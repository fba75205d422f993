"""Find files of CMIP6 in the indexes of the Earth System Grid Federation (ESGF).

The search is one GET request with a reply in JSON, the same at the old indexes and at the bridge
that replaces them, so it needs no library. The replies name mirrors, size and checksum of a file.
Only what can be said in the request is asked for; the rest is chosen here, because the indexes
differ in what they understand (a bridge takes one value a parameter, and no span of time).
"""

from __future__ import annotations

import json
import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

from co2net_phys.errors import DataError, UsageError
from co2net_phys.fetching.connection import answer_of
from co2net_phys.fetching.manners import Manners, TransientError, persist
from co2net_phys.fetching.remote_file import RemoteFile, checked_base

logger = logging.getLogger(__name__)

INDEXES = (
    "https://esgf-node.ornl.gov/esgf-1-5-bridge",
    "https://esgf.ceda.ac.uk/esg-search/search",
    "https://esgf-data.dkrz.de/esg-search/search",
)
"""Asked one after the other until one knows the data."""

VARIABLES = ("co2s", "ps", "huss", "tas", "uas", "vas")
"""What a training store is made of."""

TABLES = {"co2s": "Emon"}
"""Tables of CMIP6 that monthly variables are in, where that is not Amon."""

_PAGE, _MOST_RECORDS = 500, 10_000
_MOST_BYTES = 64 * 2**20
_WORD = re.compile(r"[A-Za-z0-9-]+")
_DIGESTS = {"SHA256": "sha256", "SHA512": "sha512", "MD5": "md5"}

Record = dict[str, Any]


@dataclass(frozen=True)
class Query:
    """One variable of one run of one model.

    Attributes:
        variable: as CMIP6 calls it.
        table: of CMIP6, for example Amon.
        model: CMIP6's source_id.
        experiment: CMIP6's experiment_id.
        variant: CMIP6's variant_label.
        grid: CMIP6's grid_label; "" takes the only one there is.
    """

    variable: str
    table: str
    model: str
    experiment: str
    variant: str
    grid: str = ""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not _WORD.fullmatch(value) and (value or name != "grid"):
                raise UsageError(f"--{name} {value!r}: letters, digits and hyphens only")

    @property
    def label(self) -> str:
        """Beginning of the names of its files, without the grid."""
        return "_".join((self.variable, self.table, self.model, self.experiment, self.variant))


def cmip6_files(
    query: Query,
    start: str = "",
    end: str = "",
    indexes: Sequence[str] = INDEXES,
    manners: Manners | None = None,
) -> list[RemoteFile]:
    """Files of `query` that overlap the time from `start` to `end`, in the order of time.

    Args:
        query: what to look for.
        start: year, month or day, as 1850, 1850-01 or 1850-01-01; "" for no bound.
        end: likewise.
        indexes: addresses that answer a search.
        manners: patience with them.

    Raises:
        UsageError: several grids are there and none was chosen; a bound is not a date.
        DataError: no index answers, or none knows such files.
    """
    bounds = (_digits("start", start), _digits("end", end))
    records, answered, last = [], False, ""
    for index in map(checked_base, indexes):
        try:
            records = list(_search(index, query, manners or Manners()))
        except DataError as error:
            last = str(error)
            logger.warning("%s", error)
            continue
        answered = True
        if records:
            break
    if not answered:
        raise DataError(f"no index of ESGF answers; the last one: {last}")
    files = _chosen(records, query)
    inside = [file for file in files if _overlaps(file.name, *bounds)]
    if not inside:
        where = ", ".join(str(urlsplit(index).hostname) for index in indexes)
        found = f"only {files[0].name} to {files[-1].name}" if files else "no such files"
        raise DataError(
            f"{query.label}: {found} in the indexes {where}; check model, experiment, variant, "
            "table and time, or name another index with --base-url"
        )
    return inside


def _digits(option: str, text: str) -> str:
    if not re.fullmatch(r"(\d{4}(-\d{2}(-\d{2})?)?)?", text):
        raise UsageError(f"--{option} {text!r}: write 1850, 1850-01 or 1850-01-01")
    return text.replace("-", "")


def _search(index: str, query: Query, manners: Manners) -> Iterator[Record]:
    """Every record of a file that an index has for `query`."""
    fixed = {
        "format": "application/solr+json",
        "type": "File",
        "project": "CMIP6",
        "latest": "true",
        "source_id": query.model,
        "experiment_id": query.experiment,
        "variant_label": query.variant,
        "table_id": query.table,
        "variable_id": query.variable,
        "limit": str(_PAGE),
    }
    offset, found = 0, 1
    while offset < min(found, _MOST_RECORDS):
        address = f"{index}?{urlencode(fixed | {'offset': str(offset)})}"
        reply = persist(partial(_json, address, manners), index, manners)
        try:
            found, page = int(reply["response"]["numFound"]), reply["response"]["docs"]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{index}: does not answer as an index of ESGF; try another") from error
        if not page:
            return
        yield from (record for record in page if isinstance(record, dict))
        offset += len(page)


def _json(address: str, manners: Manners) -> Any:
    with answer_of(address, manners.timeout) as answer:
        text = answer.read(_MOST_BYTES)
        if answer.length:  # of what is left to read
            raise TransientError("the reply of the index ended early, or is endless")
    try:
        return json.loads(text)
    except ValueError as error:
        index = address.partition("?")[0]
        raise DataError(f"{index}: does not answer in JSON; try another index") from error


def _chosen(records: Sequence[Record], query: Query) -> list[RemoteFile]:
    """Files of the newest version on one grid; mirrors of a file are put together."""
    pattern = re.compile(re.escape(query.label) + r"_([A-Za-z0-9]+)_(\d{4,12})-(\d{4,12})\.nc")
    by_grid: dict[str, list[tuple[str, Record]]] = defaultdict(list)
    for record in records:
        match = pattern.fullmatch(str(_one(record, "title")))
        if match and str(_one(record, "retracted")).lower() != "true":
            # The name is put together here, of parts that hold letters and digits alone.
            name = f"{query.label}_{match[1]}_{match[2]}-{match[3]}.nc"
            by_grid[match[1]].append((name, record))
    grids = [grid for grid in by_grid if query.grid in ("", grid)]
    if len(grids) > 1:
        raise UsageError(f"{query.label}: is on the grids {', '.join(grids)}; choose with --grid")
    found = by_grid[grids[0]] if grids else []
    newest = max((_version(record) for _, record in found), default="")
    mirrors: dict[str, list[Record]] = defaultdict(list)
    for name, record in found:
        if _version(record) == newest:
            mirrors[name].append(record)
    return [_file(name, mirrors[name]) for name in sorted(mirrors)]


def _file(name: str, records: Sequence[Record]) -> RemoteFile:
    """One file of the records of its mirrors; where they disagree, the first is believed."""
    size, digest = _size(records[0]), _digest(records[0])
    addresses: list[str] = []
    for record in records:
        if (_size(record), _digest(record)) != (size, digest):
            continue
        entries = record.get("url") or []
        for entry in entries if isinstance(entries, list) else [entries]:
            match = re.fullmatch(r"(https?://[^\s|\[\]]+)\|(.*\|)?HTTPServer", str(entry))
            # Over plain http anybody on the way could change the file, unless a checksum tells.
            if match and (digest or match[1].startswith("https:")):
                addresses.append(match[1])
    unique = dict.fromkeys(sorted(addresses, key=lambda text: not text.startswith("https:")))
    return RemoteFile(name, tuple(unique), size, digest)


def _one(record: Record, key: str) -> Any:
    value = record.get(key)
    return (value[0] if value else None) if isinstance(value, list) else value


def _version(record: Record) -> str:
    """Of the data set: digits of the date in `….v20190429|node`; "" if it is not told."""
    match = re.search(r"\.v(\d+)", str(record.get("dataset_id") or record.get("instance_id")))
    return match[1] if match else ""


def _size(record: Record) -> int | None:
    size = _one(record, "size")
    return int(size) if isinstance(size, (int, float)) and size > 0 else None


def _digest(record: Record) -> tuple[str, str] | None:
    algorithm = _DIGESTS.get(str(_one(record, "checksum_type")).upper().replace("-", ""))
    digest = str(_one(record, "checksum")).lower()
    return (algorithm, digest) if algorithm and re.fullmatch(r"[0-9a-f]{32,128}", digest) else None


def _overlaps(name: str, start: str, end: str) -> bool:
    """Whether the span in a name meets the bounds; each is compared as far as both are told."""
    first, last = name.removesuffix(".nc").rpartition("_")[2].split("-")
    before = bool(start) and last[: len(start)] < start[: len(last)]
    after = bool(end) and first[: len(end)] > end[: len(first)]
    return not before and not after
