"""`co2phys evaluate` against maps, against station files, and against what it cannot use."""

import csv
import importlib
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from co2net_phys.data.schema import CO2, HELD_OUT_ATTRIBUTE

sys.path.insert(0, str(Path(__file__).parents[1] / "products"))
writers = importlib.import_module("station_writers")

DATA = Path(
    os.environ.get("CO2PHYS_SAMPLE_DATA") or Path(__file__).parents[2] / "../shared/data"
).resolve()
OBSPACK = DATA / "obspack"
GRID = ("evaluate", "--prediction", "rec.nc", "--truth")
SITES = ("evaluate", "--prediction", "rec.nc", "--stations")


@pytest.fixture
def prediction(tmp_path, small_world):
    """The truth of the second half plus 1, with two held-out stations, as rec.nc."""
    data = small_world()[[CO2]].isel(time=slice(100, 200)).drop_dims("station", errors="ignore")
    data = data.drop_vars([name for name in data.coords if str(name).startswith("station")])
    data[CO2] = (data[CO2] + 1).assign_attrs(units="umol mol-1")
    data.attrs = {HELD_OUT_ATTRIBUTE: "c1 AAA", "training_stations": "c0 c2 BBB"}
    data.to_netcdf(tmp_path / "rec.nc")
    return data


@pytest.fixture
def obspack(tmp_path, prediction):
    """Four GLOBALVIEWplus files of flasks, the first half before the maps, each with own error."""
    folder = tmp_path / "obspack"
    folder.mkdir()
    time = writers.seconds("2010-03-08T12:00:00") + 21600 * np.arange(60)
    moments = time.astype("datetime64[s]").astype("datetime64[ns]")
    for number, site in enumerate(("aaa", "bbb", "ccc", "ddd")):
        north, east = -43.0 + 30 * number, -168.5 + 60 * number
        series = prediction[CO2].interp(latitude=north, longitude=east)
        values = series.interp(time=moments).values - number - 1
        writers.write_obspack(
            folder / f"co2_{site}_surface-flask_1_representative.nc", time,
            np.where(np.isnan(values), 400, values) * 1e-6, latitude=np.full(60, north, "f4"),
            longitude=np.full(60, east, "f4"),
            attributes={"site_latitude": north, "site_longitude": east},
        )  # fmt: skip
    return folder


def refused(done, code, *parts):
    """One line on stderr, with all the parts, after warnings at most."""
    lines = [line for line in done.err.splitlines() if not line.startswith("co2phys: warning: ")]
    assert (done.code, len(lines)) == (code, 1), done.err
    assert lines[0].startswith("co2phys: error: ")
    for part in parts:
        assert part in lines[0]
    assert done.out == ""


@pytest.mark.slow
def test_the_report_on_maps(co2phys, world, prediction, tmp_path):
    event = "box:-20,20,-40,40:2010-03-14,2010-03-20"
    done = co2phys(*GRID, world, "--report", "out/", "--json", "--event", event)
    assert done.code == 0, done.err
    scores = json.loads(done.out)
    assert json.loads((tmp_path / "out/scores.json").read_text()) == scores
    assert scores["rmse"] == pytest.approx(1, rel=1e-4)
    low, high = scores["regions"]["ocean"]["intervals"]["rmse"]
    assert low - 1e-4 < 1 < high + 1e-4
    assert {name: list(group["sites"]) for name, group in scores["stations"].items()} == {
        "held_out": ["c1"], "training": ["c0", "c2"], "other": ["c3", "c4", "c5", "c6", "c7"],
    }  # fmt: skip
    assert scores["stations"]["other"]["pooled"]["bias"] == pytest.approx(1, abs=1e-4)
    assert scores["events"]["box"]["times"] == 7 * 8
    assert scores["events"]["box"]["bias"] == pytest.approx(1, abs=1e-4)
    assert scores["trend"] is None
    assert scores["compared"]["prediction"] == "rec.nc"
    page = (tmp_path / "out/report.html").read_text()
    for text in ("Globe and regions", "Taylor diagram", "Zonal power spectra", "Events", "ACC"):
        assert text in page
    assert "at least two years" in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page), "nothing from elsewhere"
    lines = list(csv.DictReader((tmp_path / "out/scores.csv").open()))
    assert [line["kind"] for line in lines].count("site") == 8
    assert float(lines[0]["rmse"]) == pytest.approx(scores["rmse"])
    assert {path.name for path in tmp_path.iterdir()} == {"rec.nc", "out"}


