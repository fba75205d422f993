"""Many files as one lazy series: order, overlaps, gaps, what differs, and what is left open."""

import os
import pickle

import cftime
import dask
import grid_files
import netCDF4
import numpy as np
import pytest
import xarray as xr

from co2net_phys.errors import DataError
from co2net_phys.products import carbontracker
from co2net_phys.products.field_source import FieldSource
from co2net_phys.products.files import source_files
from co2net_phys.products.times import time_axis, time_gaps

DAYS = ["2010-01-01", "2010-01-02", "2010-01-03", "2010-01-04"]


def dated(times, attributes=None):
    return xr.Dataset(
        {"f": (("time", "x"), np.zeros((len(times), 2)))},
        coords={"time": ("time", times, attributes or {})},
    )


def test_files_in_any_order_become_one_series(carbontracker_day, told):
    paths = [carbontracker_day(day) for day in DAYS]
    data = carbontracker.read([paths[k] for k in (2, 0, 3, 1)])
    expected = np.datetime64("2010-01-01T01:30") + np.arange(32) * np.timedelta64(3, "h")
    np.testing.assert_array_equal(data["time"].values, expected.astype("M8[ns]"))
    whole = xr.concat([grid_files.carbontracker_dataset(day)["co2"] for day in DAYS], "time")
    np.testing.assert_array_equal(data["co2s"].values, whole[:, 0].values)
    assert told() == []
    assert data.attrs["time_gaps"] == ""


def test_any_part_of_the_series_is_that_part(carbontracker_day):
    data = carbontracker.read([carbontracker_day(day) for day in DAYS])["co2s"]
    whole = data.values
    for key in (
        (5, slice(None), slice(None)),
        (slice(6, 11), slice(2, 5), 3),
        (-1, -1, -1),
        (slice(None, None, 5), slice(None, None, -1), slice(3, 9, 2)),
        ([31, 0, 9], slice(None), slice(None)),
    ):
        np.testing.assert_array_equal(data[key].values, whole[key])


def test_nothing_is_read_before_it_is_needed(carbontracker_day, monkeypatch):
    data = carbontracker.read([carbontracker_day(day) for day in DAYS])
    assert all(dask.is_dask_collection(data[name].data) for name in ("co2s", "ps", "uas"))
    reads = []
    real = FieldSource.read
    monkeypatch.setattr(
        FieldSource,
        "read",
        lambda self, path, records, found=None: (
            reads.append((path.name, list(records))) or real(self, path, records, found)
        ),
    )
    data["co2s"][17].compute()
    assert reads == [(f"CT2022.molefrac_glb3x2_{DAYS[2]}.nc", [1])]


def test_a_year_of_files_keeps_few_of_them_open(tmp_path):
    day = grid_files.carbontracker(
        *(tmp_path, "2012-01-01"),
        change=lambda data: data[["co2"]],
        levels=2,
        nlat=4,
        nlon=6,
    )
    paths = []
    for k in range(366):
        path = tmp_path / f"CT2022.molefrac_glb3x2_{np.datetime64('2012-01-01') + k}.nc"
        if k:
            path.write_bytes(day.read_bytes())
            with netCDF4.Dataset(path, "a") as file:
                file["time"][:] += k
        paths.append(path)
    before = len(os.listdir("/proc/self/fd"))
    data = carbontracker.read(paths)
    assert data.sizes["time"] == 8 * 366
    assert len(os.listdir("/proc/self/fd")) - before < 16
    data["co2s"][::64].compute(scheduler="threads", num_workers=4)
    assert len(os.listdir("/proc/self/fd")) - before < 16
    assert len(pickle.dumps(data["co2s"].data)) < 2e6, "goes to another process at little cost"


def test_a_missing_day_is_told(carbontracker_day, told):
    data = carbontracker.read([carbontracker_day(day) for day in (*DAYS[:2], DAYS[3])])
    (line,) = told()
    said = "8 missing between 2010-01-02T22:30 and 2010-01-04T01:30"
    assert said in line
    assert data.attrs["time_gaps"] == said
    assert data.sizes["time"] == 24


