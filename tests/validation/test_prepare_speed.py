"""The bench of `data prepare`: every stage is measured, and the store is a true one."""

import json
import time

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from co2net_phys.cli.bench_prepare import command
from co2net_phys.data.store import open_store
from co2net_phys.errors import DataError, UsageError
from co2net_phys.products.field_source import FieldSource
from co2net_phys.validation import prepare_speed
from co2net_phys.validation.prepare_speed import STAGES, measure_prepare


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Two grids, the files' own and one to regrid to; and the folder of the stores."""
    folder = tmp_path_factory.mktemp("bench")
    told = []
    found = measure_prepare(
        folder, days=2, levels=2, grids=["2x3", "9x12"],
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    return folder, found, told


def test_every_stage_is_measured(measured):
    folder, (same, other), told = measured
    assert told == [(n, 4) for n in range(1, 5)]
    size = sum(path.stat().st_size for path in folder.glob("*.nc")) / 2**20
    for speed, grid, cells in ((same, "2x3", 90 * 120), (other, "9x12", 20 * 30)):
        assert (speed.grid, speed.frames, speed.workers) == (grid, 16, 1)
        assert speed.input_megabytes == pytest.approx(size)
        assert speed.store_megabytes == pytest.approx(4 * cells * (16 * 7 + 1) / 2**20)
        assert speed.frames_per_second == pytest.approx(16 / speed.seconds)
        assert sum(speed.stage_shares.values()) == pytest.approx(1)
        assert speed.stage_shares.keys() == speed.stage_seconds.keys() == STAGES.keys()
        assert min(speed.stage_seconds["reading"], speed.stage_seconds["writing"]) > 0
        assert max(speed.stage_seconds.values()) < speed.seconds, "one thread for each stage"
    assert same.stage_seconds["regridding"] == 0, "its grid is that of the files"
    assert other.stage_seconds["regridding"] > 0


def test_the_stores_hold_the_files(measured):
    folder, *_ = measured
    store = open_store(folder / "store-0.zarr")
    assert set(store.auxiliaries) == {"ps", "huss", "tas", "uas", "vas", "gph"}
    co2 = store.field("co2s", np.arange(16))
    assert co2.mean(dtype=float) == pytest.approx(390, abs=0.1)
    assert co2.std(dtype=float) == pytest.approx(3, rel=0.05)
    assert open_store(folder / "store-1.zarr").shape == (20, 30)


def test_the_clock_counts_the_time_of_a_stage_and_then_lets_go(tmp_path, monkeypatch):
    usual = FieldSource.read

    def slow(*arguments, **options):
        time.sleep(0.05)
        return usual(*arguments, **options)

    monkeypatch.setattr(FieldSource, "read", slow)
    (speed,) = measure_prepare(tmp_path, days=2, levels=1, grids=["source"])
    assert speed.stage_seconds["reading"] > 0.05 * 2 * len(prepare_speed.FIELDS)
    assert FieldSource.read is slow, "the clock is taken off again"


def test_memory_is_the_most_that_was_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(prepare_speed, "resident_megabytes", lambda: 7.0)
    (speed,) = measure_prepare(tmp_path, days=2, levels=1, grids=["source"])
    assert (speed.before_megabytes, speed.peak_megabytes) == (7.0, 7.0)
    monkeypatch.setattr(prepare_speed, "resident_megabytes", lambda: None)
    other = tmp_path / "other"
    other.mkdir()
    (speed,) = measure_prepare(other, days=2, levels=1, grids=["source"])
    assert (speed.before_megabytes, speed.peak_megabytes) == (None, None)


@pytest.mark.parametrize("options", [{"days": 1}, {"levels": 0}, {"workers": 0}, {"grids": ()}])
def test_wrong_options_are_refused(tmp_path, options):
    with pytest.raises(UsageError):
        measure_prepare(tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_the_command_gives_json_and_a_table_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("CO2PHYS_QUIET", "1")
    app = typer.Typer()
    app.command()(command)
    words = ["--days", "2", "--levels", "1", "--grid", "source", "--folder", str(tmp_path / "new")]
    plain = CliRunner().invoke(app, words)
    assert plain.exit_code == 0, plain.output
    header, row = plain.output.splitlines()
    assert header.split()[:3] == ["grid", "frames", "seconds"]
    assert row.split()[:2] == ["source", "16"]
    (found,) = json.loads(CliRunner().invoke(app, [*words, "--json"]).output)
    assert found["frames"] == 16
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").write_text("mine")
    refused = CliRunner().invoke(app, [*words[:-1], str(tmp_path / "file" / "below")])
    assert isinstance(refused.exception, DataError)