def test_the_report_on_stations(co2phys, obspack, tmp_path):
    done = co2phys(*SITES, "obspack/*.nc", "--report", "out/", "--json")
    assert done.code == 0, done.err
    scores = json.loads(done.out)
    groups = scores["stations"]
    assert {name: list(group["sites"]) for name, group in groups.items()} == {
        "held_out": ["AAA"], "training": ["BBB"], "other": ["CCC", "DDD"],
    }  # fmt: skip
    for name, error in (("held_out", 1), ("training", 2)):
        for score in ("rmse", "median_abs_error", "bias"):
            assert groups[name]["pooled"][score] == pytest.approx(error, abs=1e-3), score
    assert groups["other"]["sites"]["DDD"]["bias"] == pytest.approx(4, abs=1e-3)
    assert scores["observations"]["left_out"]["outside the times of the prediction"] == 4 * 20
    assert scores["observations"]["observations"] == 4 * 40
    assert "regions" not in scores
    page = (tmp_path / "out/report.html").read_text()
    for text in ("Every station", "aaa station", "Left out: 80 outside the times"):
        assert text in page
    assert "Globe and regions" not in page
    lines = list(csv.DictReader((tmp_path / "out/scores.csv").open()))
    assert [line["name"] for line in lines if line["kind"] == "site"] == [
        "AAA",
        "BBB",
        "CCC",
        "DDD",
    ]


def test_maps_and_stations_at_once(co2phys, world, obspack):
    done = co2phys(*GRID, world, "--stations", "obspack", "--json")
    scores = json.loads(done.out)
    assert scores["rmse"] == pytest.approx(1, rel=1e-4)
    assert list(scores["stations"]["held_out"]["sites"]) == ["AAA"]


def test_an_unquoted_pattern_works_too(co2phys, obspack, tmp_path):
    files = sorted(obspack.glob("*.nc"))
    done = co2phys(*SITES, *files, "--json")
    assert json.loads(done.out)["observations"]["sites"] == 4


def test_the_table_for_people(co2phys, obspack):
    done = co2phys(*SITES, "obspack")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].startswith("160 observations, 2010-03-13T12:00:00Z to")
    assert lines[2].split() == ["stations,", "held", "out", "1.000", "1.000", "1.000", "1",
                                "sites,", "40", "observations"]  # fmt: skip


def test_other_stations_held_out_and_a_shorter_period(co2phys, obspack):
    words = ("--held-out", "CCC,DDD", "--start", "2010-03-14", "--end", "2010-03-15")
    scores = json.loads(co2phys(*SITES, "obspack", *words, "--json").out)
    assert list(scores["stations"]["held_out"]["sites"]) == ["CCC", "DDD"]
    assert list(scores["stations"]["other"]["sites"]) == ["AAA"]
    assert scores["observations"]["observations"] == 4 * 8


def test_stations_that_were_not_held_out_are_told(co2phys, world, obspack):
    """c0, c2 and BBB made the prediction."""
    for words, codes in (((*SITES, "obspack"), "AAA,BBB,CCC"), ((*GRID, world), "c0,c1")):
        done = co2phys(*words, "--held-out", codes, "--json")
        assert done.code == 0
        made_from = "c0" if world in words else "BBB"
        assert f"warning: rec.nc: made from {made_from}, which --held-out" in done.err
    done = co2phys(*SITES, "obspack", "--held-out", "AAA,CCC", "--json")
    assert "warning" not in done.err


def test_one_mean_of_the_globe_for_anomalies(co2phys, world, prediction):
    words = (*GRID, world, "--report", "page.html", "--json")
    usual = json.loads(co2phys(*words).out)
    scalar = json.loads(co2phys(*words, "--overwrite", "--climatology", "scalar").out)
    assert (usual["climatology"], scalar["climatology"]) == ("cell", "scalar")
    assert scalar["acc"] > usual["acc"]
    page = Path("page.html").read_text()
    assert "mean of the truth over these times and the globe" in page


def test_nearest_cells_and_maps(co2phys, obspack):
    plain = json.loads(co2phys(*SITES, "obspack", "--json").out)
    for option in ("--nearest", "--nearest-time"):
        done = co2phys(*SITES, "obspack", option, "--json")
        scores = json.loads(done.out)
        assert done.code == 0
        assert (scores == plain) is (option == "--nearest-time"), "observed at times of maps"


def test_a_prediction_that_lists_no_stations(co2phys, obspack, prediction, tmp_path):
    data = prediction.copy()
    data.attrs = {}
    data.to_netcdf(tmp_path / "bare.nc")
    words = ("evaluate", "--prediction", "bare.nc", "--stations", "obspack", "--json")
    scores = json.loads(co2phys(*words).out)
    assert list(scores["stations"]) == ["all"]
    assert scores["stations"]["all"]["pooled"]["n"] == 160
    assert co2phys(*words, "--fail-if", "rmse>4").code == 0
    assert co2phys(*words, "--fail-if", "rmse>2").code == 5


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("rmse>1.5", 0), ("rmse>0.5", 5), ("median_abs_error>0.5", 5), ("training.rmse>2.5", 0),
        ("training.rmse>1.5", 5), ("other.bias>3", 5), ("crps>1", 2), ("europe.rmse>1", 2),
    ],
)  # fmt: skip
def test_thresholds_at_stations(co2phys, obspack, condition, code):
    done = co2phys(*SITES, "obspack", "--fail-if", condition)
    assert done.code == code, done.err
    assert len(done.err.splitlines()) == bool(code)