def test_files_that_overlap_with_equal_values_count_once(carbontracker_day, told):
    long = carbontracker_day(DAYS[0], records=16, name="CT2022.molefrac_glb3x2_long.nc")
    data = carbontracker.read([long, carbontracker_day(DAYS[1])])
    assert data.sizes["time"] == 16
    (line,) = told()
    assert "8 times are there twice with equal values" in line
    assert "2010-01-02T01:30" in line


def test_files_that_contradict_each_other_are_refused(carbontracker_day):
    one = carbontracker_day(DAYS[0])
    two = carbontracker_day(
        DAYS[0], name="CT2022.molefrac_glb3x2_b.nc", change=lambda d: d.assign(co2=d["co2"] + 1)
    )
    with pytest.raises(DataError, match="other values at 2010-01-01T01:30") as caught:
        carbontracker.read([one, two])
    assert one.name in str(caught.value)
    assert two.name in str(caught.value)


def test_unsorted_records_are_sorted_and_repeated_ones_dropped(carbontracker_day, told):
    order = [3, 0, 1, 2, 2, 5, 4, 7, 6]
    path = carbontracker_day(change=lambda data: data.isel(time=order))
    data = carbontracker.read([path])
    whole = grid_files.carbontracker_dataset()["co2"][:, 0]
    np.testing.assert_array_equal(data["co2s"].values, whole.values)
    assert any("not in order" in line for line in told())
    assert any("1 times are there twice" in line for line in told())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.isel(latitude=slice(1, None)), "is on the grid"),
        (lambda d: d.assign_coords(longitude=d["longitude"] + 1), "is on the grid"),
        (lambda d: d.drop_vars("u"), r"has no variable 'u' \(uas\)"),
        (lambda d: d.isel(time=slice(None, None, 2)), "every 6 h, but"),
    ],
)
def test_a_file_that_does_not_continue_the_series_is_named(carbontracker_day, change, said):
    one, two = carbontracker_day(DAYS[0]), carbontracker_day(DAYS[1], change=change)
    with pytest.raises(DataError, match=said) as caught:
        carbontracker.read([one, two])
    assert str(caught.value).startswith(str(two))
    assert one.name in str(caught.value)


def test_a_file_may_have_its_own_order_of_axes(carbontracker_day):
    def turned(data):
        data = data.isel(latitude=slice(None, None, -1)).transpose("longitude", "latitude", ...)
        return data.assign_coords(longitude=data["longitude"] % 360).transpose(
            "level", "boundary", "longitude", "latitude", "time", "calendar_components"
        )

    straight = carbontracker.read([carbontracker_day(day) for day in DAYS[:2]])
    expected = straight.load()
    changed = carbontracker.read(
        [carbontracker_day(DAYS[0]), carbontracker_day(DAYS[1], change=turned)]
    )
    xr.testing.assert_equal(changed.load(), expected)


