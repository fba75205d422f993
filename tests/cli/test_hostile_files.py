"""Checkpoints made by a stranger: one line, nothing executed, nothing made large, nothing written.

Every checksum is put right after the damage, as whoever makes such a file would do.
"""

import hashlib
import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from co2net_phys.checkpoint import METADATA, TRAINING, WEIGHTS
from co2net_phys.checkpoint_contents import LARGEST_METADATA

pytestmark = pytest.mark.slow

OPTIONS = """
size: XS
model: {frames: 2, connection: none}
epochs: 1
windows_per_epoch: 4
background: none
device: cpu
average: 0.9
learned_weights: true
"""


def train(co2phys, world, *words):
    words = ("--config", "options.yaml", *words)
    return co2phys("train", "--data", world, "--output", "run", *words)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def run(trained, co2phys, world, tmp_path):
    """A run to damage, trained once; its large files are shared until they are replaced."""
    (tmp_path / "options.yaml").write_text(OPTIONS)
    if not (trained / "none").exists():
        assert train(co2phys, world).code == 0
        (tmp_path / "run").rename(trained / "none")
    return copied(trained / "none", tmp_path / "run")


def copied(source, target):
    shutil.copytree(source, target, copy_function=os.link)
    for path in target.glob("*/" + METADATA):
        replaced(path, path.read_bytes())
    return target


def replaced(path, content):
    path.unlink()
    path.write_bytes(content)


def seal(place):
    """Make the checksums those of the files as they are now."""
    metadata = json.loads((place / METADATA).read_text())
    for name in metadata["sha256"]:
        if (place / name).is_file():
            content = (place / name).read_bytes()
            metadata["sha256"][name] = hashlib.sha256(content).hexdigest()
    (place / METADATA).write_text(json.dumps(metadata))


def refused(done, *parts):
    """Exit code 3 and one line with all parts."""
    assert done.code == 3, (done.out, done.err)
    (line,) = done.err.splitlines()
    assert line.startswith("co2phys: error: ") and len(line) < 1000 and line.isprintable()
    assert "Traceback" not in done.err and "this is a bug" not in done.err
    assert done.out == ""
    for part in parts:
        assert part in line, line


def reconstruct(co2phys, world):
    return co2phys("reconstruct", "--checkpoint", "run", "--data", world, "--output", "r.nc")


def resume(co2phys, world):
    return train(co2phys, world, "--resume", "auto")


BOTH, CONTINUE = (reconstruct, resume), (resume,)


def both_refuse(co2phys, world, *parts, commands=BOTH):
    """Neither command takes the checkpoint, and neither changes anything."""
    before = {path: path.lstat().st_mtime_ns for path in Path().rglob("*")}
    for command in commands:
        refused(command(co2phys, world), *parts)
    assert {path: path.lstat().st_mtime_ns for path in Path().rglob("*")} == before


def test_the_same_run_unharmed_is_taken(co2phys, world, run):
    assert resume(co2phys, world).code == 0
    assert reconstruct(co2phys, world).code == 0


