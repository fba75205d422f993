"""CO2-Net from stations and weather alone: the chain of commands, and leaving sites out."""

import json

import numpy as np
import pytest
import xarray as xr

from co2net_phys.data.output_layout import station_coordinates
from co2net_phys.data.schema import STATION_CO2, VARIABLES
from co2net_phys.data.stations import Station

OPTIONS = """
wind_weight: 0
precision: fp32
device: cpu
epochs: 1
windows_per_epoch: 8
background: station-mean
model: {frames: 2, embedding: climode}
"""


@pytest.fixture
def folder(monthly_world, tmp_path):
    """Weather, the same with stations, a table of the sites, and options of a quick network."""
    weather, sites, months, table = monthly_world()
    weather.to_netcdf(tmp_path / "weather.nc")
    stations = [Station(code, code, north, east, 0.0) for code, north, east in sites]
    values = np.vstack([np.full(len(sites), np.nan), table.T]).astype("f4")
    observed = xr.Variable(("time", "station"), values, VARIABLES["co2s"].attributes)
    whole = weather.assign({STATION_CO2: observed})
    whole.assign_coords(station_coordinates(stations)).to_netcdf(tmp_path / "store.nc")
    lines = ["code,latitude,longitude," + ",".join(f"{month}-15" for month in months)]
    for (code, north, east), row in zip(sites, table, strict=True):
        lines.append(f"{code},{north},{east}," + ",".join(f"{value:.3f}" for value in row))
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "options.yaml").write_text(OPTIONS)
    return tmp_path


def test_train_reconstruct_and_evaluate_without_gridded_co2(co2phys, folder):
    train = (
        "train", "--data", "store.nc", "--config", "options.yaml", "--size", "XS",
        "--training-stations", "36", "--output", "run", "--json",
    )  # fmt: skip
    refused = co2phys(*train)
    assert refused.code == 3
    assert "no variable 'co2s'" in refused.err
    done = co2phys(*train, "--target", "stations")
    assert done.code == 0, done.err
    assert json.loads(done.out)["unit"] == "umol mol-1"
    done = co2phys(
        "reconstruct", "--checkpoint", "run", "--data", "store.nc", "--output", "map.nc",
        "--split", "all", "--device", "cpu",
    )  # fmt: skip
    assert done.code == 0, done.err
    with xr.open_dataset("map.nc") as made:
        assert np.isfinite(made["co2s"].values).all()
    done = co2phys(
        "evaluate", "--prediction", "map.nc", "--stations", "table.csv", "--selection", "valid",
        "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    scores = json.loads(done.out)["stations"]
    assert len(scores["held_out"]["sites"]) == 12
    assert 0 < scores["held_out"]["pooled"]["rmse"] < 10


def test_a_first_guess_of_the_field_is_refused(co2phys, folder):
    done = co2phys("train", "--data", "store.nc", "--target", "stations", "--output", "run")
    assert done.code == 2
    assert "--background climatology-kriging is fitted to gridded CO2" in done.err
    assert "use kriging, station-mean or none" in done.err
    assert not (folder / "run").exists()


@pytest.mark.slow
def test_crossvalidate_with_a_store(co2phys, folder):
    arguments = (
        "crossvalidate", "--observations", "table.csv", "--methods", "mean,nearest", "--folds", "2",
        "--store", "weather.nc", "--network-config", "options.yaml", "--report", "out", "--json",
    )  # fmt: skip
    plan = json.loads(co2phys(*arguments, "--dry-run").out)
    assert plan["networks"] == 2
    assert plan["records_with_a_map"] == plan["records"]
    assert plan["methods"] == ["mean", "nearest", "co2net"]
    assert not (folder / "out").exists()
    done = co2phys(*arguments)
    assert done.code == 0, done.err
    scores = json.loads(done.out)
    row = scores["methods"]["co2net"]
    assert row["label"] == "CO2-Net XS from stations and weather"
    assert row["n"] == scores["records"]
    assert row["difference"]["from"] in ("mean", "nearest")
    assert "co2net" in (folder / "out/scores.csv").read_text()
    before = (folder / "out/networks/fold-01/best/metadata.json").stat().st_mtime_ns
    again = co2phys(*arguments, "--resume")
    assert json.loads(again.out) == scores
    assert (folder / "out/networks/fold-01/best/metadata.json").stat().st_mtime_ns == before
    assert co2phys(*arguments).code == 3, "a report is there"
    (folder / "out/report.html").unlink()
    (folder / "out/scores.csv").unlink()
    (folder / "out/scores.json").unlink()
    refused = co2phys(*arguments)
    assert refused.code == 2
    assert "already holds networks; pass --resume or --overwrite" in refused.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--store", "weather.nc"), "--store: the networks need a folder"),
        (("--size", "S"), "give --store as well"),
        (("--network-config", "options.yaml"), "give --store as well"),
        (("--resume", "--report", "out"), "--resume goes on with networks: give --store"),
        (
            ("--store", "w.nc", "--report", "out", "--network-config", "bad.yaml"),
            "bad.yaml: epochs: Input should be a valid integer",
        ),
    ],
)
def test_options_that_miss_their_partner(co2phys, folder, words, message):
    (folder / "bad.yaml").write_text("epochs: two")
    done = co2phys("crossvalidate", "--observations", "table.csv", *words)
    assert done.code == 2
    assert message in done.err