def test_a_damaged_file_is_named_before_anything_is_computed(carbontracker_day):
    paths = [carbontracker_day(day) for day in DAYS]
    whole = paths[2].read_bytes()
    for content, said in ((whole[: len(whole) // 2], "truncated or damaged"), (b"", "is empty")):
        paths[2].write_bytes(content)
        with pytest.raises(DataError, match=said) as caught:
            carbontracker.read(paths)
        assert str(caught.value).startswith(str(paths[2]))
    paths[2].write_bytes(b"\x1f\x8b" + whole)
    with pytest.raises(DataError, match="gunzip"):
        carbontracker.read(paths)


def test_a_file_that_vanishes_is_named_when_it_is_needed(carbontracker_day):
    paths = [carbontracker_day(day) for day in DAYS]
    data = carbontracker.read(paths)
    paths[3].unlink()
    data["co2s"][:24].load()
    with pytest.raises(DataError, match="no such file") as caught:
        data["co2s"].load()
    assert str(paths[3]) in str(caught.value)


class TestTimes:
    def test_round_off_of_days_is_taken_off(self):
        days = np.arange(8) / 8 + 1 / 16 + 0.3e-11 + 7305
        data = xr.decode_cf(dated(days, {"units": "days since 1990-01-01"}))
        axis = time_axis(data, "f", "a.nc")
        expected = np.datetime64("2010-01-01T01:30:00", "s") + np.arange(8) * np.timedelta64(3, "h")
        np.testing.assert_array_equal(axis.values, expected.astype("M8[ns]"))
        np.testing.assert_array_equal(axis.seconds, expected.astype(np.int64))

    def test_a_record_without_time_is_refused(self):
        times = np.array(["2010-01-01", "NaT", "2010-01-03"], "M8[ns]")
        with pytest.raises(DataError, match=r"no time for 1 of 3 records .*record 2"):
            time_axis(dated(times), "f", "a.nc")

    def test_text_times_are_read_and_other_text_refused(self):
        texts = np.array(["2010-01-01T01:30:00Z", "2010-01-01T04:30:00Z"], object)
        axis = time_axis(dated(texts, {"axis": "T"}), "f", "a.nc")
        assert str(axis.values[1]) == "2010-01-01T04:30:00.000000000"
        with pytest.raises(DataError, match="not ISO 8601"):
            time_axis(dated(np.array(["first", "second"], object)), "f", "a.nc")

    def test_numbers_without_units_are_refused_unless_single(self):
        with pytest.raises(DataError, match="without CF units"):
            time_axis(dated([0.0, 1.0]), "f", "a.nc")
        assert time_axis(dated([6.0]), "f", "a.nc") is None

    def test_an_empty_file_is_refused(self):
        with pytest.raises(DataError, match="no record"):
            time_axis(dated(np.array([], "M8[ns]")), "f", "a.nc")

    @pytest.mark.parametrize("calendar", ["noleap", "360_day", "standard"])
    def test_months_have_no_gap_for_being_uneven(self, calendar):
        months = [(2003 + k // 12, k % 12 + 1) for k in range(36)]
        times = np.array([cftime.datetime(*m, 15, calendar=calendar) for m in months])
        assert time_gaps(times) == ()
        (gap,) = time_gaps(np.delete(times, [13, 14]))
        assert gap.missing == 2
        assert (gap.after[:7], gap.before[:7]) == ("2004-01", "2004-04")


class TestSourceFiles:
    def test_patterns_folders_and_links_give_each_file_once(self, tmp_path, told):
        for name in ("b.nc", "a.nc", "notes.txt"):
            (tmp_path / name).write_bytes(b"x")
        (tmp_path / "link.nc").symlink_to(tmp_path / "a.nc")
        found = source_files([tmp_path / "a.nc", str(tmp_path / "*.nc"), tmp_path])
        assert [path.name for path in found] == ["a.nc", "b.nc"]
        assert any("1 entries that are not NetCDF or Zarr are left out" in line for line in told())

    def test_what_leads_nowhere_is_refused(self, tmp_path):
        (tmp_path / "loop.nc").symlink_to(tmp_path / "loop.nc")
        (tmp_path / "folder.nc").mkdir()
        for given, said in (
            ("loop.nc", "leads back to itself"),
            ("*.grib", "no file matches"),
            ("none.nc", "no such file"),
            ("folder.nc", "holds no NetCDF file"),
        ):
            with pytest.raises(DataError, match=said) as caught:
                source_files([tmp_path / given])
            assert str(caught.value).startswith(str(tmp_path / given))
        with pytest.raises(DataError, match="no input file"):
            source_files([])

    @pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
    def test_an_unreadable_folder_is_named(self, tmp_path):
        tmp_path.chmod(0)
        try:
            with pytest.raises(DataError, match="make the folder readable"):
                source_files([tmp_path])
        finally:
            tmp_path.chmod(0o755)
