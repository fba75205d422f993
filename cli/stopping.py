"""End long work with its state saved when Ctrl-C or SIGTERM comes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from co2net_phys.cli import console


@contextmanager
def stopping(output: Path) -> Iterator[Callable[[], bool]]:
    """Note Ctrl-C or SIGTERM, so that the block can end with its state saved; a second one ends it.

    Gives the function that says whether to stop, which is asked once more at the end.
    """
    from co2net_phys.trainer import Interrupted

    received: list[int] = []
    usual = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.getsignal(signal.SIGTERM),
    }

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        restore()

    for number in usual:
        signal.signal(number, note)
    try:
        yield lambda: bool(received)
        if received:
            raise Interrupted
    except Interrupted:
        console.say(f"stopped; go on with --resume (state in {output})")
        raise (KeyboardInterrupt if received[0] == signal.SIGINT else console.Terminated) from None
    finally:
        restore()
