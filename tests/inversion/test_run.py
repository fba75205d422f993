"""Inversions of a small store: what is written, what is read, and going on after a stop."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from co2net_phys.data.schema import CO2, STATION_CO2
from co2net_phys.data.stations import split_stations
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError, UsageError
from co2net_phys.inversion.experiment import Inversion
from co2net_phys.inversion.run import invert
from co2net_phys.inversion.settings import InversionSettings

DAY = 86400.0
COMMON = {"truncation": 8, "initial_length": 3e6, "factor_length": 4e6, "window": DAY}
VARIATIONAL = InversionSettings(**COMMON, iterations=2)
ENSEMBLE = InversionSettings(
    **COMMON, method="letkf", factors="gridded", members=6, observation_window=2 * DAY
)
ATTRIBUTES = {
    "title": "a test", "co2phys_configuration": "{}", "co2phys_input_sha256": "{}",
    "co2phys_version": "0", "co2phys_git_commit": "0", "co2phys_libraries": "{}", "id": "1",
}  # fmt: skip


@pytest.fixture(scope="module")
def store(small_world):
    return TrainingStore(small_world(frames=120), "world.nc", need_target=False)


def inversion(store, settings, **options):
    training, held_out = split_stations(store.stations, 0, 6)
    frames = np.arange(80, 101)
    return Inversion(store, settings, frames, training, held_out, spin_up=8, **options)


def written(path):
    with xr.open_dataset(path) as data:
        return data.load()


@pytest.mark.parametrize(
    "settings",
    [VARIATIONAL, replace(VARIATIONAL, members=2, flux_period=DAY / 2), ENSEMBLE],
    ids=["4dvar", "4dvar of several", "letkf"],
)
def test_what_is_written(store, settings, tmp_path):
    pieces = []
    subject = inversion(store, settings)
    found = invert(subject, tmp_path / "a.nc", attributes=ATTRIBUTES, progress=pieces.append)
    data = written(tmp_path / "a.nc")
    assert np.array_equal(data.time.values, store.times.values[80:101])
    several = settings.members > 0
    names = {CO2, "co2s_prior", "co2_flux", "co2_flux_prior", "flux_factor", "flux_factor_prior"}
    errors = {"co2s_standard_error", "flux_factor_standard_error"}
    found_names = {name for name in data.data_vars if not name.endswith("_bnds")}
    assert found_names == (names | errors if several else names)
    assert data["flux_factor"].dims == ("time", "component", "region")
    assert all(np.isfinite(data[name]).all() for name in found_names if "factor" not in name)
    assert list(data.component_name.values) == ["fossil", "biosphere", "ocean", "fires"]
    by_name = data.flux_factor.set_index(component="component_name", region="region_name")
    assert np.isfinite(by_name.sel(component="fires", region="africa")).all()
    assert pieces == sorted(pieces)
    assert pieces[-1] == len(subject.spans) * subject.pieces
    assert len(found["windows"]) == len(subject.spans)
    posterior = found["stations"]["training"]["posterior"]
    assert posterior["rmse"] < found["stations"]["training"]["prior"]["rmse"]
    assert posterior["n"] == 21 * 6
    json.dumps(found)


def test_the_gridded_co2_and_the_held_out_reports_change_nothing(store, small_world, tmp_path):
    data = small_world(frames=120)
    data[CO2] = data[CO2] + 50
    held_out = [station.code for station in split_stations(store.stations, 0, 6)[1]]
    hidden = np.isin(data["station_code"].values, held_out)
    data[STATION_CO2].values[:, hidden] = 500.0
    other = TrainingStore(data, "world.nc")
    for name, source in (("a.nc", store), ("b.nc", other)):
        invert(inversion(source, ENSEMBLE), tmp_path / name, attributes=ATTRIBUTES)
    assert (
        written(tmp_path / "a.nc").drop_attrs().identical(written(tmp_path / "b.nc").drop_attrs())
    )


@pytest.mark.parametrize("settings", [VARIATIONAL, ENSEMBLE], ids=["4dvar", "letkf"])
def test_a_run_that_stopped_goes_on_to_the_same_result(store, settings, tmp_path):
    whole, part = tmp_path / "whole.nc", tmp_path / "part.nc"
    expected = invert(inversion(store, settings), whole, attributes=ATTRIBUTES)
    subject = inversion(store, settings)

    def stop(done):
        if done > 2 * subject.pieces:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        invert(subject, part, attributes=ATTRIBUTES, progress=stop)
    with pytest.raises(DataError, match="unfinished run"):
        invert(inversion(store, settings), part, attributes=ATTRIBUTES)
    found = invert(inversion(store, settings), part, attributes=ATTRIBUTES, resume=True)
    assert found == expected
    assert part.read_bytes() == whole.read_bytes()
    assert invert(inversion(store, settings), part, attributes=ATTRIBUTES, resume=True) is None
    changed = {**ATTRIBUTES, "co2phys_configuration": '{"seed": 1}'}
    with pytest.raises(UsageError, match="cannot be resumed"):
        invert(inversion(store, settings), part, attributes=changed, resume=True)


def test_windows_share_their_ends_and_no_report_counts_twice(store):
    subject = inversion(store, VARIATIONAL)
    assert subject.spans == [(72, 80, 80), (80, 88, 88), (88, 96, 96), (96, 100, 100)]
    first, second = subject.window(0), subject.window(1)
    assert torch.isfinite(first.observations.values).all()
    assert torch.isnan(second.observations.values[0]).all()
    overlapping = inversion(store, ENSEMBLE)
    assert overlapping.spans == [(72, 80, 88), (80, 88, 96), (88, 96, 100), (96, 100, 100)]
    assert overlapping.window(0).observations.repeats == 2 * 8


@pytest.mark.parametrize("settings", [VARIATIONAL, ENSEMBLE], ids=["4dvar", "letkf"])
def test_a_plan_tells_sizes_and_writes_nothing(store, settings, tmp_path):
    subject = inversion(store, settings)
    plan = subject.plan()
    assert plan["windows"] == 4
    assert plan["observations"] == 29 * 6
    assert plan["steps"] == sum(f - s for s, _, f in subject.spans) * 2
    assert plan["expected_seconds"] > 0
    if settings.method == "4dvar":
        assert plan["control_size"] == 81 + 4 * 8


def test_a_baseline_gives_the_first_guess(small_world):
    store = TrainingStore(small_world(frames=120), "world.nc")
    settings = InversionSettings(**COMMON, first_guess="climatology-offset")
    subject = inversion(store, settings)
    field = subject.transport.harmonics.to_nodal(subject.begin()["field"])
    uniform = inversion(store, VARIATIONAL).begin()["field"]
    assert float(field.std()) > 1.0
    assert float(subject.transport.harmonics.to_nodal(uniform).std()) < 1e-9


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prior": {"volcanoes": 1.0}}, "no flux is called 'volcanoes'"),
        ({"method": "letkf", "members": 5}, "no place to localise"),
        ({"method": "letkf", "factors": "gridded", "members": 1}, "a spread needs two or more"),
        ({"members": 1}, "a spread needs two or more"),
        ({"observation_window": 2 * DAY}, "no effect with 4dvar"),
    ],
)
def test_settings_that_make_no_sense_are_refused(store, options, words):
    with pytest.raises(UsageError, match=words):
        inversion(store, InversionSettings(**{**COMMON, **options}))
