"""A run killed at any moment goes on and gives the same bytes as one that was not."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import torch
import xarray as xr

from co2net_phys.data.schema import CO2
from co2net_phys.data.stations import load_stations
from co2net_phys.data.writer_resumable import ResumableWriter
from co2net_phys.errors import DataError, NumericalError, UsageError
from co2net_phys.simulation.config import SimulationConfig
from co2net_phys.simulation.output import output_layout
from co2net_phys.simulation.run import simulate
from co2net_phys.simulation.world import twin_world

CONFIG = SimulationConfig(truncation=5, frames=20, spin_up=21600.0, grid="model", seed=3)
SCRIPT = Path(__file__).with_name("interrupted_run.py")
both_formats = pytest.mark.parametrize("name", ["x.nc", "x.zarr"])


def bytes_of(path):
    """Contents of a file, or of every file of a folder by its name."""
    if path.is_file():
        return path.read_bytes()
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }


def run(path, config=CONFIG, *, stop_after=None, world=None, **options):
    """One attempt, interrupted after so many outputs."""
    torch.set_num_threads(1)

    def progress(done):
        if done == stop_after:
            raise KeyboardInterrupt

    return simulate(
        world or twin_world(config), config, path,
        stations=load_stations()[:4], progress=progress,
        **{"attributes": {"title": "a test"}, **options},
    )  # fmt: skip


def interrupted(path, done, **options):
    with pytest.raises(KeyboardInterrupt):
        run(path, stop_after=done, **options)


def partial(path):
    return xr.open_zarr(path.with_name(f"{path.name}.partial.zarr"), consolidated=False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("name", "kills", "rounds"),
    [
        ("x.zarr", 3, 1),
        pytest.param("x.nc", 2, 1, marks=pytest.mark.slow),
        pytest.param("x.zarr", 25, 3, marks=pytest.mark.slow),
        pytest.param("x.nc", 25, 3, marks=pytest.mark.slow),
    ],
)
def test_killed_at_any_change_of_the_disk(tmp_path, name, kills, rounds):
    words = [sys.executable, "-W", "ignore", SCRIPT, tmp_path, name, kills, rounds]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["events"] > 200
    expected = bytes_of(tmp_path / name)
    for attempt in report["runs"]:
        assert attempt["codes"][0] == -9, "killed"
        assert attempt["codes"][-1] == 0, done.stderr
        folder = tmp_path / str(attempt["attempt"])
        assert bytes_of(folder / name) == expected, attempt
        assert os.listdir(folder) == [name]


@both_formats
@pytest.mark.parametrize("stops", [[1], [12], [18, 21], [3, 4, 19]])
def test_interrupted_after_any_output(tmp_path, name, stops):
    extents = run(tmp_path / "whole" / name)
    path = tmp_path / name
    interrupted(path, stops[0])
    for stop in stops[1:]:
        interrupted(path, stop, resume=True)
    assert run(path, resume=True) == extents
    assert bytes_of(path) == bytes_of(tmp_path / "whole" / name)
    assert sorted(os.listdir(tmp_path)) == ["whole", name]


def test_what_was_done_is_not_done_again(tmp_path):
    path, seen = tmp_path / "x.nc", []
    interrupted(path, 12)
    simulate(
        twin_world(CONFIG), CONFIG, path, attributes={"title": "a test"},
        stations=load_stations()[:4], progress=seen.append, resume=True,
    )  # fmt: skip
    assert seen == list(range(13, 23))


@both_formats
def test_the_partial_store_can_be_read(tmp_path, name, caplog):
    run(tmp_path / "whole.nc")
    interrupted(tmp_path / name, 12)
    with xr.open_dataset(tmp_path / "whole.nc") as whole, partial(tmp_path / name) as part:
        assert part.sizes["time"] == 20
        np.testing.assert_array_equal(part["time"], whole["time"])
        np.testing.assert_array_equal(part[CO2][:10], whole[CO2][:10])
        assert np.isnan(part[CO2][10:]).all(), "not there yet"
    assert f"10 of 20 frames are in {tmp_path / name}.partial.zarr; continue with" in caplog.text


def test_the_first_start_is_what_the_output_tells_of(tmp_path):
    interrupted(tmp_path / "x.nc", 12, attributes={"title": "first", "date_created": "Monday"})
    run(tmp_path / "x.nc", resume=True, attributes={"title": "x", "date_created": "Tuesday"})
    with xr.open_dataset(tmp_path / "x.nc") as data:
        assert (data.attrs["title"], data.attrs["date_created"]) == ("first", "Monday")


def test_an_interrupted_overwrite_keeps_the_old_output(tmp_path):
    path = tmp_path / "x.zarr"
    run(path, CONFIG.model_copy(update={"frames": 2}))
    before = bytes_of(path)
    interrupted(path, 12, overwrite=True)
    assert bytes_of(path) == before
    with pytest.raises(DataError, match="already exists; pass --overwrite"):
        run(path, resume=True, attributes={"id": "another"})
    with pytest.raises(DataError, match=r"with --resume to go on .* in x\.zarr\.partial\.zarr"):
        run(path, attributes={"id": "another"})
    run(path, resume=True, overwrite=True)
    with xr.open_zarr(path, consolidated=False) as data:
        assert data.sizes["time"] == 20
    assert os.listdir(tmp_path) == ["x.zarr"]


def test_unfinished_work_is_not_thrown_away_by_chance(tmp_path):
    path = tmp_path / "x.nc"
    interrupted(path, 12)
    with pytest.raises(DataError, match=r"10 of 20 frames.*--resume.*--overwrite"):
        run(path)
    run(path, overwrite=True)
    assert os.listdir(tmp_path) == ["x.nc"]


@pytest.mark.parametrize(
    ("key", "now", "message"),
    [
        ("co2phys_configuration", '{"seed": 2, "frames": 3}', "another option: seed was 1, is 2"),
        ("co2phys_input_sha256", '{"w.nc": "ab"}', 'another input: w.nc was null, is "ab"'),
        ("co2phys_git_commit", "abc", "another co2phys: co2phys_git_commit was first, is abc"),
    ],
)
def test_another_run_is_not_resumed(tmp_path, key, now, message):
    attributes = {
        "co2phys_configuration": '{"frames": 3, "seed": 1}',
        "co2phys_input_sha256": "{}",
        "co2phys_git_commit": "first",
    }
    path = tmp_path / "x.nc"
    interrupted(path, 12, attributes=attributes)
    with pytest.raises(UsageError, match=message):
        run(path, resume=True, attributes=attributes | {key: now})
    run(path, resume=True, attributes=attributes)
    with pytest.raises(UsageError, match=message):
        run(path, resume=True, attributes=attributes | {key: now})


@both_formats
def test_nothing_to_resume_is_a_first_start_and_a_finished_run_stays(tmp_path, name):
    first = run(tmp_path / name, resume=True)
    before = bytes_of(tmp_path / name)
    again = run(tmp_path / name, resume=True)
    assert bytes_of(tmp_path / name) == before
    np.testing.assert_allclose(again[CO2][:3], first[CO2][:3], rtol=1e-6)


def test_remains_of_a_run_killed_after_its_output_had_appeared(tmp_path):
    path = tmp_path / "x.nc"
    run(path)
    interrupted(tmp_path / "y.nc", 12)
    for kind in ("partial.zarr", "restart"):
        (tmp_path / f"y.nc.{kind}").rename(tmp_path / f"x.nc.{kind}")
    before = path.read_bytes()
    with pytest.raises(DataError, match="already exists"):
        run(path, resume=True)  # another run: its identifier is not that of the output
    assert path.read_bytes() == before
    attributes = {"title": "a test", "id": "7"}
    run(path, overwrite=True, attributes=attributes)
    interrupted(tmp_path / "y.nc", 12, attributes=attributes)
    for kind in ("partial.zarr", "restart"):
        (tmp_path / f"y.nc.{kind}").rename(tmp_path / f"x.nc.{kind}")
    run(path, resume=True, attributes=attributes)
    assert os.listdir(tmp_path) == ["x.nc"]


def failing(world, after):
    """The world with a source that is not a number from some moment on."""
    source = world.source

    def broken(time, tracers):
        return source(time, tracers) * (1.0 if time < after else float("nan"))

    return type(world)(**{**vars(world), "source": broken})


@both_formats
def test_a_tracer_that_is_not_finite_keeps_what_was_written(tmp_path, name):
    world = failing(twin_world(CONFIG), 5 * 10800.0)
    with pytest.raises(NumericalError) as caught:
        run(tmp_path / name, world=world)
    text = str(caught.value)
    for part in ("not finite", "step", "°E", "source", f"5 of 20 frames are in {tmp_path / name}"):
        assert part in text
    assert "\n" not in text
    with partial(tmp_path / name) as part:
        assert np.isfinite(part[CO2][:5]).all()
        assert np.isnan(part[CO2][5:]).all()


def test_a_damaged_restart_is_explained(tmp_path):
    path = tmp_path / "x.nc"
    interrupted(path, 12)
    os.truncate(tmp_path / "x.nc.restart", 100)
    with pytest.raises(DataError, match=r"x\.nc\.restart: damaged.*--overwrite"):
        run(path, resume=True)


def test_torn_chunks_are_written_again(tmp_path):
    run(tmp_path / "whole" / "x.zarr")
    path = tmp_path / "x.zarr"
    interrupted(path, 20)
    for chunk in (tmp_path / "x.zarr.partial.zarr" / CO2 / "c").rglob("1/*/*"):
        os.truncate(chunk, chunk.stat().st_size // 2)
        chunk.with_suffix(".0abc.partial").write_bytes(b"left by a killed process")
    run(path, resume=True)
    assert bytes_of(path) == bytes_of(tmp_path / "whole" / "x.zarr")


def test_two_processes_do_not_write_one_output(tmp_path):
    path, seen = tmp_path / "x.nc", count(1)

    def second(done):
        if next(seen) == 15:
            with pytest.raises(DataError, match="another process is writing it"):
                run(path, resume=True)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(twin_world(CONFIG), CONFIG, path, attributes={"title": "x"}, progress=second)


def test_those_that_start_together_see_each_other(tmp_path):
    layout = output_layout(twin_world(CONFIG), CONFIG, (), None, {"title": "a test"})
    at_once, all_tried = Barrier(3), Barrier(3)

    def start(_):
        writer = ResumableWriter(tmp_path / "x.zarr", layout)
        at_once.wait(60)
        try:
            with writer:
                all_tried.wait(60)
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            return "begun"
        except DataError as error:
            all_tried.wait(60)
            return str(error)

    with ThreadPoolExecutor(3) as pool:  # claims are those of open files: threads will do
        said = list(pool.map(start, range(3)))
    assert sum("another process is writing it" in line for line in said) == 2, said
    assert "begun" in said


def test_a_store_that_is_none_is_explained(tmp_path):
    path = tmp_path / "x.nc"
    interrupted(path, 12)
    (tmp_path / "x.nc.partial.zarr" / "zarr.json").unlink()
    with pytest.raises(DataError, match=r"x\.nc\.partial\.zarr: damaged.*--overwrite"):
        run(path, resume=True)


def test_an_unreadable_output_may_be_replaced_by_a_resumed_run(tmp_path):
    path = tmp_path / "x.nc"
    path.write_bytes(b"no NetCDF")
    interrupted(path, 12, overwrite=True)
    with pytest.raises(DataError, match="neither NetCDF nor Zarr"):
        run(path, resume=True)
    run(path, resume=True, overwrite=True)
    assert xr.open_dataset(path).sizes["time"] == CONFIG.frames


def test_interrupted_while_the_store_is_made_nothing_stays(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    for step in ("filled", "flush_entry"):
        with monkeypatch.context() as patch:
            patch.setattr(f"co2net_phys.data.writer_partial.{step}", interrupt)
            interrupted(tmp_path / "x.zarr", None)
        assert not list(tmp_path.iterdir())