@pytest.mark.parametrize(("condition", "code"), [("median_abs_error>2", 0), ("asia.rmse>0.5", 5)])
def test_thresholds_on_maps(co2phys, world, prediction, condition, code):
    assert co2phys(*GRID, world, "--fail-if", condition).code == code


def test_a_dry_run_writes_nothing(co2phys, world, obspack, tmp_path, listing):
    before = listing(tmp_path)
    words = ("--stations", "obspack", "--report", "out/", "--dry-run", "--json")
    plan = json.loads(co2phys(*GRID, world, *words).out)
    assert (plan["times"], plan["observations"], plan["sites"]) == (100, 240, 4)
    assert listing(tmp_path) == before


@pytest.mark.slow
def test_a_report_is_replaced_only_on_request(co2phys, obspack, tmp_path):
    words = (*SITES, "obspack", "--report", "out/")
    assert co2phys(*words).code == 0
    before = (tmp_path / "out/scores.json").read_bytes()
    refused(co2phys(*words), 3, "out/report.html: already exists; pass --overwrite")
    assert co2phys(*words, "--overwrite", "--nearest").code == 0
    assert (tmp_path / "out/scores.json").read_bytes() != before


def test_monthly_means_of_long_predictions_have_a_trend(co2phys, tmp_path, prediction):
    times = np.arange("2006-01", "2009-01", dtype="datetime64[M]").astype("datetime64[ns]")
    long = prediction.isel(time=[0] * 36).assign_coords(time=times + np.timedelta64(14, "D"))
    long[CO2][:] = (400 + np.arange(36) / 6)[:, None, None]
    long.to_netcdf(tmp_path / "long.nc")
    (tmp_path / "raw").mkdir()
    rows = [(2006 + m // 12, m % 12 + 1, 399 + m / 6) for m in range(36)]
    writers.write_month(tmp_path / "raw/co2_mhd_surface-flask_1_ccgg_month.txt", rows, site="MHD")
    words = ("--prediction", "long.nc", "--stations", "raw", "--report", "page.html", "--json")
    scores = json.loads(co2phys("evaluate", *words).out)
    assert scores["observations"]["months"] == {"count": 36, "least_coverage": 1}
    trend = scores["stations"]["other"]["sites"]["MHD"]["trend"]
    assert trend["truth"]["growth"] == pytest.approx(2, abs=0.01)
    assert trend["growth_difference"] == pytest.approx(0, abs=0.001)
    page = (tmp_path / "page.html").read_text()
    assert "Growth and yearly cycle" in page and "at least two years" not in page


def other_tracer(folder):
    name = folder / "ch4_aaa_surface-flask_1_representative.nc"
    writers.write_obspack(name, writers.seconds("2010-03-20T00:00:00"), np.array([1.8e-6]))


def other_years(folder):
    name = folder / "co2_aaa_surface-flask_1_representative.nc"
    writers.write_obspack(name, writers.seconds("2017-03-20T00:00:00"), np.array([4e-4]))


def no_station_file(folder):
    (folder / "notes.txt").write_text("a note\n")


@pytest.mark.parametrize(
    ("write", "parts"),
    [
        (other_tracer, ["ch4_aaa", "CH4, not of CO2"]),
        (other_years, ["co2_aaa", "no observation (2017-03-20", "rec.nc (2010-03-13 to"]),
        (no_station_file, ["notes.txt", "is no station file"]),
        (lambda folder: None, ["raw/*", "no file matches the pattern"]),
    ],
)
def test_station_files_that_cannot_be_used(co2phys, prediction, tmp_path, write, parts):
    (tmp_path / "raw").mkdir()
    write(tmp_path / "raw")
    refused(co2phys(*SITES, "raw/*", "--report", "out/"), 3, *parts)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda d: d.rename({CO2: "carbon"}), ["no variable 'co2s'", "co2phys reconstruct"]),
        (lambda d: d.assign({CO2: d[CO2].assign_attrs(units="K")}), [f"variable {CO2!r}", "'K'"]),
        (lambda d: d.assign({CO2: d[CO2].assign_attrs(units="")}), [f"variable {CO2!r}", "units"]),
        (lambda d: d.isel(longitude=slice(0, 9)), ["longitude must go once around"]),
        (lambda d: d.isel(time=[3, 1]), ["'time' does not ascend"]),
        (lambda d: d.assign_coords(time=np.arange(100)), ["'time' has no CF units"]),
        (lambda d: d.drop_vars("longitude"), ["no coordinate 'longitude'"]),
    ],
)
def test_predictions_that_cannot_be_used(co2phys, obspack, prediction, tmp_path, change, parts):
    change(prediction).to_netcdf(tmp_path / "bad.nc")
    words = ("evaluate", "--prediction", "bad.nc", "--stations", "obspack", "--report", "out/")
    refused(co2phys(*words), 3, "bad.nc", *parts)
    assert not (tmp_path / "out").exists()


