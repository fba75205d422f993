"""Two processes on one machine against one: gloo, float32, CPU."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from co2net_phys.checkpoint import TRAINING, WEIGHTS
from co2net_phys.data.writer import write_dataset
from co2net_phys.distributed import Team

OPTIONS = [
    *("--data", "world.zarr", "--frames", "2", "--epochs", "2", "--device", "cpu"),
    *("--windows-per-epoch", "11", "--batch-size", "5", "--background", "none"),
    *("--precision", "fp32", "--validate-every", "1"),
]
"""Batches of 5, 5 and 1: shares of 3 and 2, and one that only the first process has."""

CO2NET = ("--size", "XS")
CYCLEGAN = (
    *("--model", "cyclegan", "--set", "model.filters=4", "--set", "model.blocks=1"),
    *("--set", "model.discriminator_layers=2", "--set", "model.dropout=0"),
)
"""The rival with losses of its own, and two players."""


@pytest.fixture
def world(tmp_path, small_world):
    write_dataset(small_world(), tmp_path / "world.zarr")
    return tmp_path


def train(folder, name, processes, *more, code=0, network=CO2NET):
    program = [sys.executable, "-m"]
    if processes > 1:
        start = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
        program += start
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*program, "co2net_phys", "train", *OPTIONS, *network, "--output", name, *more],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done


def weights(folder, name, part="last"):
    return load_file(folder / name / part / WEIGHTS)


def rows(folder, name):
    log = (folder / name / "log.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(row).items() if k != "seconds"} for row in log]


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [(), ("--set", "accumulate=2"), ("--set", "shard=true", "--set", "accumulate=3")],
    ids=["plain", "parts", "sharded-parts"],
)
def test_two_processes_train_as_one(world, more):
    train(world, "one", 1)
    train(world, "two", 2, *more)
    one, two = weights(world, "one"), weights(world, "two")
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=1e-6, msg=name)
    for first, second in zip(rows(world, "one"), rows(world, "two"), strict=True):
        assert first == pytest.approx(second, rel=1e-4)
    assert len(list((world / "two").glob("last*"))) == 2, "only the first process writes"


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--set", "shard=true")], ids=["plain", "sharded"])
def test_two_processes_play_against_each_other_as_one(world, more):
    train(world, "one", 1, network=CYCLEGAN)
    train(world, "two", 2, *more, network=CYCLEGAN)
    one, two = weights(world, "one"), weights(world, "two")
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=1e-5, msg=name)
    for first, second in zip(rows(world, "one"), rows(world, "two"), strict=True):
        assert first == pytest.approx(second, rel=1e-3)
        assert {"adversarial", "cycle", "identity", "discriminator"} <= first.keys()


@pytest.mark.slow
def test_two_processes_resume_bit_for_bit(world):
    train(world, "through", 2, "--set", "epochs=2")
    train(world, "parts", 2, "--set", "save_every=1", "--set", "epochs=2")
    last, first = world / "parts" / "last", world / "parts" / "last.previous"
    assert last.exists() and first.exists()
    for folder in (last, world / "parts" / "best"):
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    train(world, "parts", 2, "--set", "save_every=1", "--set", "epochs=2", "--resume", "auto")
    through, parts = weights(world, "through"), weights(world, "parts")
    assert all(torch.equal(through[name], parts[name]) for name in through)
    done = train(world, "parts", 1, "--resume", "auto", code=2)
    assert "started with 2 processes, not 1" in done.stderr.splitlines()[-1]
    assert any(name.startswith("random.cpu.1") for name in load_file(last / TRAINING))


def test_shares_of_a_batch():
    for count in (1, 2, 5, 8):
        positions = np.arange(10, 10 + count)
        shares = [Team(rank, 3).share(positions) for rank in range(3)]
        taken = np.concatenate([mine for mine, weight in shares if weight])
        assert sorted(taken) == positions.tolist()
        losses = np.array([float((mine**2).mean()) for mine, _ in shares])
        mean = (losses * [weight for _, weight in shares]).mean()
        assert mean == pytest.approx(float((positions**2).mean()))


def test_alone_a_team_is_no_burden():
    team = Team()
    assert team.leads and not team.any(False) and team.any(True)
    assert team.means({"a": 2.0}) == {"a": 2.0}
    tensor = torch.arange(3)
    assert torch.equal(team.gathered(tensor)[0], tensor)
