from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from co2net_phys.errors import DataError, UsageError
from co2net_phys.figures import picture_bytes
from co2net_phys.json_text import json_text
from co2net_phys.satellite.figures import growth_figure, period_figure
from co2net_phys.satellite.map_store import DailyMaps
from co2net_phys.satellite.period_maps import write_period_maps
from co2net_phys.satellite.statistics import (
    DailyMeans,
    daily_means,
    growth,
    months_of,
    seasons_of,
    summary,
    years_of,
)
from co2net_phys.satellite.statistics_text import statistics_lines, statistics_tables
from co2net_phys.satellite.tiles import TileSize


def maps_of(values: Any, first: str = "2018-12-30", latitude: Any = None) -> DailyMaps:
    days, rows, columns = values.shape
    latitude = 30 + 0.5 * np.arange(rows) if latitude is None else latitude
    data = xr.Dataset(
        {"xco2": (("time", "latitude", "longitude"), values, {"units": "umol mol-1"})},
        coords={
            "time": np.datetime64(first, "ns") + np.arange(days) * np.timedelta64(1, "D"),
            "latitude": latitude,
            "longitude": 100 + 0.5 * np.arange(columns),
        },
    )
    return DailyMaps(data, "made up")


def test_calendar_by_hand() -> None:
    days = np.array(
        ["2019-12-31", "2020-01-01", "2020-02-29", "2020-03-01", "2020-06-30", "2020-11-30"],
        "M8[D]",
    )
    assert years_of(days).tolist() == [2019, 2020, 2020, 2020, 2020, 2020]
    assert months_of(days).tolist() == [11, 0, 1, 2, 5, 10]
    assert seasons_of(days).tolist() == [0, 0, 0, 1, 2, 3]
    assert years_of(np.array(["1969-12-31"], "M8[D]")).tolist() == [1969]


def test_means_weigh_area_and_pass_over_gaps() -> None:
    """Rows from 0° to 30° and 30° to 90° have the same area: sin 30° = 1/2."""
    values = np.full((3, 2, 2), 400.0)
    values[0, 1] = 410.0
    values[1, 0, 0] = np.nan
    values[1, 1] = 406.0
    values[2] = np.nan
    maps = maps_of(values, latitude=np.array([15.0, 45.0]))
    area = np.abs(np.diff(np.sin(np.radians([0.0, 30.0, 60.0]))))
    found = daily_means(maps)
    first = (400 * area[0] + 410 * area[1]) / area.sum()
    second = (400 * area[0] + 2 * 406 * area[1]) / (area[0] + 2 * area[1])
    np.testing.assert_allclose(found.mean, [first, second, np.nan])
    known = (area[0] + 2 * area[1]) / (2 * area.sum())
    np.testing.assert_allclose(found.coverage, [1.0, known, 0.0])
    cut = daily_means(maps, TileSize(2, 1, 1))
    np.testing.assert_allclose(cut.mean, found.mean, rtol=1e-14)


def test_summary_by_hand() -> None:
    """410 in 2019, 412 in 2020, and 3 more in July."""
    days = np.arange(np.datetime64("2019-01-01"), np.datetime64("2021-01-01"))
    values = np.where(years_of(days) == 2019, 410.0, 412.0) + 3 * (months_of(days) == 6)
    values[5] = np.nan  # 6 January 2019
    found = summary(DailyMeans(days, values, np.ones(len(days))))
    assert found["annual"]["2019"] == {"mean": pytest.approx(410 + 93 / 364), "days": 364}
    assert found["annual"]["2020"] == {"mean": pytest.approx(412 + 93 / 366), "days": 366}
    assert found["monthly"]["7"] == {"mean": pytest.approx(414.0), "days": 62}
    winter = (410 * 89 + 412 * 91) / 180
    assert found["seasonal"]["DJF"] == {"mean": pytest.approx(winter), "days": 180}
    assert found["seasonal"]["JJA"] == {"mean": pytest.approx(411 + 3 * 31 / 92), "days": 184}
    assert list(found["seasonal"]) == ["DJF", "MAM", "JJA", "SON"]
    step = found["growth"]["increments"]
    assert step == {"2020": pytest.approx(2 + 93 / 366 - 93 / 364)}
    assert np.isnan(found["growth"]["annual_means"]["value"])  # two points are no fit
    assert "NaN" not in json_text(found)


def test_a_part_of_a_year_says_how_many_days_it_has() -> None:
    days = np.arange(np.datetime64("2019-09-01"), np.datetime64("2021-01-01"))
    found = summary(DailyMeans(days, np.full(len(days), 410.0), np.ones(len(days))))
    assert "annual    2019 410.00 (122 days), 2020 410.00\n" in statistics_lines(found)
    annual = statistics_tables({"maps": found})[0]
    assert list(annual.columns) == ["year", "maps, ppm", "days"]
    assert [list(row) for row in annual.rows] == [["2019", 410.0, 122], ["2020", 410.0, 366]]


