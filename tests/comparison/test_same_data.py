"""Scores are those of the data that a store holds, not of the path it lies at."""

import numpy as np
import pytest

from co2net_phys.comparison.experiment import run_all
from co2net_phys.comparison.fingerprint import fingerprint
from co2net_phys.data.schema import CO2, STATION_CO2
from co2net_phys.data.store import TrainingStore


def test_scores_are_kept_where_the_path_is_written_otherwise(planned):
    first = list(run_all(planned(source="world.zarr"), []))
    moved = planned(source="../here/world.zarr")
    assert [run.known_scores() for run in moved.runs] != [None]
    assert list(run_all(moved, [], continued=True)) == first


def test_scores_of_a_store_made_anew_are_not_kept(planned, small_world):
    (before,) = run_all(planned(), [])
    other = small_world()
    other[CO2] = other[CO2] + 1
    rebuilt = planned(other)
    assert [run.known_scores() for run in rebuilt.runs] == [None]
    (after,) = run_all(rebuilt, [], continued=True)
    assert after["regions"]["global"]["bias"] == pytest.approx(
        before["regions"]["global"]["bias"] - 1, abs=1e-4
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.assign({STATION_CO2: data[STATION_CO2].where(data["time"].dt.day != 3)}),
        lambda data: data.assign(tas=data["tas"] + 0.1),
        lambda data: data.assign(oro=data["oro"] + 0.1),
        lambda data: data.drop_vars("huss"),
        lambda data: data.assign_coords(time=data["time"] + np.timedelta64(1, "h")),
        lambda data: data.assign({CO2: data[CO2] + 0.1}),
        lambda data: data.assign_coords(latitude=0.99 * data["latitude"]),
        lambda data: data.assign_coords(longitude=data["longitude"] + 1),
        lambda data: data.assign_coords(station_latitude=data["station_latitude"] + 0.5),
        lambda data: data.assign_coords(station_longitude=data["station_longitude"] + 0.5),
        lambda data: data.assign_coords(station_code=("station", [f"d{n}" for n in range(8)])),
    ],
)
def test_everything_that_methods_read_counts(small_world, change):
    data = small_world(40)
    attributes = {name: data[name].attrs for name in data.data_vars}
    changed = change(data)
    for name in changed.data_vars:
        changed[name].attrs = attributes[name]
    marks = [fingerprint(TrainingStore(world, "w.nc")) for world in (data, data.copy(), changed)]
    assert marks[0] == marks[1] != marks[2]
