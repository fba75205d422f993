"""A store is the regridded product, whole, in float32, and the same bytes however often stopped."""

import json
import logging
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from co2net_phys.data.schema import CO2, STATION_CO2, VARIABLES
from co2net_phys.data.splits import split_frames, stored_split
from co2net_phys.data.stations import load_stations
from co2net_phys.data.statistics import field_statistics
from co2net_phys.data.store import open_store
from co2net_phys.data.writer import write_dataset
from co2net_phys.errors import DataError, UsageError
from co2net_phys.metrics import sample_at
from co2net_phys.regridding import LatLonGrid, regrid_dataset
from co2net_phys.store_building import BuildOptions, build_store, plan_store
from co2net_phys.store_building.statistics import STATISTICS_ATTRIBUTE

COARSE = BuildOptions(grid="10x15")
PROVENANCE = {
    "title": "t",
    "id": "0",
    "co2phys_configuration": '{"grid": "10x15"}',
    "co2phys_input_sha256": "{}",
    "co2phys_version": "1",
    "co2phys_git_commit": "none",
}


def build(dataset, output, options=COARSE, stations=None, auxiliaries=(), **how):
    plan = plan_store(
        dataset, options, where="some files", stations=stations, auxiliaries=auxiliaries
    )
    return build_store(plan, output, attributes=how.pop("attributes", PROVENANCE), **how)


@pytest.fixture(scope="module")
def whole(product, tmp_path_factory):
    """Folder of a store built without interruption, with stations sampled from CO2."""
    path = tmp_path_factory.mktemp("whole") / "store.zarr"
    build(product(), path, stations=load_stations()[:9])
    return path


def test_values_are_those_of_the_regridding(product, whole):
    store = open_store(whole)
    expected = regrid_dataset(product(), LatLonGrid.regular(10, 15)).compute()
    assert set(store.dataset.data_vars) >= {*VARIABLES, STATION_CO2}
    frames = np.arange(len(store))
    for name in VARIABLES:
        np.testing.assert_array_equal(store.field(name, frames), expected[name].astype("f4"))
        assert store.dataset[name].attrs["original_name"] == name.upper()
    np.testing.assert_array_equal(store.times, product()["time"])
    assert store.frames_per_read(CO2) == 16
    assert store.dataset.attrs["source"] == "a made-up product"


def test_statistics_are_of_the_training_frames_alone(whole):
    store = open_store(whole)
    split = stored_split(store.dataset)
    kept = json.loads(store.dataset.attrs[STATISTICS_ATTRIBUTE])
    expected = field_statistics(store, split_frames(store, split, "train"))
    assert kept.keys() == expected.keys()
    for name, numbers in expected.items():
        np.testing.assert_allclose(kept[name], numbers, rtol=1e-9)
    everything = field_statistics(store, np.arange(len(store)))
    assert kept[CO2][0] != pytest.approx(everything[CO2][0], rel=1e-7)


def test_an_identical_twin_says_so(whole):
    store = open_store(whole)
    assert [s.code for s in store.stations] == [s.code for s in load_stations()[:9]]
    places = [[getattr(s, k) for s in store.stations] for k in ("latitude", "longitude")]
    expected = sample_at(store.field(CO2, [5])[0], store.latitude, store.longitude, *places)
    observed = store.observations([5], np.arange(9))[0]
    np.testing.assert_allclose(observed, expected, rtol=1e-6)
    assert "Identical twin" in store.dataset[STATION_CO2].attrs["comment"]
    assert "Identical twin" in store.dataset.attrs["comment"]


class Stop(BaseException):
    """What a signal raises."""


def stopping_at(number):
    def progress(done):
        if done == number:
            raise Stop

    return progress


@pytest.mark.parametrize("stops", [[1], [16], [17, 40], [119], [120], [33, 34, 100]])
def test_a_stopped_build_goes_on_to_the_same_bytes(product, whole, tmp_path, hashes, stops):
    path = tmp_path / "store.zarr"
    for stop in stops:
        with pytest.raises(Stop):
            build(
                product(), path, stations=load_stations()[:9], resume=True,
                progress=stopping_at(stop),
            )  # fmt: skip
        assert not path.exists(), "it appears only when it is complete"
    build(product(), path, stations=load_stations()[:9], resume=True)
    assert hashes(path) == hashes(whole)
    assert [p.name for p in tmp_path.iterdir()] == ["store.zarr"]


