"""`co2phys probe`, at small size."""

import json
import os
import signal
import time

import numpy as np
import pytest
import xarray as xr

from co2net_phys.data.writer import write_dataset

QUICK = ("--epochs", "1", "--windows-per-epoch", "8")
ARMS = ("--arms", "withheld,shuffled")


@pytest.fixture(scope="module")
def still(world, tmp_path_factory):
    """A store without wind."""
    path = tmp_path_factory.mktemp("still") / "still.nc"
    with xr.open_zarr(world) as data:
        write_dataset(data.drop_vars("uas").load(), path)
    return path


@pytest.fixture(scope="module")
def short(world, tmp_path_factory):
    path = tmp_path_factory.mktemp("short") / "short.nc"
    with xr.open_zarr(world) as data:
        write_dataset(data.isel(time=slice(0, 40)).load(), path)
    return path


@pytest.mark.slow
def test_it_writes_its_results_and_goes_on(world, co2phys, tmp_path, listing):
    done = co2phys("probe", "--data", world, *QUICK, "--arms", "withheld", "--json")
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    assert [run["arm"] for run in summary["runs"]] == ["withheld"]
    folder = tmp_path / "probe"
    names = {"probe.json", "probe.csv", "wind-probe.png", "runs"}
    assert {path.name for path in folder.iterdir()} == names
    assert json.loads((folder / "probe.json").read_text()) == summary
    trained = listing(folder / "runs" / "withheld-1" / "last")

    again = co2phys("probe", "--data", world, *QUICK, *ARMS)
    assert again.code == 2
    assert "--resume or --overwrite" in again.err
    more = co2phys("probe", "--data", world, *QUICK, *ARMS, "--resume")
    assert more.code == 0, more.err
    assert "wind withheld, target shuffled" in more.out
    assert "wind-probe.png" in more.out
    assert listing(folder / "runs" / "withheld-1" / "last") == trained
    both = json.loads((folder / "probe.json").read_text())["runs"]
    assert both[0]["r2_pooled"] == pytest.approx(summary["runs"][0]["r2_pooled"])
    assert np.isfinite([run["r2_own_target"] for run in both]).all()

    other = co2phys("probe", "--data", world, "--epochs", "2", *ARMS, "--resume")
    assert other.code == 2
    assert "--epochs 1, not 2" in other.err
    before = (folder / "probe.json").read_bytes()
    for words in (("--arms", "co2-only"), ("--arms", "co2-only", "--resume")):
        lost = co2phys("probe", "--data", world, *QUICK, *words)
        assert lost.code == 2, "the arms that are there would be lost"
        assert co2phys("probe", "--data", world, *QUICK, *words, "--dry-run").code == 2
    assert (folder / "probe.json").read_bytes() == before
    twin = co2phys("probe", *QUICK, *ARMS, "--resume")
    assert twin.code == 2, "before a twin is simulated"
    assert "other data (world.zarr); give the same --data" in twin.err
    assert not (folder / "twin.zarr").exists()
    plan = co2phys("probe", "--data", world, *QUICK, *ARMS, "--resume", "--dry-run")
    assert plan.code == 0, plan.err
    assert plan.out.count("all 2 steps done") == 2
    afresh = co2phys("probe", "--data", world, *QUICK, *ARMS, "--overwrite")
    assert afresh.code == 0, afresh.err
    assert listing(folder / "runs" / "withheld-1" / "last") != trained


