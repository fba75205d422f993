"""Tower records: three resolutions, gap flags, units, and files that are wrong."""

import os
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.errors import DataError
from co2net_phys.fluxes.fluxnet import read_tower_record
from co2net_phys.fluxes.half_hourly import TO_GRAMS_PER_DAY, daily_means
from co2net_phys.fluxes.sites import read_sites

DATA = Path(
    os.environ.get("CO2PHYS_SAMPLE_DATA") or Path(__file__).parents[2] / "../shared/data"
).resolve()
MONTHLY = DATA / "fluxnet/FLX_FR-Pue_FLUXNET2015_FULLSET_MM_2007-2014_2-3.csv"
HALF_HOURLY = DATA / "fluxnet/Example_DE-Tha.1996.1998.hourly_selVars.nc"
SITES = DATA / "fluxnet/siteinfo_fluxnet2015.csv"
needs_samples = pytest.mark.skipif(
    not all(path.exists() for path in (MONTHLY, HALF_HOURLY, SITES)),
    reason=f"no FLUXNET sample files in {DATA}; set CO2PHYS_SAMPLE_DATA",
)


def half_hours(days, minutes=30):
    start = np.datetime64("2004-02-28T00:00", "m")
    return start + np.arange(days * 1440 // minutes) * np.timedelta64(minutes, "m")


def half_hourly_csv(folder, values, flags):
    lines = ["TIMESTAMP_START,TIMESTAMP_END,TA_F,NEE_VUT_REF,NEE_VUT_REF_QC"]
    for moment, value, flag in zip(half_hours(len(values) // 48), values, flags, strict=True):
        ends = moment + np.timedelta64(30, "m")
        stamps = [str(m).translate(str.maketrans("", "", "-:T")) for m in (moment, ends)]
        lines.append(f"{stamps[0]},{stamps[1]},10.0,{value},{flag}")
    path = folder / "FLX_ZZ-Tst_FLUXNET2015_FULLSET_HH_2004-2004_1-4.csv"
    path.write_text("\n".join(lines))
    return path


def test_daily_file(write_daily_csv):
    record = read_tower_record(write_daily_csv())
    assert (record.site, record.resolution) == ("ZZ-Tst", "daily")
    assert record.times[0] == np.datetime64("2005-03-01") and len(record.times) == 10
    np.testing.assert_allclose(record.nee, -0.5 * np.arange(10))
    np.testing.assert_allclose(record.air_temperature, 273.15 + np.arange(10))
    assert (record.quality == 0.9).all()


def test_missing_values_have_no_quality(write_daily_csv):
    def gap(lines):
        fields = lines[3].split(",")
        fields[3] = "-9999"
        return [*lines[:3], ",".join(fields), *lines[4:]]

    record = read_tower_record(write_daily_csv(change=gap))
    assert np.isnan(record.nee[2]) and record.quality[2] == 0
    assert np.isfinite(np.delete(record.nee, 2)).all()


def test_trusted_leaves_out_bad_days(write_daily_csv):
    record = read_tower_record(
        write_daily_csv(change=lambda lines: [*lines[:2], lines[2].replace(",0.9,", ",0.5,")])
    )
    assert np.isfinite(record.trusted(0.5)).all()
    np.testing.assert_array_equal(np.isnan(record.trusted(0.6)), [False, True])


def test_half_hours_become_daily_carbon(tmp_path):
    values = np.concatenate([np.full(48, 2.0), np.arange(48.0), np.full(48, 1.0)])
    flags = np.concatenate([np.zeros(48), np.repeat([0, 1, 2, 3], 12), np.zeros(48)])
    values[100] = -9999
    record = read_tower_record(half_hourly_csv(tmp_path, values, flags.astype(int)))
    # 1 µmol m-2 s-1 of CO2 is 12.011e-6 · 86400 = 1.0377504 g m-2 d-1 of carbon.
    np.testing.assert_allclose(record.nee[:2], np.array([2.0, 23.5]) * 1.0377504, rtol=1e-12)
    assert np.isnan(record.nee[2])
    np.testing.assert_allclose(record.quality, [1.0, 0.5, 0.0])
    np.testing.assert_allclose(record.air_temperature, 283.15)
    assert str(record.times[1]) == "2004-02-29"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([30, 60]))
def test_daily_means_are_linear_and_keep_constants(seed, minutes):
    random = np.random.default_rng(seed)
    moments = half_hours(3, minutes)
    one, other = random.standard_normal((2, len(moments)))
    good = random.random(len(moments)) < 0.7
    mean = [daily_means(moments, v, good, "x")[1] for v in (one, other, 2 * one - 3 * other)]
    np.testing.assert_allclose(mean[2], 2 * mean[0] - 3 * mean[1], atol=1e-12)
    days, kept, quality = daily_means(moments, np.full(len(moments), 4.0), good, "x")
    np.testing.assert_allclose(kept, 4.0, rtol=1e-14)
    np.testing.assert_allclose(quality, good.reshape(3, -1).mean(axis=1), rtol=1e-14)
    assert (np.diff(days) == np.timedelta64(1, "D")).all()


def test_a_lost_day_is_missing_and_the_axis_has_no_gap():
    moments = half_hours(4)
    keep = np.r_[0:48, 96:192]
    values = np.ones(len(keep))
    days, means, _ = daily_means(moments[keep], values, values > 0, "x")
    assert len(days) == 4
    np.testing.assert_array_equal(np.isnan(means), [False, True, False, False])


def weekly(lines):
    """What stands in a WW file: the first and the last day of each week."""
    return [f"{'TIMESTAMP_START,TIMESTAMP_END'}{lines[0].removeprefix('TIMESTAMP')}"] + [
        f"{line[:8]},{line}" for line in lines[1::7]
    ]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda lines: [lines[0].replace("NEE_VUT_REF", "NEE")], "no columns NEE_VUT_REF"),
        (lambda lines: [lines[0].replace("TIMESTAMP", "DATE"), *lines[1:]], "no column TIMESTAMP"),
        (lambda lines: lines[:1], "no line after the first"),
        (lambda lines: [*lines[:4], lines[4].replace(",0.9,", ",oops,")], "oops"),
        (lambda lines: [*lines[:4], "20050304,1"], "repair that line"),
        (lambda lines: [lines[0], *lines[:0:-1]], "does not ascend"),
        (lambda lines: [*lines, lines[-1]], "does not ascend"),
        (lambda lines: [line.replace("20050301", "20050230") for line in lines], "day of its"),
        (lambda lines: [line.replace("20050301", "20051301") for line in lines], "not YYYYMM"),
        (lambda lines: [lines[0], "2005,1,1,1,1,1"], "yearly values"),
        (weekly, r"TIMESTAMP_START: weekly values; give the half-hourly, daily or monthly"),
        (lambda lines: [line.replace(",0.9,", ",3,") for line in lines], "it is a share"),
    ],
)
def test_wrong_files_are_refused_in_one_line(write_daily_csv, change, problem):
    path = write_daily_csv(change=change)
    with pytest.raises(DataError, match=problem) as caught:
        read_tower_record(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_tower_record(tmp_path / "FLX_nothing.csv")
    binary = tmp_path / "FLX_ZZ-Tst_x.csv"
    binary.write_bytes(b"\xff\xfe\x00\x01\n")
    with pytest.raises(DataError, match="cannot be read"):
        read_tower_record(binary)


def la_thuile(path, origin="1996-01-01", offset=0.0, units="umol_m-2_s-1", steps=96, step=1 / 48):
    with netCDF4.Dataset(path, "w") as data:
        for name, size in (("time", steps), ("lat", 1), ("lon", 1)):
            data.createDimension(name, size)
        time = data.createVariable("time", "f8", ("time",))
        time.units, time[:] = f"days since {origin} 00:00", offset + np.arange(steps) * step
        for name in ("NEE", "NEE_f", "Tair"):
            variable = data.createVariable(name, "f4", ("time", "lat", "lon"), fill_value=-9999.0)
            variable.units, variable[:] = units, np.full((steps, 1, 1), 3.0)
        data["NEE"][:24] = -9999.0
        data.Site_ID = "DE-Xxx"
    return path


def test_half_hourly_netcdf(tmp_path):
    record = read_tower_record(la_thuile(tmp_path / "site.nc"))
    assert record.site == "DE-Xxx" and record.resolution == "daily"
    np.testing.assert_allclose(record.nee, 3 * TO_GRAMS_PER_DAY)
    np.testing.assert_allclose(record.quality, [0.5, 1.0])


def test_the_origin_that_the_mixed_calendar_lacks(tmp_path):
    """150914 days after 1582-10-14 (Julian) is 1996-01-01, as the sample file itself says."""
    path = la_thuile(tmp_path / "site.nc", origin="1582-10-14", offset=150914.0)
    record = read_tower_record(path)
    assert [str(day) for day in record.times] == ["1996-01-01", "1996-01-02"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"units": "gC m-2 d-1"}, "NEE_f: units"),
        ({"origin": "yesterday"}, "is no date"),
        ({"step": 1 / 24 * 3}, "steps of 180 min"),
        ({"step": -1 / 48}, "times do not ascend"),
    ],
)
def test_wrong_netcdf_is_refused(tmp_path, options, problem):
    path = la_thuile(tmp_path / "site.nc", **options)
    with pytest.raises(DataError, match=problem) as caught:
        read_tower_record(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_netcdf_of_something_else_is_refused(tmp_path):
    path = tmp_path / "other.nc"
    xr.Dataset({"x": ("t", [1.0])}).to_netcdf(path)
    with pytest.raises(DataError, match="no variable 'time'"):
        read_tower_record(path)


def test_site_lists_of_three_kinds(tmp_path):
    path = tmp_path / "sites.csv"
    for header in ("site_code,latitude,longitude", "SITE_ID,LOCATION_LAT,LOCATION_LONG"):
        path.write_text(f"{header}\nDE-Tha,50.96,13.57\nUS-Xyz,40,250\n")
        sites = read_sites(path)
        assert [site.code for site in sites] == ["DE-Tha", "US-Xyz"]
        assert sites[1].longitude == -110


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("site_code,latitude\nA,1\n", "no column 'longitude'"),
        ("site_code,latitude,longitude\n", "holds no site"),
        ("site_code,latitude,longitude\nA,95,1\n", "line 2: latitude is '95'"),
        ("site_code,latitude,longitude\nA,5,x\n", "line 2: longitude is 'x'"),
        ("site_code,latitude,longitude\nA,5,1\nA,6,1\n", "line 3: repeats 'A'"),
        ("site_code,latitude,longitude\n,5,1\n", "is empty"),
    ],
)
def test_wrong_site_lists(tmp_path, text, problem):
    path = tmp_path / "sites.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=problem):
        read_sites(path)


