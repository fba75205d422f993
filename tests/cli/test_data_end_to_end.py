"""From files of a product by the commands of the manual to a store, a network and its scores."""

import hashlib
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from co2net_phys.data.schema import CO2
from co2net_phys.data.splits import PAPER_SPLITS
from co2net_phys.data.store import open_store

sys.path.insert(0, str(Path(__file__).parents[1] / "products"))
grids, writers = (importlib.import_module(n) for n in ("grid_files", "station_writers"))

PREPARE = (
    *("data", "prepare", "carbontracker", "--input", "CT2022.molefrac_glb3x2_*.nc"),
    *("--stations", "obspack/", "--output", "ct.zarr"),
)
TRAIN = (
    *("train", "--data", "ct.zarr", "--size", "XS", "--epochs", "1", "--output", "run"),
    *("--windows-per-epoch", "8", "--device", "cpu"),
)
LAYERS, DAYS, DAY = 34, 6, np.timedelta64(1, "D")
FIELDS = {
    "co2": (390.0, 3.0, "micromol mol-1"),
    "temperature": (285.0, 8.0, "K"),
    "u": (0.0, 5.0, "m s-1"),
    "v": (0.0, 5.0, "m s-1"),
    "pressure": (98_000.0, 900.0, "Pa"),
}
SITES = [(78.9, 11.9), (53.3, -9.9), (19.5, -155.6), (-40.7, 144.7), (40.0, -105.5), (-14.2, 170.6),
         (-75.6, -26.2), (28.3, -16.5), (71.3, -156.6), (35.5, 139.0)]  # fmt: skip


def write_day(path, day, seed):
    """One file in the real layout and size; of the 34 layers the lowest and the top are written.

    The chunks of the others stay unwritten, so that 84 MB take 2 MB of the disk.
    """
    random = np.random.default_rng(seed)
    with netCDF4.Dataset(path, "w") as file:
        sizes = {"time": 8, "level": LAYERS, "boundary": 35, "latitude": 90, "longitude": 120}
        for name, size in sizes.items():
            file.createDimension(name, size)
        axes = {
            "time": (day - np.datetime64("2000-01-01T00:00")) / DAY + (1.5 + 3 * np.arange(8)) / 24,
            "level": np.arange(1, 35), "boundary": np.arange(1, 36),
            "latitude": np.arange(-89.0, 90, 2), "longitude": np.arange(-178.5, 180, 3),
        }  # fmt: skip
        for name, values in axes.items():
            file.createVariable(name, "f8", (name,))[:] = values
        file["time"].units = "days since 2000-01-01 00:00:00 UTC"
        for name, (middle, spread, units) in FIELDS.items():
            vertical = "boundary" if name == "pressure" else "level"
            dims = ("time", vertical, "latitude", "longitude")
            made = file.createVariable(name, "f4", dims, chunksizes=(8, 1, 90, 120))
            made.units = units
            lowest = random.normal(middle, spread, (8, 90, 120)).astype("f4")
            made[:, 0] = lowest
            made[:, sizes[vertical] - 1] = lowest / 100


def write_product(folder, days, month="2000-01"):
    for number in range(days):
        day = np.datetime64(f"{month}-01") + number * DAY
        write_day(folder / f"CT2022.molefrac_glb3x2_{day}.nc", day.astype("M8[m]"), number)
    (folder / "obspack").mkdir()
    clock = writers.seconds(f"{month}-01T00:00:00") + 3600 * np.arange(24 * days)
    for number, (north, east) in enumerate(SITES):
        name = f"co2_s{number:02d}_surface-insitu_1_representative"
        places = {"latitude": north, "longitude": east}
        writers.write_obspack(
            folder / f"obspack/{name}.nc", clock, 3.9e-4 + 1e-6 * np.sin(clock / 9e4 + number),
            attributes={f"site_{k}": v for k, v in places.items()},
            **{k: np.full(len(clock), v, "f4") for k, v in places.items()},
        )  # fmt: skip


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    """Six days of the product, and ten stations."""
    folder = tmp_path_factory.mktemp("product")
    write_product(folder, DAYS)
    return folder


def linked(product, folder):
    """Let the files of the product stand in the folder where a test runs."""
    for path in product.iterdir():
        (folder / path.name).symlink_to(path)


def succeeded(done):
    assert done.code == 0, done.err
    return done


def train_and_score(co2phys, *words):
    succeeded(co2phys(*TRAIN, *words))
    succeeded(
        co2phys("reconstruct", "--checkpoint", "run", "--data", "ct.zarr", "--output", "rec.nc")
    )
    scores = succeeded(
        co2phys("evaluate", "--prediction", "rec.nc", "--truth", "ct.zarr", "--json")
    )
    return json.loads(scores.out)


