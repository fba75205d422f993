"""Scores of a run, kept in its folder, so that work that was stopped can go on after it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from co2net_phys.data.atomic import atomic_write_text
from co2net_phys.json_text import json_text

SCORES = "scores.json"
"""File in the folder of the run."""


def identity_of(values: Any) -> str:
    """SHA-256 of all that scores depend on, plain values: options, data, scored times."""
    return hashlib.sha256(json_text(values).encode()).hexdigest()


def known_scores(folder: Path, identity: str) -> dict[str, Any] | None:
    """Scores that an earlier session has written, if they are of the very same run."""
    try:
        found = json.loads((folder / SCORES).read_text())
        return dict(found["scores"]) if found["identity"] == identity else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def write_scores(folder: Path, identity: str, scores: Mapping[str, Any]) -> None:
    """Keep the scores of a run.

    Raises
    ------
    DataError
        The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json_text({"identity": identity, "scores": scores})
    atomic_write_text(folder / SCORES, text + "\n")
