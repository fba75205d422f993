"""Whether two outputs are of the same run: what their provenance attributes say."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from co2net_phys.data.opening import open_dataset
from co2net_phys.errors import UsageError

LOG = logging.getLogger(__name__)

CONFIGURATION = "co2phys_configuration"
INPUTS = "co2phys_input_sha256"
VERSIONS = ("co2phys_version", "co2phys_git_commit")
LIBRARIES = "co2phys_libraries"


def attributes_of(output: Path) -> dict[str, Any]:
    """Global attributes of an output in either format.

    Raises:
        DataError: it cannot be read.
    """
    with open_dataset(output) as data:
        return dict(data.attrs)


def refuse_another_run(where: Path, earlier: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise unless global attributes ``earlier``, found at ``where``, are of the run ``now``.

    Configuration, inputs and the version of co2phys must agree. Libraries of another version only
    give a warning: they change the last digits.

    Raises:
        UsageError: names the first difference.
    """
    difference = _difference(earlier, now)
    if difference:
        raise UsageError(
            f"{where}: cannot be resumed, {difference}; repeat the options of its first start, "
            "or begin again with --overwrite"
        )
    if earlier.get(LIBRARIES) != now.get(LIBRARIES):
        LOG.warning(
            "%s: begun with other libraries (%s): the last digits may differ",
            where,
            _entry(earlier, now, LIBRARIES),
        )


def is_same_run(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether `refuse_another_run` would let ``earlier`` pass."""
    return not _difference(earlier, now)


def _difference(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    for key in (CONFIGURATION, INPUTS):
        if earlier.get(key) != now.get(key):
            what = "input" if key == INPUTS else "option"
            return f"another {what}: {_entry(earlier, now, key)}"
    for key in VERSIONS:
        if earlier.get(key) != now.get(key):
            return f"another co2phys: {key} was {earlier.get(key)}, is {now.get(key)}"
    return ""


def _entry(earlier: Mapping[str, Any], now: Mapping[str, Any], key: str) -> str:
    """First entry that differs of two JSON objects kept in attributes."""
    one, other = (json.loads(attributes.get(key) or "{}") for attributes in (earlier, now))
    for name in sorted({*one, *other}):
        if one.get(name) != other.get(name):
            return f"{name} was {_shown(one.get(name))}, is {_shown(other.get(name))}"
    return key


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