def values_are_those_of_the_files(folder, days, month="2000-01"):
    store = open_store(folder / "ct.zarr")
    assert (len(store), store.shape) == (8 * days, (90, 120))
    names = {CO2: "co2", "tas": "temperature", "uas": "u", "vas": "v", "ps": "pressure"}
    assert set(store.auxiliaries) == names.keys() - {CO2}
    for number in (0, days - 1):
        day = np.datetime64(f"{month}-01") + number * DAY
        with netCDF4.Dataset(folder / f"CT2022.molefrac_glb3x2_{day}.nc") as file:
            for name, original in names.items():
                raw = file[original][:, 0].filled()
                assert raw.dtype == np.float32
                kept = store.field(name, np.arange(8 * number, 8 * number + 8))
                np.testing.assert_array_equal(kept, raw, err_msg=name)
    observed = store.observations(np.arange(len(store)), np.arange(len(SITES)))
    assert np.isfinite(observed).mean() > 0.1, "hours of well-mixed air"
    np.testing.assert_allclose(observed[np.isfinite(observed)], 390, atol=1.01)


def test_a_few_days_become_a_store_that_trains(co2phys, product, tmp_path):
    linked(product, tmp_path)
    done = succeeded(co2phys(*PREPARE))
    assert "wrote ct.zarr: 48 frames, 10 stations" in done.out
    values_are_those_of_the_files(tmp_path, DAYS)
    scores = train_and_score(co2phys, "--frames", "2")
    assert scores


@pytest.mark.slow
def test_a_month_becomes_a_store_that_trains(co2phys, tmp_path):
    """248 times of 34 layers, with the default length of a window."""
    write_product(tmp_path, 31)
    assert "wrote ct.zarr: 248 frames, 10 stations" in succeeded(co2phys(*PREPARE)).out
    values_are_those_of_the_files(tmp_path, 31)
    assert train_and_score(co2phys)


