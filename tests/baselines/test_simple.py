"""Station mean, nearest station, climatology and its offset in worlds where they are exact."""

import dataclasses

import numpy as np
import pytest
import synthetic_world as world
import torch

from co2net_phys.baselines import BASELINES
from co2net_phys.baselines.base import latest_report
from co2net_phys.baselines.climatology import Climatology
from co2net_phys.batch import Observations
from co2net_phys.data.schema import CO2
from co2net_phys.data.store import TrainingStore


def fit(name, store, frames=world.TRAINING):
    return BASELINES[name].fit(store, frames, world.ALL_STATIONS)


def with_values(batch, values):
    return dataclasses.replace(
        batch, observations=dataclasses.replace(batch.observations, value=values)
    )


def test_latest_report_takes_the_last_frame_in_which_any_station_reports():
    nan = float("nan")
    values = torch.tensor([[[1.0, 2.0], [3.0, nan], [nan, nan]], [[nan, nan]] * 3])
    expected = torch.tensor([[3.0, nan], [nan, nan]])
    torch.testing.assert_close(latest_report(values), expected, equal_nan=True)


@pytest.mark.parametrize("name", ["station-mean", "nearest-station", "kriging"])
def test_constant_world_is_reproduced_without_a_climatology(name):
    store = world.make_store(np.full((world.FRAMES, 18, 24), 412.5), missing=0.3)
    batch = world.make_batch(store, world.TEST, world.ALL_STATIONS)
    assert world.error(fit(name, store), batch) < 1e-4


def test_station_mean_is_the_mean_of_the_reports_of_the_last_frame(store):
    batch = world.make_batch(store, [170, 190], world.ALL_STATIONS)
    field = fit("station-mean", store)(batch).fields[CO2]
    expected = np.nanmean(store.observations([170, 190], world.ALL_STATIONS), axis=1)
    np.testing.assert_allclose(field[:, 0, 3, 5], expected, atol=1e-4)
    assert torch.all(field == field[:, :, :1, :1])


def test_nearest_station_shows_each_station_in_its_own_cell(store):
    batch = world.make_batch(store, [170], world.ALL_STATIONS)
    rows, columns = world.cells()
    seen = batch.observations.value[0, -1]
    there = torch.isfinite(seen)
    shown = fit("nearest-station", store)(batch).fields[CO2][0, 0, rows, columns]
    torch.testing.assert_close(shown[there], seen[there])


def test_nearest_station_passes_over_the_silent_ones(store):
    batch = world.make_batch(store, [170], world.ALL_STATIONS)
    values = batch.observations.value.clone()
    values[..., ::2] = float("nan")
    fewer = world.make_batch(store, [170], world.ALL_STATIONS[1::2])
    nearest = fit("nearest-station", store)
    shown = nearest(with_values(batch, values)).fields[CO2]
    assert torch.equal(shown, nearest(fewer).fields[CO2])


def test_climatology_is_exact_in_a_purely_daily_world():
    store = world.make_store(world.daily_cycle())
    batch = world.make_batch(store, world.TEST, world.ALL_STATIONS)
    assert world.error(fit("climatology", store), batch) < 1e-3


def test_offset_follows_a_global_shift_that_the_climatology_misses():
    field = world.daily_cycle()
    field[150:] += 7.0
    store = world.make_store(field, missing=0.2)
    batch = world.make_batch(store, world.TEST, world.ALL_STATIONS)
    assert world.error(fit("climatology", store), batch) == pytest.approx(7.0, abs=1e-3)
    assert world.error(fit("climatology-offset", store), batch) < 1e-3


def test_offset_uses_the_hour_of_the_frame_that_reports():
    """With the newest frames silent, the residual belongs to an earlier hour of the day."""
    store = world.make_store(world.daily_cycle())
    batch = world.make_batch(store, world.TEST, world.ALL_STATIONS)
    values = batch.observations.value.clone()
    values[:, -3:] = float("nan")
    assert world.error(fit("climatology-offset", store), with_values(batch, values)) < 1e-3


def annual_store(years):
    """A store of one frame every five days with an annual and a half-annual cycle."""
    source = world.make_store(world.daily_cycle()).dataset.drop_vars("time")
    start = np.datetime64("2009-01-01", "ns")
    frames = int(365.25 * years / 5)
    source = source.isel(time=np.zeros(frames, dtype=int)).assign_coords(
        time=start + np.arange(frames) * np.timedelta64(5, "D")
    )
    day = source["time"].dt.dayofyear - 1.0
    phase = 2 * np.pi * day / source["time"].dt.days_in_year
    source[CO2] = source[CO2] + 3 * np.cos(phase + 0.3) - np.sin(2 * phase)
    return TrainingStore(source, "annual")


def test_annual_cycle_is_fitted_from_a_year_but_not_from_half_a_year():
    store = annual_store(3)
    climatology = Climatology.fit(store, np.arange(146))
    assert (climatology.harmonics, len(climatology.slots)) == (2, 1)
    days, years = (
        torch.from_numpy(store.day_phase[146:]),
        torch.from_numpy(store.year_phase[146:]),
    )
    expected = store.field(CO2, np.arange(146, len(store)))
    np.testing.assert_allclose(climatology(days, years), expected, atol=2e-3)
    assert Climatology.fit(store, np.arange(36)).harmonics == 0


def test_hours_never_seen_take_the_nearest_hour_across_midnight():
    store = world.make_store(world.daily_cycle())
    climatology = Climatology.fit(store, np.arange(80))
    late, year = torch.tensor([0.96, 0.0, 0.06]), torch.zeros(3)
    fields = climatology(late, year)
    assert torch.equal(fields[0], fields[1]) and torch.equal(fields[2], fields[1])


def test_stations_are_compared_with_the_cell_they_are_rasterised_to():
    """A station at 179.9° W belongs to the cell at 172.5° W, one at 539° E to that at 172.5° E."""
    store = world.make_store(world.daily_cycle())
    climatology = Climatology.fit(store, world.TRAINING)
    batch = world.make_batch(store, [170], world.ALL_STATIONS)
    observations = Observations(
        batch.observations.value[..., :2], torch.tensor([9.0, 44.0]), torch.tensor([180.1, 539.0])
    )
    seen = climatology.at_stations(observations, batch.coordinates)[0, -1]
    field = climatology.last_frame(batch.coordinates)[0]
    torch.testing.assert_close(seen, torch.stack([field[9, 0], field[13, 23]]))