def test_a_text_is_no_prediction(co2phys, tmp_path, world):
    (tmp_path / "rec.nc").write_text("no netCDF at all")
    refused(co2phys(*GRID, world), 3, "rec.nc: is neither NetCDF nor Zarr")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ([], ["give --truth, --stations, or both"]),
        (["--truth", "w", "--selection", "valid"], ["--selection has no effect without"]),
        (["--stations", "obspack", "--climatology", "scalar"], ["--climatology has no effect"]),
        (["--stations", "obspack", "--selection", "best"], ["--selection 'best' is unknown"]),
        (["--stations", "obspack", "--event", "box"], ["--event needs maps of the truth"]),
        (["--stations", "obspack", "--start", "May"], ["--start 'May' is no ISO 8601 time"]),
        (["--stations", "obspack", "--start", "2011", "--end", "2010-05"], ["is after --end"]),
        (["--stations", "obspack", "--held-out", "MLO"], ["no observation of MLO"]),
        (["--stations", "obspack", "--held-out", ","], ["no observation of any station"]),
        (["--stations", "obspack", "--fail-if", "rmse"], ["write NAME>VALUE"]),
        (["--stations", "obspack", "--fail-if", "mae>1"], ["mae", "leave it out"]),
        (["--stations", "obspack", "--report", "page.pdf"], ["end it in .html"]),
        (["--stations", "obspack", "--report", "rec.nc"], ["is an input"]),
    ],
)
def test_wrong_usage(co2phys, obspack, words, parts):
    done = co2phys("evaluate", "--prediction", "rec.nc", *words)
    assert done.code == 2
    for part in parts:
        assert part in done.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("event", "part"),
    [
        ("fires", "no preset (amazon-fires-2019, "),
        ("box:1,2:2010-03-14,2010-03-15", "write name:south,north,west,east:"),
        ("box:20,-20,0,40:2010-03-14,2010-03-15", "is empty"),
        ("box:-20,20,0,40:2011-03-14,2011-03-15", "is not among the times compared"),
    ],
)
def test_events_that_cannot_be_shown(co2phys, world, prediction, event, part):
    refused(co2phys(*GRID, world, "--event", event), 2, "event", part)


def test_a_period_without_maps(co2phys, world, prediction):
    refused(co2phys(*GRID, world, "--start", "2015"), 3, "rec.nc: no time between 2015 and")


@pytest.mark.skipif(
    not OBSPACK.exists(), reason=f"no sample data in {OBSPACK}; set CO2PHYS_SAMPLE_DATA"
)
def test_real_stations(co2phys, tmp_path, prediction):
    """A field of one value a month is as good at a site as the site's distance from that value."""
    times = np.arange("2008-01", "2011-01", dtype="datetime64[M]").astype("datetime64[ns]")
    flat = prediction.isel(time=[0] * 36).assign_coords(time=times + np.timedelta64(14, "D"))
    flat[CO2][:] = 385.0
    flat.attrs[HELD_OUT_ATTRIBUTE] = "MLO"
    flat.to_netcdf(tmp_path / "flat.nc")
    table = OBSPACK / "station_co2_monthly_2000-2012.csv"
    words = ("evaluate", "--prediction", "flat.nc", "--stations", table)
    scores = json.loads(co2phys(*words, "--json").out)
    found = scores["stations"]["held_out"]["sites"]["MLO"]
    with table.open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["sitecode"] == "MLO"]
    months = [name for name in rows[0] if name[:4] in ("2008", "2009", "2010")]
    values = [[float(row[m]) for row in rows if row[m]] for m in months]
    error = 385 - np.concatenate([v for v in values if v])
    assert found["n"] == pytest.approx(error.size, abs=2)
    assert found["bias"] == pytest.approx(error.mean(), abs=0.3)
    assert scores["stations"]["other"]["pooled"]["n"] > 3000
    methane = OBSPACK / "ch4_esp_surface-flask_2_representative.nc"
    refused(co2phys("evaluate", "--prediction", "flat.nc", "--stations", methane), 3, "CH4")
