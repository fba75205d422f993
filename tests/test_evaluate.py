import numpy as np
import pytest
import xarray as xr

from co2net_phys import metrics
from co2net_phys.data.schema import (
    CO2,
    HELD_OUT_ATTRIBUTE,
    STATION_CO2,
    standard_error_name,
)
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError
from co2net_phys.evaluate import comparison, evaluate, evaluated, scores
from co2net_phys.json_text import json_text


@pytest.fixture(scope="module")
def store(small_world):
    return TrainingStore(small_world(60), "world.nc")


@pytest.fixture
def prediction(small_world):
    """The truth, at twenty of its times."""
    data = small_world(60)[[CO2]].isel(time=slice(30, 50)).astype(np.float32)
    data.attrs[HELD_OUT_ATTRIBUTE] = "c1 c5"
    return data.drop_vars([name for name in data.coords if str(name).startswith("station")])


def test_the_truth_is_perfect(prediction, store):
    result = evaluate(prediction, "rec.nc", store)
    assert (result["rmse"], result["bias"], result["mae"]) == (0, 0, 0)
    for score in ("acc", "correlation", "r2"):
        assert result[score] == pytest.approx(1, abs=1e-9)
    assert len(result["regions"]) > 3
    assert all(row["rmse"] == 0 for row in result["regions"].values())
    assert result["unit"] == "umol mol-1"
    assert result["times"] == {
        "first": "2010-03-04T18:00:00", "last": "2010-03-07T03:00:00", "count": 20,
    }  # fmt: skip


def test_anomalies_from_one_mean_of_the_globe(prediction, store):
    noise = np.random.default_rng(3).normal(0, 2, prediction[CO2].shape)
    prediction[CO2] = prediction[CO2] + noise
    y, u = prediction[CO2].values, store.field(CO2, np.arange(30, 50)).astype(float)
    weights = metrics.latitude_weights(store.latitude)
    mean = (u * weights[:, None]).mean(axis=(0, 1, 2)) / weights.mean()
    usual = evaluate(prediction, "rec.nc", store)
    found = evaluated(prediction, "rec.nc", store, climatology="scalar").scores
    assert (usual["climatology"], found["climatology"]) == ("cell", "scalar")
    assert found["acc"] == pytest.approx(metrics.acc(y, u, mean, weights))
    assert usual["acc"] == pytest.approx(metrics.acc(y, u, u.mean(axis=0), weights))
    assert found["acc"] > usual["acc"] + 0.01
    assert found["rmse"] == usual["rmse"]


@pytest.mark.parametrize("order", [[0, 1, 1, 2], [0, 2, 1, 3]])
def test_times_that_repeat_or_go_back_are_refused(prediction, store, order):
    """The same map would count twice, or series would be out of order."""
    with pytest.raises(DataError, match=r"rec.nc: 'time' does not ascend"):
        evaluate(prediction.isel(time=order), "rec.nc", store)


def test_stations_are_scored_in_two_groups(prediction, store):
    groups = evaluate(prediction, "rec.nc", store)["stations"]
    assert set(groups["held_out"]["sites"]) == {"c1", "c5"}
    assert set(groups["training"]["sites"]) == {"c0", "c2", "c3", "c4", "c6", "c7"}
    assert groups["held_out"]["pooled"]["n"] == 40
    assert groups["training"]["pooled"]["rmse"] < 1e-4, "stations sit in the centre of cells"
    del prediction.attrs[HELD_OUT_ATTRIBUTE]
    assert set(evaluate(prediction, "rec.nc", store)["stations"]) == {"all"}


def test_an_error_at_held_out_stations_shows_only_there(prediction, store, small_world):
    site = small_world(60)[["station_latitude", "station_longitude"]].isel(station=5)
    place = {
        "latitude": site["station_latitude"].values,
        "longitude": site["station_longitude"].values,
    }
    prediction[CO2].loc[place] += 3
    groups = evaluate(prediction, "rec.nc", store)["stations"]
    assert groups["held_out"]["sites"]["c5"]["rmse"] == pytest.approx(3, rel=1e-4)
    assert groups["held_out"]["sites"]["c5"]["bias"] == pytest.approx(3, rel=1e-4)
    assert groups["held_out"]["pooled"]["rmse"] == pytest.approx(3 / np.sqrt(2), rel=1e-4)
    assert groups["training"]["pooled"]["rmse"] < 1e-4


