"""Deep ensembles: what members say together, and how little memory they need."""

import gc
import json
import shutil
import weakref

import numpy as np
import pytest
import torch
import xarray as xr

from co2net_phys import ensemble as module
from co2net_phys.checkpoint import METADATA, load_model, save_checkpoint
from co2net_phys.data.schema import CO2, standard_error_name
from co2net_phys.data.splits import block_split
from co2net_phys.data.statistics import field_statistics
from co2net_phys.data.store import TrainingStore
from co2net_phys.ensemble import Ensemble, find_checkpoints, member_folder
from co2net_phys.errors import DataError, NumericalError
from co2net_phys.model import CO2Net, CO2NetConfig
from co2net_phys.preparation import chosen_stations
from co2net_phys.reconstruct import output_variables, reconstruct, windows_of, write_records

ERROR = standard_error_name(CO2)


@pytest.fixture(scope="module")
def store(small_world):
    return TrainingStore(small_world(), "world.nc")


def save_member(store, place, seed, **options):
    """A network that was never trained, with an uneven standard error if it states one."""
    torch.manual_seed(seed)
    model = CO2Net(
        CO2NetConfig(
            size="XS", frames=4, grid=store.shape, auxiliaries=store.auxiliaries,
            statistics=field_statistics(store, np.arange(100)), **options,
        )
    )  # fmt: skip
    if model.variance_head is not None:
        torch.nn.init.normal_(model.variance_head[-1].weight, std=0.05)
        torch.nn.init.constant_(model.variance_head[-1].bias, -4.0)  # as small as members differ
    train, held_out = chosen_stations(store, 72, 0)
    metadata = {
        "split": block_split(store, 4),
        "config": {"size": "XS", "seed": seed},
        "training_stations": [station.code for station in train],
        "held_out_stations": [station.code for station in held_out],
        "latitude": store.latitude.tolist(),
        "longitude": store.longitude.tolist(),
    }
    save_checkpoint(place, model, metadata)


@pytest.fixture(scope="module")
def run(store, tmp_path_factory):
    """Three members that state a standard error."""
    folder = tmp_path_factory.mktemp("run")
    for number in (1, 2, 3):
        save_member(store, member_folder(folder, number) / "best", number, predict_variance=True)
    return folder


def windows_for(ensemble, store):
    return windows_of(ensemble.first, ensemble.metadata, store, "test")


def member_fields(run, store):
    """Mean and standard error of each member, (M, n, H, W), straight from the networks."""
    found = []
    for number in (1, 2, 3):
        model, metadata = load_model(member_folder(run, number) / "best")
        batch = next(windows_of(model, metadata, store, "test").batches(1000))
        with torch.no_grad():
            fields = model(batch).fields
        found.append([fields[name][:, 0].double().numpy() for name in (CO2, ERROR)])
    return np.moveaxis(np.array(found), 1, 0)


def test_members_are_found_in_the_order_of_their_numbers(run, tmp_path):
    assert find_checkpoints(run) == [run / f"member-0{n}" / "best" for n in (1, 2, 3)]
    assert find_checkpoints(run / "member-02") == [run / "member-02" / "best"]
    assert member_folder(run, 11).name == "member-11"
    for number in (100, 9, 10):
        shutil.copytree(run / "member-01", tmp_path / f"member-{number:02d}")
    (tmp_path / "member-notes").mkdir()
    (tmp_path / "member-03").write_text("a file")
    names = [place.parent.name for place in find_checkpoints(tmp_path)]
    assert names == ["member-09", "member-10", "member-100"]
    (tmp_path / "member-02").mkdir()
    with pytest.raises(DataError, match=r"member-02: no checkpoint"):
        find_checkpoints(tmp_path)
    with pytest.raises(DataError, match="no checkpoint"):
        find_checkpoints(tmp_path / "nowhere")


@pytest.mark.parametrize("turn", [11, 10**6])
def test_the_variance_is_the_mean_of_variances_plus_the_variance_of_means(
    run, store, monkeypatch, turn
):
    monkeypatch.setattr(module, "MEMORY_BYTES", turn * 3 * 8 * 18 * 24)
    ensemble = Ensemble(find_checkpoints(run))
    windows, heard = windows_for(ensemble, store), []
    found = list(ensemble.records(windows, 7, progress=heard.append))
    means, errors = member_fields(run, store)
    assert [frame for frame, _ in found] == windows.ends.tolist()
    assert heard == list(range(1, 3 * len(windows) + 1))
    got = {name: np.stack([fields[name] for _, fields in found]) for name in ensemble.names}
    np.testing.assert_allclose(got[CO2], means.mean(axis=0), rtol=1e-6)
    variance = (errors**2).mean(axis=0) + means.var(axis=0)
    np.testing.assert_allclose(got[ERROR], np.sqrt(variance), rtol=2e-4)
    assert means.var(axis=0).mean() > 0.01 * variance.mean(), "both parts matter"
    assert got[ERROR].dtype == np.float32


def test_members_without_a_stated_error_have_the_spread_of_their_means(store, tmp_path):
    for number in (1, 2):
        save_member(store, member_folder(tmp_path, number) / "best", number)
    pair = Ensemble(find_checkpoints(tmp_path))
    assert pair.names == (CO2, ERROR)
    windows = windows_for(pair, store)
    singles = [Ensemble([place]) for place in pair.checkpoints]
    assert all(single.names == (CO2,) for single in singles)
    both, one, other = (list(e.records(windows, 50)) for e in (pair, *singles))
    for (_, merged), (_, first), (_, second) in zip(both, one, other, strict=True):
        half = np.abs(first[CO2] - second[CO2]) / 2
        np.testing.assert_allclose(merged[ERROR], half, atol=1e-4)
        assert set(first) == {CO2}


