"""`co2phys`: one verb a file; every failure is one line and an exit code."""

from __future__ import annotations

import logging
import os
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from co2net_phys import __version__
from co2net_phys.cli import (
    ablate,
    bench,
    bridge,
    compare,
    config,
    crossvalidate,
    data,
    demo,
    evaluate,
    info,
    invert,
    plot,
    probe,
    reconstruct,
    recover_wind,
    simulate,
    train,
    validate,
)
from co2net_phys.cli.console import Terminated, say
from co2net_phys.errors import Co2physError

app = typer.Typer(
    name="co2phys",
    help="Reconstruct global surface CO2 from sparse stations, with the physics checked.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = (
    simulate, train, reconstruct, recover_wind, invert, evaluate, compare, crossvalidate, plot,
    demo, validate, probe, ablate, bridge, info,
)  # fmt: skip
for module in COMMANDS:
    app.command(module.__name__.rpartition(".")[2].replace("_", "-"))(module.command)
app.add_typer(bench.app, name="bench")
app.add_typer(config.app, name="config")
app.add_typer(data.app, name="data")


DATA, INTERRUPTED = 3, 130
"""Exit codes of a file that cannot be read or written, and after Ctrl-C."""

PRINTING = {"click", "typer", "rich"}
"""Libraries that print results."""


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"co2phys {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of errors.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only warnings, errors, results.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Reconstruct global surface CO2 from sparse stations, with the physics checked."""
    os.environ["CO2PHYS_DEBUG"] = "1" if debug else os.environ.get("CO2PHYS_DEBUG", "")
    if quiet:
        os.environ["CO2PHYS_QUIET"] = "1"


class _OneLine(logging.Formatter):
    """`co2phys: warning: …`, like the errors."""

    def format(self, record: logging.LogRecord) -> str:
        return f"co2phys: {record.levelname.lower()}: {record.getMessage()}"


def _on_termination(number: int, frame: FrameType | None) -> None:
    raise Terminated


def main() -> None:
    """Run the command line and exit with its code (see `co2net_phys.errors`)."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine())
    logging.getLogger("co2net_phys").addHandler(handler)
    signal.signal(signal.SIGTERM, _on_termination)
    sys.exit(_flushed(_guarded()))


def _flushed(code: int) -> int:
    """Write out what is buffered; a reader that has gone, as in `co2phys | head`, is no failure."""
    try:
        sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            return _explain_output(error)
        _forget_output()
    return code


def _forget_output() -> None:
    """Let what could not be printed go nowhere: Python flushes again when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_of_output(error: OSError) -> bool:
    """Whether `error` came up while a result was printed, not while a file was read or written."""
    trace, module = error.__traceback__, ""
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__"))
        trace = trace.tb_next
    return module.partition(".")[0] in PRINTING


def _is_broken_pipe(error: BaseException | None) -> bool:
    """Whether `error` is, or was raised on account of, a reader that has gone."""
    while error is not None and not isinstance(error, BrokenPipeError):
        error = error.__context__
    return error is not None


def _is_out_of_memory(error: Exception) -> bool:
    """Whether the machine or the accelerator has too little memory; torch stays unimported."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"MemoryError", "OutOfMemoryError"}) or "CPUAllocator" in str(error)


def _guarded() -> int:
    try:
        answer = app(sys.argv[1:] or ["--help"], prog_name="co2phys", standalone_mode=False)
    except SystemExit as leaving:
        if _is_broken_pipe(leaving):  # Click and Rich turn it into this
            return 0
        return leaving.code if isinstance(leaving.code, int) else 1
    except Co2physError as error:
        return _explain(error, str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort) as error:
        return _explain(error, "interrupted", INTERRUPTED)
    except Terminated as error:
        return _explain(error, "terminated", 143)
    except BrokenPipeError:
        return 0
    except OSError as error:
        return _explain_output(error) if _is_of_output(error) else _explain_bug(error)
    except Exception as error:
        if _is_out_of_memory(error):
            return _explain(error, "out of memory; lower --batch-size", 1)
        if hasattr(error, "format_message"):  # a wrong option; Typer's class is not public
            return _explain(error, f"{error.format_message()}; {_where_help_is(error)}", 2)
        return _explain_bug(error)
    if answer == INTERRUPTED:  # Typer has turned the interrupt into its answer
        return _explain(KeyboardInterrupt(), "interrupted", INTERRUPTED)
    return 0


def _where_help_is(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return f"see {context.command_path if context else 'co2phys'} --help"


def _explain_output(error: OSError) -> int:
    _forget_output()
    reason = (error.strerror or str(error)).lower()
    return _explain(error, f"standard output: {reason}; make room, or send it elsewhere", DATA)


def _explain_bug(error: Exception) -> int:
    text = f"{type(error).__name__}: {error}"
    return _explain(error, f"unexpected {text} (this is a bug; --debug shows where)", 1)


def _explain(error: BaseException, text: str, code: int) -> int:
    if os.environ.get("CO2PHYS_DEBUG"):
        import traceback

        traceback.print_exception(error)
    say(f"co2phys: error: {' '.join(text.split())}", always=True)
    return code
