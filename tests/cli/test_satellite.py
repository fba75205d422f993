"""XCO2 of satellites: the chain of commands on a tiny world, and what users do wrong."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

REGION = ("--region", "102,28,104,30", "--spacing", "0.2")
SMALL = (
    "--set", "model.first_width=4", "--set", "model.widths=[8, 8]", "--set", "model.hidden=8",
    "--batch-size", "64", "--epochs", "4", "--device", "cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two months of three satellites over two degrees, with samples of them."""
    from co2net_phys.satellite.covariate_store import covariate_files
    from co2net_phys.satellite.fusing import FusionOptions, fuse
    from co2net_phys.satellite.lite_file import lite_files
    from co2net_phys.satellite.region import Region
    from co2net_phys.satellite.simulate import simulate_satellites
    from co2net_phys.satellite.simulation_options import satellite_simulation_config

    folder = tmp_path_factory.mktemp("satellites") / "world"
    config = satellite_simulation_config(
        west=102, south=28, east=104, north=30, spacing=0.2, days=60, cloud_fraction=0.2
    )
    simulate_satellites(config, folder)
    files = lite_files([folder / sensor for sensor in ("oco2", "oco3", "gosat")])
    fuse(
        files, covariate_files(folder / "covariates"), Region(102, 28, 104, 30, 0.2),
        folder.parent / "samples.zarr", FusionOptions(unmapped_gosat=True),
    )  # fmt: skip
    return folder


@pytest.fixture
def files(world, tmp_path):
    """The folder of the test, with the world and its samples."""
    (tmp_path / "world").symlink_to(world)
    (tmp_path / "samples.zarr").symlink_to(world.parent / "samples.zarr")
    return tmp_path


def train(co2phys, output, *words):
    return co2phys(
        "train", "--model", "resnet-lstm", "--data", "samples.zarr", "--output", output,
        *SMALL, "--json", *words,
    )  # fmt: skip


