"""Checkpoints of rivals made by a stranger: one line, and nothing made large."""

import hashlib
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from co2net_phys.architectures import ARCHITECTURES
from co2net_phys.checkpoint import METADATA, WEIGHTS, load_model, save_checkpoint
from co2net_phys.errors import DataError, UsageError

RIVALS = [name for name in ARCHITECTURES if name != "co2net"]
HUGE = 10**9


@pytest.fixture(scope="module")
def saved(make, tmp_path_factory):
    """Folders of a small network of each kind."""
    folder = tmp_path_factory.mktemp("saved")
    for name in RIVALS:
        save_checkpoint(folder / name, make(name), {})
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    """Function that copies one, with entries of its metadata changed."""

    def changed(name, **entries):
        place = tmp_path / name
        shutil.copytree(saved / name, place)
        metadata = json.loads((place / METADATA).read_text())
        for key, value in entries.items():
            (metadata if key in metadata else metadata["model"])[key] = value
        (place / METADATA).write_text(json.dumps(metadata))
        return place

    return changed


@pytest.mark.parametrize("name", RIVALS)
def test_unharmed_it_comes_back_with_the_same_bits(saved, make, batches, name):
    model, metadata = load_model(saved / name)
    assert metadata["architecture"] == name
    with torch.no_grad():
        found, expected = (one(batches()).fields["co2s"] for one in (model, make(name)))
    assert torch.equal(found, expected)


CASES = [
    # kind, entry, value, what is said
    ("vit", "width", HUGE, "model.width"),
    ("vit", "width", 48, "is F32"),
    ("vit", "depth", HUGE, "model.depth"),
    ("vit", "depth", -1, "model.depth"),
    ("vit", "depth", 200, "no tensor 'layers."),
    ("vit", "depth", 1, "has no place in this network"),
    ("vit", "head_width", 8, "is F32"),
    ("vit", "dropout", 1.5, "model.dropout"),
    ("vit", "patch", [1, 1], "is F32"),
    ("vit", "patch", [0, 4], "model.patch"),
    ("vit", "grid", [HUGE, 24], "model.grid"),
    ("vit", "grid", [90_000, 96_000], "is F32"),
    ("vit", "size", "S", "model.size"),
    ("vit", "own_losses", {"adversarial": 1.0}, "model.own_losses"),
    ("vit", "architecture", "senseiver", "model.patch"),
    ("vit", "architecture", "co2net", "model."),
    ("vit", "architecture", "os.system", "architecture"),
    ("vit", "architecture", ["vit"], "architecture"),
    ("vit", "architecture", None, "architecture"),
    ("swin-lstm", "fine_layers", HUGE, "model.fine_layers"),
    ("swin-lstm", "fine_layers", 3, "no tensor"),
    ("swin-lstm", "window", 3, "is F32"),
    ("swin-lstm", "fine_heads", 4, "is F32"),
    ("swin-lstm", "hidden", 32, "is F32"),
    ("cyclegan", "filters", 16, "is F32"),
    ("cyclegan", "blocks", 200, "no tensor"),
    ("cyclegan", "discriminator_layers", 9, "model.discriminator_layers"),
    ("cyclegan", "padding", "../../etc", "model.padding"),
    ("senseiver", "latents", 16_000, "is F32"),
    ("senseiver", "bands", HUGE, "model.bands"),
    ("senseiver", "layers_per_block", 2, "no tensor"),
    ("senseiver", "grid", [HUGE, HUGE], "model.grid"),
    ("senseiver", "frames", 1.5, "model.frames"),
]


@pytest.mark.parametrize(("name", "entry", "value", "said"), CASES)
def test_sizes_of_another_network_are_refused(copy, name, entry, value, said):
    with pytest.raises(DataError, match="not a readable checkpoint") as caught:
        load_model(copy(name, **{entry: value}))
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", RIVALS)
def test_tensors_of_another_network_are_refused(copy, saved, name):
    other = RIVALS[RIVALS.index(name) - 1]
    content = (saved / other / WEIGHTS).read_bytes()
    place = copy(name, sha256={WEIGHTS: hashlib.sha256(content).hexdigest()})
    (place / WEIGHTS).write_bytes(content)
    with pytest.raises(DataError, match=r"not a readable checkpoint .*no tensor"):
        load_model(place)


@pytest.mark.parametrize("name", RIVALS)
def test_weights_that_are_not_finite_are_refused(copy, name):
    place = copy(name)
    tensors = load_file(place / WEIGHTS)
    first = sorted(tensors)[0]
    tensors[first].view(-1)[0] = torch.inf
    save_file(tensors, place / WEIGHTS)
    metadata = json.loads((place / METADATA).read_text())
    metadata["sha256"][WEIGHTS] = hashlib.sha256((place / WEIGHTS).read_bytes()).hexdigest()
    (place / METADATA).write_text(json.dumps(metadata))
    with pytest.raises(DataError, match="not finite"):
        load_model(place)


def test_a_grid_that_no_weight_depends_on_takes_no_memory(copy, batches):
    """Of the networks whose weights do not know how large it is."""
    for name, grid in (("senseiver", [90_000, 96_000]), ("cyclegan", [90_000, 96_000])):
        model, _ = load_model(copy(name, grid=grid))
        with pytest.raises(UsageError, match=r"set model\.frames and model\.grid"):
            model(batches())
