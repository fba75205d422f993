"""Options of a run in a file: YAML or TOML in, YAML out."""

from __future__ import annotations

import textwrap
import tomllib
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from co2net_phys.config import TrainingConfig, validated_config
from co2net_phys.errors import DataError, UsageError

SUFFIXES = (".yaml", ".yml", ".toml")

LARGEST = 2**20
"""Bytes of a file that is read; options take some kilobytes, and YAML can be made to explode."""


def read_options(path: Path) -> dict[str, Any]:
    """Return the options in a YAML or TOML file, as they are written there.

    Raises
    ------
    DataError
        The file cannot be read, or is far too large to hold options.
    UsageError
        It is neither YAML nor TOML, has aliases, or is no table of options.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path}: the name must end in {', '.join(SUFFIXES)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; give the file of options") from error
    if len(content) > LARGEST:
        raise DataError(f"{path}: {len(content)} bytes are no file of options")
    try:
        text = content.decode()
        options = tomllib.loads(text) if path.suffix == ".toml" else _yaml(text, path)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        first = (str(error).strip().splitlines() or ["unreadable"])[0]
        raise UsageError(f"{path}: not valid {path.suffix[1:].upper()} ({first})") from error
    if options is None:
        return {}
    if not isinstance(options, dict) or not all(isinstance(name, str) for name in options):
        raise UsageError(f"{path}: must be a table of options such as 'epochs: 10'")
    return options


def read_config(path: Path) -> TrainingConfig:
    """Return the validated configuration in a file; what it leaves out has its default.

    Raises
    ------
    DataError, UsageError
        As `read_options`; or an option is unknown or has no valid value.
    """
    try:
        return validated_config(read_options(path))
    except UsageError as error:
        text = str(error)
        raise UsageError(text if text.startswith(str(path)) else f"{path}: {text}") from error


def as_yaml(config: TrainingConfig) -> str:
    """The configuration as YAML."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def template() -> str:
    """All options as YAML with their defaults, each explained by a comment."""
    lines = []
    for name, field in TrainingConfig.model_fields.items():
        lines += [f"# {line}" for line in _explanation(field)]
        value = field.get_default(call_default_factory=True)
        lines += [yaml.safe_dump({name: value}, allow_unicode=True).strip(), ""]
    return "\n".join(lines)


def _yaml(text: str, path: Path) -> Any:
    """Plain values only: an alias could stand for billions of them."""
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
        raise UsageError(f"{path}: aliases (*name) are not taken; write the value out")
    return yaml.safe_load(text)


SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def _explanation(field: FieldInfo) -> list[str]:
    """What an option is, and which values it takes."""
    said = textwrap.wrap(" ".join((field.description or "").split()), 98)
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    limits = [
        f"{sign} {getattr(limit, name)}"
        for limit in field.metadata
        for name, sign in SIGNS.items()
        if hasattr(limit, name)
    ]
    values = " | ".join(choices) or " and ".join(limits)
    return [*said, values] if values else said