def test_one_member_says_what_its_network_says(run, store, tmp_path):
    single = Ensemble([run / "member-01" / "best"])
    assert single.names == (CO2, ERROR)
    windows = windows_for(single, store)
    write_records(
        single.records(windows, 8), windows, tmp_path / "a.nc", single.names, attributes={}
    )
    reconstruct(single.first, windows, tmp_path / "b.nc", attributes={}, names=single.names)
    with xr.open_dataset(tmp_path / "a.nc") as a, xr.open_dataset(tmp_path / "b.nc") as b:
        np.testing.assert_array_equal(a[CO2], b[CO2])
        np.testing.assert_allclose(a[ERROR], b[ERROR], rtol=1e-6)


@pytest.mark.slow
def test_there_is_never_more_than_one_network_in_memory(run, store, monkeypatch):
    alive, most = weakref.WeakSet(), []

    def counting(place):
        gc.collect()
        most.append(len(alive))
        model, metadata = load_model(place)
        alive.add(model)
        return model, metadata

    monkeypatch.setattr(module, "load_model", counting)
    monkeypatch.setattr(module, "MEMORY_BYTES", 16 * 3 * 8 * 18 * 24)
    ensemble = Ensemble(find_checkpoints(run))
    windows = windows_for(ensemble, store)
    for _ in ensemble.records(windows, 4):
        pass
    turns = -(-len(windows) // 16)
    assert turns > 1 and len(most) >= 3 * turns
    assert max(most) == 0, "the one before is gone when the next is loaded"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("training_stations", ["c0"]),
        ("split", {}),
        ("latitude", [0.0]),
        ("frames", 6),
        ("predict_variance", False),
        ("target_variable", "ps"),
    ],
)
def test_a_member_of_another_kind_is_refused(run, tmp_path, monkeypatch, name, value):
    shutil.copytree(run, tmp_path / "run")

    def alien(place):
        model, metadata = load_model(place)
        if place.parent.name == "member-02":
            where = metadata["model"] if name in metadata["model"] else metadata
            where[name] = value
        return model, metadata

    monkeypatch.setattr(module, "load_model", alien)
    words = rf"member-02.best: {name.replace('_', ' ')} differs from .*member-01"
    with pytest.raises(DataError, match=words) as caught:
        Ensemble(find_checkpoints(tmp_path / "run"))
    assert "\n" not in str(caught.value)


def test_a_damaged_member_is_found_before_any_work(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "member-03" / "best" / "model.safetensors").write_bytes(b"")
    with pytest.raises(DataError, match=r"member-03.best: not a readable checkpoint"):
        Ensemble(find_checkpoints(tmp_path / "run"))


def test_members_from_before_the_new_options_can_be_merged(run, store, tmp_path):
    for number in (1, 2):
        place = member_folder(tmp_path, number) / "best"
        save_member(store, place, number)
        metadata = json.loads((place / METADATA).read_text())
        del metadata["model"]["predict_variance"], metadata["model"]["target_variable"]
        (place / METADATA).write_text(json.dumps(metadata))
    assert Ensemble(find_checkpoints(tmp_path)).names == (CO2, ERROR)


def test_a_field_that_is_not_finite_stops_the_work(run, store, tmp_path, monkeypatch):
    def broken(place):
        model, metadata = load_model(place)
        torch.nn.init.constant_(model.heads["all"][-1].bias, float("nan"))
        return model, metadata

    monkeypatch.setattr(module, "load_model", broken)
    ensemble = Ensemble(find_checkpoints(run))
    windows = windows_for(ensemble, store)
    with pytest.raises(NumericalError, match="not finite"):
        write_records(
            ensemble.records(windows, 8), windows, tmp_path / "a.nc", ensemble.names, attributes={}
        )
    assert not list(tmp_path.iterdir())


def test_the_file_describes_the_error_by_the_rules_of_cf():
    described = output_variables((CO2, ERROR))
    name = "mole_fraction_of_carbon_dioxide_in_air"
    assert described[CO2].attributes["ancillary_variables"] == ERROR
    assert described[ERROR].attributes["standard_name"] == f"{name} standard_error"
    assert described[ERROR].attributes["units"] == described[CO2].attributes["units"]
    assert "ancillary_variables" not in output_variables((CO2,))[CO2].attributes
    kelvin = output_variables(("tas", "tas_standard_error"))
    assert kelvin["tas"].attributes["units_metadata"] == "temperature: on_scale"
    assert kelvin["tas_standard_error"].attributes["units_metadata"] == "temperature: difference"


@pytest.mark.parametrize(
    ("methods", "expected"), [("", "point"), ("area: mean time: mean", "mean")]
)
def test_means_over_time_stay_means_over_time(run, small_world, tmp_path, methods, expected):
    data = small_world()
    data[CO2].attrs["cell_methods"] = methods
    store = TrainingStore(data, "w")
    single = Ensemble([run / "member-01" / "best"])
    windows = windows_for(single, store)
    write_records(
        single.records(windows, 8), windows, tmp_path / "a.nc", single.names, attributes={}
    )
    with xr.open_dataset(tmp_path / "a.nc") as file:
        for name in single.names:
            assert file[name].attrs["cell_methods"] == f"time: {expected}"
