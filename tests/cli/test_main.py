"""What the program does when its result cannot be printed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("co2phys")
FULL = Path("/dev/full")


BUFFERED = (
    "from co2net_phys.cli import main; main._guarded = lambda: print('a result') or 0; main.main()"
)
"""A command whose result is still to be written out when it ends."""


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "words",
    [
        (PROGRAM, "--version"),
        (PROGRAM, "probe", "--help"),
        (PROGRAM, "probe", "--dry-run", "--json"),
        (sys.executable, "-c", BUFFERED),
    ],
)
def test_a_full_standard_output_is_one_line(tmp_path, words, unbuffered):
    if unbuffered and BUFFERED in words:
        pytest.skip("nothing is left to be written out")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    environment["PYTHONUNBUFFERED"] = unbuffered
    with FULL.open("w") as full:
        done = subprocess.run(
            words, cwd=tmp_path, env=environment, text=True, check=False,
            stdout=full, stderr=subprocess.PIPE,
        )  # fmt: skip
    assert done.returncode == 3
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("co2phys: error: standard output: no space left on device; ")


def test_an_unexplained_failure_of_a_file_is_a_bug(co2phys, monkeypatch):
    def broken(*names):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("co2net_phys.validation.wind_probe.ProbeConfig", broken)
    done = co2phys("probe", "--dry-run")
    assert done.code == 1
    assert "this is a bug" in done.err
