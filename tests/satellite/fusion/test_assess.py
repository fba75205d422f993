"""Maps against true maps and against samples, on made-up ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from co2net_phys.errors import DataError, UsageError
from co2net_phys.satellite import assess_maps, assess_samples
from co2net_phys.satellite.covariate_store import covariate_files
from co2net_phys.satellite.figures import MOST_CELLS, thinned
from co2net_phys.satellite.map_store import DailyMaps
from co2net_phys.satellite.points import Samples
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.sample_store import read_samples

DAYS = np.datetime64("2019-01-01") + np.arange(30)


def dataset(region: Region, values: Any) -> xr.Dataset:
    return xr.Dataset(
        {"xco2": (("time", "latitude", "longitude"), values, {"units": "umol mol-1"})},
        coords={
            "time": DAYS[: len(values)].astype("M8[ns]"),
            "latitude": region.latitude,
            "longitude": region.longitude,
        },
    )


@pytest.fixture
def truth(region: Region) -> DailyMaps:
    values = 410 + np.random.default_rng(0).normal(size=(30, *region.shape))
    return DailyMaps(dataset(region, values), "truth")


def part_of(truth: DailyMaps, **index: slice) -> DailyMaps:
    rows, columns = index.get("latitude", slice(None)), index.get("longitude", slice(None))
    region = truth.region
    whole = dataset(region, truth((slice(0, 30), slice(None), slice(None))))  # type: ignore[arg-type]
    return DailyMaps(whole.isel(latitude=rows, longitude=columns).isel(time=slice(3, 20)), "part")


def test_maps_of_a_part_are_compared_there(truth: DailyMaps) -> None:
    part = part_of(truth, latitude=slice(1, 4), longitude=slice(2, 7))
    there = truth.where(part)
    assert there.shape == part.shape == (17, 3, 5)
    whole = slice(0, 17), slice(0, 3), slice(0, 5)
    np.testing.assert_array_equal(there(whole), part(whole))  # type: ignore[arg-type]
    found = assess_maps.assess(part, truth, {}).scores
    assert found["rmse"] == 0 and found["coverage"] == pytest.approx(1.0)
    with pytest.raises(DataError, match=r"part: time: has not the 30 values of truth"):
        part.where(truth)


def test_the_grid_is_read_back_from_the_cells(truth: DailyMaps, region: Region) -> None:
    assert truth.region == region
    oblong = dataset(region, np.zeros((1, *region.shape)))
    oblong["latitude"] = 2 * oblong["latitude"] - region.south
    with pytest.raises(DataError, match="no squares"):
        _ = DailyMaps(oblong, "oblong").region


def test_samples_are_met_in_their_cell_and_day(truth: DailyMaps, region: Region) -> None:
    rng = np.random.default_rng(1)
    day, row, column = (rng.integers(n, size=50) for n in truth.shape)
    values = truth((slice(0, 30), slice(None), slice(None)))[day, row, column]  # type: ignore[arg-type]
    samples = Samples(
        DAYS[day], region.latitude[row], region.longitude[column], np.zeros((50, 0), np.float32),
        (), values + 0.5, np.ones(50, int), "made up",
    )  # fmt: skip
    np.testing.assert_array_equal(assess_samples.at_samples(truth, samples), values)
    parts = {"validation": np.arange(20), "training": np.arange(20, 50)}
    assessed = assess_samples.assess(truth, samples, parts)
    assert "Validation samples chose the best epoch" in assessed.table
    found = assessed.scores
    assert found["bias"] == pytest.approx(-0.5) and found["rmse"] == pytest.approx(0.5)
    assert found["samples"]["validation"]["n"] == 20 and found["samples"]["training"]["n"] == 30
    elsewhere = Samples(
        samples.time + 1000, samples.latitude, samples.longitude, samples.features, (),
        samples.xco2, samples.sensors, "elsewhere",
    )  # fmt: skip
    assert np.isnan(assess_samples.at_samples(truth, elsewhere)).all()
    with pytest.raises(DataError, match="no sample of elsewhere lies on the maps"):
        assess_samples.assess(truth, elsewhere, parts)


def test_regions_are_read_from_words() -> None:
    assert Region.parsed("102,28,104,30", 0.2) == Region(102, 28, 104, 30, 0.2)
    for wrong in ("1,2,3", "a,b,c,d", ""):
        with pytest.raises(UsageError, match="write west,south,east,north"):
            Region.parsed(wrong, 0.1)


def test_a_folder_stands_for_its_stores(tmp_path: Path) -> None:
    (tmp_path / "b.zarr").mkdir()
    (tmp_path / "b.zarr" / "zarr.json").write_text("{}")
    (tmp_path / "a.nc").write_text("")
    (tmp_path / "notes.txt").write_text("")
    inside = [tmp_path / "a.nc", tmp_path / "b.zarr"]
    assert covariate_files(tmp_path) == inside
    assert covariate_files(*inside) == inside


@pytest.mark.parametrize("spoil", ["units", "region", "truncated"])
def test_stores_that_are_no_samples(tmp_path: Path, spoil: str) -> None:
    count = 3
    data = xr.Dataset(
        {
            "xco2": ("sample", np.full(count, 410.0), {"units": "umol mol-1"}),
            "source": ("sample", np.ones(count, int)),
            "features": (("sample", "feature"), np.zeros((count, 1), np.float32)),
            "time": ("sample", np.arange(count), {"units": "days since 1970-01-01"}),
            "latitude": ("sample", np.zeros(count)),
            "longitude": ("sample", np.zeros(count)),
        },
        coords={"feature": ["elevation"]},
        attrs={"region": Region(0, 0, 1, 1, 0.5).as_json()},
    )
    path = tmp_path / "samples.nc"
    data.to_netcdf(path)
    assert len(read_samples(path).samples) == count
    if spoil == "units":
        data["xco2"].attrs["units"] = "ppb"
        said = "xco2: is in 'ppb'"
    elif spoil == "region":
        data.attrs["region"] = '{"west": 3}'
        said = "is no region"
    else:
        data = data.drop_vars("source")
        said = "source: is missing"
    data.to_netcdf(path)
    with pytest.raises(DataError, match=said):
        read_samples(path)


def test_pictures_read_no_more_cells_than_they_show() -> None:
    maps = xr.DataArray(np.zeros((2, 10, 3 * MOST_CELLS)), dims=("year", "latitude", "longitude"))
    assert thinned(maps).sizes["longitude"] == MOST_CELLS