def test_from_soundings_to_scores(co2phys, files):
    sensors = ("world/oco2", "world/oco3", "world/gosat")
    fuse = ("data", "fuse", *sensors, "--covariates", "world/covariates", *REGION, "--json")
    done = co2phys(*fuse, "--output", "new.zarr", "--unmapped-gosat", "--dry-run")
    assert done.code == 0, done.err
    plan = json.loads(done.out)
    assert plan["features"] == 46 and plan["cells"] == [10, 10]
    assert plan["sensors"] == ["gosat", "oco2", "oco3"] and not Path("new.zarr").exists()
    done = co2phys(*fuse, "--output", "new.zarr", "--unmapped-gosat")
    assert done.code == 0, done.err
    assert json.loads(done.out)["samples"] > 100
    with (
        xr.open_dataset("new.zarr", consolidated=False) as one,
        xr.open_dataset("samples.zarr", consolidated=False) as other,
    ):
        xr.testing.assert_equal(one, other)
    done = train(co2phys, "run", "--ensemble", "2")
    assert done.code == 0, done.err
    assert len(json.loads(done.out)["members"]) == 2
    done = co2phys(
        "reconstruct", "--checkpoint", "run", "--data", "world/covariates",
        "--output", "maps.zarr", "--end", "2019-10-09", "--device", "cpu", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert json.loads(done.out)["rows"] == json.loads(done.out)["columns"] == 10
    with xr.open_dataset("maps.zarr", consolidated=False) as maps:
        inputs = set(json.loads(maps.attrs["co2phys_input_sha256"]))
    assert inputs == {
        *(f"member-0{number}/best/model.safetensors" for number in (1, 2)),
        *(path.name for path in Path("world/covariates").iterdir()),
    }
    evaluate = ("evaluate", "--prediction", "maps.zarr", "--truth")
    done = co2phys(*evaluate, "world/truth.zarr", "samples.zarr", "--report", "out", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["coverage"] == pytest.approx(1.0) and 0 < found["rmse"] < 10
    alone = found["fields"]["oco2 soundings"]
    assert alone["coverage"] < 0.5 and alone["fusion_rmse"] > 0
    assert found["fields"]["gosat interpolated"]["coverage"] == pytest.approx(1.0)
    assert {"fusion", "truth"} == set(found["statistics"])
    assert "Means and growth" in Path("out/report.html").read_text()
    with (
        xr.open_dataset("maps.zarr", consolidated=False) as maps,
        xr.open_dataset("world/truth.zarr", consolidated=False) as truth,
    ):
        error = maps["xco2"].values - truth["xco2"].sel(time=maps["time"]).values
    weight = np.cos(np.radians(np.arange(28.1, 30, 0.2)))[:, None] * np.ones_like(error)
    rmse = np.sqrt((weight * error**2).sum() / weight.sum())
    assert found["rmse"] == pytest.approx(rmse, rel=1e-4)
    late = ("--start", "foo", "--output", "x.zarr")
    failed = co2phys("reconstruct", "--checkpoint", "run", "--data", "world/covariates", *late)
    assert failed.code == 2 and "--start 'foo': not a date; write it as 2019" in failed.err
    failed = co2phys(*evaluate, "world/truth.zarr", "--fail-if", "rmse>0.001")
    assert failed.code == 5 and "--fail-if forbids rmse>0.001" in failed.err
    done = co2phys(*evaluate, "samples.zarr", "--json")
    assert done.code == 0, done.err
    parts = json.loads(done.out)["samples"]
    assert set(parts) == {"validation", "training"} and 0 < parts["validation"]["n"] < 200
    done = co2phys("data", "periods", "maps.zarr", "--output", "means.zarr", "--report", "p.html")
    assert done.code == 0, done.err
    assert "growth" in done.out and Path("p.html").exists()
    with xr.open_dataset("means.zarr", consolidated=False) as means:
        assert means["seasonal"].sizes["season"] == 4


@pytest.mark.slow
def test_a_smaller_region_has_the_same_values(co2phys, files):
    assert train(co2phys, "run").code == 0
    words = ("reconstruct", "--checkpoint", "run", "--data", "world/covariates", "--device", "cpu")
    days = ("--start", "2019-09-20", "--end", "2019-09-21")
    assert co2phys(*words, *days, "--output", "whole.zarr").code == 0
    part = ("--region", "102.4,28.4,103,28.8")
    assert co2phys(*words, *days, *part, "--output", "part.zarr").code == 0
    fine = co2phys(*words, *days, *part, "--spacing", "0.01", "--output", "fine.zarr", "--json")
    assert json.loads(fine.out) | {"output": ""} == {
        "output": "", "members": 1, "days": 2, "rows": 40, "columns": 60,
    }  # fmt: skip
    whole, inside = (
        xr.open_dataset(name, consolidated=False)["xco2"].values
        for name in ("whole.zarr", "part.zarr")
    )
    np.testing.assert_allclose(inside, whole[:, 2:4, 2:5], rtol=1e-6)
    assert co2phys(*words, "--output", "whole.zarr").code == 3  # is there already
    for wrong, word in ((("--split", "all"), "--split"), (("--precision", "bf16"), "--precision")):
        done = co2phys(*words, *wrong, "--output", "x.zarr")
        assert done.code == 2 and word in done.err


def test_stopped_training_goes_on_bit_by_bit(co2phys, files, monkeypatch):
    import signal

    from safetensors.numpy import load_file

    from co2net_phys.satellite.learner import SampleBatch

    assert train(co2phys, "through").code == 0
    whole, calls = SampleBatch.of.__func__, []

    def stops(kind, samples, positions):
        calls.append(1)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return whole(kind, samples, positions)

    with monkeypatch.context() as patch:
        patch.setattr(SampleBatch, "of", classmethod(stops))
        stopped = train(co2phys, "stopped")
    assert stopped.code == 143 and "--resume auto" in stopped.err
    assert train(co2phys, "stopped", "--resume", "auto").code == 0
    one, other = (load_file(f"{run}/last/model.safetensors") for run in ("through", "stopped"))
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name])
    other_days = ("--resume", "auto", "--set", "hold_out_seed=1")
    assert train(co2phys, "stopped", *other_days).code == 2


