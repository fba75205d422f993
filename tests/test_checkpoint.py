import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from co2net_phys import checkpoint
from co2net_phys.checkpoint import (
    METADATA,
    TRAINING,
    WEIGHTS,
    find_checkpoint,
    load_model,
    load_training,
    previous,
    save_checkpoint,
)
from co2net_phys.data.schema import AUXILIARIES, CO2
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import Windows
from co2net_phys.distributed import Team
from co2net_phys.errors import Co2physError, DataError
from co2net_phys.model import CO2Net, CO2NetConfig
from co2net_phys.preparation import fit_background
from co2net_phys.run_folder import append_log, read_log
from co2net_phys.training_state import restore_state, state_tensors

CONFIG = CO2NetConfig(
    size="XS", frames=2, grid=(18, 24), statistics=dict.fromkeys((CO2, *AUXILIARIES), (3.0, 2.0))
)


def model(seed, background=None):
    torch.manual_seed(seed)
    return CO2Net(CONFIG, background).eval()


def same(one, other):
    parts = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in parts)


@pytest.fixture
def folder(tmp_path):
    """Two checkpoints: numbers 1 (the one before) and 2."""
    place = tmp_path / "runs" / "last"
    for number in (1, 2):
        save_checkpoint(place, model(number), {"number": number}, {"random": torch.arange(number)})
    return place


@pytest.mark.parametrize("background", ["none", "climatology-kriging", "station-mean"])
def test_a_loaded_model_gives_the_same_bits(tmp_path, small_world, background):
    store = TrainingStore(small_world(60), "w")
    windows = Windows(store, torch.arange(20, 24).numpy(), torch.arange(6).numpy(), 2)
    first = fit_background(background, store, windows.ends, windows.stations, 2)
    original = model(3, first)
    torch.nn.init.normal_(next(iter(original.heads.parameters())), std=0.1)
    save_checkpoint(tmp_path / "m", original, {})
    loaded, _ = load_model(tmp_path / "m")
    assert not loaded.training
    batch = windows.batch([0, 3])
    with torch.no_grad():
        assert torch.equal(loaded(batch).fields[CO2], original(batch).fields[CO2])


def test_training_state_comes_back(folder):
    weights, tensors, metadata = load_training(folder)
    assert torch.equal(tensors["random"], torch.arange(2))
    assert metadata["number"] == 2
    assert all(torch.equal(weights[key], value) for key, value in model(2).state_dict().items())


def test_an_optimiser_comes_back():
    network, step = model(0), torch.tensor(1.0)
    module = torch.nn.ModuleDict({"model": network})
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.1)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter) * step
    optimiser.step()
    other = torch.optim.AdamW(network.parameters(), lr=0.1)
    tensors = state_tensors(module, optimiser, Team())
    network.zero_grad()
    restore_state(module, other, Team(), network.state_dict(), tensors)
    assert other.state_dict()["state"].keys() == optimiser.state_dict()["state"].keys()
    for index, moments in optimiser.state_dict()["state"].items():
        for name, value in moments.items():
            assert torch.equal(other.state_dict()["state"][index][name], value)


def test_there_is_no_pickle_in_a_checkpoint(folder):
    assert {path.name for path in folder.iterdir()} == {WEIGHTS, TRAINING, METADATA}
    json.loads((folder / METADATA).read_text())
    for name in (WEIGHTS, TRAINING):
        content = (folder / name).read_bytes()
        length = int.from_bytes(content[:8], "little")
        assert isinstance(json.loads(content[8 : 8 + length]), dict), "safetensors: length, JSON"
        assert content[:1] != b"\x80" and content[:2] != b"PK"


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


