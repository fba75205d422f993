"""`co2phys invert`: both methods to the scores, and what is refused in one line."""

import json

import numpy as np
import pytest
import xarray as xr

QUICK = (
    *("--truncation", "8", "--initial-length", "3000", "--factor-length", "4000"),
    *("--training-stations", "6", "--spin-up", "1d", "--json"),
)
PERIOD = ("--start", "2010-03-12", "--end", "2010-03-13")
METHODS = {
    "4dvar": ("--iterations", "2", "--window", "1d"),
    "letkf": ("--members", "6", "--observation-window", "2d"),
}


@pytest.mark.parametrize("method", METHODS)
def test_an_inversion_is_written_and_can_be_evaluated(co2phys, world, method):
    words = ("--method", method, "--data", world, "--output", "inversion.nc")
    done = co2phys("invert", *words, *QUICK, *PERIOD, *METHODS[method])
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result["frames"] == 16
    assert len(result["windows"]) == 3
    assert all(window["chi_square"] > 0 for window in result["windows"])
    if method == "4dvar":
        for window in result["windows"]:
            assert window["cost"] == sorted(window["cost"], reverse=True)
            assert 0 <= window["gradient_reduction"] < 1
    stations = result["stations"]
    assert stations["held_out"]["posterior"]["n"] == 16 * 2
    assert stations["training"]["posterior"]["rmse"] < stations["training"]["prior"]["rmse"]
    with xr.open_dataset("inversion.nc") as data:
        assert len(data.attrs["held_out_stations"].split()) == 2
        assert data["time"].values[0] == np.datetime64("2010-03-12")
        assert ("co2s_standard_error" in data) == (method == "letkf")
        assert json.loads(data.attrs["co2phys_configuration"])["method"] == method
    scored = co2phys("evaluate", "--prediction", "inversion.nc", "--truth", world, "--json")
    assert scored.code == 0, scored.err
    assert json.loads(scored.out)["rmse"] > 0


def test_a_dry_run_tells_the_size_and_writes_nothing(co2phys, world, tmp_path, listing):
    words = ("--method", "4dvar", "--data", world, "--output", "inversion.nc", "--members", "2")
    done = co2phys("invert", *words, *QUICK, *PERIOD, "--dry-run")
    assert done.code == 0, done.err
    plan = json.loads(done.out)
    assert plan["control_size"] == 81 + 4 * 8
    assert plan["training_stations"] == 6
    assert plan["memory_bytes"] > 0
    assert not listing(tmp_path)
    text = co2phys("invert", *words, *QUICK[:-1], *PERIOD, "--dry-run").out
    assert "nothing (dry run)" in text


@pytest.mark.parametrize(
    ("words", "code", "parts"),
    [
        (("--iterations", "3"), 2, ("--iterations has no effect with --method letkf",)),
        (("--prior", "fires"), 2, ("--prior 'fires' is not NAME=NUMBER",)),
        (("--prior", "sea=2"), 2, ("no flux is called 'sea'", "ocean")),
        (("--first-guess", "zero"), 2, ("--first-guess 'zero' is not known", "uniform")),
        (("--start", "2010-03-12"), 2, ("--start and --end belong together",)),
        (("--start", "March", "--end", "April"), 2, ("not ISO 8601 times", "2010-03-01")),
        (("--start", "2011", "--end", "2012"), 3, ("no time step between 2011 and 2012",)),
        (("--window", "5"), 2, ("--window '5' is not a duration",)),
        (("--initial-length", "50"), 2, ("correlation length 50 km", "--truncation")),
        (("--flux", "absent.nc"), 3, ("absent.nc",)),
        (("--output", "out.txt"), 2, ("--output out.txt: unknown format",)),
    ],
)
def test_mistakes_are_told_in_one_line(co2phys, world, words, code, parts):
    usual = ("--method", "letkf", "--data", world, "--output", "out.nc", *QUICK)
    done = co2phys("invert", *usual, *words)
    lines = [line for line in done.err.splitlines() if line.startswith("co2phys: error: ")]
    assert done.code == code, done.err
    assert len(lines) == 1
    assert all(part in lines[0] for part in parts), lines[0]
    assert "Traceback" not in done.err


def test_an_existing_output_is_kept_unless_told(co2phys, world, tmp_path):
    (tmp_path / "out.nc").write_text("mine")
    done = co2phys("invert", "--method", "letkf", "--data", world, "--output", "out.nc", *QUICK)
    assert done.code == 3
    assert "--overwrite" in done.err
    assert (tmp_path / "out.nc").read_text() == "mine"