@pytest.mark.slow
def test_a_killed_build_goes_on_to_the_same_bytes(tmp_path, hashes):
    """SIGKILL, at no moment of its own choice: nothing is tidied up."""
    script = tmp_path / "build.py"
    script.write_text(KILLED)
    arguments = [sys.executable, str(script)]
    subprocess.run([*arguments, str(tmp_path / "whole.zarr"), "0"], check=True)
    killed = tmp_path / "killed.zarr"
    for frame in (20, 50):
        done = subprocess.run([*arguments, str(killed), str(frame)], check=False)
        assert done.returncode == -9
        assert not killed.exists()
    assert (tmp_path / "killed.zarr.partial.zarr").exists()
    subprocess.run([*arguments, str(killed), "0"], check=True)
    assert hashes(killed) == hashes(tmp_path / "whole.zarr")


KILLED = """
import os, signal, sys
from pathlib import Path
import dask.array, numpy, xarray
from co2net_phys.store_building import BuildOptions, build_store, plan_store

values = numpy.random.default_rng(0).normal(400, 5, (80, 12, 24))
times = numpy.datetime64("2010-01-01", "ns") + numpy.arange(80) * numpy.timedelta64(3, "h")
axes = numpy.arange(-82.5, 90, 15), numpy.arange(-180, 180, 15.0)
places = {"time": times, "latitude": axes[0], "longitude": axes[1]}
data = xarray.DataArray(values, places, list(places), "co2s", {"units": "umol mol-1"})
plan = plan_store(data.to_dataset().chunk(time=5), BuildOptions(grid="15x30"), where="f")

def progress(done):
    if done == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

build_store(plan, Path(sys.argv[1]), attributes={"id": "0"}, resume=True, progress=progress)
"""


def test_a_second_build_at_once_is_refused(product, tmp_path):
    path = tmp_path / "store.zarr"
    told = []

    def progress(done):
        if done == 20:
            for how in ({"resume": True}, {"overwrite": True}, {}):
                with pytest.raises(DataError, match="another process is writing it") as refused:
                    build(product(), path, **how)
                told.append(str(refused.value))

    build(product(), path, progress=progress)
    assert len(told) == 3
    assert open_store(path), "and the first one is none the worse"


def test_other_options_do_not_resume(product, tmp_path):
    path = tmp_path / "store.zarr"
    with pytest.raises(Stop):
        build(product(), path, progress=stopping_at(30))
    with pytest.raises(DataError, match=r"unfinished run; go on with --resume"):
        build(product(), path)
    other = PROVENANCE | {"co2phys_configuration": '{"grid": "6x6"}'}
    with pytest.raises(UsageError, match=r"another option: grid was .*10x15.*, is .*6x6"):
        build(product(), path, resume=True, attributes=other)
    build(product(), path, overwrite=True)
    with pytest.raises(DataError, match="already exists; pass --overwrite"):
        build(product(), path)
    said = []
    again = build(product(), path, resume=True, say=said.append)
    assert "complete already" in said[0]
    assert again.statistics.keys() == VARIABLES.keys()


def test_the_grid_of_the_files_keeps_every_bit(product, tmp_path):
    path = tmp_path / "store.zarr"
    build(product(40), path, BuildOptions(grid="source"))
    store = open_store(path)
    for name in VARIABLES:
        np.testing.assert_array_equal(store.field(name, np.arange(40)), product(40)[name])


@pytest.mark.parametrize("calendar", ["noleap", "360_day"])
def test_calendars_of_models_are_kept(product, tmp_path, calendar):
    data = product(60, hours=24, start="2010-02-10", names=[CO2, "tas"])
    times = xr.date_range("2010-02-10", periods=60, calendar=calendar, use_cftime=True)
    build(data.assign_coords(time=times), tmp_path / "store.zarr")
    store = open_store(tmp_path / "store.zarr")
    assert store.times.dt.calendar == calendar
    assert (store.times.values == times.values).all()


def test_holes_in_the_weather_are_refused_and_in_co2_kept(product, tmp_path):
    data = product(40, names=[CO2, "tas"]).compute()
    data[CO2][3, :8] = np.nan
    build(data, tmp_path / "store.zarr")
    assert np.isnan(open_store(tmp_path / "store.zarr").field(CO2, [3])).any()
    data["tas"][33, 0, 0] = np.nan
    data["tas"][33:, :8] = np.nan
    wanted = r"some files: tas: \d+ values are missing.*2010-01-05T03:00.*--variables"
    with pytest.raises(DataError, match=wanted):
        build(data, tmp_path / "other.zarr")


def test_what_does_not_vary_is_told(product, tmp_path):
    data = product(40, names=[CO2, "tas"])
    with pytest.raises(DataError, match="'tas' does not vary in the training frames"):
        build(data.assign(tas=xr.full_like(data["tas"], 280)), tmp_path / "store.zarr")


