"""`co2phys data inspect`: what files are, and which commands they are good for."""

import importlib
import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from co2net_phys.inspection.report import Report

sys.path.insert(0, str(Path(__file__).parents[1] / "products"))
grids = importlib.import_module("grid_files")
stations = importlib.import_module("station_writers")

DATA = Path(
    os.environ.get("CO2PHYS_SAMPLE_DATA") or Path(__file__).parents[2] / "../shared/data"
).resolve()
WORDS = ("data", "inspect")
NEEDS_DATA = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no sample data in {DATA}; set CO2PHYS_SAMPLE_DATA"
)


def inspected(co2phys, *paths):
    done = co2phys(*WORDS, *paths, "--json")
    assert done.code == 0, done.err
    assert done.err == ""
    return json.loads(done.out)


def works(co2phys, use, **words):
    """Run a suggested command for trial; `words` replace others."""
    program, *command = (words.get(word, word) for word in use["command"])
    assert program == "co2phys"
    done = co2phys(*command, "--dry-run")
    assert done.code == 0, done.err
    return done


def test_every_report_has_every_key(co2phys, tmp_path):
    grids.carbontracker(tmp_path, "2010-01-01")
    stations.write_month(tmp_path / "co2_mhd_x_1_month.txt", [(2016, 1, 404.0)], site="MHD")
    (tmp_path / "zero.nc").write_bytes(b"")
    done = co2phys(*WORDS, ".", "--json")
    assert done.code == 3
    reports = json.loads(done.out)
    assert [report["kind"] for report in reports] == ["grid", "stations", "unreadable"]
    for report in reports:
        assert list(report) == [entry.name for entry in fields(Report)]
    assert done.err == "co2phys: error: zero.nc: is empty; copy or download it again\n"


def test_the_text_fits_a_terminal_and_names_what_matters(co2phys, tmp_path):
    for day in ("2010-01-01", "2010-01-03"):
        grids.carbontracker(tmp_path, day)
    done = co2phys(*WORDS, "CT2022*.nc")
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 100
    for part in (
        "CarbonTracker: CT2022",
        "regular, 18 × 24",
        "8 missing between 2010-01-01T22:30 and 2010-01-03T01:30",
        "→ umol mol-1",
        "co2phys data prepare carbontracker",
    ):
        assert part in done.out


def test_nothing_is_written(co2phys, tmp_path, listing):
    grids.carbontracker(tmp_path, "2010-01-01")
    before = listing(tmp_path)
    assert co2phys(*WORDS, ".").code == 0
    assert listing(tmp_path) == before


def test_the_suggested_preparations_work(co2phys, tmp_path):
    for folder in ("ct", "cmip", "sites"):
        (tmp_path / folder).mkdir()
    for day in ("2010-01-01", "2010-01-02", "2010-01-03"):
        grids.carbontracker(tmp_path / "ct", day)
    for variable in ("co2s", "tas", "uas", "vas", "orog"):
        grids.cmip(tmp_path / "cmip", variable)
    name = "co2_aaa_surface-flask_1_representative.nc"
    hours = stations.seconds("2010-01-01T00:00:00") + 3600 * np.arange(48)
    stations.write_obspack(tmp_path / "sites" / name, hours, np.full(48, 4e-4))
    (product,) = inspected(co2phys, "ct")
    works(co2phys, product["uses"][0])
    for report in inspected(co2phys, "cmip"):
        works(co2phys, report["uses"][0])
    (network,) = inspected(co2phys, "sites")
    works(co2phys, network["uses"][0])
    works(co2phys, network["uses"][1], **{"CT2022*.nc": "ct/CT2022.molefrac_glb3x2_*.nc"})


def test_a_store_of_ours_is_known_and_good_for_training(co2phys, world, tmp_path):
    (report,) = inspected(co2phys, world)
    assert (report["kind"], report["product"]) == ("grid", "CF grid")
    works(co2phys, report["uses"][-1])
    assert report["uses"][-1]["command"][:2] == ["co2phys", "train"]
    twin = ("simulate", "--preset", "twin", "--days", "13", "--truncation", "10")
    made = co2phys(*twin, "--output", "twin.zarr")
    assert made.code == 0, made.err
    (report,) = inspected(co2phys, "twin.zarr")
    assert (report["kind"], report["product"]) == ("store", "co2phys training store")
    works(co2phys, report["uses"][0])
    assert report["uses"][0]["command"][:4] == ["co2phys", "train", "--data", "twin.zarr"]


