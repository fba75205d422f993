from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from co2net_phys.data.writer_lock import locked
from co2net_phys.errors import DataError, UsageError
from co2net_phys.satellite.covariate_store import Covariates
from co2net_phys.satellite.features import features
from co2net_phys.satellite.map_store import DailyMaps
from co2net_phys.satellite.maps import tile_points, write_maps
from co2net_phys.satellite.network import FusionConfig, NetworkPredictor, ResNetLSTM
from co2net_phys.satellite.points import Points
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import feature_names
from co2net_phys.satellite.tiles import Tile, TileSize, tile_count, tiles

DAYS = np.datetime64("2019-01-03") + np.arange(7)


class Sum:
    """410 plus a sum of features; remembers how many points it was asked for at once."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def predict(self, points: Points) -> Any:
        self.asked.append(len(points))
        return 410 + points.features.astype(np.float64)[:, :2].sum(axis=1) * 1e-3


def network(names: tuple[str, ...]) -> NetworkPredictor:
    torch.manual_seed(0)
    statistics = dict.fromkeys(names, (0.0, 100.0)) | {"xco2": (410.0, 3.0)}
    return NetworkPredictor(
        ResNetLSTM(FusionConfig(features=names, statistics=statistics, widths=(16, 32), hidden=16))
    )


def write(
    predictor: Any, covariates: Covariates, region: Region, path: Path, **options: Any
) -> xr.Dataset:
    write_maps(predictor, covariates, region, DAYS, path, attributes={"title": "test"}, **options)
    return xr.open_zarr(path, consolidated=False)


@pytest.mark.parametrize("count", [(7, 6, 8), (1, 1, 1), (20, 5, 3)])
def test_tiles_cover_each_cell_once(count: tuple[int, int, int]) -> None:
    size, seen = TileSize(3, 4, 5), np.zeros(count, int)
    boxes = list(tiles(count, size))
    assert len(boxes) == tile_count(count, size)
    for tile in boxes:
        assert seen[tile].shape == tile.shape and max(np.subtract(tile.shape, size)) <= 0
        seen[tile] += 1
    assert (seen == 1).all()
    with pytest.raises(UsageError, match="none"):
        next(tiles(count, TileSize(0, 1, 1)))


@pytest.mark.parametrize("kind", ["sum", "network"])
def test_tiled_is_untiled_bit_for_bit(
    kind: str, covariates: Covariates, region: Region, tmp_path: Path
) -> None:
    names = feature_names(covariates.names)
    predictor = Sum() if kind == "sum" else network(names)
    whole = write(predictor, covariates, region, tmp_path / "whole.zarr")
    cut = write(predictor, covariates, region, tmp_path / "cut.zarr", size=TileSize(2, 4, 3))
    assert whole["xco2"].shape == (7, 6, 8) and np.isfinite(whole["xco2"]).all()
    np.testing.assert_array_equal(whole["xco2"].values, cut["xco2"].values)
    assert cut["xco2"].encoding["chunks"] == (2, 4, 3)


def test_values_are_those_of_the_features_of_each_cell(
    covariates: Covariates, region: Region, tmp_path: Path
) -> None:
    maps = write(Sum(), covariates, region, tmp_path / "maps.zarr")["xco2"]
    assert maps.attrs["units"] == "umol mol-1" and maps.attrs["cell_methods"] == "time: mean"
    np.testing.assert_array_equal(maps["time"].values.astype("M8[D]"), DAYS)
    np.testing.assert_array_equal(maps["latitude"].values, region.latitude)
    found = maps.sel(time="2019-01-05").values[2, 5]
    place = region.latitude[2:3], region.longitude[5:6]
    row = features(covariates, np.datetime64("2019-01-05"), *place)[0].astype(np.float32)
    assert found == np.float32(410 + row[:2].astype(np.float64).sum() * 1e-3)


def test_gaps_in_covariates_are_gaps_in_maps(
    covariates: Covariates, region: Region, tmp_path: Path
) -> None:
    class Gaps(Sum):
        def predict(self, points: Points) -> Any:
            return np.where(points.latitude > 27, np.nan, super().predict(points))

    maps = write(Gaps(), covariates, region, tmp_path / "m.zarr", size=TileSize(7, 2, 8))["xco2"]
    north = region.latitude > 27
    assert maps[:, north].isnull().all() and maps[:, ~north].notnull().all()
    assert (tmp_path / "m.zarr/xco2/c/0/2/0").exists()  # a tile of gaps is a finished tile


def test_a_stopped_run_goes_on_where_it_was(
    covariates: Covariates, region: Region, tmp_path: Path
) -> None:
    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise Stopped

    path, size = tmp_path / "maps.zarr", TileSize(2, 3, 8)
    with pytest.raises(Stopped):
        write(Sum(), covariates, region, path, size=size, progress=stop)
    assert not path.exists()
    with pytest.raises(DataError, match="unfinished run; go on with --resume"):
        write(Sum(), covariates, region, path, size=size)
    with pytest.raises(UsageError, match="region, days or tiles are others"):
        write(Sum(), covariates, region, path, size=TileSize(1, 3, 8), resume=True)
    rest = Sum()
    resumed = write(rest, covariates, region, path, size=size, resume=True)
    assert len(rest.asked) == 3  # of 8 tiles
    straight = write(Sum(), covariates, region, tmp_path / "straight.zarr", size=size)
    np.testing.assert_array_equal(resumed["xco2"].values, straight["xco2"].values)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["maps.zarr", "straight.zarr"]
    with pytest.raises(DataError, match="already exists"):
        write(Sum(), covariates, region, path)
    again = write(Sum(), covariates, region, path, overwrite=True)
    assert again["xco2"].encoding["chunks"] == (8, 128, 128)


def test_the_maps_of_a_running_process_are_left_alone(
    covariates: Covariates, region: Region, tmp_path: Path
) -> None:
    partial = tmp_path / "maps.zarr.partial.zarr"
    partial.mkdir()
    (partial / "tile").write_text("precious")
    claim = locked(partial)
    for how in ({"overwrite": True}, {"resume": True}, {}):
        with pytest.raises(DataError, match="another process is writing it"):
            write(Sum(), covariates, region, tmp_path / "maps.zarr", **how)
    assert (partial / "tile").read_text() == "precious"
    os.close(claim)
    write(Sum(), covariates, region, tmp_path / "maps.zarr", overwrite=True)
    assert not partial.exists()


def test_another_configuration_is_not_continued(
    covariates: Covariates, region: Region, tmp_path: Path
) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "maps.zarr"
    one, other = ({"co2phys_configuration": f'{{"seed": {seed}}}'} for seed in (1, 2))
    with pytest.raises(KeyboardInterrupt):
        write_maps(Sum(), covariates, region, DAYS, path, attributes=one, progress=stop)
    with pytest.raises(UsageError, match="seed was 1, is 2"):
        write_maps(Sum(), covariates, region, DAYS, path, attributes=other, resume=True)


def test_senseless_requests_are_refused(
    covariates: Covariates, region: Region, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"name it \*\.zarr"):
        write(Sum(), covariates, region, tmp_path / "maps.nc")
    for days in (DAYS[::-1], DAYS[:0]):
        with pytest.raises(UsageError, match="must ascend"):
            write_maps(Sum(), covariates, region, days, tmp_path / "m.zarr", attributes={})
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_region(covariates: Covariates, tmp_path: Path) -> None:
    """A region with sixteen times as many cells takes no more memory than one of a tile."""
    size, peaks = TileSize(7, 32, 32), []
    for name, cells in (("first", 32), ("small", 32), ("large", 128)):
        region = Region(92.0, 26.0, 92.0 + cells / 64, 26.0 + cells / 64, 1 / 64)
        tracemalloc.start()
        write_maps(
            Sum(), covariates, region, DAYS, tmp_path / f"{name}.zarr", attributes={}, size=size
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    features_of_tile = 7 * 32 * 32 * 4 * len(feature_names(covariates.names))
    assert features_of_tile < peaks[1] < 10 * features_of_tile
    assert peaks[2] < 1.2 * peaks[1]


def test_points_of_a_tile_are_in_order(covariates: Covariates, region: Region) -> None:
    tile = Tile(slice(1, 3), slice(2, 4), slice(0, 3))
    points = tile_points(covariates, region, DAYS, tile)
    shape = (2, 2, 3)
    np.testing.assert_array_equal(points.time.reshape(shape)[:, 0, 0], DAYS[1:3])
    np.testing.assert_array_equal(points.latitude.reshape(shape)[0, :, 0], region.latitude[2:4])
    np.testing.assert_array_equal(points.longitude.reshape(shape)[1, 1], region.longitude[:3])


def test_maps_are_read_back(covariates: Covariates, region: Region, tmp_path: Path) -> None:
    path = tmp_path / "maps.zarr"
    data = write(Sum(), covariates, region, path, size=TileSize(2, 4, 3))
    maps = DailyMaps.open(path)
    assert maps.shape == (7, 6, 8)
    whole = np.empty(maps.shape)
    boxes = list(maps.tiles())
    assert boxes == list(tiles(maps.shape, TileSize(2, 4, 3)))
    for tile in boxes:
        whole[tile] = maps(tile)
    np.testing.assert_array_equal(whole, data["xco2"].values)
    with pytest.raises(DataError, match="co2: is not there as daily maps"):
        DailyMaps.open(path, "co2")
    with pytest.raises(DataError, match="days do not ascend"):
        DailyMaps(data.isel(time=[1, 0]), "x")


def test_maps_are_read_in_one_unit_and_need_coordinates(
    covariates: Covariates, region: Region, tmp_path: Path
) -> None:
    data = write(Sum(), covariates, region, tmp_path / "maps.zarr").load()
    whole = Tile(slice(0, 7), slice(0, 6), slice(0, 8))
    moles = (1e-6 * data.astype(np.float64)).assign_coords(data.coords)
    moles["xco2"].attrs["units"] = "mol mol-1"
    np.testing.assert_allclose(DailyMaps(moles, "x")(whole), data["xco2"], rtol=1e-12)
    part = DailyMaps(moles, "x").where(DailyMaps(data.isel(time=slice(2, 3)), "y"))
    np.testing.assert_allclose(
        part(whole._replace(days=slice(0, 1))), data["xco2"][2:3], rtol=1e-12
    )
    for wrong in ({"units": "K"}, {}):
        spoilt = data.copy()
        spoilt["xco2"].attrs = wrong
        with pytest.raises(DataError, match=r"x: variable 'xco2' has units .* not a mole fraction"):
            DailyMaps(spoilt, "x")
    for axis in ("time", "latitude", "longitude"):
        with pytest.raises(DataError, match=f"x: {axis}: has no coordinate"):
            DailyMaps(data.drop_vars(axis), "x")
    with pytest.raises(DataError, match="x: time: no dates"):
        DailyMaps(data.assign_coords(time=np.arange(7)), "x")