def test_stations_on_their_own_times(product, small_world, tmp_path):
    """Observations given by a function of the times, as the readers of station files do."""
    given = small_world(300)[[STATION_CO2]]
    asked = []

    def at(times):
        asked.append(times)
        return given.isel(time=slice(5, None)).assign_coords(time=given["time"][:-5])

    data = product(120, start="2010-03-02")
    build(data, tmp_path / "store.zarr", stations=at)
    store = open_store(tmp_path / "store.zarr")
    assert [s.code for s in store.stations] == [f"c{n}" for n in range(8)]
    np.testing.assert_array_equal(asked[0], store.times)
    observed = store.observations(np.arange(120), np.arange(8))
    np.testing.assert_array_equal(observed, given[STATION_CO2][13:133].astype("f4"))
    assert "comment" not in store.dataset[STATION_CO2].attrs


def test_slower_weather_is_interpolated_and_frames_without_it_left_out(product, tmp_path, caplog):
    co2 = product(120, names=[CO2])
    slow = product(12, hours=24, names=["uas", "vas", "oro"], shape=(16, 32))
    with caplog.at_level(logging.WARNING):
        build(co2, tmp_path / "store.zarr", auxiliaries=[slow])
    assert "some files: 27 of 120 frames are left out" in caplog.text
    store = open_store(tmp_path / "store.zarr")
    assert len(store) == 11 * 8 + 5, "half a step beyond the last day"
    days = regrid_dataset(slow, LatLonGrid.regular(10, 15)).compute()
    expected = 0.75 * days["uas"][1] + 0.25 * days["uas"][2]
    np.testing.assert_allclose(store.field("uas", [10])[0], expected, atol=1e-5)
    np.testing.assert_allclose(store.field("oro", []), days["oro"], rtol=1e-6)


def test_a_build_trains(product, tmp_path, whole):
    from co2net_phys.config import TrainingConfig
    from co2net_phys.preparation import prepare

    config = TrainingConfig(
        size="XS", training_stations=6, background="none", model={"frames": 4}, device="cpu"
    )
    prepared = prepare(config, open_store(whole))
    assert prepared.train.batch([0, 1]).fields[CO2].shape == (2, 1, 18, 24)
    assert prepared.split.keys() == {"train", "validation", "test"}
    split = stored_split(open_store(whole).dataset)
    assert prepared.split == split, "the statistics kept are of the frames it trains on"


GROWTH = """
import resource, sys
from pathlib import Path
import dask.array, numpy, xarray
from co2net_phys.store_building import BuildOptions, build_store, plan_store, planning

planning.BLOCK_BYTES = 2**22  # small against the whole, as 64 MB are against 20 years
frames = int(sys.argv[1])
times = numpy.datetime64("2000-01-01", "ns") + numpy.arange(frames) * numpy.timedelta64(3, "h")
axes = numpy.arange(-88.0, 90, 4), numpy.arange(-180, 180, 6.0)
places = {"time": times, "latitude": axes[0], "longitude": axes[1]}
values = dask.array.random.default_rng(0).normal(400, 5, (frames, 45, 60), chunks=(160, 45, 60))
data = {name: (list(places), values.astype("f4"), {"units": unit})
        for name, unit in (("co2s", "umol mol-1"), ("ps", "Pa"), ("tas", "K"))}
plan = plan_store(xarray.Dataset(data, places), BuildOptions(grid="source"), where="f")
build_store(plan, Path(sys.argv[2]), attributes={"id": "0"})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_years(tmp_path):
    """Half a year and two years: 47 and 189 MB in all, of which a block is 4 MB."""
    script = tmp_path / "build.py"
    script.write_text(GROWTH)

    def peak(years):
        words = [
            sys.executable,
            str(script),
            str(int(2920 * years)),
            str(tmp_path / f"{years}.zarr"),
        ]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        return int(done.stdout)

    short, long = peak(0.5), peak(2)
    assert long < short + 35, f"{short} MB for half a year, {long} MB for two years"


def test_a_store_is_a_product_too(small_world, tmp_path):
    """A store may be prepared again, on another grid: it is a lazy dataset like any other."""
    write_dataset(small_world(100), tmp_path / "world.zarr")
    with xr.open_zarr(tmp_path / "world.zarr", consolidated=False) as data:
        build(data, tmp_path / "again.zarr", BuildOptions(grid="20x30"))
    assert open_store(tmp_path / "again.zarr").shape == (9, 12)
