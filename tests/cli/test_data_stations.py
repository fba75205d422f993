"""`co2phys data prepare stations`: any station files in, one CF file of observations out."""

import importlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

sys.path.insert(0, str(Path(__file__).parents[1] / "products"))
writers = importlib.import_module("station_writers")

DATA = Path(
    os.environ.get("CO2PHYS_SAMPLE_DATA") or Path(__file__).parents[2] / "../shared/data"
).resolve()
TABLE = DATA / "obspack/station_co2_monthly_2000-2012.csv"
WORDS = ("data", "prepare", "stations")
NAMES = ("co2_aaa_surface-flask_1_representative.nc", "co2_bbb_tower-insitu_2_allvalid-90magl.nc")


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    time = writers.seconds("2016-01-01T00:00:00") + 3600 * np.arange(48)
    for name in NAMES:
        writers.write_obspack(folder / name, time, np.full(48, 4e-4))
    writers.write_month(
        folder / "co2_mhd_surface-flask_1_ccgg_month.txt", [(2016, 1, 404.0)], site="MHD"
    )
    return folder


def findings(path, checkers):
    """What the compliance checker objects to, and its own failures."""
    runner = pytest.importorskip("compliance_checker.runner", reason="compliance-checker is absent")
    suite = runner.CheckSuite()
    suite.load_all_available_checkers()
    dataset = suite.load_dataset(str(path))
    # In 6.1 that check fails on any contiguous ragged array: it unpacks one string to two names.
    results = suite.run_all(dataset, checkers, skip_checks=["check_domain_variables"])
    dataset.close()
    return {
        name: ([g.msgs for g in groups if g.value[0] < g.value[1]], errors, bool(groups))
        for name, (groups, errors) in results.items()
    }


def test_stations_of_every_kind_become_one_clean_file(co2phys, raw, tmp_path):
    done = co2phys(*WORDS, "--input", raw, "--output", "observations.nc")
    assert done.code == 0, done.err
    for part in ("wrote observations.nc: 57 observations", "3 at 3 sites", "40 hour of the day"):
        assert part in done.out
    with xr.open_dataset(tmp_path / "observations.nc") as data:
        assert data["site"].values.tolist() == ["AAA", "BBB", "MHD"]
        assert data["row_size"].values.tolist() == [48, 8, 1]
        assert data["co2"].attrs["units"] == "umol mol-1"
        assert data.attrs["co2phys_command"].startswith("co2phys data prepare stations --input")
        assert set(json.loads(data.attrs["co2phys_input_sha256"])) == {
            p.name for p in raw.iterdir()
        }
        assert "not by direct observation" not in data.attrs["comment"]
    assert findings(tmp_path / "observations.nc", ["cf:1.11"]) == {"cf:1.11": ([], {}, True)}


def test_several_files_after_one_input_as_a_shell_expands_them(co2phys, raw, tmp_path):
    files = sorted(raw.glob("*.nc"))
    done = co2phys(*WORDS, "--output", "a.nc", "--input", *files, "--selection", "valid", "--json")
    assert done.code == 0, done.err
    plan = json.loads(done.out)
    assert (plan["files"], plan["observations"], plan["left_out"]) == (2, 96, {})
    again = co2phys(*WORDS, "--output", "b.nc", "--input", "a.nc", "--selection", "valid", "--json")
    assert json.loads(again.out)["observations"] == 96


def test_a_dry_run_writes_nothing(co2phys, raw, tmp_path, listing):
    before = listing(tmp_path)
    done = co2phys(*WORDS, "--input", raw, "--output", "new/observations.nc", "--dry-run", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["sites"] == 3
    assert (
        "nothing (dry run)" in co2phys(*WORDS, "--input", raw, "--output", "x.nc", "--dry-run").out
    )
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--output", "x.zarr"), 2, "end it in .nc"),
        (("--output", "x.nc", "--selection", "best"), 2, "--selection 'best' is unknown"),
        (("--output", f"raw/{NAMES[0]}"), 2, "is an input of this command"),
        (("--output", "old.nc"), 3, "already exists; pass --overwrite"),
        (("--output", "x.nc", "--tracer", "ch4"), 3, "of CO2, not of CH4"),
        (("--output", "x.nc", "--units", "kg"), 3, "units 'kg'"),
        (("--output", "x.nc", "absent.nc"), 3, "absent.nc: no such file"),
    ],
)
def test_what_does_not_work_is_said_in_one_line(
    co2phys, raw, listing, tmp_path, options, code, message
):
    (tmp_path / "old.nc").write_text("mine")
    before = listing(tmp_path)
    done = co2phys(*WORDS, "--input", "raw", *options)
    assert (done.code, listing(tmp_path)) == (code, before)
    (line,) = [line for line in done.err.splitlines() if "error" in line]
    assert line.startswith("co2phys: error: ")
    assert message in line


def test_help_names_the_selections(co2phys):
    shown = co2phys(*WORDS, "--help")
    assert (shown.code, shown.err) == (0, "")
    for word in ("representative", "assimilated", "--dry-run", "--json", "--overwrite"):
        assert word in shown.out


@pytest.mark.skipif(not TABLE.exists(), reason=f"no sample data in {DATA}; set CO2PHYS_SAMPLE_DATA")
def test_the_command_of_the_manual_on_the_real_table(co2phys, tmp_path):
    done = co2phys(*WORDS, "--input", TABLE, "--output", "observations.nc", "--json")
    assert done.code == 0, done.err
    plan = json.loads(done.out)
    assert (plan["datasets"], plan["without_position"]) == (185, 3)
    assert "no position for INX, POC, WPC" in done.err
    assert findings(tmp_path / "observations.nc", ["cf:1.11"]) == {"cf:1.11": ([], {}, True)}