@pytest.mark.slow
def test_leaving_out_in_several_ways(co2phys, files):
    words = ("crossvalidate", "--samples", "samples.zarr", "--json")
    simple = ("--methods", "ridge,nearest-day", "--folds", "3", "--schemes", "sample,day")
    done = co2phys(*words, *simple, "--report", "out")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    leak = {row["method"]: row["ratio"] for row in found["leak"]}
    assert leak["nearest-day"] > 1.2
    assert "What random samples hide" in Path("out/report.html").read_text()
    options = {"model": {"first_width": 4, "widths": [8], "hidden": 8}, "epochs": 2}
    Path("network.yaml").write_text(json.dumps(options | {"batch_size": 128, "device": "cpu"}))
    network = ("--methods", "resnet-lstm,ridge", "--schemes", "day", "--hold-out", "0.3")
    network += ("--network-config", "network.yaml", "--report", "nets")
    done = co2phys(*words, *network)
    assert done.code == 0, done.err
    first = json.loads(done.out)
    assert first["leak"] == [] and {row["n"] for row in first["scores"]} != {0}
    assert co2phys(*words, *network).code in (2, 3)
    again = co2phys(*words, *network, "--resume")
    assert json.loads(again.out) == first
    assert "fewer" in co2phys(*words, "--dry-run").err, "as the run would say: too few months"
    plan = json.loads(co2phys(*words, "--schemes", "sample,day", "--dry-run").out)
    assert plan["fits"] == 7 * 2 * 5
    usual = co2phys(*words, "--methods", "trend-and-season", "--schemes", "sample")
    assert json.loads(usual.out)["folds"] == 5


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--methods", "magic"), 2, "choose of resnet-lstm, random-forest"),
        (("--schemes", "orbit"), 2, "--schemes 'orbit': choose of sample, day"),
        (("--folds", "3", "--hold-out", "0.2"), 2, "exclude each other"),
        (("--hold-out", "2"), 2, "--hold-out 2: not between 0 and 1; give a share such as 0.2"),
        (("--by", "region"), 2, "--by has no effect with --samples"),
        (("--resume",), 2, "--resume goes on with the networks"),
        (("--schemes", "month", "--methods", "ridge"), 3, "fewer than 5 folds"),
    ],
)
def test_cross_validation_refuses(co2phys, files, words, code, said):
    for more in ((), ("--dry-run",)):
        done = co2phys("crossvalidate", "--samples", "samples.zarr", *words, *more)
        assert done.code == code and said in done.err and done.out == ""
        assert done.err.count("\n") == 1


def test_a_wrong_option_of_the_network_names_its_file(co2phys, files):
    Path("o.yaml").write_text("hold_outt: 0.2")
    words = ("--samples", "samples.zarr", "--network-config", "o.yaml", "--dry-run")
    done = co2phys("crossvalidate", *words)
    assert done.code == 2 and "o.yaml: hold_outt: no such option; did you mean hold" in done.err


def test_cross_validation_needs_something(co2phys, files):
    done = co2phys("crossvalidate")
    assert done.code == 2 and "give --observations" in done.err
    done = co2phys("crossvalidate", "--observations", "x.csv", "--hold-out", "0.2")
    assert done.code == 2 and "--hold-out is of --samples" in done.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("empty",), 3, "empty: holds no .nc or .nc4"),
        (("nothing.nc",), 3, "nothing.nc"),
        (("world/gosat", "--region", "0,0,2,2"), 3, "none of"),
        (("world/gosat", "--region", "0,0,2"), 2, "write west,south,east,north"),
        (("world/gosat", "--region", "102,28,104,30", "--spacing", "0.3"), 2, "whole number"),
        (("world/gosat", "--first", "2031-01-01"), 3, "no file of the wanted days"),
        (("world/gosat", "--first", "x"), 2, "--first 'x': not a date; write it as 2019-12-31"),
        (("world/gosat", "--last", "NaT"), 2, "--last 'NaT': not a date"),
        (("world/gosat", "world/oco2", "--coincidence-distance", "0"), 3, "--unmapped-gosat"),
        (("world/gosat", "--output", "x.nc"), 2, "end it in .zarr"),
        (("world/gosat", "--output", "samples.zarr"), 3, "already exists"),
        (("world/gosat", "--covariates", "empty"), 3, "holds no .zarr or .nc"),
    ],
)
def test_fusing_refuses(co2phys, files, words, code, said):
    (files / "empty").mkdir()
    usual = {"--covariates": "world/covariates", "--output": "x.zarr", "--spacing": "0.2"}
    usual["--region"] = "102,28,104,30"
    rest = [part for pair in usual.items() if pair[0] not in words for part in pair]
    done = co2phys("data", "fuse", *words, *rest)
    assert done.code == code and said in done.err, done.err
    assert "Traceback" not in done.err and not Path("x.zarr").exists()


