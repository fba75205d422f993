"""Run a small simulation and kill it, with SIGKILL, at its n-th change of the disk; see the tests.

Every event is a call that makes something permanent: fsync, rename, replace, link, unlink, rmdir
and mkdir. One process imports everything and forks a child for every run.
"""

import itertools
import json
import os
import signal
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["NUMBA_NUM_THREADS"] = "1"

import torch

from co2net_phys.data.stations import load_stations
from co2net_phys.simulation.config import SimulationConfig
from co2net_phys.simulation.run import simulate
from co2net_phys.simulation.world import twin_world

EVENTS = ("fsync", "rename", "replace", "link", "unlink", "rmdir", "mkdir")
CONFIG = SimulationConfig(
    truncation=5, frames=36, spin_up=21600.0, grid="model", seed=3, components=("ocean",),
    diagnostics=True,
)  # fmt: skip


def run(path: Path, **options: object) -> None:
    """One uninterrupted attempt."""
    torch.set_num_threads(1)
    simulate(
        twin_world(CONFIG), CONFIG, path,
        attributes={"title": "a test", "id": "one run"}, stations=load_stations()[:3], **options,
    )  # fmt: skip


def count_events(limit: int) -> itertools.count:
    """Count the events from now on and die before number `limit`."""
    counter = itertools.count(1)

    def counted(function):
        def call(*arguments, **options):
            if next(counter) == limit:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return call

    for name in EVENTS:
        setattr(os, name, counted(getattr(os, name)))
    return counter


def in_child(function, *arguments, **options) -> int:
    """Run a function in a fork; return the signal that killed it, or its exit code."""
    child = os.fork()
    if child == 0:
        try:
            function(*arguments, **options)
        except BaseException as error:
            print(type(error).__name__, error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def killed(path: Path, number: int, report: Path, **options: object) -> None:
    """Run until event `number`; if there are fewer, say how many."""
    counter = count_events(number)
    run(path, **options)
    report.write_text(str(next(counter) - 1))


def main(folder: Path, name: str, kills: int, rounds: int) -> None:
    """Run once undisturbed; then, `kills` times, kill a run up to `rounds` times and resume it.

    Prints the number of events of a whole run and the signals and exit codes of every attempt.
    """
    assert in_child(run, folder / name) == 0
    report = folder / "events"
    assert in_child(killed, folder / "count" / name, 0, report) == 0
    events = int(report.read_text())
    outcome = []
    for attempt in range(kills):
        path = folder / str(attempt) / name
        first = 1 + (2 * attempt + 1) * events // (2 * kills)
        codes = [in_child(killed, path, first, report)]
        for later in range(rounds - 1):
            left = max((events - first) // 2, 8) * (later + 1) // rounds
            codes.append(in_child(killed, path, left, report, resume=True))
        codes.append(in_child(run, path, resume=True))
        outcome.append({"attempt": attempt, "event": first, "codes": codes})
    print(json.dumps({"events": events, "runs": outcome}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