DAMAGE = {
    "flipped bit": lambda place: flip(place / WEIGHTS),
    "truncated": lambda place: os.truncate(place / WEIGHTS, 5000),
    "empty": lambda place: os.truncate(place / WEIGHTS, 0),
    "no weights": lambda place: (place / WEIGHTS).unlink(),
    "half the JSON": lambda place: os.truncate(place / METADATA, 50),
    "JSON of another kind": lambda place: (place / METADATA).write_text("[]"),
    "no checksums": lambda place: edit(place / METADATA, sha256={}),
    "wrong model": lambda place: edit(place / METADATA, model={"size": "XXL"}),
    "no model": lambda place: edit(place / METADATA, model=None),
    "unknown background": lambda place: edit(place / METADATA, background={"name": "magic"}),
    "nothing there": shutil.rmtree,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_checkpoint_is_replaced_by_the_one_before(folder, caplog, damage):
    damage(folder)
    loaded, metadata = load_model(folder)
    assert metadata["number"] == 1
    assert same(loaded, model(1))
    (warning,) = caplog.records
    assert warning.levelname == "WARNING"
    assert str(folder) in warning.getMessage()
    assert find_checkpoint(folder.parent) == folder


def test_nothing_readable_is_an_error(folder):
    for place in (folder, previous(folder)):
        flip(place / WEIGHTS)
    with pytest.raises(DataError, match=r"last: not a readable checkpoint .*checksum"):
        load_model(folder)


def test_best_is_preferred_and_no_checkpoint_is_an_error(folder):
    save_checkpoint(folder.parent / "best", model(5), {"number": 5})
    assert find_checkpoint(folder.parent).name == "best"
    assert find_checkpoint(folder) == folder
    with pytest.raises(DataError, match="no checkpoint here"):
        find_checkpoint(folder.parent.parent)


@pytest.mark.parametrize("stage", range(12))
@pytest.mark.parametrize("how", [KeyboardInterrupt, OSError])
def test_dying_at_any_stage_leaves_a_checkpoint(folder, monkeypatch, stage, how):
    """Every call that touches the disk is, in turn, the one that never returns."""
    calls = 0

    def guarded(function):
        def call(*arguments, **options):
            nonlocal calls
            calls += 1
            if calls == stage + 1:
                raise how(28, "No space left on device") if how is OSError else how
            return function(*arguments, **options)

        return call

    monkeypatch.setattr(checkpoint, "save_file", guarded(checkpoint.save_file))
    monkeypatch.setattr(os, "fsync", guarded(os.fsync))
    for name in ("mkdir", "write_text", "rename"):
        monkeypatch.setattr(Path, name, guarded(getattr(Path, name)))
    expected = DataError if how is OSError else how
    try:
        save_checkpoint(folder, model(3), {"number": 3})
        assert stage >= calls, "the failure was swallowed"
        numbers = {3}
    except (Co2physError, KeyboardInterrupt) as error:
        assert isinstance(error, expected)
        numbers = {1, 2} if calls > 8 else {2}
    monkeypatch.undo()
    loaded, metadata = load_model(folder)
    assert metadata["number"] in numbers
    assert same(loaded, model(metadata["number"]))
    assert not list(folder.parent.glob("*.tmp-*"))


def test_a_full_disk_is_one_line(tmp_path):
    """The weights are written by a library with errors of its own."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        save_checkpoint(tmp_path / "file" / "last", model(1), {})


def strict(text):
    def refuse(name):
        raise ValueError(name)

    return json.loads(text, parse_constant=refuse)


def test_metadata_and_log_are_json_for_every_reader(tmp_path):
    best = {"best": float("inf"), "path": tmp_path}
    save_checkpoint(tmp_path / "m", model(1), {"progress": best, "rmse": float("nan")})
    content = strict((tmp_path / "m" / METADATA).read_text())
    assert (content["progress"]["best"], content["rmse"]) == (None, None)
    assert load_model(tmp_path / "m")[1]["progress"]["path"] == str(tmp_path)
    append_log(tmp_path, {"epoch": 1, "loss": float("nan")})
    append_log(tmp_path, {"epoch": 2, "loss": 0.5})
    rows = [strict(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows == read_log(tmp_path) == [{"epoch": 1, "loss": None}, {"epoch": 2, "loss": 0.5}]


def test_an_error_without_words_is_still_one_line(folder, monkeypatch):
    def fail(*arguments):
        raise RuntimeError

    monkeypatch.setattr(checkpoint, "load_file", fail)
    with pytest.raises(DataError, match=r"not a readable checkpoint \(RuntimeError\)"):
        load_model(folder)


def test_the_current_folder_is_a_place_to_look(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="no checkpoint here"):
        find_checkpoint(Path("."))