def test_observations_of_ours_are_known(co2phys, tmp_path):
    stations.write_month(tmp_path / "co2_mhd_x_1_month.txt", [(2016, 1, 404.0)], site="MHD")
    prepare = ("data", "prepare", "stations", "--input", "co2_mhd_x_1_month.txt")
    assert co2phys(*prepare, "--output", "observations.nc").code == 0
    (report,) = inspected(co2phys, "observations.nc")
    assert report["product"] == "co2phys observations"
    assert report["stations"]["valid"] == 1
    assert [use["command"][2] for use in report["uses"]] == ["prepare"]


def test_many_files_show_progress(co2phys, tmp_path, monkeypatch):
    monkeypatch.setattr("co2net_phys.cli.data_inspect._MANY", 2)
    for day in ("2010-01-01", "2010-01-02"):
        grids.carbontracker(tmp_path, day)
    done = co2phys(*WORDS, ".")
    assert done.code == 0
    assert "inspect: 100 %" in done.err


def test_help_names_the_products(co2phys):
    shown = co2phys(*WORDS, "--help")
    assert (shown.code, shown.err) == (0, "")
    for word in ("CarbonTracker", "ObsPack", "--json"):
        assert word in shown.out


def test_neither_torch_nor_numba_is_imported(tmp_path):
    path = grids.carbontracker(tmp_path, "2010-01-01")
    code = (
        "import sys; from co2net_phys.inspection import inspect; "
        f"inspect([{str(path)!r}]); print([m for m in ('torch', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr


def report_on(co2phys, name):
    (report,) = inspected(co2phys, DATA / name)
    return report


def said(report):
    return " ".join(problem["text"] for problem in report["problems"])


@NEEDS_DATA
@pytest.mark.parametrize("variable", ["prsn", "snw"])
def test_real_canesm5(co2phys, variable):
    name = f"cmip6/{variable}_day_CanESM5_historical_r1i1p1f1_gn_19910101-20101231.nc"
    report = report_on(co2phys, name)
    assert (report["product"], report["identity"]["source"]) == ("CMIP6", "CanESM5")
    assert report["grid"]["coverage"] == "regional"
    time = report["time"]
    assert (time["count"], time["calendar"], time["gaps"]) == (7300, "noleap", [])
    assert "regional" in said(report)
    assert report["uses"][0]["command"] == []


@NEEDS_DATA
def test_real_canesm2_and_its_dates(co2phys):
    report = report_on(co2phys, "cmip6/tas_Amon_CanESM2_rcp85_r1i1p1_200701-200712.nc")
    assert (report["product"], report["identity"]["source"]) == ("CMIP5", "CanESM2")
    assert (report["grid"]["kind"], report["grid"]["rows"]) == ("Gaussian", 64)
    assert "says 200701 to 200712" in said(report)


@NEEDS_DATA
def test_real_winds_are_good_for_the_command_named(co2phys):
    cases = {
        "winds/gfs_10m_6h_1deg_20161120-22.nc": ("a row at one pole", []),
        "winds/era5_tl31_19590102T00.nc": ("transpose", ["--level"]),
        "winds/eraint_uvz.nc": ("begin at the top", ["--level", "850", "--select", "month=1"]),
        "winds/ecmwf_fc_uv_1000_700_500_5deg_20171018.nc": ("pressure levels", ["--level"]),
        "winds/NCEP_06_climo.nc": ("no CF units", ["--steady"]),
    }
    for name, (text, words) in cases.items():
        report = report_on(co2phys, name)
        assert text in said(report), name
        use = report["uses"][0]
        assert set(words) <= set(use["command"]), name
        works(co2phys, use, **({"48h": "6h"} if "ecmwf" in name else {}))


@NEEDS_DATA
def test_real_carbon_dioxide_with_wrong_units(co2phys):
    report = report_on(co2phys, "co2/SMALL_total_column_co2.nc")
    (gas,) = report["variables"]
    assert (gas["schema_name"], gas["units_option"]) == ("co2s", "tcco2=ppm")
    assert gas["dtype"] == "packed int16"
    for part in ("kg m**-2", "column of air", "from north to south"):
        assert part in said(report)
    assert report["grid"]["poles_included"]
    carried, recovered = report["uses"]
    works(co2phys, carried)
    assert "neither Gaussian nor one of equal cells" in recovered["note"]


@NEEDS_DATA
def test_real_files_that_no_command_takes(co2phys):
    cases = {
        "co2/GEOSChem.SpeciesConc.20150101_0000z_reduced.nc4": ("GEOS-Chem", "positive 'up'"),
        "co2/co2_EUROPE_201407.nc": ("ECMWF", "a scalar"),
        "satellite/oco2-spectrometer_oco2_20150131-336_co2-column.nc": ("CF grid", "not a map"),
        "fluxnet/Example_DE-Tha.1996.1998.hourly_selVars.nc": ("CF grid", "1582-10-14"),
        "masks/landsea_1x1_dss750.1.nc": ("CF grid", "no time axis"),
    }
    for name, (product, text) in cases.items():
        report = report_on(co2phys, name)
        assert report["product"] == product, name
        assert text in said(report), name
        assert not any(use["command"] for use in report["uses"]), name


@NEEDS_DATA
def test_real_stations(co2phys):
    report = report_on(co2phys, "obspack/ch4_esp_surface-flask_2_representative.nc")
    assert report["identity"]["release"].startswith("obspack_ch4_1_GLOBALVIEWplus")
    assert (report["stations"]["tracer"], report["stations"]["valid"]) == ("ch4", 109)
    works(co2phys, report["uses"][0])
    report = report_on(co2phys, "obspack/co2_mlo_surface-flask_1_ccgg_event.txt")
    rejected = report["stations"]["rejected"]
    assert rejected["rejected by flag"] > 0 and rejected["missing value"] > 0
    assert report["stations"]["datasets"][0]["first"] == "1969-08-20T17:55:00Z"
    report = report_on(co2phys, "obspack/station_co2_monthly_2000-2012.csv")
    assert (report["stations"]["sites"], report["stations"]["without_position"]) == (185, 3)
    report = report_on(co2phys, "obspack/stations_co2_obspack_derived.csv")
    assert report["kind"] == "station list"


@NEEDS_DATA
def test_the_whole_of_the_real_data_at_once(co2phys):
    done = co2phys(*WORDS, DATA)
    assert done.code == 3
    assert max(len(line) for line in done.out.splitlines() if str(DATA) not in line) <= 100
    assert "stations_openghg_defs_derived.csv: line 44: latitude 121.5" in done.out
    assert not any(word in done.err for word in ("Traceback", "bug"))


def test_tracers_that_tell_the_wind(co2phys, tmp_path):
    made = co2phys(
        *("simulate", "--winds", "solid-body", "--initial", "hills", "--truncation", "10"),
        *("--duration", "12h", "--output", "carried.nc"),
    )
    assert made.code == 0, made.err
    (report,) = inspected(co2phys, "carried.nc")
    training, *_, recovery = report["uses"]
    assert "no observations" in training["note"]
    works(co2phys, recovery)
    assert recovery["command"][1] == "recover-wind"


def test_a_field_is_opened_lazily(co2phys, tmp_path):
    """30 000 maps, 7.8 GB unpacked, of which only the first is written, and read."""
    import netCDF4

    with netCDF4.Dataset(tmp_path / "vast.nc", "w") as file:
        for name, values, units in (
            ("lat", np.linspace(-89.5, 89.5, 180), "degrees_north"),
            ("lon", np.arange(360.0), "degrees_east"),
            ("time", np.arange(30_000), "hours since 1900-01-01"),
        ):
            file.createDimension(name, len(values))
            file.createVariable(name, "f8", (name,))[:] = values
            file[name].units = units
        made = file.createVariable("co2", "f4", ("time", "lat", "lon"), chunksizes=(1, 180, 360))
        made.units = "ppm"
        made[0] = 400.0
    (report,) = inspected(co2phys, "vast.nc")
    assert report["time"]["count"] == 30_000
    gas = next(v for v in report["variables"] if v["name"] == "co2")
    assert (gas["minimum"], gas["maximum"]) == (400, 400)