def test_a_dry_run_says_what_would_run_and_writes_nothing(world, co2phys, tmp_path):
    plan = co2phys("probe", "--data", world, *QUICK, *ARMS, "--seeds", "2", "--dry-run", "--json")
    assert plan.code == 0, plan.err
    rows = json.loads(plan.out)["runs"]
    assert [(row["arm"], row["seed"], row["steps"]) for row in rows] == [
        ("withheld", 1, 2), ("shuffled", 1, 2), ("withheld", 2, 2), ("shuffled", 2, 2),
    ]  # fmt: skip
    text = co2phys("probe", "--dry-run")
    assert text.code == 0
    assert "co2-only, seed 1" in text.out
    assert "simulated first" in text.out
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("--data", "WORLD", "--arms", "given,taken"), 2, "no arm 'taken'"),
        (("--data", "WORLD", "--arms", "given,given"), 2, "--arms"),
        (("--data", "WORLD", "--epochs", "0"), 2, "--epochs"),
        (("--data", "WORLD", "--seeds", "0"), 2, "--seeds"),
        (("--data", "WORLD", "--resume", "--overwrite"), 2, "exclude each other"),
        (("--data", "STILL"), 3, "no 'uas'"),
        (("--data", "STILL", "--dry-run"), 3, "no 'uas'"),
        (("--data", "nowhere.zarr"), 3, "nowhere.zarr"),
        (("--data", "nowhere.zarr", "--dry-run"), 3, "nowhere.zarr"),
        (("--data", "SHORT"), 3, "too few to split"),
        (("--data", "WORLD", "--output", "taken/here"), 3, "taken"),
        (("--data", "WORLD", "--output", "taken/here", "--dry-run"), 3, "taken is not a folder"),
        (("--output", "taken/here"), 3, "taken is not a folder"),
    ],
)
def test_bad_input_is_one_line(words, code, part, world, still, short, co2phys, tmp_path):
    (tmp_path / "taken").write_text("a file")
    named = {"WORLD": world, "STILL": still, "SHORT": short}
    done = co2phys("probe", *(named.get(word, word) for word in words))
    assert done.code == code, done.err
    assert part in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert done.out == ""
    assert {path.name for path in tmp_path.iterdir()} == {"taken"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_scoring_ends_it(world, co2phys, tmp_path, monkeypatch, number, code):
    from co2net_phys.validation.wind_probe_scores import Scoring

    rivals = Scoring.rivals

    def signalled(self):
        os.kill(os.getpid(), number)
        return rivals(self)

    with monkeypatch.context() as patch:
        patch.setattr(Scoring, "rivals", signalled)
        done = co2phys("probe", "--data", world, *QUICK, "--arms", "withheld")
    assert done.code == code
    assert "go on with --resume" in done.err
    assert {path.name for path in (tmp_path / "probe").iterdir()} == {"runs"}
    again = co2phys("probe", "--data", world, *QUICK, "--arms", "withheld", "--resume")
    assert again.code == 0, again.err


def test_a_second_ctrl_c_does_not_wait(world, co2phys, monkeypatch):
    from co2net_phys.validation.wind_probe_scores import Scoring

    def patient(self):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(20)
        raise AssertionError("it was swallowed")

    monkeypatch.setattr(Scoring, "rivals", patient)
    done = co2phys("probe", "--data", world, *QUICK, "--arms", "withheld")
    assert done.code == 130
    assert done.err.splitlines()[-1] == "co2phys: error: interrupted"


def test_an_unfinished_twin_goes_on(co2phys, tmp_path, monkeypatch):
    """Stopped in the simulation, as its message says; the rest of the experiment is left out."""
    from co2net_phys.demo import DemoConfig
    from co2net_phys.simulation.run import _Frames

    class Coarse(DemoConfig):
        @property
        def simulation(self):
            quick = {"truncation": 10, "spin_up": 21600.0, "frames": 40}
            return super().simulation.model_copy(update=quick)

    record, numbers = _Frames.record, []

    def failing(self, number, *rest):
        numbers.append(number)
        if len(numbers) == 24:
            raise KeyboardInterrupt
        return record(self, number, *rest)

    monkeypatch.setattr("co2net_phys.demo.DemoConfig", Coarse)
    monkeypatch.setattr(_Frames, "record", failing)
    stopped = co2phys("probe", *QUICK)
    assert stopped.code == 130
    assert "continue with --resume" in stopped.err
    assert co2phys("probe", *QUICK).code == 2, "it is not thrown away unasked"
    assert co2phys("probe", *QUICK, "--resume").code == 3, "five days are too few to split"
    assert numbers == [*range(24), *range(23, 42)]
    assert {path.name for path in (tmp_path / "probe").iterdir()} == {"twin.zarr"}
    again = co2phys("probe", *QUICK, "--resume")
    assert "use probe/twin.zarr again" in again.err
    assert len(numbers) == 24 + 19
