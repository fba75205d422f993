"""Options of a run in a file: YAML or TOML in, YAML out."""

from __future__ import annotations

import math
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from co2net_phys.errors import DataError, UsageError
from co2net_phys.families import MODELS, family_of
from co2net_phys.run_options import RunOptions

SUFFIXES = (".yaml", ".yml", ".toml")

LARGEST, DEEPEST = 2**17, 20
"""Bytes of a file that is read, and tables within tables in it; options take some kilobytes, and
YAML can be made to explode, or to take hours."""

LARGEST_NUMBER = 2**63 - 1
"""Beyond it no option has a meaning, and seeds no place."""


def read_options(path: Path) -> dict[str, Any]:
    """Return the options in a YAML or TOML file, as they are written there.

    Raises
    ------
    DataError
        The file cannot be read, or is far too large to hold options.
    UsageError
        It is neither YAML nor TOML, has aliases, names an option twice, or is no table of options
        that are finite.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path}: the name must end in {', '.join(SUFFIXES)}")
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; give the file of options") from error
    if len(content) > LARGEST:
        raise DataError(f"{path}: more than {LARGEST} bytes are no file of options")
    try:
        text = content.decode("utf-8-sig")
        options = tomllib.loads(text) if path.suffix == ".toml" else _yaml(text, path)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        kind = path.suffix[1:].upper()
        raise UsageError(f"{path}: not valid {kind} ({_objection(error)}); correct it") from error
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise UsageError(f"{path}: must be a table of options such as 'epochs: 10'")
    for problem in _problems(options, ""):
        raise UsageError(f"{path}: {problem}")
    return options


def read_config(path: Path) -> RunOptions:
    """Return the validated options in a file; what it leaves out has its default.

    Raises
    ------
    DataError, UsageError
        As `read_options`; or an option is unknown or has no valid value.
    """
    try:
        return validated_options(read_options(path))
    except UsageError as error:
        text = str(error)
        raise UsageError(text if text.startswith(str(path)) else f"{path}: {text}") from error


def validated_options(options: dict[str, Any]) -> RunOptions:
    """Return options as those of the model that they name, CO2-Net unless they name another.

    Raises
    ------
    UsageError
        There is no such model, or an option is unknown or has no valid value.
    """
    model = options.get("architecture", "co2net")
    if not isinstance(model, str) or model not in MODELS:
        raise UsageError(f"architecture: {model!r} is not one of {', '.join(MODELS)}")
    kind = family_of(model).options
    for name in options:
        if name not in kind.model_fields and name in MODELS[model].config.model_fields:
            raise UsageError(f"{name}: is an option of the network; call it model.{name}")
    return kind.validated(options)


def as_yaml(config: RunOptions) -> str:
    """The configuration as YAML."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def template(model: str = "co2net") -> str:
    """All options of a model as YAML with their defaults, each explained by a comment."""
    config = validated_options({"architecture": model})
    lines = []
    for name, value in config.model_dump(mode="json").items():
        lines += [f"# {line}" for line in _explanation(type(config).model_fields[name])]
        lines += [yaml.safe_dump({name: value}, allow_unicode=True).strip(), ""]
    return "\n".join(lines)


def _objection(error: Exception) -> str:
    """What a parser objects to, in one line, and where in the file."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return (str(error).strip().splitlines() or ["unreadable"])[0]
    parts = ((error.context, error.context_mark), (error.problem, error.problem_mark))
    said = (f"{text} in line {mark.line + 1}" if mark else text for text, mark in parts if text)
    return ", ".join(said)


def _yaml(text: str, path: Path) -> Any:
    """Plain values only, each said once: an alias could stand for billions of them."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):  # as it is read, so that it can be left
        if isinstance(event, yaml.AliasEvent):
            raise UsageError(f"{path}: aliases (*name) are not taken; write the value out")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError("nested too deeply")
    for name in _repeated(yaml.compose(text, yaml.SafeLoader)):
        raise UsageError(f"{path}: {name} is given twice; keep one")
    return yaml.safe_load(text)


def _repeated(node: yaml.Node | None) -> Iterator[str]:
    """Names that a table has more than once, of which YAML would take the last."""
    if isinstance(node, yaml.SequenceNode):
        for part in node.value:
            yield from _repeated(part)
    elif isinstance(node, yaml.MappingNode):
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        yield from (repr(name)[:40] for name in names if names.count(name) > 1)
        for _, part in node.value:
            yield from _repeated(part)


def _problems(value: Any, where: str) -> Iterator[str]:
    """What no option may be: a name that is none, a number that is not finite, or far too large."""
    if isinstance(value, dict):
        for name, part in value.items():
            if not isinstance(name, str) or not name.isprintable():
                yield f"{where or 'the file'} has {str(name)[:40]!r} where a name belongs"
            else:
                yield from _problems(part, f"{where}.{name}" if where else name)
    elif where == "model":
        yield "model: must be a table of options such as 'frames: 8'"
    elif isinstance(value, list):
        for part in value:
            yield from _problems(part, where)
    elif not _is_sound(value):
        yield f"{where}: {str(value)[:40]} is not finite, or far too large"


def _is_sound(value: Any) -> bool:
    """Whether a number, or a text that would be read as one, is finite and of a sane size."""
    if isinstance(value, int):
        return abs(value) <= LARGEST_NUMBER
    try:
        return not isinstance(value, float | str) or math.isfinite(float(value))
    except ValueError:
        return True  # a text


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
