"""Stop `co2phys simulate` in every way and go on with --resume."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from co2net_phys.data.schema import CO2

PROGRAM = Path(sys.executable).with_name("co2phys")
SIMULATE = (
    *("simulate", "--preset", "twin", "--truncation", "10", "--spin-up", "0d", "--grid", "model"),
    *("--stations", "none"),
)


def start(folder, *words):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    return subprocess.Popen(
        [PROGRAM, *words], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_asked_to_end_says_how_to_go_on(tmp_path, co2phys, number, code):
    words = (*SIMULATE, "--days", "200", "--output", "x.nc")
    process = start(tmp_path, *words)
    restart, began = tmp_path / "x.nc.restart", time.monotonic()
    while not restart.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() - began < 90
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    (line,) = [line for line in said.splitlines() if "--resume" in line]
    frames = int(line.partition(" of 1600 frames are in x.nc.partial.zarr")[0].split()[-1])
    assert frames >= 16
    assert said.splitlines()[-1].startswith("co2phys: error: ")
    assert {path.name for path in tmp_path.iterdir()} == {"x.nc.partial.zarr", "x.nc.restart"}
    with xr.open_zarr(tmp_path / "x.nc.partial.zarr", consolidated=False) as data:
        assert np.isfinite(data[CO2][:frames]).all()
        assert np.isnan(data[CO2][frames:]).all()
    other = co2phys(*words, "--resume", "--diffusivity", "2e5")
    assert other.code == 2
    assert "diffusivity was 100000.0, is 200000.0" in other.err
    again = co2phys(*words)
    assert again.code == 3
    assert "--resume" in again.err


def test_resumed_on_the_command_line_the_file_has_the_same_bytes(tmp_path, co2phys, monkeypatch):
    words = (*SIMULATE, "--days", "5", "--diagnostics")
    fixed = {"title": "a test", "co2phys_configuration": "{}"}
    monkeypatch.setattr("co2net_phys.provenance.provenance_attributes", lambda *a: dict(fixed))
    assert co2phys(*words, "--output", "whole.nc").code == 0
    from co2net_phys.simulation.run import _Frames

    record = _Frames.record

    def failing(self, number, *rest):
        if number == 23:
            raise KeyboardInterrupt
        return record(self, number, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(_Frames, "record", failing)
        stopped = co2phys(*words, "--output", "x.nc")
    assert stopped.code == 130
    assert "23 of 40 frames are in x.nc.partial.zarr; continue with --resume" in stopped.err
    done = co2phys(*words, "--output", "x.nc", "--resume", "--json")
    assert done.code == 0, done.err
    assert "go on after 23 of 40 frames" in done.err
    assert json.loads(done.out)["frames"] == 40
    assert (tmp_path / "x.nc").read_bytes() == (tmp_path / "whole.nc").read_bytes()
    again = co2phys(*words, "--output", "x.nc", "--resume", "--json")
    assert again.code == 0
    assert "complete already" in again.err
    assert json.loads(again.out).keys() == json.loads(done.out).keys()


def test_what_was_chosen_of_the_inputs_counts_too(tmp_path, co2phys):
    words = ("simulate", "--truncation", "10", "--duration", "12h", "--output", "x.zarr")
    assert co2phys(*words, "--winds", "solid-body", "--initial", "hills").code == 0
    same = co2phys(*words, "--winds", "solid-body", "--initial", "hills", "--resume")
    assert same.code == 0
    other = co2phys(*words, "--winds", "solid-body", "--initial", "zonal", "--resume")
    assert other.code == 2
    assert "another option: initial was" in other.err
    with xr.open_zarr(tmp_path / "x.zarr", consolidated=False) as data:
        chosen = json.loads(data.attrs["co2phys_configuration"])
    assert chosen["winds"] == {"from": "solid-body"}
    assert chosen["initial"] == {"from": "hills"}


def test_a_full_disk_keeps_the_frames_that_fitted(tmp_path, co2phys, monkeypatch):
    from co2net_phys.data import writer_partial

    written, real = [], writer_partial.PartialStore.write

    def fill_up(self, first, records):
        written.append(first)
        if first >= 32:
            raise OSError(28, "No space left on device")
        real(self, first, records)

    words = (*SIMULATE, "--days", "8", "--output", "x.zarr")
    with monkeypatch.context() as patch:
        patch.setattr(writer_partial.PartialStore, "write", fill_up)
        done = co2phys(*words)
    assert done.code == 3
    (line,) = [line for line in done.err.splitlines() if line.startswith("co2phys: error")]
    assert "no space left" in line
    assert "make room first; 32 of 64" in line
    assert "another --output" not in line  # where --resume would find nothing to go on with
    assert "32 of 64 frames are in x.zarr.partial.zarr, continue with --resume" in line
    assert written[0] == 0
    assert co2phys(*words, "--resume").code == 0
    assert os.listdir(tmp_path) == ["x.zarr"]


def test_the_twin_with_diagnostics_passes_the_cf_checker(co2phys, tmp_path):
    runner = pytest.importorskip("compliance_checker.runner", reason="compliance-checker is absent")
    words = (*SIMULATE[:-2], "--days", "1", "--components", "--diagnostics", "--output", "x.nc")
    assert co2phys(*words).code == 0
    suite = runner.CheckSuite()
    suite.load_all_available_checkers()
    dataset = suite.load_dataset(str(tmp_path / "x.nc"))
    (groups, errors) = suite.run_all(dataset, ["cf:1.11"], skip_checks=[])["cf:1.11"]
    dataset.close()
    assert not errors
    assert groups
    assert [group.msgs for group in groups if group.value[0] < group.value[1]] == []


def test_auto_says_what_it_picked_and_why(co2phys):
    words = ("simulate", "--winds", "solid-body", "--truncation", "10", "--duration", "6h")
    done = co2phys(*words, "--integrator", "auto", "--output", "x.nc")
    assert done.code == 0
    assert "integrator exact-solid-body, step 10800 s: " in done.err
    planned = co2phys(*words, "--integrator", "auto", "--output", "y.nc", "--dry-run", "--json")
    plan = json.loads(planned.out)
    assert plan["integrator"] == "exact-solid-body"
    assert plan["reason"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--integrator", "exact-zonal"], "exact-zonal"),
        (["--lifetime", "soon"], "--lifetime 'soon'"),
        (["--hyperdiffusivity", "-1"], "hyperdiffusivity"),
        (["--scheme", "upwind"], "--scheme"),
        (["--form", "none"], "--form"),
    ],
)
def test_wrong_choices_are_one_line_with_code_2(co2phys, tmp_path, words, part):
    done = co2phys(
        "simulate", "--winds", "deformational", "--truncation", "10", "--duration", "6h",
        "--output", "x.nc", *words,
    )  # fmt: skip
    assert done.code == 2, done.err
    assert len(done.err.splitlines()) == 1
    assert part in done.err
    assert not list(tmp_path.iterdir())
