"""`co2phys data prepare carbontracker` on files with the layout of CT2022, from end to end."""

import json

import numpy as np
import pytest
import xarray as xr

from co2net_phys.data.schema import CO2, STATION_CO2
from co2net_phys.data.store import open_store

PATTERN = "CT2022.molefrac_glb3x2_*.nc"
SITES = """code,name,latitude,longitude,elevation_masl
MLO,Mauna Loa,19.5,-155.6,3397
SPO,South Pole,-89.98,-24.8,2810
FJI,on the dateline,-17.0,180,5
"""


@pytest.fixture
def days(tmp_path):
    """Six daily files in the folder that the command runs in, and a list of sites."""
    grid = ("time", "level", "latitude", "longitude")
    for day in range(6):
        random, shape = np.random.default_rng(day), (8, 3, 90, 120)
        fields = {
            "co2": (370, 3, "micromol mol-1"),
            "temperature": (280, 9, "K"),
            "u": (0, 5, "m s-1"),
            "v": (0, 5, "m s-1"),
        }
        data = {
            name: (grid, random.normal(level, spread, shape).astype("f4"), {"units": units})
            for name, (level, spread, units) in fields.items()
        }
        first = np.datetime64("2000-01-01T01:30", "ns") + day * np.timedelta64(1, "D")
        places = {
            "time": first + np.arange(8) * np.timedelta64(3, "h"),
            "level": ("level", np.arange(1, 4), {"positive": "up"}),
            "latitude": ("latitude", np.arange(-89.0, 90, 2), {"units": "degrees_north"}),
            "longitude": ("longitude", np.arange(-178.5, 180, 3), {"units": "degrees_east"}),
        }
        path = tmp_path / f"CT2022.molefrac_glb3x2_2000-01-{day + 1:02d}.nc"
        xr.Dataset(data, places).to_netcdf(path)
    (tmp_path / "sites.csv").write_text(SITES)
    return tmp_path


def prepare(co2phys, *words, output="ct.zarr"):
    return co2phys(
        "data", "prepare", "carbontracker", "--input", PATTERN, "--output", output, *words
    )


def test_files_become_a_store(co2phys, days):
    done = prepare(co2phys, "--stations", "sites.csv", "--json")
    assert done.code == 0, done.err
    answer = json.loads(done.out)
    assert (answer["frames"], answer["split"], answer["identical_twin"]) == (48, "blocks", True)
    store = open_store(days / "ct.zarr")
    with xr.open_dataset(days / "CT2022.molefrac_glb3x2_2000-01-02.nc") as raw:
        np.testing.assert_array_equal(store.field(CO2, range(8, 16)), raw["co2"][:, 0])
        np.testing.assert_array_equal(store.field("uas", [8])[0], raw["u"][0, 0])
    assert np.isfinite(store.observations(range(48), range(3))).all()
    assert "no measurements" in store.dataset[STATION_CO2].attrs["comment"]
    attributes = store.dataset.attrs
    digests = json.loads(attributes["co2phys_input_sha256"])
    assert len(digests) == 7, "every file and the list of sites"
    assert all(len(digest) == 64 for digest in digests.values())
    assert json.loads(attributes["co2phys_configuration"])["product"] == "carbontracker"
    again = prepare(co2phys, "--stations", "sites.csv", "--resume")
    assert "complete already" in again.err


def test_a_dry_run_writes_nothing(co2phys, days, listing):
    before = listing(days)
    done = prepare(co2phys, "--dry-run", "--grid", "10x15", "--start", "2000-01-02")
    assert done.code == 0, done.err
    assert "40, 2000-01-02T01:30 to 2000-01-06T22:30" in done.out
    assert listing(days) == before


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--split", "carbontracker"], 3, "no frame in the training years"),
        (["--grid", "2x7"], 2, "does not divide"),
        (["--grid", "fine"], 2, "--grid 'fine' is no grid"),
        (["--variables", "tas,wind"], 2, "--variables wind: choose from"),
        (["--variables", "uas"], 3, "uas: the other component of the wind is missing"),
        (["--start", "2001"], 3, "0 frames from 2001"),
        (["--units", "co2="], 2, "is not NAME=UNITS"),
        (["--stations", "nowhere.csv"], 3, "nowhere.csv"),
    ],
)
def test_one_line_for_what_makes_no_sense(co2phys, days, listing, words, code, message):
    before = listing(days)
    grid = [] if "--grid" in words else ["--grid", "10x15"]
    done = prepare(co2phys, *grid, *words)
    assert done.code == code, done.err
    assert message in done.err.splitlines()[-1]
    assert listing(days) == before


def test_a_store_is_a_zarr_folder(co2phys, days):
    done = prepare(co2phys, output="ct.nc")
    assert (done.code, "end the name in .zarr" in done.err) == (2, True)
