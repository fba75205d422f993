import functools
import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from co2net_phys import checkpoint, checkpoint_contents
from co2net_phys.checkpoint import (
    METADATA,
    TRAINING,
    WEIGHTS,
    find_checkpoint,
    kept,
    load_metadata,
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


@functools.cache
def model(seed):
    return make(seed)


def make(seed, background=None):
    torch.manual_seed(seed)
    return CO2Net(CONFIG, background).eval()


def same(one, other):
    parts = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in parts)


def metadata_of(number):
    """What tells a checkpoint from others."""
    return {"number": number, "progress": {"epoch": number, "batch": 0, "best": None}}


def write(place, number, **options):
    save_checkpoint(place, model(number), metadata_of(number), **options)


def number_in(place):
    """Number of the checkpoint that is read, whose weights are all its own."""
    loaded, metadata = load_model(place)
    assert same(loaded, model(metadata["number"]))
    return metadata["number"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Two checkpoints: numbers 1 (the one before) and 2."""
    place = tmp_path_factory.mktemp("written") / "last"
    for number in (1, 2):
        write(place, number)
    return place


@pytest.fixture
def folder(written, tmp_path):
    """A copy of them."""
    shutil.copytree(written.parent, tmp_path / "runs")
    return tmp_path / "runs" / "last"


def state(network):
    """Training tensors of a network that was never trained."""
    module = torch.nn.ModuleDict({"model": network})
    return state_tensors(module, torch.optim.AdamW(network.parameters()), Team())


@pytest.mark.parametrize("background", ["none", "climatology-kriging", "station-mean"])
def test_a_loaded_model_gives_the_same_bits(tmp_path, small_world, background):
    store = TrainingStore(small_world(60), "w")
    windows = Windows(store, torch.arange(20, 24).numpy(), torch.arange(6).numpy(), 2)
    first = fit_background(background, store, windows.ends, windows.stations, 2)
    original = make(3, first)
    torch.nn.init.normal_(next(iter(original.heads.parameters())), std=0.1)
    save_checkpoint(tmp_path / "m", original, {})
    loaded, _ = load_model(tmp_path / "m")
    assert not loaded.training
    batch = windows.batch([0, 3])
    with torch.no_grad():
        assert torch.equal(loaded(batch).fields[CO2], original(batch).fields[CO2])


def test_training_state_comes_back(tmp_path):
    given = state(model(2))
    save_checkpoint(tmp_path / "last", model(2), metadata_of(2), given)
    weights, tensors, metadata = load_training(tmp_path / "last")
    assert tensors.keys() == given.keys()
    assert all(torch.equal(tensors[name], value) for name, value in given.items())
    assert metadata["number"] == 2
    assert all(torch.equal(weights[key], value) for key, value in model(2).state_dict().items())


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("optimiser.model.probe.bias/exp_avg", None, "no tensor 'optimiser.model.probe.bias/exp"),
        ("optimiser.model.probe.bias/exp_avg", torch.zeros(3), r"is F32 \[3\], not F32 \[432\]"),
        ("optimiser.model.probe.bias/exp_avg_sq", torch.zeros(432).double(), "is F64"),
        ("optimiser.model.probe.bias/step", torch.zeros(432), r"not F32 \[\]"),
        ("optimiser.model.../../etc/exp_avg", torch.zeros(1), "no place in this network"),
        ("random.cpu.0", None, "no tensor 'random.cpu.0'"),
        ("random.cpu.0", torch.zeros(5056, dtype=torch.uint8), "no state of a random generator"),
        ("random.cpu.1", torch.zeros(2**17, dtype=torch.uint8), "no place"),
        ("random.cpu.1", torch.zeros(5056), "no place"),
        ("objective.uncertainty.wind", torch.zeros(2), "no place"),
        ("average.probe.bias", torch.zeros(432), "no place"),
    ],
)
def test_a_training_state_of_another_kind_is_refused(tmp_path, name, value, said):
    given = state(model(2))
    given.pop(name, None)
    if value is not None:
        given[name] = value
    save_checkpoint(tmp_path / "last", model(2), metadata_of(2), given)
    with pytest.raises(DataError, match=said):
        load_training(tmp_path / "last")


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


def test_there_is_no_pickle_in_a_checkpoint(tmp_path):
    folder = tmp_path / "last"
    save_checkpoint(folder, model(2), metadata_of(2), state(model(2)))
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
    assert number_in(folder) == 1
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


STAGES = 16
"""More calls that touch the disk than one checkpoint takes; see the test below."""


def die_at(monkeypatch, stage, how):
    """Let every call that touches the disk be counted, and the one after `stage` fail."""
    calls = [0]

    def guarded(function):
        def call(*arguments, **options):
            calls[0] += 1
            if calls[0] == stage + 1:
                raise how(28, "No space left on device") if how is OSError else how
            return function(*arguments, **options)

        return call

    for place, name in (
        (checkpoint, "save_file"), (checkpoint, "remove"), (os, "fsync"),
        (Path, "mkdir"), (Path, "write_text"), (Path, "rename"),
    ):  # fmt: skip
        monkeypatch.setattr(place, name, guarded(getattr(place, name)))
    return calls


@pytest.mark.parametrize("stage", range(STAGES))
@pytest.mark.parametrize(("how", "damaged"), [(KeyboardInterrupt, False), (OSError, True)])
def test_dying_at_any_stage_loses_nothing(folder, monkeypatch, stage, how, damaged):
    """Neither the last checkpoint nor, where that is damaged, the one before."""
    if damaged:
        flip(folder / WEIGHTS)
    with monkeypatch.context() as patch:
        calls = die_at(patch, stage, how)
        try:
            write(folder, 3)
            assert stage >= calls[0], "the failure was swallowed"
            expected = {3}
        except (Co2physError, KeyboardInterrupt) as error:
            assert isinstance(error, DataError if how is OSError else how)
            expected = {1 if damaged else 2, 3}
        assert calls[0] < STAGES, "there are more stages to die at"
    assert number_in(folder) in expected
    write(folder, 4)
    assert number_in(folder) == 4
    assert {path.name for path in folder.parent.iterdir()} == {"last", "last.previous"}


@pytest.mark.parametrize("keep", [2, 3, 4])
def test_as_many_are_kept_as_asked_for_also_after_a_gap(tmp_path, keep):
    place = tmp_path / "last"
    for number in range(1, 6):
        write(place, number, keep=4)
    shutil.rmtree(previous(place))  # as between two renames of a process that was killed
    assert [path.name for path in kept(place)] == ["last", "last.previous-2", "last.previous-3"]
    flip(place / WEIGHTS)
    assert number_in(place) == 3
    write(place, 6, keep=keep)
    numbers = [json.loads((path / METADATA).read_text())["number"] for path in kept(place)]
    assert numbers == [6, 5, 3, 2][:keep]
    assert number_in(place) == 6


def test_what_a_killed_process_left_is_removed(folder):
    left = folder.with_name(f"{folder.name}.tmp-99999999")
    shutil.copytree(folder, left)
    other = folder.with_name("last.tmp-mine")
    other.mkdir()
    write(folder, 3)
    assert not left.exists() and other.exists()


def test_weights_that_are_not_finite_give_way_to_the_ones_before(folder, caplog):
    diverged = make(3)
    with torch.no_grad():
        next(iter(diverged.experts.parameters()))[0] = torch.nan
    save_checkpoint(folder, diverged, metadata_of(3))
    assert number_in(folder) == 2
    assert "not finite" in caplog.text


def test_what_is_missing_is_named_where_it_is_asked_for(tmp_path):
    save_checkpoint(tmp_path / "m", model(1), {"config": {"size": "XS"}})
    for metadata in (load_model(tmp_path / "m")[1], load_metadata(tmp_path / "m")):
        with pytest.raises(
            DataError, match=r"metadata\.json: no 'split'; give the folder of a run"
        ):
            metadata["split"]
        with pytest.raises(DataError, match=r"no 'seed'"):
            metadata["config"]["seed"]
        assert metadata["config"]["size"] == "XS" and metadata.get("split") is None


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
    progress = {"epoch": 0, "batch": 3, "best": float("inf")}
    extra = {"rmse": float("nan"), "path": tmp_path}
    save_checkpoint(tmp_path / "m", model(1), {"progress": progress, **extra})
    content = strict((tmp_path / "m" / METADATA).read_text())
    assert (content["progress"]["best"], content["rmse"]) == (None, None)
    assert load_model(tmp_path / "m")[1]["path"] == str(tmp_path)
    append_log(tmp_path, {"epoch": 1, "loss": float("nan")})
    append_log(tmp_path, {"epoch": 2, "loss": 0.5})
    rows = [strict(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows == read_log(tmp_path) == [{"epoch": 1, "loss": None}, {"epoch": 2, "loss": 0.5}]


def test_an_error_without_words_is_still_one_line(folder, monkeypatch):
    def fail(*arguments):
        raise RuntimeError

    monkeypatch.setattr(checkpoint_contents, "load_file", fail)
    with pytest.raises(DataError, match=r"not a readable checkpoint \(RuntimeError\)"):
        load_model(folder)


def test_the_current_folder_is_a_place_to_look(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="no checkpoint here"):
        find_checkpoint(Path("."))
