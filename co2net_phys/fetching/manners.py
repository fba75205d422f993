"""How patient and how polite a download is, and the loop that tries again."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from co2net_phys.errors import DataError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class TransientError(Exception):
    """A failure that may be over in a moment.

    Attributes:
        wait: seconds the server asked to wait (its `Retry-After`); None if it did not say.
    """

    def __init__(self, problem: str, wait: float | None = None) -> None:
        super().__init__(problem)
        self.wait = wait


@dataclass(frozen=True)
class Manners:
    """Patience and politeness; times in seconds.

    Attributes:
        attempts: tries in a row without progress before a download is given up.
        timeout: longest silence of a server.
        first_wait: before the second try; doubled each time.
        longest_wait: bound on the doubling.
        longest_obedience: longest `Retry-After` that is waited for.
        pause: between two files.
        least_rate: bytes per second, averaged over `timeout`, below which a server is too slow.
        checkpoint: bytes between two moments at which a part is made safe on the disk.
        sleep: how to wait.
    """

    attempts: int = 6
    timeout: float = 60.0
    first_wait: float = 1.0
    longest_wait: float = 60.0
    longest_obedience: float = 600.0
    pause: float = 0.5
    least_rate: float = 1000.0
    checkpoint: int = 16 * 2**20
    sleep: Callable[[float], None] = time.sleep

    def wait(self, failures: int) -> float:
        """Seconds before the next try: exponential, with jitter so that clients do not march."""
        longest = min(self.longest_wait, self.first_wait * 2.0 ** (failures - 1))
        return longest * random.uniform(0.5, 1.0)


def persist(
    action: Callable[[], Result],
    what: str,
    manners: Manners,
    progress: Callable[[], int] = lambda: 0,
) -> Result:
    """Return the result of `action`, tried again after each `TransientError`.

    Args:
        action: what to do.
        what: address, for the messages.
        manners: number of tries and waits.
        progress: bytes there; a try that brought more than any before starts the count again, so
            that a long file comes through a line that often breaks.

    Raises:
        DataError: too many failures in a row, or the server asks for a very long wait.
    """
    failures, furthest = 0, progress()
    while True:
        try:
            return action()
        except TransientError as problem:
            there = progress()
            failures = 1 if there > furthest else failures + 1
            furthest = max(there, furthest)
            if failures >= manners.attempts:
                raise DataError(
                    f"{what}: {problem}, {failures} times in a row; run the same command again "
                    "later, it goes on where this one stopped"
                ) from problem
            wait = manners.wait(failures) if problem.wait is None else problem.wait
            if wait > manners.longest_obedience:
                raise DataError(
                    f"{what}: {problem}, and the server asks to wait {wait:.0f} s; run the same "
                    "command again after that"
                ) from problem
            logger.warning("%s: %s; trying again in %.1f s", what, problem, wait)
            manners.sleep(wait)
