"""What is found in station files: flags, duplicates, heights, platforms, lists."""

import json

import numpy as np
import pytest

from co2net_phys.inspection import as_text, inspect
from co2net_phys.products import station_files

AAA = "co2_aaa_surface-flask_1_representative.nc"
BBB = "co2_bbb_tower-insitu_2_allvalid-90magl.nc"


def one(*paths):
    (report,) = inspect(paths)
    return report


@pytest.fixture
def hours(stations):
    return stations.seconds("2016-01-01T00:00:00") + 3600 * np.arange(48)


def test_rejected_records_are_counted_as_the_reader_counts_them(stations, tmp_path, hours, found):
    value, flags = np.full(48, 4e-4), ["..."] * 48
    value[3], flags[5], flags[6] = np.nan, "*..", ".X."
    stations.write_obspack(tmp_path / AAA, hours, value, qcflag=flags)
    report = one(tmp_path / AAA)
    assert (report.product, report.kind) == ("ObsPack", "stations")
    table = report.stations
    assert (table.records, table.valid, table.representative) == (48, 46, 45)
    read = station_files.read([tmp_path / AAA])
    assert table.rejected == {k: v for k, v in json.loads(read.attrs["dropped"]).items() if v}
    assert any("1 of 48 records (2.1%) are left out: rejected by flag" in t for t in found(report))
    (dataset,) = table.datasets
    assert (dataset.site, dataset.valid, dataset.minimum) == ("AAA", 46, pytest.approx(400))
    assert dataset.longest_gap_days == pytest.approx(2 / 24)


def test_a_network_is_one_report_with_every_dataset(stations, tmp_path, hours, found):
    value = np.full(48, 4e-4)
    height = np.where(np.arange(48) % 2, 40.0, 90.0)
    stations.write_obspack(tmp_path / AAA, hours, value)
    stations.write_obspack(tmp_path / BBB, hours, value, intake_height=height)
    stations.write_obspack(tmp_path / BBB.replace("allvalid", "representative"), hours, value)
    report = one(tmp_path)
    assert len(report.files) == 3
    assert report.stations.sites == 2
    texts = " ".join(found(report))
    for part in ("BBB is sampled at 2 heights (40, 90 m)", "in another selection too"):
        assert part in texts
    chosen = station_files.read([tmp_path])
    assert report.stations.representative == chosen.sizes["observation"]
    assert {use.command[3] for use in report.uses} == {"stations", "carbontracker"}


def test_platforms_that_move_repeats_and_impossible_values(stations, tmp_path, hours, found):
    ship = tmp_path / "co2_poc_shipboard-flask_1_representative.nc"
    value = np.full(48, 4e-4)
    value[0] = -4e-4
    stations.write_obspack(
        ship, np.repeat(hours[::2], 2), value,
        latitude=np.repeat(np.linspace(-60, 60, 24), 2).astype("f4"),
    )  # fmt: skip
    texts = " ".join(found(one(ship)))
    for part in ("platforms that move (ships, aircraft): co2_poc", "not positive", "averaged"):
        assert part in texts


def test_a_file_of_one_day_with_many_sites(stations, tmp_path):
    rows = [
        (name.removesuffix(".nc"), f"2016-01-01T{hour}:00:00", 4e-4, north, 7.5, 40.0)
        for name, hour, north in ((AAA, 12, 45), (BBB, 13, 89.9))
    ]
    report = one(stations.write_day(tmp_path / "obspack_20160101.nc", rows))
    assert {dataset.site for dataset in report.stations.datasets} == {"AAA", "BBB"}
    assert any(problem.text.startswith("at a pole: co2_bbb") for problem in report.problems)


def test_noaa_texts(stations, tmp_path):
    month = tmp_path / "co2_mhd_surface-flask_1_ccgg_month.txt"
    event = tmp_path / "co2_mhd_surface-flask_1_ccgg_event.txt"
    stations.write_month(month, [(2016, 1, 404.0), (2016, 2, 405.0)], site="MHD")
    rows = [("2016-01-05T12:00:00", 404.1, "..."), ("2016-01-06T12:00:00", -999.99, "*..")]
    stations.write_event(event, rows, site="MHD")
    report = one(month, event)
    assert report.product == "NOAA text"
    assert [dataset.is_monthly_mean for dataset in report.stations.datasets] == [True, False]
    assert report.stations.rejected == {"missing value": 1}


def test_noaa_netcdf_in_billionths(stations, tmp_path, hours):
    path = tmp_path / "ch4_bao_tower-insitu_1_ccgg_all.nc"
    value = np.full(48, 1900.0)
    stations.write_noaa(path, hours, value, value / 1000, units="nanomol mol-1")
    report = one(path)
    assert (report.stations.tracer, report.stations.units) == ("ch4", "nmol mol-1")
    assert report.stations.datasets[0].maximum == pytest.approx(1900)
    (use,) = report.uses
    assert use.command[-4:-2] == ("--tracer", "ch4")


@pytest.mark.parametrize(
    ("units", "scale", "fitting"), [("mol mol-1", 1e6, "ppm"), ("kg", 1, "mol mol-1")]
)
def test_units_that_cannot_be_and_those_that_fit(
    stations, tmp_path, hours, found, units, scale, fitting
):
    stations.write_obspack(tmp_path / AAA, hours, np.full(48, 4e-4 * scale), units=units)
    report = one(tmp_path / AAA)
    (text,) = found(report, "units", "error")
    assert f"'{units}'" in text
    assert f"would fit '{fitting}'" in text
    (use,) = report.uses
    assert use.command[use.command.index("--units") + 1] == fitting
    assert report.stations.datasets[0].maximum == pytest.approx(400)


def test_monthly_tables_and_lists(tmp_path):
    table, sites, twin = (tmp_path / f"{name}.csv" for name in ("months", "sites", "twin"))
    table.write_text("sitecode,lon,lat,file,2000-01-15\nMLO,-155.6,19.5,,370\nXXX,5,50,,\n")
    sites.write_text("site,latitude,longitude\nMLO,19.5,-155.6\n")
    twin.write_text("code,name,latitude,longitude,elevation_masl\nMLO,Mauna Loa,19.5,-155.6,3397\n")
    months, listed, usable = inspect([table, sites, twin])
    assert (months.kind, months.product) == ("stations", "station table")
    assert (months.stations.records, months.stations.sites) == (1, 2)
    assert months.uses[-1].command[3] == "cmip6"
    assert (listed.kind, usable.kind) == ("station list", "station list")
    assert listed.uses[-1].command == ()
    assert usable.uses[-1].command[:2] == ("co2phys", "simulate")


def test_every_dataset_without_a_place_is_named(tmp_path, found):
    path = tmp_path / "months.csv"
    path.write_text("code,latitude,longitude,2000-01-15\nQQQ,-999,-999,370\n")
    report = one(path)
    assert report.stations.without_position == 1
    assert any(text == "without a place on a map: QQQ" for text in found(report, "place"))
    assert "no place" in as_text([report])