class Payload:
    """Makes a file called `executed` where it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("executed"),)


def pickled():
    return pickle.dumps({"weight": torch.ones(3), "payload": Payload()})


def torch_saved():
    torch.save(Payload(), "made.pt")
    return Path("made.pt").read_bytes()


def zipped():
    with zipfile.ZipFile("made.zip", "w") as archive:
        archive.writestr("../../executed", "a member that leads out of the folder")
        archive.writestr("/tmp/executed", "or anywhere")
    return Path("made.zip").read_bytes()


def test_the_payload_would_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickled())
    assert Path("executed").exists()


@pytest.mark.parametrize("name", [WEIGHTS, TRAINING, METADATA])
@pytest.mark.parametrize("make", [pickled, torch_saved, zipped])
def test_nothing_is_executed(co2phys, world, run, name, make):
    content = make()
    for place in run.iterdir():
        if (place / name).is_file():
            replaced(place / name, content)
            if name != METADATA:
                seal(place)
    commands = BOTH if name != TRAINING else CONTINUE
    both_refuse(co2phys, world, "run", "not a readable checkpoint", commands=commands)
    assert not list(Path().rglob("executed")) and not Path("/tmp/executed").exists()


def test_files_that_do_not_belong_are_left_alone(co2phys, world, run):
    for place in (run / "best", run / "last"):
        (place / "model.pkl").write_bytes(pickled())
        (place / "pytorch_model.bin").write_bytes(torch_saved())
    assert reconstruct(co2phys, world).code == 0
    assert not list(Path().rglob("executed"))


LENGTHS = [0, 1, 7, 8, 9, 100, 5000, "header", -1000, -1]
"""Within the length of the header, the header, at its end, and in the numbers."""


@pytest.mark.parametrize("length", LENGTHS)
def test_truncated_tensors(co2phys, world, run, length):
    for name, commands in ((WEIGHTS, BOTH), (TRAINING, CONTINUE)):
        for place in (run / "best", run / "last"):
            if (place / name).exists():
                content = (place / name).read_bytes()
                header = 8 + int.from_bytes(content[:8], "little")
                replaced(place / name, content[: header if length == "header" else length])
                seal(place)
        both_refuse(co2phys, world, "not a whole safetensors file", commands=commands)


@pytest.mark.parametrize("claimed", [2**63, 2**64 - 1, 2**40, 10**8 + 1, 0, 3])
def test_a_header_that_lies_about_its_length(co2phys, world, run, claimed):
    for place in (run / "best", run / "last"):
        content = (place / WEIGHTS).read_bytes()
        replaced(place / WEIGHTS, claimed.to_bytes(8, "little") + content[8:])
        seal(place)
    both_refuse(co2phys, world, WEIGHTS, "not a whole safetensors file")


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]},
        {"dtype": "OBJECT", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [2**32, 2**32], "data_offsets": [0, 4]},
        "../../../etc/passwd",
    ],
    ids=str,
)
def test_a_header_that_lies_about_its_tensors(co2phys, world, run, entry):
    header = json.dumps({"probe.bias": entry}).encode()
    for place in (run / "best", run / "last"):
        replaced(place / WEIGHTS, len(header).to_bytes(8, "little") + header + bytes(64))
        seal(place)
    both_refuse(co2phys, world, WEIGHTS, "not a whole safetensors file")


def without(name):
    return lambda tensors: tensors.pop(name)


def put(name, change):
    return lambda tensors: tensors.update({name: change(tensors.get(name))})


def not_finite(value):
    def change(tensor):
        tensor = tensor.clone()
        tensor[-1] = value
        return tensor

    return change


TENSORS = {
    "missing": (without("probe.bias"), "no tensor 'probe.bias'"),
    "extra": (put("backdoor", lambda _: torch.ones(3)), "'backdoor' has no place"),
    "a name that leads out": (put("../../x", lambda _: torch.ones(3)), "'../../x' has no place"),
    "a name that steers": (put("\x1b[31m\n", lambda _: torch.ones(3)), "has no place"),
    "flat": (put("probe.weight", torch.flatten), "'probe.weight' is F32 [82944]"),
    "turned": (put("probe.weight", lambda t: t.T.contiguous()), "is F32 [192, 432], not F32 [432"),
    "larger": (put("probe.bias", lambda t: torch.ones(10**6)), "[1000000], not F32 [432]"),
    "double": (put("probe.bias", torch.Tensor.double), "is F64 [432], not F32 [432]"),
    "half": (put("probe.bias", torch.Tensor.bfloat16), "is BF16"),
    "integers": (put("probe.bias", torch.Tensor.int), "is I32"),
    "complex": (put("probe.bias", lambda t: t.to(torch.complex64)), "is C64"),
    "NaN": (put("probe.weight", not_finite(float("nan"))), "'probe.weight' has values that are no"),
    "infinite": (put("probe.bias", not_finite(float("inf"))), "'probe.bias' has values that are n"),
}


@pytest.mark.parametrize(("change", "said"), TENSORS.values(), ids=TENSORS)
def test_tensors_of_another_network(co2phys, world, run, change, said):
    for place in (run / "best", run / "last"):
        tensors = load_file(place / WEIGHTS)
        change(tensors)
        (place / WEIGHTS).unlink()
        save_file(tensors, place / WEIGHTS)
        seal(place)
    both_refuse(co2phys, world, WEIGHTS, said)


MOMENT = "optimiser.model.probe.bias/exp_avg"
STATE = {
    "missing": (without(MOMENT), MOMENT),
    "wrong shape": (put(MOMENT, lambda t: t[:3].clone()), "is F32 [3], not F32 [432]"),
    "wrong type": (put(MOMENT, torch.Tensor.double), "is F64"),
    "extra": (put("optimiser.model.x/exp_avg", lambda _: torch.ones(3)), "has no place"),
    "no random state": (without("random.cpu.0"), "random.cpu.0"),
    "a made-up random state": (
        put("random.cpu.0", torch.zeros_like),
        "no state of a random generator",
    ),
    "no average": (without("average.probe.bias"), "average.probe.bias"),
    "steps": (put("average.steps", torch.Tensor.float), "average.steps"),
}


@pytest.mark.parametrize(("change", "said"), STATE.values(), ids=STATE)
def test_a_state_of_another_run(co2phys, world, run, change, said):
    tensors = load_file(run / "last" / TRAINING)
    change(tensors)
    (run / "last" / TRAINING).unlink()
    save_file(tensors, run / "last" / TRAINING)
    seal(run / "last")
    both_refuse(co2phys, world, TRAINING, said, commands=CONTINUE)


@pytest.mark.parametrize("name", [WEIGHTS, TRAINING, METADATA])
@pytest.mark.parametrize("kind", ["link", "broken link", "pipe", "folder", "zeros"])
def test_what_is_no_file(co2phys, world, run, tmp_path, name, kind):
    for place in (run / "best", run / "last"):
        path = place / name
        if not path.exists():
            continue
        secret = tmp_path / f"{place.name}-secret"
        path.rename(secret)
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        else:
            targets = {"link": secret, "broken link": "../../nowhere", "zeros": "/dev/zero"}
            path.symlink_to(targets[kind])
    commands = BOTH if name != TRAINING else CONTINUE
    both_refuse(co2phys, world, name, "is a link or no file at all", commands=commands)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", '"text"', "3", "null", "[" * 100_000, '{"model": NaN}', "\x00" * 50,
        '{"model": ' + "1" * 5000 + "}", b"\xff\xfe{}", "a: 1", " " * (LARGEST_METADATA + 1),
    ],
    ids=lambda text: repr(text[:12]),
)  # fmt: skip
def test_metadata_of_another_kind(co2phys, world, run, text):
    for place in (run / "best", run / "last"):
        (place / METADATA).write_bytes(text if isinstance(text, bytes) else text.encode())
    both_refuse(co2phys, world, "run", "not a readable checkpoint")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.99])
def test_truncated_metadata(co2phys, world, run, share):
    for place in (run / "best", run / "last"):
        text = (place / METADATA).read_text()
        (place / METADATA).write_text(text[: int(share * len(text))])
    both_refuse(co2phys, world, "run", "not a readable checkpoint")


GONE = object()
HUGE = 10**9
METADATA_CASES = [
    # entry, value, what is said
    ("sha256", GONE, "sha256"),
    ("sha256", [], "sha256"),
    ("sha256", {WEIGHTS: 3}, "sha256"),
    ("sha256", {}, "checksum"),
    ("sha256", {f"../best/{WEIGHTS}": "0" * 64}, "checksum"),
    ("sha256", {WEIGHTS: "0" * 64, TRAINING: "0" * 64}, "checksum"),
    ("model", GONE, "model"),
    ("model", None, "model"),
    ("model", [], "model"),
    ("model", {"size": "XS"}, "statistics"),
    ("architecture", "vit", "model."),
    ("architecture", "senseiver", "model."),
    ("architecture", "os.system", "architecture"),
    ("architecture", ["co2net"], "architecture"),
    ("model.size", "XXL", "model.size"),
    ("model.size", {"width": HUGE}, "model.size"),
    ("model.depth", HUGE, "model.depth"),
    ("model.__class__", "os.system", "__class__"),
    ("model.frames", HUGE, "model.frames"),
    ("model.frames", "8", "model.frames"),
    ("model.frames", 1.5, "model.frames"),
    ("model.frames", 90_000, "is F32"),
    ("model.frames", 4, "is F32"),
    ("model.grid", [HUGE, HUGE], "model.grid"),
    ("model.grid", [90_000, 96_000], "latitude"),
    ("model.grid", [18], "model.grid"),
    ("model.grid", "18x24", "model.grid"),
    ("model.patch", [0, 12], "model.patch"),
    ("model.patch", [-9, -12], "model.patch"),
    ("model.patch", [1, 1], "is F32"),
    ("model.patch", [18, 24], "is F32"),
    ("model.auxiliaries", ["../../etc/passwd"], "auxiliaries"),
    ("model.auxiliaries", ["ps"] * 10_000, "auxiliaries"),
    ("model.statistics", {"co2s": ["a", 1]}, "statistics"),
    ("model.statistics", {"co2s": [1e300, 0.0]}, "statistics"),
    ("model.frame_spacing_s", 1e300, "frame_spacing_s"),
    ("model.frame_spacing_s", -1.0, "frame_spacing_s"),
    ("model.dropout", 7, "dropout"),
    ("background", GONE, "background"),
    ("background", [], "background"),
    ("background", {"name": "os.system"}, "os.system"),
    ("background", {"name": "../../kriging"}, "kriging"),
    ("background", {"name": "station-mean", "command": "touch executed"}, "command"),
    ("background", {"name": "station-mean"}, "no tensor"),
    ("config", None, "config"),
    ("config", "size: XS", "config"),
    ("config.size", 3, "size"),
    ("config.seed", "x", "seed"),
    ("config.epochs", -1, "epochs"),
    ("config.model", [], "model"),
    ("config.average", [0.9], "average"),
    ("split", None, "split"),
    ("split", ["2010", "2011"], "split"),
    ("split.train", "2010", "split.train"),
    ("split.test", ["2010"], "split.test"),
    ("split.test", [1, 2], "split.test"),
    ("split.test", ["../..", "2010"], "'../..'"),
    ("split.test", ["2011", "2010"], "2010"),
    ("split.backdoor", ["2010", "2011"], "backdoor"),
    ("training_stations", None, "training_stations"),
    ("training_stations", "c0 c1", "training_stations"),
    ("training_stations", [0, 1], "training_stations"),
    ("training_stations", ["\x1b[2J"], "training_stations"),
    ("training_stations", ["c" * 10_000], "training_stations"),
    ("held_out_stations", {"c0": 1}, "held_out_stations"),
    ("latitude", ["a"] * 18, "latitude"),
    ("latitude", [0.0], "latitude"),
    ("longitude", {}, "longitude"),
    ("progress", None, "progress"),
    ("progress", [], "progress"),
    ("progress.epoch", -1, "progress.epoch"),
    ("progress.epoch", HUGE, "progress.epoch"),
    ("progress.epoch", "1", "progress.epoch"),
    ("progress.epoch", GONE, "progress.epoch"),
    ("progress.batch", 1.5, "progress.batch"),
    ("progress.batch", 10**30, "progress.batch"),
    ("progress.best", "low", "progress.best"),
    ("progress.sums", [1], "progress.sums"),
    ("progress.sums", {"wind": "x"}, "progress.sums"),
    ("progress.__class__", 1, "__class__"),
    ("provenance", "me", "provenance"),
    ("provenance.co2phys_input_sha256", "[", "not a readable checkpoint"),
    ("provenance.co2phys_input_sha256", "[]", "co2phys_input_sha256"),
]


def changed(metadata, where, value):
    *groups, last = where.split(".")
    table = metadata
    for group in groups:
        table = table[group]
    if value is GONE:
        del table[last]
    else:
        table[last] = value


def case_name(part):
    """The same in every process that collects."""
    return "gone" if part is GONE else str(part)[:30] if part else None


@pytest.mark.parametrize(("where", "value", "said"), METADATA_CASES, ids=case_name)
def test_metadata_with_a_wrong_entry(co2phys, world, run, where, value, said):
    for place in (run / "best", run / "last"):
        metadata = json.loads((place / METADATA).read_text())
        changed(metadata, where, value)
        (place / METADATA).write_text(json.dumps(metadata))
    read_by = {"model": (reconstruct,), "background": (reconstruct,), "progress": CONTINUE}
    commands = read_by.get(where.split(".")[0], BOTH)
    both_refuse(co2phys, world, "run", "not a readable checkpoint", said, commands=commands)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity"])
def test_numbers_in_metadata_are_finite(co2phys, world, run, number):
    for place in (run / "best", run / "last"):
        text = (place / METADATA).read_text().replace("400.0", number)
        (place / METADATA).write_text(text)
    both_refuse(co2phys, world, "not finite")


@pytest.mark.parametrize("name", ["split", "training_stations", "held_out_stations", "config"])
def test_metadata_without_an_entry(co2phys, world, run, name):
    for place in (run / "best", run / "last"):
        metadata = json.loads((place / METADATA).read_text())
        del metadata[name]
        (place / METADATA).write_text(json.dumps(metadata))
    commands = (reconstruct,) if name == "config" else BOTH
    both_refuse(co2phys, world, METADATA, f"no {name!r}", commands=commands)


def test_a_run_that_does_not_say_where_it_stopped(co2phys, world, run):
    metadata = json.loads((run / "last" / METADATA).read_text())
    del metadata["progress"]
    (run / "last" / METADATA).write_text(json.dumps(metadata))
    both_refuse(co2phys, world, METADATA, "no 'progress'", commands=CONTINUE)


@pytest.mark.parametrize(
    ("name", "value"),
    [("height", HUGE), ("slots", HUGE), ("harmonics", -5), ("width", "a"), ("lags", [HUGE])],
)
def test_a_first_guess_that_is_too_large(co2phys, world, run, name, value):
    sizes = {"height": 18, "width": 24, "slots": 8, "harmonics": 1, "stations": 6, "lags": [0]}
    metadata = json.loads((run / "best" / METADATA).read_text())
    metadata["background"] = {"name": "ridge", **sizes, name: value}
    (run / "best" / METADATA).write_text(json.dumps(metadata))
    both_refuse(co2phys, world, "not a readable checkpoint", commands=(reconstruct,))


def test_a_stranger_cannot_send_the_log_elsewhere(co2phys, world, run, tmp_path):
    """A checkpoint is read where it is: names of files in it are never followed."""
    metadata = json.loads((run / "best" / METADATA).read_text())
    metadata |= {"folder": "/etc", "weights": "../../../etc/passwd", "files": ["/etc/passwd"]}
    (run / "best" / METADATA).write_text(json.dumps(metadata))
    done = reconstruct(co2phys, world)
    assert done.code == 0, done.err
    assert (tmp_path / "r.nc").exists()
