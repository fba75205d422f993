"""Files that cannot be read are listed, and the others still reported."""

import gzip
import os

import netCDF4
import pytest

from co2net_phys.inspection import as_text, inspect
from co2net_phys.inspection.patterns import pattern_of
from co2net_phys.inspection.sources import expand


def written(path, content):
    path.write_bytes(content)
    return path


def linked(path, target):
    path.symlink_to(target)
    return path


def made(path):
    path.mkdir()
    return path


BAD = {
    "zero bytes": (lambda p, good: written(p / "zero.nc", b""), "is empty"),
    "truncated": (lambda p, good: written(p / "cut.nc", good[:20000]), "truncated or damaged"),
    "only a header": (lambda p, good: written(p / "cut.nc", good[:100]), "truncated or damaged"),
    "classic, cut": (lambda p, good: written(p / "cut.nc", b"CDF\x01\0\0\0\0"), "truncated"),
    "folder named .nc": (lambda p, good: made(p / "folder.nc"), "is a folder but not a Zarr"),
    "gzip": (lambda p, good: written(p / "packed.nc", gzip.compress(good)), "gunzip first"),
    "gzip without a name": (lambda p, good: written(p / "data", gzip.compress(good)), "gunzip"),
    "text": (lambda p, good: written(p / "text.nc", b"hello"), "neither NetCDF nor Zarr"),
    "GRIB": (lambda p, good: written(p / "wind.grib", b"GRIB\0\0\0\x02"), "cdo"),
    "binary": (lambda p, good: written(p / "x.bin", bytes(range(9))), "neither NetCDF nor Zarr"),
    "loop": (lambda p, good: linked(p / "loop.nc", "loop.nc"), "back to itself or to nothing"),
    "dangling": (lambda p, good: linked(p / "gone.nc", "nowhere"), "back to itself or to nothing"),
    "absent": (lambda p, good: p / "absent.nc", "no such file"),
    "no match": (lambda p, good: p / "*.xyz", "no file matches the pattern"),
    "empty CSV": (lambda p, good: written(p / "empty.csv", b""), "is empty"),
    "only the header": (
        lambda p, good: written(p / "sites.csv", b"code,latitude,longitude\n"),
        "holds no station",
    ),
    "CSV of others": (lambda p, good: written(p / "other.csv", b"a,b\n1,2\n"), "no station file"),
    "CSV with a gap": (
        lambda p, good: written(p / "bad.csv", b"code,latitude,longitude\nMLO,north,5\n"),
        "line 2: column 'latitude' is 'north'",
    ),
    "off the Earth": (
        lambda p, good: written(p / "bad.csv", b"code,latitude,longitude\nTAP,121.5,25.3\n"),
        "line 2: latitude 121.5",
    ),
    "empty folder": (lambda p, good: made(p / "nothing"), "holds no NetCDF file"),
}


@pytest.mark.parametrize(("make", "reason"), BAD.values(), ids=BAD)
def test_a_bad_file_does_not_stop_the_others(carbontracker_day, tmp_path, make, reason):
    good = carbontracker_day()
    (tmp_path / "raw").mkdir()
    bad = make(tmp_path / "raw", good.read_bytes())
    reports = inspect([bad, good])
    assert [report.kind for report in reports] == ["grid", "unreadable"]
    assert reports[1].files == (str(bad),)
    (problem,) = reports[1].problems
    assert reason in problem.text
    assert not problem.text.startswith(str(bad))
    assert f"{bad}: " in as_text(reports).replace("\n    ", " ")


def test_attributes_that_are_not_utf8_are_shown_all_the_same(grid_file, found):
    path = grid_file()
    with netCDF4.Dataset(path, "a") as file:
        file.setncattr("title", b"Gr\xf6\xdfe")
        file["co2"].setncattr("units", b"\xb5mol mol-1")
    (report,) = inspect([path])
    (text,) = found(report, "units", "error")
    assert "not UTF-8" in text
    (gas,) = [v for v in report.variables if v.name == "co2"]
    assert gas.units_option == "co2=ppm"
    assert "Gr\N{REPLACEMENT CHARACTER}" in as_text([report])


def test_links_that_lead_round_in_circles_end(carbontracker_day, tmp_path):
    folder = made(tmp_path / "raw")
    carbontracker_day().rename(folder / "CT2022.molefrac_glb3x2_2010-01-01.nc")
    (folder / "again").symlink_to(".")
    (folder / "alias.nc").symlink_to("CT2022.molefrac_glb3x2_2010-01-01.nc")
    (report,) = inspect([folder, folder / "*.nc"])
    assert len(report.files) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_and_a_file_without_permission(carbontracker_day, tmp_path):
    folder, good = made(tmp_path / "closed"), carbontracker_day()
    locked = written(tmp_path / "locked.nc", good.read_bytes())
    folder.chmod(0), locked.chmod(0)
    reports = inspect([folder, locked, good])
    folder.chmod(0o700)
    assert [report.kind for report in reports] == ["grid", "unreadable", "unreadable"]
    assert all("permission denied" in report.problems[0].text for report in reports[1:])


def test_of_a_folder_texts_that_are_no_station_files_are_left_out(
    stations, carbontracker_day, tmp_path, caplog
):
    carbontracker_day()
    (tmp_path / "README.txt").write_text("read me")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden/x.nc").write_bytes(b"")
    (tmp_path / "sub").mkdir()
    month = tmp_path / "sub/co2_mhd_surface-flask_1_ccgg_month.txt"
    stations.write_month(month, [(2016, 1, 404.0)], site="MHD")
    assert [path.name for path in expand([tmp_path]).files] == [
        *("CT2022.molefrac_glb3x2_2010-01-01.nc", month.name),
    ]
    assert "1 text files are no station files" in caplog.text


def test_patterns_stand_for_exactly_the_files(tmp_path):
    names = [f"a_{day:02d}.nc" for day in range(1, 7)]
    paths = [written(tmp_path / name, b"") for name in names]
    (pattern,), note = pattern_of(paths)
    assert (sorted(tmp_path.glob(pattern.rpartition("/")[2])), note) == (paths, "")
    further = written(tmp_path / "a_0x.nc", b"")
    assert "further files" in pattern_of(paths)[1]
    assert pattern_of(paths, [further])[1] == ""
    assert pattern_of(paths[:1]) == ((str(paths[0]),), "")
    assert pattern_of(paths[:2])[0] == tuple(map(str, paths[:2]))


def test_a_name_with_brackets_is_no_pattern(tmp_path):
    folder = made(tmp_path / "a[1]")
    paths = [written(folder / f"x{n}.nc", b"") for n in range(3)]
    (pattern,), note = pattern_of(paths)
    assert note == ""
    assert len(expand([pattern]).files) == 3
