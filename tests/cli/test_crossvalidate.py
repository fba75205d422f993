"""`co2phys crossvalidate` on invented tables, and the reference figures on the real one."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

DATA = (
    Path(os.environ.get("CO2PHYS_SAMPLE_DATA") or Path(__file__).parents[2] / "../shared/data")
    / "obspack"
).resolve()
OBSERVED = DATA / "station_co2_monthly_2000-2012.csv"
MODEL = DATA / "carbontracker_europe_at_stations_monthly_2000-2012.csv"

SIMPLE = "mean,nearest,kriging,kriging-drift,kriging-residuals"


def write_table(path, sites=12, months=24, offset=0.0):
    rng = np.random.default_rng(0)
    calendar = np.arange("2008-01", months + 456, dtype="datetime64[M]")[:months]
    lines = ["sitecode,lon,lat,file," + ",".join(f"{month}-15" for month in calendar)]
    for n in range(sites):
        north, east = rng.uniform(-80, 80), rng.uniform(-180, 180)
        series = 385 + offset + 0.2 * np.arange(months) + 0.03 * north + rng.normal(0, 1, months)
        cells = ["" if rng.random() < 0.1 else f"{value:.3f}" for value in series]
        name = f"co2_s{n:02d}_surface-flask_1_representative.nc"
        lines.append(f"S{n:02d},{east:.4f},{north:.4f},{name}," + ",".join(cells))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def table(tmp_path):
    return write_table(tmp_path / "observed.csv")


def test_all_methods_with_a_report(co2phys, table, tmp_path, monkeypatch):
    monkeypatch.setattr("co2net_phys.crossvalidation.gaussian_process.FOLDS", 2)
    model = write_table(tmp_path / "model.csv", offset=2.0)
    arguments = ["crossvalidate", "--observations", table, "--reference", model]
    done = co2phys(*map(str, arguments), "--report", str(tmp_path / "out"), "--json")
    assert done.code == 0, done.err
    scores = json.loads(done.out)
    assert list(scores["methods"]) == [
        *SIMPLE.split(","), "gaussian-process", "reference", "reference-without-bias",
    ]  # fmt: skip
    for row in scores["methods"].values():
        assert {"rmse", "median_abs_error", "bias", "n"} <= row.keys()
        low, high = row["intervals"]["rmse"]
        assert low <= row["rmse"] <= high
        assert row["n"] == scores["records"]
    assert scores["methods"]["reference"]["bias"] == pytest.approx(2, abs=1e-2)
    assert scores["methods"]["reference-without-bias"]["bias"] == pytest.approx(0, abs=1e-9)
    assert scores["methods"]["gaussian-process"]["rmse"] < scores["methods"]["mean"]["rmse"]
    assert json.loads((tmp_path / "out/scores.json").read_text()) == scores
    with (tmp_path / "out/scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == list(scores["methods"])
    page = (tmp_path / "out/report.html").read_text()
    assert page.count("data:image/png;base64,") == 4
    assert "http://" not in page and "https://" not in page


def test_some_methods_and_text(co2phys, table):
    done = co2phys("crossvalidate", "--observations", str(table), "--methods", "nearest,mean")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["mean", "nearest"]
    assert "squared error" in lines[-1]


def test_a_dry_run_writes_nothing(co2phys, table, tmp_path):
    done = co2phys(
        "crossvalidate", "--observations", str(table), "--report", str(tmp_path / "out"),
        "--start", "2008", "--end", "2008", "--dry-run", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    plan = json.loads(done.out)
    assert plan["first_month"] == "2008-01"
    assert plan["last_month"] == "2008-12"
    assert plan["groups"] == 12
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("way", [["--by", "region"], ["--by", "block"], ["--folds", "4"]])
def test_other_ways_to_leave_out(co2phys, table, way):
    done = co2phys(
        "crossvalidate", "--observations", str(table), "--methods", SIMPLE, *way, "--json"
    )
    assert done.code == 0, done.err
    scores = json.loads(done.out)
    assert scores["groups"] < 12
    assert np.isfinite([row["rmse"] for row in scores["methods"].values()]).all()


def test_a_report_is_replaced_only_if_asked(co2phys, table, tmp_path):
    arguments = ["crossvalidate", "--observations", str(table), "--methods", "mean,nearest",
                 "--report", str(tmp_path / "out")]  # fmt: skip
    assert co2phys(*arguments).code == 0
    again = co2phys(*arguments)
    assert again.code == 3
    assert "already exists; pass --overwrite" in again.err
    assert co2phys(*arguments, "--overwrite").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--start", "2010", "--end", "2008"], 2, "is after --end"),
        (["--start", "1950", "--end", "1951"], 3, "choose other --start and --end"),
        (["--methods", "krigging"], 2, "no method is called 'krigging'; choose from mean"),
        (["--folds", "13"], 3, "fewer than 13 folds; lower --folds"),
        (["--reference", "absent.csv"], 3, "absent.csv: cannot be read"),
    ],
)
def test_bad_options_are_one_line(co2phys, table, arguments, code, words):
    done = co2phys("crossvalidate", "--observations", str(table), *arguments)
    assert done.code == code
    assert words in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b,c\n1,2,3\n", "column 'code' is missing"),
        ("code,lat,lon\nAAA,1,2\n", "has no column of a month"),
        ("code,lat,lon,2008-01-15\nAAA,1,2,390\nBBB,3,4,391\n", "too few to leave one out"),
        ("code,lat,lon,2008-01-15\nAAA,1,2,\n", "holds no value"),
        ("code,lat,lon,2008-01-15\nAAA,1,2,many\n", "not a number"),
    ],
)
def test_wrong_tables_are_one_line(co2phys, tmp_path, text, words):
    path = tmp_path / "wrong.csv"
    path.write_text(text)
    done = co2phys("crossvalidate", "--observations", str(path))
    assert done.code == 3
    assert "wrong.csv" in done.err
    assert words in done.err


@pytest.mark.skipif(not OBSERVED.exists(), reason=f"no {OBSERVED}; set CO2PHYS_SAMPLE_DATA")
def test_the_reference_figures_of_real_sites(co2phys):
    done = co2phys(
        "crossvalidate", "--observations", str(OBSERVED), "--reference", str(MODEL),
        "--by", "site", "--start", "2008", "--end", "2012",
        "--methods", "mean,nearest,kriging,kriging-drift", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    expected = {
        "mean": (4.71, 2.65),
        "nearest": (3.82, 1.26),
        "kriging": (3.10, 1.55),
        "kriging-drift": (2.92, 1.15),
        "reference": (7.51, 1.29),
    }
    methods = json.loads(done.out)["methods"]
    for name, (rmse, median) in expected.items():
        assert methods[name]["rmse"] == pytest.approx(rmse, abs=0.006)
        assert methods[name]["median_abs_error"] == pytest.approx(median, abs=0.006)
        assert methods[name]["n"] == 6532
    assert methods["reference"]["bias"] == pytest.approx(3.4, abs=0.05)


@pytest.mark.slow
@pytest.mark.skipif(not OBSERVED.exists(), reason=f"no {OBSERVED}; set CO2PHYS_SAMPLE_DATA")
def test_what_the_sites_tell_is_worth_more_than_the_bootstrap_error(co2phys):
    done = co2phys(
        "crossvalidate", "--observations", str(OBSERVED), "--start", "2008", "--end", "2012",
        "--methods", "kriging-drift,gaussian-process", "--json",
    )  # fmt: skip
    row = json.loads(done.out)["methods"]["gaussian-process"]
    for key in ("rmse", "median_abs_error"):
        assert row["difference"][key]["interval"][1] < 0