def test_growth_of_a_known_rise() -> None:
    days = np.arange(np.datetime64("2015-01-01"), np.datetime64("2023-01-01"))
    years = (days - days[0]).astype(float) / 365.25
    rng = np.random.default_rng(3)
    cycle = 2.5 * np.cos(2 * np.pi * (years - 0.37))
    found = growth(days, 398 + 2.3 * years + cycle + rng.normal(0, 0.5, len(days)))
    assert found["daily_means"]["value"] == pytest.approx(2.3, abs=0.02)
    error = found["daily_means"]["standard_error"]
    # Of a line through n independent values: σ √12 / (T √n)
    assert error == pytest.approx(0.5 * 12**0.5 / (8 * len(days) ** 0.5), rel=0.5)
    assert found["annual_means"]["value"] == pytest.approx(2.3, abs=0.02)
    assert 0 < found["annual_means"]["standard_error"] < 0.02
    assert found["amplitude"] == pytest.approx(5.0, abs=0.1)
    assert found["day_of_maximum"] == pytest.approx(0.37 * 365.25, abs=3)
    assert list(found["increments"]) == [str(year) for year in range(2016, 2023)]


def test_growth_of_the_paper_s_table_6() -> None:
    """Its text says 2.21 µmol mol-1 a year: 17.68 shared among eight years, not seven steps."""
    table = [398.92, 402.52, 404.93, 407.07, 409.72, 412.38, 414.57, 416.60]
    days = np.arange(np.datetime64("2015-01-01"), np.datetime64("2023-01-01"))
    found = growth(days, np.array(table)[years_of(days) - 2015])
    assert found["annual_means"]["value"] == pytest.approx(np.polyfit(range(8), table, 1)[0])
    assert found["annual_means"]["value"] == pytest.approx(2.49, abs=0.01)
    assert sum(found["increments"].values()) / 7 == pytest.approx(2.53, abs=0.005)


def test_half_a_year_does_not_count_as_one() -> None:
    days = np.arange(np.datetime64("2018-07-01"), np.datetime64("2022-01-01"))
    found = growth(days, 400 + 2.0 * (years_of(days) - 2018.0))
    assert list(found["increments"]) == ["2020", "2021"]
    assert found["annual_means"]["value"] == pytest.approx(2.0)


def test_period_maps_by_hand(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(410, 3, (70, 5, 4))
    values[rng.uniform(size=values.shape) < 0.2] = np.nan
    values[:, 2, 2] = np.nan
    maps = maps_of(values)
    for name, size in (("whole", None), ("cut", TileSize(9, 2, 3))):
        write_period_maps(maps, tmp_path / f"{name}.zarr", attributes={"title": "x"}, size=size)
    whole, cut = (
        xr.open_zarr(tmp_path / f"{n}.zarr", consolidated=False) for n in ("whole", "cut")
    )
    xr.testing.assert_allclose(whole.load(), cut.load(), rtol=1e-6)
    for name, axis, labels in [
        ("annual", "year", years_of(maps.days)),
        ("monthly", "month", months_of(maps.days) + 1),
        ("seasonal", "season", np.array(["DJF", "MAM", "JJA", "SON"])[seasons_of(maps.days)]),
    ]:
        assert cut[name].attrs["units"] == "umol mol-1"
        for label in np.unique(labels):
            part = values[labels == label]
            known = np.isfinite(part).sum(axis=0)
            with np.errstate(invalid="ignore"):
                mean = np.where(known, np.nansum(part, axis=0) / known, np.nan)
            np.testing.assert_allclose(cut[name].sel({axis: label}), mean, rtol=1e-6)
    assert cut["seasonal"].sel(season="JJA").isnull().all()
    assert cut["annual"]["annual_days"].values.tolist() == [2, 68]
    assert cut["seasonal_days"].values.tolist() == [61, 9, 0, 0]
    assert cut["monthly_days"].values.tolist() == [31, 28, 9, *(0,) * 8, 2]
    assert whole["annual"].sel(year=2019)[2, 2].isnull()
    with pytest.raises(DataError, match="already exists"):
        write_period_maps(maps, tmp_path / "cut.zarr", attributes={})
    with pytest.raises(UsageError, match=r"name it \*\.zarr"):
        write_period_maps(maps, tmp_path / "cut.nc", attributes={})


def test_pictures(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(410, 3, (70, 5, 4))
    maps = maps_of(values)
    write_period_maps(maps, tmp_path / "p.zarr", attributes={})
    periods = xr.open_zarr(tmp_path / "p.zarr", consolidated=False)
    figure = period_figure(periods["seasonal"], "Seasons")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:2] == ["DJF", "MAM"] and "JJA" not in titles
    years = period_figure(periods["annual"], "Years")
    titles = [axes.get_title(loc="left") for axes in years.figure.axes]
    assert titles[:2] == ["2018 (2 days)", "2019 (68 days)"]
    assert picture_bytes(figure, dpi=40).startswith(b"\x89PNG")
    series = growth_figure(daily_means(maps), "Growth")
    assert len(series.axes[0].lines[1].get_xdata()) == 4  # December to March
    assert picture_bytes(series, dpi=40).startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="no season with a value"):
        period_figure(periods["seasonal"] * np.nan, "Seasons")
