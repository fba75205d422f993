"""`kill -9` at any moment of a training run, then `--resume auto`: the bits of a run left alone."""

import csv
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from co2net_phys.checkpoint import METADATA, TRAINING, WEIGHTS
from co2net_phys.data.writer import write_dataset

DRIVER = Path(__file__).with_name("killed_runs.py")
TRAIN = (
    *("train", "--data", "world.zarr", "--size", "XS", "--frames", "2", "--epochs", "2"),
    *("--windows-per-epoch", "8", "--batch-size", "4", "--background", "none", "--device", "cpu"),
    *("--precision", "fp32", "--validate-every", "1", "--set", "save_every=3"),
    *("--set", "model.dropout=0.1", "--experts", "temporal", "--embedding", "none"),
)
"""Two steps in each of two epochs; states after the first epoch, the third step and the second."""

KILLED = -9


@pytest.fixture(scope="module")
def folder(tmp_path_factory, small_world):
    """A world to train on."""
    place = tmp_path_factory.mktemp("killed")
    write_dataset(small_world(60), place / "world.zarr")
    return place


@pytest.fixture(scope="module")
def calls(folder):
    """How often a run that nothing disturbs touches the disk; it is called `whole`."""
    (whole,) = drive(folder, [words("whole")])
    assert whole["code"] == 0
    return whole["calls"]


def words(name, **more):
    return {"words": [*TRAIN, "--output", name, "--resume", "auto"], **more}


def drive(place, jobs):
    """Do the jobs one after the other; see `killed_runs.py`."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CO2PHYS_QUIET": "1"}
    done = subprocess.run(
        [sys.executable, DRIVER], input=json.dumps(jobs), cwd=place, env=environment,
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "error" not in done.stderr, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def rows(run):
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    with (run / "log.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    return [[{**row, "seconds": None} for row in part] for part in (log, table)]


def state(run, name):
    """All that a checkpoint says, but for when and how fast."""
    metadata = json.loads((run / name / METADATA).read_text())
    del metadata["provenance"], metadata["sha256"]
    metadata["scores"].pop("seconds", None)
    parts = (WEIGHTS, TRAINING) if name == "last" else (WEIGHTS,)
    return metadata, {part: load_file(run / name / part) for part in parts}


def same_as_undisturbed(place, name):
    for part in ("best", "last"):
        said, tensors = state(place / name, part)
        expected, whole = state(place / "whole", part)
        assert said == expected
        for file in whole:
            assert tensors[file].keys() == whole[file].keys()
            for key, value in whole[file].items():
                assert torch.equal(tensors[file][key], value), (part, key)
    assert rows(place / name) == rows(place / "whole")
    assert not list((place / name).glob("last.tmp-*")) + list((place / name).glob("best.tmp-*"))


def killed_at(place, stages):
    """Kill a run of its own at each (call, how), and go on with it."""
    names = [f"{how}-{stage}" for stage, how in stages]
    jobs = [
        job
        for name, (stage, how) in zip(names, stages, strict=True)
        for job in (words(name, stage=stage, how=how), words(name))
    ]
    done = drive(place, jobs)
    for name, killed, resumed in zip(names, done[::2], done[1::2], strict=True):
        assert killed["code"] == KILLED, name
        assert resumed["code"] == 0, name
        same_as_undisturbed(place, name)


HOW = ("before", "after", "within")


@pytest.mark.slow
def test_killed_within_a_checkpoint(folder, calls):
    """Two of all the moments; the slow tests go through many."""
    killed_at(folder, [(round(0.6 * calls), "within"), (round(0.9 * calls), "before")])


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_killed_at_every_ninth_call(folder, calls, how):
    """Each way has calls of its own."""
    first = 2 + 3 * HOW.index(how)
    killed_at(folder, [(stage, how) for stage in range(first, calls + 1, 9)])


WHILE_GOING_ON = ("before", "after", "within")


@pytest.mark.slow
@pytest.mark.parametrize("how", WHILE_GOING_ON)
def test_killed_again_while_it_goes_on(folder, calls, how):
    """At each of the first calls of the second process, which puts the log in order."""
    jobs = []
    for stage in range(1, 5):
        name = f"again-{how}-{stage}"
        first = words(name, stage=round(0.8 * calls), how="before")
        jobs += [first, words(name, stage=stage, how=how), words(name)]
    done = drive(folder, jobs)
    assert [job["code"] for job in done] == [KILLED, KILLED, 0] * 4
    for stage in range(1, 5):
        same_as_undisturbed(folder, f"again-{how}-{stage}")


@pytest.mark.slow
def test_killed_at_random_moments_again_and_again(folder, calls):
    """Until it happens to come to its end."""
    moment = random.Random(5)
    jobs = [words("random", delay=moment.uniform(0.05, 1.5)) for _ in range(8)]
    done = drive(folder, [*jobs, words("random")])
    assert done[-1]["code"] == 0
    assert KILLED in [job["code"] for job in done]
    same_as_undisturbed(folder, "random")


@pytest.mark.slow
def test_the_program_itself_is_killed(folder, calls):
    program = Path(sys.executable).with_name("co2phys")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [program, *TRAIN, "--output", "program", "--resume", "auto"]
    for marker in ("log.jsonl", "last.previous", "best"):
        process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE)
        while process.poll() is None and not (folder / "program" / marker).exists():
            time.sleep(0.01)
        process.kill()
        process.communicate()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    same_as_undisturbed(folder, "program")
