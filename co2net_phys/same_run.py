"""Whether a run that goes on is asked for what it was started with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from co2net_phys.errors import UsageError
from co2net_phys.json_text import json_text
from co2net_phys.run_options import MAY_DIFFER, RunOptions


def require_same_options(output: Path, metadata: Mapping[str, Any], config: RunOptions) -> None:
    """Refuse options that change what the run in `output` learns.

    Raises
    ------
    UsageError
        An option is another than in the checkpoint's `metadata`.
    """
    now = config.model_dump(mode="json")
    # An option that came later had its default in a run that does not know it.
    kind = metadata["config"].get("architecture", "co2net")
    before = type(config)(architecture=kind).model_dump(mode="json") | metadata["config"]
    for name in now:
        if name not in MAY_DIFFER and before.get(name) != now[name]:
            raise UsageError(
                f"{output}: the run was started with {name} = {before.get(name)!r}, not "
                f"{now[name]!r}; give the same options, or another --output"
            )


def require_same_data(
    output: Path, metadata: Mapping[str, Any], data: Mapping[str, Any], source: str
) -> None:
    """Refuse `data`, from `source`, that differ from those the run in `output` was started with.

    Raises
    ------
    UsageError
        Another split, other stations or sites, or a model that follows from other data.
    """
    now = json.loads(json_text(data))
    for name in data:
        if metadata[name] != now[name]:
            raise UsageError(
                f"{output}: the run was started with other data ({_inputs(metadata)}) than "
                f"{source}, which differ in {_differing(name, metadata[name], now[name])}; give "
                "the same ones, or another --output"
            )


def _inputs(metadata: Mapping[str, Any]) -> str:
    """Files that a run was started with, as its provenance has them."""
    inputs = json.loads(metadata.get("provenance", {}).get("co2phys_input_sha256", "{}"))
    return ", ".join(inputs) or "not recorded"


def _differing(name: str, before: Any, now: Any) -> str:
    """What of the metadata called `name` is another, in words."""
    if name == "model":
        name = next((key for key in now if before.get(key) != now[key]), name)
    return name.replace("_", " ")