def test_scores_by_hand(prediction, store):
    noise = np.random.default_rng(0).normal(0.5, 2, prediction[CO2].shape)
    prediction[CO2] = prediction[CO2] + noise
    result = evaluate(prediction, "rec.nc", store)
    y = prediction[CO2].values.astype(float)
    u = store.field(CO2, np.arange(30, 50)).astype(float)
    edges = np.radians(np.arange(-90, 91, 10))
    alpha = np.diff(np.sin(edges))[:, None] * np.ones(24)
    mean_of = lambda field: (field * alpha).sum((-2, -1)) / alpha.sum()  # noqa: E731
    assert result["rmse"] == pytest.approx(np.sqrt(mean_of((y - u) ** 2)).mean(), rel=1e-6)
    assert result["bias"] == pytest.approx(mean_of(y - u).mean(), rel=1e-6)
    assert result["mae"] == pytest.approx(mean_of(np.abs(y - u)).mean(), rel=1e-6)
    a, b = y - u.mean(axis=0), u - u.mean(axis=0)
    expected = mean_of(a * b).sum() / np.sqrt(mean_of(a**2).sum() * mean_of(b**2).sum())
    assert result["acc"] == pytest.approx(expected, rel=1e-6)


def test_scores_of_arrays_are_those_of_files(prediction, store):
    prediction[CO2] = prediction[CO2] + 1
    frames = np.arange(30, 50)
    direct = scores(prediction[CO2].values, store, frames, ["c1", "c5"])
    written = evaluate(prediction, "rec.nc", store)
    assert direct.keys() == written.keys()
    assert json_text(direct) == json_text(written), "a NaN of theirs is null"
    assert direct["rmse"] == pytest.approx(1, rel=1e-5)


def test_only_shared_times_count_in_any_order_of_dimensions(prediction, store):
    later = prediction.assign_coords(time=prediction["time"] + np.timedelta64(7 * 24, "h"))
    both = xr.concat([prediction, later.isel(time=slice(2, None))], "time")
    result = evaluate(both.transpose("longitude", "latitude", "time"), "rec.nc", store)
    assert result["times"]["count"] == 20
    assert result["rmse"] == 0


def test_a_dry_run_counts_what_evaluate_would(prediction, store):
    plan = comparison(prediction, "rec.nc", store)
    times = evaluate(prediction, "rec.nc", store)["times"]
    assert (plan["first"], plan["last"], plan["times"]) == tuple(times.values())
    assert (plan["grid"], plan["stations"], plan["held_out_stations"]) == ([18, 24], 8, 2)


def test_missing_truth_has_no_weight(prediction, small_world):
    data = small_world(60)
    data[CO2][35, 4, 4] = np.nan
    prediction[CO2][5, 4, 4] = 1e3
    result = evaluate(prediction, "rec.nc", TrainingStore(data, "w"))
    assert result["rmse"] == 0


def test_a_missing_prediction_cannot_win(prediction, store):
    prediction[CO2][5, 4, 4] = np.nan
    assert np.isnan(evaluate(prediction, "rec.nc", store)["rmse"])


def test_a_store_without_observations_is_scored_on_the_grid(prediction, small_world):
    data = small_world(60).drop_vars(STATION_CO2)
    assert evaluate(prediction, "rec.nc", TrainingStore(data, "w"))["stations"] == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.assign_coords(latitude=d["latitude"] + 1), r"latitude differs.*world\.nc"),
        (lambda d: d.isel(longitude=slice(0, 12)), r"longitude differs.*world\.nc"),
        (lambda d: d.assign_coords(time=d["time"] + np.timedelta64(1, "h")), "no time in common"),
        (lambda d: d.rename({CO2: "co2"}), f"no variable '{CO2}'"),
        (lambda d: d.isel(time=0), f"no variable '{CO2}'"),
    ],
)
@pytest.mark.parametrize("what", [evaluate, comparison])
def test_what_cannot_be_compared(prediction, store, change, message, what):
    with pytest.raises(DataError, match=rf"rec\.nc: {message}"):
        what(change(prediction), "rec.nc", store)


