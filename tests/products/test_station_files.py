"""Files, folders and patterns to one table; its file in CF, there and back."""

import gzip
import importlib
import os
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from co2net_phys.errors import DataError, UsageError
from co2net_phys.products import observation_file, station_files
from co2net_phys.products.observation_flags import SELECTIONS
from co2net_phys.products.observations import series_of

sys.path.insert(0, str(Path(__file__).parent))
writers = importlib.import_module("station_writers")

TIMES = writers.seconds("2016-02-28T23:59:59", "2016-02-29T12:00:00", "2016-03-01T00:00:01")
VALUES = np.array([400e-6, 401e-6, 402e-6])
TABLE = "sitecode,lon,lat,file,2016-02-15\nMLO,-155.58,19.54,co2_mlo_surface-insitu_1_all.nc,405\n"


@pytest.fixture
def package(tmp_path):
    """A folder like an unpacked ObsPack: the same data twice, summaries, and other kinds."""
    netcdf, text = tmp_path / "package/data/nc", tmp_path / "package/data/txt"
    netcdf.mkdir(parents=True)
    text.mkdir()
    for site in ("aaa", "bbb"):
        writers.write_obspack(
            netcdf / f"co2_{site}_surface-flask_1_representative.nc", TIMES, VALUES
        )
        writers.write_event(
            text / f"co2_{site}_surface-flask_1_representative.txt",
            [("2016-01-01T00:00:00", 1.0, "...")],
        )
    (text / "summary.txt").write_text("# dataset_summary\nthis is about the data\n")
    (text / "sites.csv").write_text(TABLE)
    writers.write_month(
        text / "co2_mhd_surface-flask_1_ccgg_month.txt", [(2016, 2, 404.0)], site="MHD"
    )
    return tmp_path / "package"


def test_a_folder_gives_every_dataset_once(package, caplog):
    table = station_files.read([package])
    assert table["site"].values.tolist() == ["AAA", "BBB", "MHD", "MLO"]
    assert table.sizes["observation"] == 8
    assert "1 text files are no station files and are left out" in caplog.text
    kinds = {station_files.kind_of(path) for path in station_files.station_files([package])}
    assert kinds == {"ObsPack NetCDF", "NOAA text", "station table"}


def test_patterns_links_and_repetitions(package, tmp_path):
    pattern = str(package / "data/nc/*.nc")
    (package / "loop").symlink_to(package)
    (tmp_path / "link").symlink_to(package / "data/nc")
    files = station_files.station_files([pattern, package, tmp_path / "link"])
    assert len(files) == 4
    assert len({path.resolve() for path in files}) == 4


def test_the_same_dataset_from_two_places_counts_once(package, tmp_path, caplog):
    name = "co2_aaa_surface-flask_1_representative.nc"
    writers.write_obspack(tmp_path / name, TIMES, VALUES)
    table = station_files.read([tmp_path / name, package / "data/nc" / name])
    np.testing.assert_allclose(table["co2"], VALUES * 1e6, rtol=1e-7)
    assert table["number_of_records"].values.tolist() == [2, 2, 2]
    assert "3 records repeat" in caplog.text


def test_what_nothing_passes_is_refused_with_the_reasons(tmp_path):
    path = writers.write_obspack(
        tmp_path / "co2_a_surface-flask_1_x.nc", TIMES, VALUES, obs_flag=np.zeros(3, "i4")
    )
    with pytest.raises(DataError, match=r"\(3 not large-scale \(obs_flag\)\); choose another"):
        station_files.read([path])
    assert station_files.read([path], selection=SELECTIONS["valid"]).sizes["observation"] == 3


def test_continuous_data_is_taken_at_its_hours(tmp_path):
    hours = TIMES[0] // 86400 * 86400 + 3600 * np.arange(48)
    path = tmp_path / "co2_abc_tower-insitu_1_allvalid-90magl.nc"
    writers.write_obspack(path, hours, np.full(48, 4e-4), longitude=np.full(48, -90, "f4"))
    table = station_files.read([path])
    assert sorted(set(table["time"].dt.hour.values.tolist())) == [18, 19, 20, 21]
    every = station_files.read([path], selection=SELECTIONS["all-hours"])
    assert every.sizes["observation"] == 48


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.nc", b"", "is empty"),
        ("empty.csv", b"", "is empty"),
        ("packed.nc", gzip.compress(b"CDF\x01" * 99, mtime=0), "compressed with gzip"),
        ("notes.txt", b"some words\n", "is no station file"),
        ("binary.csv", bytes(range(256)), "is no station file"),
        ("cut.nc", b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "truncated or damaged"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        station_files.read([tmp_path / name])
    assert message in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_places_that_hold_nothing(tmp_path, monkeypatch):
    (tmp_path / "folder.nc").mkdir()
    for given, message in (
        (tmp_path / "folder.nc", "holds no station file"),
        (tmp_path / "absent.nc", "no such file"),
        (tmp_path / "*.csv", "no file matches"),
    ):
        with pytest.raises(DataError, match=message):
            station_files.read([given])
    with pytest.raises(DataError, match="no input file is named"):
        station_files.read([])

    def refused(place):
        raise PermissionError(13, "Permission denied", str(place))

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(DataError, match=r"folder\.nc: the folder cannot be read"):
        station_files.read([tmp_path / "folder.nc"])


def test_attributes_that_are_not_utf_8(tmp_path):
    path = tmp_path / "co2_aaa_surface-flask_1_representative.nc"
    writers.write_obspack(path, TIMES, VALUES)
    with netCDF4.Dataset(path, "a") as file:
        file.setncattr("site_name", np.bytes_("Zürich".encode("latin-1")))
    try:
        table = station_files.read([path])
    except DataError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
    else:
        assert table.sizes["observation"] == 3


def test_the_file_comes_back_as_it_was(package, tmp_path):
    table = station_files.read([package])
    path = tmp_path / "observations.nc"
    observation_file.write(table, path, {"title": "test"})
    assert station_files.kind_of(path) == "observations"
    back = station_files.read([path])
    xr.testing.assert_equal(back, table)
    assert series_of(back)[0] == series_of(table)[0]
    with xr.open_dataset(path) as file:
        assert file["row_size"].values.tolist() == [3, 3, 1, 1]
        assert file["row_size"].attrs["sample_dimension"] == "observation"
        assert file.attrs["featureType"] == "timeSeries"
        assert file.attrs["time_coverage_start"] == "2016-02-15T00:00:00Z"
        np.testing.assert_array_equal(file["time"].values[:3], TIMES.astype("M8[s]"))
    with pytest.raises(DataError, match="already exists; pass --overwrite"):
        observation_file.write(table, path, {})
    with pytest.raises(DataError, match="holds CO2, not CH4"):
        station_files.read([path], tracer="ch4")


def test_what_cannot_be_written(package, tmp_path):
    table = station_files.read([package])
    with pytest.raises(UsageError, match=r"end it in \.nc"):
        observation_file.write(table, tmp_path / "x.zarr", {})
    sites = tmp_path / "sites.csv"
    sites.write_text("code,latitude,longitude\nA,1,2\n")
    with pytest.raises(DataError, match="no measurement is left to write"):
        observation_file.write(station_files.read([sites]), tmp_path / "x.nc", {})
    assert not list(tmp_path.glob("x.*"))