def test_a_dry_run_looks_at_the_files(co2phys, files):
    words = ("--covariates", "world/covariates", *REGION, "--output", "x.zarr", "--dry-run")
    done = co2phys("data", "fuse", "oco2_LtCO2_190901_x.nc4", *words)
    assert done.code == 3 and "oco2_LtCO2_190901_x.nc4: no such file" in done.err
    Path("oco2_LtCO2_190901_x.nc4").write_bytes(b"\x89HDF\r\n\x1a\n truncated")
    done = co2phys("data", "fuse", "oco2_LtCO2_190901_x.nc4", *words)
    assert done.code == 3 and "truncated or damaged" in done.err


def test_spoilt_files(co2phys, files):
    """Another unit, flags that are all bad, a file that ends early."""
    import netCDF4

    source = sorted(Path("world/oco2").resolve().iterdir())[0]
    words = ("--covariates", "world/covariates", *REGION, "--output", "x.zarr")
    name = source.name
    for spoil, said in (
        (lambda root: root["xco2"].setncattr("units", "K"), "xco2"),
        (lambda root: root["xco2_quality_flag"].__setitem__(slice(None), 1), "flagged bad"),
    ):
        shutil.copy(source, name)
        with netCDF4.Dataset(name, "a") as root:
            spoil(root)
        done = co2phys("data", "fuse", name, *words)
        assert done.code == 3 and said in done.err, done.err
    content = source.read_bytes()
    Path(name).write_bytes(content[: len(content) // 2])
    done = co2phys("data", "fuse", name, *words)
    assert done.code == 3 and name in done.err, done.err


def test_alien_and_hostile_checkpoints(co2phys, files):
    assert train(co2phys, "run").code == 0
    words = ("--data", "world/covariates", "--output", "x.zarr", "--device", "cpu")
    place = Path("run/best/metadata.json")
    metadata = json.loads(place.read_text())
    shutil.rmtree("run/best.previous", ignore_errors=True)
    spoilt = (
        (("model", "widths"), [4096] * 400),
        (("model", "hidden"), 10**9),
        (("model", "statistics"), {}),
        (("region",), None),
        (("days",), ["x", "y"]),
    )
    for (*groups, last), value in spoilt:
        changed = json.loads(json.dumps(metadata))
        target = changed
        for group in groups:
            target = target[group]
        target[last] = value
        place.write_text(json.dumps(changed))
        done = co2phys("reconstruct", "--checkpoint", "run/best", *words)
        assert done.code in (2, 3), done.err
        assert "Traceback" not in done.err and not Path("x.zarr").exists()
    place.write_text(json.dumps(metadata))
    only = ("--checkpoint", "run", "--data", "world/covariates/weather.zarr")
    done = co2phys("reconstruct", *only, "--output", "x.zarr")
    assert done.code == 2 and "lack" in done.err
    outside = ("--region", "10,10,11,11")
    done = co2phys("reconstruct", "--checkpoint", "run", *words, *outside)
    assert done.code == 3 and "does not cover the region" in done.err, done.err


def test_training_refuses_what_is_no_samples(co2phys, files):
    for data, said in (("world/truth.zarr", "not samples"), ("nothing.zarr", "no such file")):
        done = co2phys("train", "--model", "resnet-lstm", "--data", data, "--output", "run")
        assert done.code == 3 and said in done.err
    done = co2phys(
        "train", "--model", "resnet-lstm", "--data", "samples.zarr", "--output", "run",
        "--set", "model.features=[a]",
    )  # fmt: skip
    assert done.code == 2 and "comes from the samples" in done.err
    done = co2phys(
        "train", "--model", "resnet-lstm", "--data", "samples.zarr", "--output", "run",
        "--frames", "4",
    )  # fmt: skip
    assert done.code == 2 and "--frames has no effect" in done.err


def test_scores_need_what_fits(co2phys, files):
    assert train(co2phys, "run").code == 0
    words = ("reconstruct", "--checkpoint", "run", "--data", "world/covariates", "--device", "cpu")
    short = ("--end", "2019-09-05", "--spacing", "0.1", "--output", "fine.zarr")
    assert co2phys(*words, *short).code == 0
    done = co2phys("evaluate", "--prediction", "fine.zarr", "--truth", "world/truth.zarr")
    assert done.code == 3 and "reconstruct the same cells and days" in done.err
    done = co2phys(
        "evaluate", "--prediction", "fine.zarr", "--truth", "samples.zarr", "samples.zarr"
    )
    assert done.code == 2 and "need true maps" in done.err
