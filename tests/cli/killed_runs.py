"""Trains as `co2phys train` does, again and again, each time in a process of its own to be killed.

Started by `test_kill.py` with a list of jobs as JSON on standard input, so that the libraries are
imported once. A job is {"words": …} with perhaps one of

* "stage" and "how": the process kills itself at the call numbered so among those that touch the
  disk, "before" it, "after" it, or "within" it, when half of a file is written;
* "delay": it is killed from outside after so many seconds.

The last line it prints is a list of {"code": …, "calls": …}: the exit status, and how many such
calls there were.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import dask.array  # noqa: F401  (xarray looks for it while it opens a store)
import torch

from co2net_phys import checkpoint, run_folder, trainer
from co2net_phys.cli import main as command

PLACES = (
    (checkpoint, "save_file"), (checkpoint, "remove"), (run_folder, "atomic_write_text"),
    (trainer, "append_log"), (trainer, "clear_run"), (trainer, "truncate_log"), (os, "fsync"),
    (os, "replace"), (Path, "mkdir"), (Path, "write_text"), (Path, "rename"),
)  # fmt: skip


WRITERS = ("save_file", "write_text")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def guarded(place, name, job, calls):
    """The function of that name, which ends the process where the job says so."""
    function = getattr(place, name)

    def call(*arguments, **options):
        calls[0] += 1
        mine = calls[0] == job.get("stage")
        if mine and job["how"] == "before":
            die()
        answer = function(*arguments, **options)
        if mine:
            if job["how"] == "within" and name in WRITERS:
                halve(arguments)
            die()
        return answer

    return call


def halve(arguments):
    """Leave half of what a call has just written; nothing of it had to reach the disk yet."""
    for path in arguments:
        if isinstance(path, Path) and path.is_file():
            os.truncate(path, path.stat().st_size // 2)


def work(job, report):
    """One command in this process, which it ends."""
    calls = [0]
    for place, name in PLACES:
        setattr(place, name, guarded(place, name, job, calls))
    sys.argv = ["co2phys", *job["words"]]
    try:
        command.main()
    except SystemExit as leaving:
        os.write(report, json.dumps(calls[0]).encode())
        os._exit(leaving.code or 0)


def run(job):
    """Exit status of a child that does the job, and how often it touched the disk."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        work(job, writing)
    os.close(writing)
    if "delay" in job:
        time.sleep(job["delay"])
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    return {"code": os.waitstatus_to_exitcode(status), "calls": json.loads(said or "0")}


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.optim.AdamW([torch.ones(1, requires_grad=True)])  # imports half of torch
    print(json.dumps([run(job) for job in json.load(sys.stdin)]))