def begin(frame, what, folder, *words):
    """Start a `prepare` that gets a signal from itself at a frame."""
    script = Path(__file__).with_name("prepared_runs.py")
    return subprocess.Popen(
        [sys.executable, script, str(frame), what, *PREPARE, *words], cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def contents_of(store):
    """Digest of every file but the attributes of the store, and these by name."""
    files = sorted(path for path in store.rglob("*") if path.is_file())
    root = store / "zarr.json"
    digests = {
        str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path != root
    }
    return digests, json.loads(root.read_text())["attributes"]


OF_THE_RUN = {
    *("id", "co2phys_command", "history"),
    *("date_created", "date_issued", "date_modified", "date_metadata_modified"),
}
"""Attributes that say when and by which words a store was made."""


def test_a_killed_prepare_goes_on_to_the_same_bytes(co2phys, product, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
        linked(product, folder)
    process = begin(40, "SIGKILL", killed)
    assert process.wait(timeout=120) == -signal.SIGKILL, process.stderr.read()
    assert not (killed / "ct.zarr").exists()
    assert (killed / "ct.zarr.partial.zarr").exists()
    os.chdir(killed)
    assert co2phys(*PREPARE).code == 3, "it is not begun anew behind the user's back"
    resumed = succeeded(co2phys(*PREPARE, "--resume"))
    assert re.search(r"go on after (16|32) of 48 frames", resumed.err)
    os.chdir(whole)
    succeeded(co2phys(*PREPARE))
    (files, attributes), (expected, known) = (contents_of(f / "ct.zarr") for f in (killed, whole))
    assert files == expected
    assert attributes.keys() == known.keys()
    different = {name for name in known if attributes[name] != known[name]}
    assert different <= OF_THE_RUN
    assert not (killed / "ct.zarr.partial.zarr").exists()


@pytest.mark.slow
def test_a_second_prepare_at_once_is_refused(co2phys, product, tmp_path, monkeypatch):
    linked(product, tmp_path)
    first = begin(20, "SIGSTOP", tmp_path)
    try:
        deadline = time.monotonic() + 120
        while Path(f"/proc/{first.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            assert time.monotonic() < deadline and first.poll() is None
            time.sleep(0.05)
        for words in ((), ("--resume",), ("--overwrite",)):
            second = co2phys(*PREPARE, *words)
            assert second.code == 3, words
            assert "another process is writing it" in second.err.splitlines()[-1]
    finally:
        first.send_signal(signal.SIGCONT)
        _, said = first.communicate(timeout=120)
    assert first.returncode == 0, said
    values_are_those_of_the_files(tmp_path, DAYS)


MODEL = ("co2s", "ps", "huss", "tas", "uas", "vas")


@pytest.mark.slow
def test_a_model_becomes_a_store_that_trains(co2phys, tmp_path):
    """CanESM5 as it is distributed: 64 x 128 Gaussian, noleap, two files for each variable."""
    (tmp_path / "CanESM5").mkdir()
    for variable in MODEL:
        for year in (1990, 1996):
            grids.cmip(
                tmp_path / "CanESM5", variable, start=(year, 1), months=72, nlat=64, nlon=128
            )
    sites = "".join(f"S{n:02d},{north},{east},0\n" for n, (north, east) in enumerate(SITES))
    (tmp_path / "stations.csv").write_text(f"code,latitude,longitude,elevation_masl\n{sites}")
    done = co2phys(
        *("data", "prepare", "cmip6", "--input", "CanESM5/*.nc", "--stations", "stations.csv"),
        *("--output", "ct.zarr", "--json"),
    )
    answer = json.loads(succeeded(done).out)
    assert (answer["frames"], answer["calendar"], answer["split"]) == (144, "noleap", "blocks")
    assert answer["stations"] == 10
    store = open_store(tmp_path / "ct.zarr")
    assert store.shape == (90, 120)
    assert store.times.dt.calendar == "noleap"
    with xr.open_dataset(
        tmp_path / "CanESM5/co2s_Emon_CanESM5_historical_r1i1p1f1_gn_199601.nc"
    ) as raw:
        weights = np.sin(np.radians(raw["lat_bnds"])).diff("bnds")[:, 0]
        expected = raw[CO2][0].mean("lon").weighted(weights).mean()
    rows = np.diff(np.sin(np.radians(np.arange(-90, 91, 2))))
    mean = np.average(store.field(CO2, [72])[0].mean(axis=1, dtype=float), weights=rows)
    assert mean == pytest.approx(float(expected), rel=1e-6), "conservative"
    assert train_and_score(co2phys, "--frames", "4")


def test_the_split_of_the_paper_where_all_years_are_there(co2phys, tmp_path):
    """1850 to 2014: its years are those of the paper without being asked for."""
    for variable in ("co2s", "tas"):
        grids.cmip(tmp_path, variable, start=(1850, 1), months=12 * 165, nlat=6, nlon=8)
    done = co2phys("data", "prepare", "cmip6", "--input", "*.nc", "--grid", "30x45", "--output",
                   "ct.zarr", "--json")  # fmt: skip
    answer = json.loads(succeeded(done).out)
    assert (answer["split"], answer["training_frames"]) == ("cmip6", 135 * 12)
    split = json.loads(open_store(tmp_path / "ct.zarr").dataset.attrs["co2phys_split"])
    assert split["train"] == [list(PAPER_SPLITS["cmip6"]["train"])]
    assert split["validation"] == [["1860", "1864"], ["2000", "2004"]]
    assert split["test"] == [["1850", "1859"], ["2005", "2014"]]


def test_a_table_of_months_becomes_observations_and_these_a_store(co2phys, product, tmp_path):
    """The table becomes one file, which a store takes like any other observations."""
    linked(product, tmp_path)
    months = [f"{year}-{month:02d}-15" for year in (2000, 2001) for month in range(1, 13)]
    rows = [
        f"S{n:02d},{north},{east},0,co2_s{n:02d}_surface-flask_1_representative,"
        + ",".join(f"{370 + n + m / 12:.2f}" if (n + m) % 7 else "" for m in range(24))
        for n, (north, east) in enumerate(SITES)
    ]
    header = ",".join(["code", "latitude", "longitude", "elevation", "file", *months])
    (tmp_path / "station_co2_monthly_2000-2001.csv").write_text("\n".join([header, *rows]) + "\n")
    made = co2phys(
        *("data", "prepare", "stations", "--input", "station_co2_monthly_2000-2001.csv"),
        *("--output", "observations.nc", "--json"),
    )
    known = sum((n + m) % 7 > 0 for n in range(10) for m in range(24))
    answer = json.loads(succeeded(made).out)
    assert (answer["datasets"], answer["observations"]) == (10, known)
    for variable in ("co2s", "tas"):
        grids.cmip(tmp_path, variable, start=(2000, 1), months=24, nlat=6, nlon=8)
    monthly = co2phys(
        *("data", "prepare", "cmip6", "--input", "*_CanESM5_*.nc", "--grid", "30x45"),
        *("--stations", "observations.nc", "--output", "monthly.zarr"),
    )
    assert "24 frames, 10 stations" in succeeded(monthly).out
    store = open_store(tmp_path / "monthly.zarr")
    observed = store.observations(np.arange(24), np.arange(10))
    assert np.isfinite(observed).sum() == known
    assert observed[1, 2] == np.float32(round(370 + 2 + 1 / 12, 2))
    words = [*PREPARE[:5], "--output", "ct.zarr", "--stations", "observations.nc"]
    refused = co2phys(*words)
    assert refused.code == 3
    assert "no observation falls into the times of the fields" in refused.err
    hourly = co2phys("data", "prepare", "stations", "--input", "obspack", "--output", "hourly.nc")
    succeeded(hourly)
    words[-1] = "hourly.nc"
    assert "48 frames, 10 stations" in succeeded(co2phys(*words)).out
    values_are_those_of_the_files(tmp_path, DAYS)
