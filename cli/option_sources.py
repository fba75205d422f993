"""Where a wrong option came from: the command line, `--set`, or a file of options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import typer

from co2net_phys.cli import console
from co2net_phys.cli.train_options import is_given
from co2net_phys.errors import UsageError

NO_FLAGS: Mapping[str, str] = MappingProxyType({})


def flags_given(context: typer.Context, groups: Mapping[str, str]) -> dict[str, str]:
    """Options that stand on the command line, as `--frames`, by what errors call them.

    Args:
        context: of the command.
        groups: group of the configuration that each option belongs to, by its name; "" for none.
    """
    flags = {option.name: option.opts[0] for option in context.command.params}
    return {
        f"{group}.{name}" if group else name: flags[name]
        for name, group in groups.items()
        if is_given(context, name)
    }


@contextmanager
def naming_source(
    file: Path | None, settings: Sequence[str] = (), flags: Mapping[str, str] = NO_FLAGS
) -> Iterator[None]:
    """Let an error that begins with the name of an option say first where it was given.

    Args:
        file: of options, which the others go before.
        settings: pairs of `--set`, which go before all others.
        flags: see `flags_given`.

    Raises
    ------
    UsageError
        of the block, with `--set` or the file before it, or with `--frames` for `model.frames`.
    """
    from co2net_phys.config_file import read_options

    in_settings = console.with_settings({}, list(settings))
    try:
        yield
    except UsageError as error:
        text = str(error)
        option = text.partition(":")[0]
        if _holds(in_settings, option):
            raise UsageError(f"--set {text}") from error
        if option in flags:
            raise UsageError(flags[option] + text.removeprefix(option)) from error
        if file is not None and _holds(read_options(file), option):
            raise UsageError(f"{file}: {text}") from error
        raise


def _holds(options: Any, name: str) -> bool:
    """Whether options have one that is called so, such as `model.frames`; `betas.0` is of betas."""
    for part in name.split("."):
        if not isinstance(options, Mapping):
            return True
        if part not in options:
            return False
        options = options[part]
    return True
