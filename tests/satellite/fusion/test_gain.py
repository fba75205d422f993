from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from co2net_phys.json_text import json_text
from co2net_phys.metrics import latitude_weights
from co2net_phys.satellite.gain import field_of, gain_rows
from co2net_phys.satellite.map_store import DailyMaps
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.single_satellite import GriddedSoundings, InverseDistance, of_sensor
from co2net_phys.satellite.tiles import TileSize

DAYS = np.datetime64("2019-01-01") + np.arange(30)


@pytest.fixture
def truth(region: Region) -> DailyMaps:
    rng = np.random.default_rng(0)
    values = 410 + rng.normal(size=(30, *region.shape)).cumsum(axis=2) * 0.3
    data = xr.Dataset(
        {"xco2": (("time", "latitude", "longitude"), values, {"units": "umol mol-1"})},
        coords={
            "time": DAYS.astype("M8[ns]"),
            "latitude": region.latitude,
            "longitude": region.longitude,
        },
    )
    return DailyMaps(data, "truth")


def with_errors(truth: DailyMaps, size: float, seed: int, known: float = 1.0) -> Any:
    rng = np.random.default_rng(seed)
    errors = rng.normal(0, size, truth.shape)
    errors[rng.uniform(size=truth.shape) > known] = np.nan
    return errors, lambda tile: truth(tile) + errors[tile]


def test_rows_by_hand(truth: DailyMaps) -> None:
    fusion_errors, fusion = with_errors(truth, 0.5, 1)
    errors, alone = with_errors(truth, 1.0, 2, known=0.3)
    rows = {row["field"]: row for row in gain_rows(truth, {"fusion": fusion, "oco2": alone})}
    weight = np.broadcast_to(latitude_weights(truth.latitude)[:, None], truth.shape)
    there = np.isfinite(errors)

    def rmse(values: Any, where: Any) -> float:
        return float(np.sqrt((weight * values**2)[where].sum() / weight[where].sum()))

    own, all_of_it = rows["oco2"], np.ones(truth.shape, bool)
    assert own["coverage"] == pytest.approx(weight[there].sum() / weight.sum())
    assert own["rmse"]["value"] == pytest.approx(rmse(errors, there))
    assert own["bias"] == pytest.approx((weight * errors)[there].sum() / weight[there].sum())
    assert own["mae"] == pytest.approx((weight * abs(errors))[there].sum() / weight[there].sum())
    assert own["fusion_rmse"] == pytest.approx(rmse(fusion_errors, there))
    gain = 1 - rmse(fusion_errors, there) / rmse(errors, there)
    assert own["gain"]["value"] == pytest.approx(gain) == pytest.approx(0.5, abs=0.05)
    assert own["gain"]["low"] < gain < own["gain"]["high"]
    assert rows["fusion"]["rmse"]["value"] == pytest.approx(rmse(fusion_errors, all_of_it))
    assert rows["fusion"]["coverage"] == pytest.approx(1.0)
    assert rows["fusion"]["gain"]["value"] == pytest.approx(0.0)
    assert "NaN" not in json_text(rows)


def test_tiles_change_nothing_but_round_off(truth: DailyMaps) -> None:
    fields = {
        "fusion": with_errors(truth, 0.5, 1, known=0.9)[1],
        "oco2": with_errors(truth, 1.0, 2, known=0.3)[1],
    }
    whole = gain_rows(truth, fields, replicates=20)
    cut = gain_rows(truth, fields, TileSize(4, 2, 3), replicates=20)
    for one, other in zip(whole, cut, strict=True):
        assert one["rmse"]["value"] == pytest.approx(other["rmse"]["value"], rel=1e-12)
        assert one["gain"]["low"] == pytest.approx(other["gain"]["low"], abs=1e-12)


def test_what_the_fusion_lacks_does_not_count_in_the_gain(truth: DailyMaps) -> None:
    """The fusion lacks the cells in which the other is bad: no gain is to be had there."""
    fusion_errors, _ = with_errors(truth, 0.5, 1)
    errors = fusion_errors.copy()
    errors[:10] *= 100
    fusion_errors[:10] = np.nan
    fields = {
        "fusion": lambda tile: truth(tile) + fusion_errors[tile],
        "other": lambda tile: truth(tile) + errors[tile],
    }
    row = gain_rows(truth, fields, replicates=20)[1]
    assert row["gain"]["value"] == pytest.approx(0.0, abs=1e-9)
    assert row["coverage"] == pytest.approx(1.0)


def test_a_field_that_is_known_nowhere(truth: DailyMaps) -> None:
    fields = {
        "fusion": with_errors(truth, 0.5, 1)[1],
        "none": lambda tile: np.full(tile.shape, np.nan),
    }
    row = gain_rows(truth, fields, replicates=20)[1]
    assert row["coverage"] == 0.0 and np.isnan(row["rmse"]["value"])
    assert set(row) == set(gain_rows(truth, fields, replicates=20)[0])


def test_soundings_lie_in_their_cells(region: Region, make_samples: Any) -> None:
    samples = make_samples(5)
    samples.time[:] = DAYS[[2, 2, 2, 4, 29]]
    samples.latitude[:] = region.latitude[[1, 1, 3, 0, 0]]
    samples.longitude[:] = region.longitude[[4, 4, 7, 0, 0]]
    samples.time[4] += 400  # beyond the maps
    samples.xco2[:] = [400.0, 404.0, 410.0, 420.0, 430.0]
    soundings = GriddedSoundings(samples, region, DAYS)
    whole = soundings(next(iter(tiles_of(region, TileSize(30, 10, 10)))))
    assert np.isfinite(whole).sum() == 3
    assert (whole[2, 1, 4], whole[2, 3, 7], whole[4, 0, 0]) == (402.0, 410.0, 420.0)
    for tile in tiles_of(region, TileSize(3, 2, 3)):
        np.testing.assert_array_equal(soundings(tile), whole[tile])


def tiles_of(region: Region, size: TileSize) -> Any:
    from co2net_phys.satellite.tiles import tiles

    return tiles((len(DAYS), *region.shape), size)


def test_fields_of_a_method_are_its_predictions(region: Region, make_samples: Any) -> None:
    samples = make_samples(50, days=30)
    predictor = InverseDistance().fit(samples)
    field = field_of(predictor, region, DAYS)
    whole = field(next(iter(tiles_of(region, TileSize(30, 10, 10)))))
    for tile in tiles_of(region, TileSize(7, 4, 3)):
        np.testing.assert_allclose(field(tile), whole[tile], rtol=1e-14)


def test_sensors_are_bits(make_samples: Any) -> None:
    samples = make_samples(4)
    samples.sensors[:] = [1, 3, 4, 2]
    np.testing.assert_array_equal(of_sensor(samples, 1).xco2, samples.xco2[:2])
    np.testing.assert_array_equal(of_sensor(samples, 2).xco2, samples.xco2[[1, 3]])
    assert len(of_sensor(samples, 4)) == 1
