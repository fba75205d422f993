"""The bench of the loader: every way is measured, or says why not."""

import json

import pytest
import typer
from typer.testing import CliRunner

from co2net_phys.cli.bench_loader import loader
from co2net_phys.data import device_series
from co2net_phys.data.schema import AUXILIARIES, CO2, STATION_CO2
from co2net_phys.data.store import open_store
from co2net_phys.errors import DataError, UsageError
from co2net_phys.validation import loader_speed
from co2net_phys.validation.loader_speed import WAYS, measure_loader


@pytest.fixture(scope="module")
def path(small_world, tmp_path_factory):
    data = small_world(60)
    path = tmp_path_factory.mktemp("bench") / "world.zarr"
    encoding = {name: {"chunks": (8, 18, 24)} for name in (*AUXILIARIES[:-1], CO2)}
    encoding[STATION_CO2] = {"chunks": (8, 8)}
    data.to_zarr(path, encoding=encoding, zarr_format=3, consolidated=False)
    return path


def measure(path, **options):
    few = {"windows": 12, "epochs": 2, "device": "cpu", "size": None}
    return {speed.way: speed for speed in measure_loader(path, **{**few, **options})}


def test_every_way_is_measured(path):
    told = []
    found = measure(path, progress=lambda done, total: told.append((done, total)))
    assert list(found) == list(WAYS)
    assert told == [(n, 8) for n in range(1, 9)]
    for way, speed in found.items():
        assert speed.note == WAYS[way]
        assert speed.windows_per_second > 0
        assert speed.ready_seconds > 0
        assert speed.growth_megabytes is None or speed.growth_megabytes < 500
        assert speed.times_step is None


def test_beside_a_training_step(path):
    for speed in measure(path, size="XS", steps=1, batch=2).values():
        assert 0 <= speed.waiting <= 1
        assert speed.step_windows_per_second > 0
        alone = speed.step_windows_per_second / (1 - speed.waiting)
        assert speed.times_step == pytest.approx(speed.windows_per_second / alone)


def test_what_does_not_fit_is_named(path, monkeypatch):
    monkeypatch.setattr(loader_speed, "MEMORY_LIMIT_BYTES", 2**10)
    monkeypatch.setattr(device_series, "free_memory", lambda device: 2**10)
    found = measure(path)
    assert found["memory"].note == "the store is larger than 0 GB"
    assert found["series"].note == "larger than 40% of the free memory of cpu"
    for way in ("memory", "series"):
        assert found[way].windows_per_second is None
    assert found["prefetch"].windows_per_second > 0


def test_growth_is_that_of_the_epochs_after_the_first(path, monkeypatch):
    memory = iter(range(1000))
    monkeypatch.setattr(loader_speed, "resident_megabytes", lambda: float(next(memory)))
    assert {speed.growth_megabytes for speed in measure(path, epochs=4).values()} == {3.0}
    monkeypatch.setattr(loader_speed, "resident_megabytes", lambda: None)
    assert {speed.growth_megabytes for speed in measure(path).values()} == {None}


def test_wrong_options_and_stores_are_refused(path, tmp_path, small_world):
    for options in ({"epochs": 1}, {"batch": 0}, {"threads": 0}, {"device": "abacus"}):
        with pytest.raises(UsageError):
            measure(path, **options)
    with pytest.raises(DataError, match="no such file"):
        measure(tmp_path / "none.zarr")
    small_world(30).drop_vars("uas").to_netcdf(tmp_path / "calm.nc")
    with pytest.raises(UsageError, match=r"calm\.nc: no wind"):
        measure(tmp_path / "calm.nc", size="XS")
    assert len(open_store(path)) == 60


def test_the_command_gives_json_and_a_table(path, monkeypatch):
    monkeypatch.setenv("CO2PHYS_QUIET", "1")
    app = typer.Typer()
    app.command()(loader)
    options = ["--data", str(path), "--size", "none", "--epochs", "2", "--windows", "8"]
    plain = CliRunner().invoke(app, options)
    assert plain.exit_code == 0, plain.output
    assert [line.split()[0] for line in plain.output.splitlines()] == ["way", *WAYS]
    found = json.loads(CliRunner().invoke(app, [*options, "--json"]).output)
    assert [row["way"] for row in found] == list(WAYS)
    assert all(row["windows_per_second"] > 0 for row in found)
