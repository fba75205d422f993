"""The folder of the probe experiment, which nothing gets lost from, and its picture."""

from dataclasses import replace

import numpy as np
import pytest

from co2net_phys.data.store import TrainingStore, open_store
from co2net_phys.data.writer import write_dataset
from co2net_phys.errors import DataError, UsageError
from co2net_phys.validation.wind_probe import ARMS, ProbeConfig, run_probe
from co2net_phys.validation.wind_probe_experiment import (
    RECORD,
    SUMMARY,
    begin,
    check_folder,
    refuse_another,
    run_folder,
)
from co2net_phys.validation.wind_probe_figures import probe_figure
from co2net_phys.validation.wind_probe_scores import Example

SMALL = ProbeConfig(("given", "shuffled"), epochs=2, windows_per_epoch=80, frames=2)
LATITUDE = np.arange(-85.0, 90, 10)


@pytest.fixture(scope="module")
def store(small_world, tmp_path_factory):
    path = tmp_path_factory.mktemp("world") / "world.nc"
    write_dataset(small_world(), path)
    return open_store(path)


@pytest.fixture
def begun(store, tmp_path):
    """The folder of `SMALL`, with no more than what was written down of it."""
    begin(tmp_path, SMALL, store, continued=False)
    return tmp_path


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"epochs": 3}, "started with --epochs 2, not 3"),
        ({"windows_per_epoch": 8}, "started with --windows-per-epoch 80, not 8"),
        ({"arms": ("shuffled", "co2-only")}, "also has given with seed 1, which would be lost"),
        ({"seed": 2}, "given with seed 1, shuffled with seed 1"),
    ],
)
def test_another_experiment_is_refused(begun, store, change, part):
    with pytest.raises(UsageError, match=part):
        refuse_another(begun, replace(SMALL, **change), store)


def test_an_experiment_may_get_more_runs(begun, store):
    refuse_another(begun, replace(SMALL, arms=("shuffled", "given", "co2-only"), seeds=2), store)


@pytest.mark.parametrize("variable", ["co2s", "vas", "station"])
def test_other_data_are_refused(begun, store, small_world, variable):
    other = small_world()
    if variable == "station":
        other = other.isel(station=slice(1, None))
    else:
        other[variable].values[60] += 0.01
    store = TrainingStore(other, "other.nc")
    with pytest.raises(UsageError, match=r"other data \(world\.nc\), not those of other\.nc"):
        refuse_another(begun, SMALL, store)


def test_what_was_written_down_must_be_readable(begun, store, tmp_path):
    (begun / "runs" / RECORD).write_text("{}")
    with pytest.raises(DataError, match=r"experiment\.json: cannot be read.*--overwrite"):
        refuse_another(begun, SMALL, store)
    (begun / "runs" / RECORD).unlink()
    refuse_another(begun, SMALL, store)
    run_folder(begun, "given", 1).mkdir()
    with pytest.raises(DataError, match=r"experiment\.json: missing.*--overwrite"):
        refuse_another(begun, SMALL, store)


def test_a_new_experiment_removes_the_one_before(store, tmp_path):
    config = replace(SMALL, arms=("given",), epochs=1, windows_per_epoch=4)
    mine = tmp_path / "runs" / "xs"
    mine.mkdir(parents=True)
    run_probe(config, store, tmp_path, [])
    (tmp_path / SUMMARY).write_text("{}")
    bad = TrainingStore(store.dataset.isel(station=slice(0, 2)), "few.nc")
    with pytest.raises(DataError, match="at least 4"):
        run_probe(config, bad, tmp_path, [])
    assert (tmp_path / SUMMARY).exists()
    assert run_folder(tmp_path, "given", 1).exists()
    run_probe(replace(config, arms=("co2-only",)), store, tmp_path, [])
    assert not (tmp_path / SUMMARY).exists()
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"co2-only-1", RECORD, "xs"}


@pytest.mark.parametrize("name", ["probe.json", "runs/given-1/log", "twin.zarr.partial.zarr/x"])
def test_a_folder_with_an_experiment_is_left_alone(tmp_path, name):
    check_folder(tmp_path, may_hold_one=False)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("")
    with pytest.raises(UsageError, match="--resume or --overwrite"):
        check_folder(tmp_path, may_hold_one=False)
    check_folder(tmp_path, may_hold_one=True)


def picture(arms, about_mean):
    """Figure of arms without skill."""
    scores = {"r2_u": 0.1, "r2_v": 0.0, "r2_pooled": 0.1, "r2_about_mean_pooled": about_mean}
    field = np.outer(np.cos(np.radians(LATITUDE)), np.ones(24))
    example = Example(
        "now", LATITUDE, np.arange(-172.5, 180, 15), field, dict.fromkeys(arms, field)
    )
    figure = probe_figure(dict.fromkeys([*arms, "climatology"], scores), example)
    figure.canvas.draw()
    return figure


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_the_colour_bar_is_beside_the_maps(count):
    axes = picture(tuple(ARMS)[:count], 0.2).axes
    maps, bar = axes[1:-1], axes[-1]
    right = max(one.get_position().x1 for one in maps if one.axison)
    assert 0 < bar.get_position().x0 - right < 0.06


def test_what_is_cut_is_said():
    for value, remark in ((0.2, ""), (-0.7, "diamonds are cut at −0.3")):
        axes = picture(("given",), value).axes[0]
        assert axes.get_title(loc="right") == remark
        (diamonds,) = [line for line in axes.lines if line.get_marker() == "D"]
        assert min(diamonds.get_ydata()) > axes.get_ylim()[0]