ERROR = standard_error_name(CO2)


def with_error(prediction, spread, name=CO2):
    """A prediction drawn about the truth with `spread`, that says so."""
    noise = np.random.default_rng(0).normal(0, spread, prediction[name].shape)
    return prediction.assign(
        {
            name: prediction[name] + noise,
            standard_error_name(name): xr.full_like(prediction[name], spread),
        }
    )


def test_a_standard_error_is_scored_on_the_globe_and_at_stations(prediction, store):
    assert "probabilistic" not in evaluate(prediction, "rec.nc", store)
    result = evaluate(with_error(prediction, 2.0), "rec.nc", store)
    stated = result["probabilistic"]
    assert stated["spread"] == 2
    assert stated["crps"] == pytest.approx(2 / np.sqrt(np.pi), rel=0.05)
    assert stated["spread_skill_ratio"] == pytest.approx(1, abs=0.03)
    assert stated["coverage"]["68"] == pytest.approx(0.68, abs=0.02)
    groups = result["stations"]
    assert groups["held_out"]["probabilistic"]["coverage"]["95"] == pytest.approx(0.95, abs=0.08)
    doubtful = evaluate(with_error(prediction, 2.0).assign({ERROR: 0.5 * prediction[CO2] ** 0}),
                        "rec.nc", store)  # fmt: skip
    assert doubtful["probabilistic"]["spread_skill_ratio"] == pytest.approx(0.25, abs=0.01)
    assert doubtful["stations"]["training"]["probabilistic"]["coverage"]["68"] < 0.4


def test_members_are_scored_by_their_mean_and_spread(prediction, store):
    noise = np.random.default_rng(0).normal(0, 2, (40, *prediction[CO2].shape))
    members = xr.concat([prediction[CO2] + one for one in noise], "realization")
    data = prediction.assign({CO2: members.transpose("time", "realization", ...)})
    result = evaluate(data, "rec.nc", store)
    assert result["rmse"] == pytest.approx(2 / np.sqrt(40), rel=0.05)
    stated = result["probabilistic"]
    assert stated["spread"] == pytest.approx(2, rel=0.05)
    assert stated["ensemble_crps"] == pytest.approx(stated["crps"], rel=0.05)
    kept = comparison(data, "rec.nc", store)["memory_bytes"]
    one = comparison(data.isel(realization=0), "rec.nc", store)["memory_bytes"]
    assert kept - one == 43 * 8 * 20 * 18 * 24, "mean, error, truth and every member are kept"


def test_another_variable_is_scored_in_its_unit(small_world, store):
    data = small_world(60)[["tas"]].isel(time=slice(30, 50))
    data.attrs[HELD_OUT_ATTRIBUTE] = "c1 c5"
    result = evaluate(with_error(data, 1.5, "tas"), "rec.nc", store)
    assert (result["variable"], result["unit"]) == ("tas", "K")
    assert result["rmse"] == pytest.approx(1.5, rel=0.05)
    assert result["stations"]["held_out"]["pooled"]["rmse"] == pytest.approx(1.5, rel=0.3)
    assert result["probabilistic"]["spread_skill_ratio"] == pytest.approx(1, abs=0.05)
    assert comparison(data, "rec.nc", store)["variable"] == "tas"
    perfect = evaluate(data, "rec.nc", store)
    assert perfect["stations"]["training"]["pooled"]["rmse"] < 1e-4


@pytest.mark.parametrize(
    ("change", "message"),
    [(lambda error: -error, "is negative"), (lambda error: error.isel(time=0), "has dimensions")],
)
def test_a_wrong_standard_error_is_explained(prediction, store, change, message):
    data = with_error(prediction, 2.0)
    data[ERROR] = change(data[ERROR])
    with pytest.raises(DataError, match=rf"rec\.nc: variable '{ERROR}' {message}"):
        evaluate(data, "rec.nc", store)