@needs_samples
def test_real_monthly_file():
    record = read_tower_record(MONTHLY)
    assert (record.site, record.resolution, len(record.nee)) == ("FR-Pue", "monthly", 96)
    assert str(record.times[0]) == "2007-01" and str(record.times[-1]) == "2014-12"
    assert record.nee[0] == -0.730855 and record.quality[0] == 0.955645
    annual = record.nee.mean() * 365.25
    assert -400 < annual < -150, "an evergreen oak forest takes up some 250 g m-2 a-1"


@needs_samples
def test_real_half_hourly_file():
    record = read_tower_record(HALF_HOURLY)
    assert record.site == "DE-Tha"
    with xr.open_dataset(HALF_HOURLY, decode_times=False) as data:
        first = [int(data[name].values.ravel()[0]) for name in ("year", "month", "day")]
        filled = data["NEE_f"].values.ravel()[:52608].reshape(-1, 48).astype(float)
    assert str(record.times[0]) == "{:04d}-{:02d}-{:02d}".format(*first)
    assert str(record.times[-1]) == "1998-12-31"
    np.testing.assert_allclose(record.nee, filled.mean(axis=1) * 1.0377504, rtol=1e-6)
    assert np.isnan(record.nee).sum() == np.isnan(filled).any(axis=1).sum() > 0


@needs_samples
def test_real_site_list():
    sites = {site.code: site for site in read_sites(SITES)}
    assert len(sites) == 166
    assert (sites["AR-SLu"].latitude, sites["AR-SLu"].longitude) == (-33.4648, -66.4598)
