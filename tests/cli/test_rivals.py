"""Rivals on the command line: chosen by name, with the defaults of their papers."""

import json

import pytest
import xarray as xr

SMALL = {
    "vit": ("model.patch=[9,12]", "model.width=16", "model.depth=1", "model.heads=2"),
    "swin-lstm": ("model.patch=[3,4]", "model.width=16", "model.fine_layers=1"),
    "cyclegan": ("model.filters=4", "model.blocks=1", "model.discriminator_layers=1"),
    "senseiver": ("model.width=16", "model.bands=4"),
}


def small(name):
    return [word for setting in SMALL[name] for word in ("--set", setting)]


def words(world, *more):
    return ("train", "--data", world, "--output", "run", "--device", "cpu", *more)


@pytest.mark.parametrize("name", SMALL)
def test_a_rival_is_trained_and_maps_the_test_block(co2phys, world, tmp_path, name):
    short = ("--epochs", "1", "--windows-per-epoch", "4", "--batch-size", "2", "--frames", "2")
    done = co2phys(*words(world, "--model", name, *short, *small(name)), "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["steps"] == 2
    shown = json.loads(co2phys("config", "show", "run", "--json").out)
    assert (shown["architecture"], shown["background"]) == (name, "none")
    assert shown["learning_rate"] == 1e-4 and "experts" not in shown["model"]
    mapping = ("reconstruct", "--checkpoint", "run", "--data", world, "--output", "r.nc")
    plan = json.loads(co2phys(*mapping, "--dry-run", "--json").out)
    assert plan["parameters"] > 0 and plan["expected_seconds"] > 0
    done = co2phys(*mapping, "--json")
    assert done.code == 0, done.err
    with xr.open_dataset(tmp_path / "r.nc") as found:
        title = {"vit": "ViT", "swin-lstm": "SwinLSTM", "cyclegan": "CycleGAN"}
        assert found.attrs["title"].endswith(title.get(name, "Senseiver"))
        assert found.sizes["time"] == json.loads(done.out)["frames"] == plan["frames"]
        assert bool(found["co2s"].notnull().all())


def planned(co2phys, world, *more):
    done = co2phys(*words(world, *more), "--dry-run", "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_what_is_given_goes_before_the_paper(co2phys, world, tmp_path):
    plain = planned(co2phys, world, "--model", "senseiver")
    assert plain["options"] == {
        "background": "none", "learning_rate": 1e-4, "schedule": "cosine", "warm_up": 0.02,
        "weight_decay": 0.0, "betas": [0.9, 0.999], "gradient_clip": 1.0, "wind_weight": 0.0,
    }  # fmt: skip
    (tmp_path / "o.yaml").write_text("architecture: senseiver\nlearning_rate: 1.0e-3\nseed: 3\n")
    given = ("--config", "o.yaml", "--background", "station-mean", "--set", "warm_up=0")
    told = planned(co2phys, world, *given)
    assert told["model"] == "senseiver"
    options = told["options"]
    assert (options["learning_rate"], options["background"]) == (1e-3, "station-mean")
    assert (options["warm_up"], options["weight_decay"]) == (0, 0.0)
    by_setting = planned(co2phys, world, "--set", "architecture=senseiver")
    assert by_setting == plain | {"expected_seconds": by_setting["expected_seconds"]}
    text = co2phys(*words(world, "--model", "senseiver", "--dry-run")).out
    assert "Senseiver" in text and "weight decay 0.0" in text and "schedule cosine" in text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--model", "vit", "--size", "XS"), "size XS is one of CO2-Net"),
        (("--model", "vit", "--head", "additive"), "--head: no such option of this network"),
        (("--model", "vit", "--wind-weight", "1"), "--wind-weight: only CO2-Net"),
        (("--model", "vit", "--set", "model.patch=[7,12]"), "7 rows do not divide"),
        (("--model", "cyclegan", "--target", "stations", *small("cyclegan")), "use target=dense"),
        (("--model", "gan"), "--model"),
        (("--set", "architecture=gan"), "architecture"),
        (("--set", "architecture=[vit]"), "architecture"),
    ],
)
def test_what_a_rival_cannot_do_is_one_line(co2phys, world, tmp_path, more, said):
    done = co2phys(*words(world, *more))
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert said in line and done.out == ""
    assert not (tmp_path / "run").exists()
