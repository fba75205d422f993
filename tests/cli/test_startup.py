"""What happens before any work: a fast start, the version, the module."""

import json
import os
import subprocess
import sys

import pytest

from co2net_phys import __version__
from co2net_phys.cli import main

HEAVY = ("torch", "xarray", "numpy", "matplotlib", "scipy", "netCDF4", "numba", "zarr")
PROBE = """
import json, sys
sys.argv = ["co2phys", *{words}]
from co2net_phys.cli.main import main
try:
    main()
except SystemExit as leaving:
    print(json.dumps([leaving.code, [name for name in {heavy} if name in sys.modules]]))
"""


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["simulate", "--help"], ["train", "-h"]]
)
def test_nothing_heavy_is_imported_to_help(words):
    code = PROBE.format(words=words, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []], done.stderr


def test_the_module_is_the_command(tmp_path):
    said = [
        subprocess.run(
            [sys.executable, "-m", "co2net_phys", word],
            capture_output=True, text=True, cwd=tmp_path, timeout=60,
        )
        for word in ("--version", "--help")
    ]  # fmt: skip
    assert said[0].stdout == f"co2phys {__version__}\n"
    assert "simulate" in said[1].stdout
    assert [done.returncode for done in said] == [0, 0]


def test_without_a_command_there_is_help(co2phys):
    shown = co2phys()
    assert shown.code == 0
    assert "simulate" in shown.out


@pytest.mark.parametrize("word", ["--version", "--help", ""])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_gone_is_no_failure(word, unbuffered):
    """As in `co2phys --help | true`."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "co2net_phys", *word.split()]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment, timeout=60
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


class OutOfMemoryError(RuntimeError):
    """As torch calls it."""


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        MemoryError("Unable to allocate 3 TiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_too_little_memory_is_one_line(co2phys, monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(main, "app", fail)
    done = co2phys("train")
    assert (done.code, done.err) == (1, "co2phys: error: out of memory; lower --batch-size\n")
