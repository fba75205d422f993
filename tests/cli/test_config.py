"""Options of a run in a file, and what is refused there."""

import json
import pickle
from itertools import pairwise

import pytest
import yaml

from co2net_phys.config import TrainingConfig
from co2net_phys.config_file import LARGEST, read_config, template
from co2net_phys.data.writer import write_dataset
from co2net_phys.errors import DataError, UsageError
from co2net_phys.families import MODELS, family_of

RUN = (
    *("--data", "world.zarr", "--size", "XS", "--background", "none", "--device", "cpu"),
    *("--windows-per-epoch", "4"),
)


@pytest.mark.parametrize("model", list(MODELS))
def test_every_model_has_its_options(co2phys, tmp_path, model):
    assert co2phys("config", "generate", "--model", model, "--output", "options.yaml").code == 0
    config = read_config(tmp_path / "options.yaml")
    assert config == family_of(model).options(architecture=model)
    done = co2phys("config", "validate", "options.yaml", "--json")
    chosen = {} if model == "co2net" else {"architecture": model}
    assert json.loads(done.out)["chosen"] == chosen
    assert yaml.safe_load(co2phys("config", "show", "options.yaml").out)["architecture"] == model


def test_what_is_generated_is_the_default_and_explained(co2phys, tmp_path):
    assert co2phys("config", "generate", "--output", "options.yaml").code == 0
    assert read_config(tmp_path / "options.yaml") == TrainingConfig()
    assert co2phys("config", "generate").out.strip() == template().strip()
    for name in TrainingConfig.model_fields:
        assert f"\n{name}:" in "\n" + template()
    assert "# Share of all steps in which the learning rate rises" in template()
    assert "# dense | stations" in template() and "# ≥ 0 and < 1" in template()
    assert co2phys("config", "generate", "--output", "options.yaml").code != 0


@pytest.mark.parametrize(
    "name, text",
    [
        ("o.yaml", "epochs: 3\nmodel:\n  frames: 4\n"),
        ("o.toml", "epochs = 3\n[model]\nframes = 4\n"),
    ],
)
def test_a_file_is_checked(co2phys, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    done = co2phys("config", "validate", name, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["chosen"] == {"epochs": 3, "model": {"frames": 4}}
    shown = yaml.safe_load(co2phys("config", "show", name).out)
    assert shown["epochs"] == 3 and shown["batch_size"] == 32


@pytest.mark.parametrize(
    "name, text, error, match",
    [
        ("o.yaml", "epochz: 3", UsageError, r"o.yaml: epochz"),
        ("o.yaml", "epochs: -3", UsageError, r"o.yaml: epochs: .*greater"),
        ("o.yaml", "epochs: [", UsageError, "not valid YAML"),
        ("o.yaml", "- 3", UsageError, "table of options"),
        ("o.yaml", "a: &x [1]\nb: *x", UsageError, "aliases"),
        ("o.yaml", "!!python/object/apply:os.system ['touch hacked']", UsageError, "not valid"),
        ("o.yaml", "a: " + "[" * 5000, UsageError, "not valid"),
        ("o.toml", "epochs: 3", UsageError, "not valid TOML"),
        ("o.json", "{}", UsageError, "must end in"),
        ("o.yaml", "#" * (LARGEST + 1), DataError, "no file of options"),
        ("missing.yaml", None, DataError, "missing.yaml: No such file"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, monkeypatch, name, text, error, match):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(error, match=match) as caught:
        read_config(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "hacked").exists()


BOMB = "\n".join(
    ["a: &a [x]", *(f"{b}: &{b} [{', '.join(['*' + a] * 9)}]" for a, b in pairwise("abcdefghij"))]
)
"""Nine to the power of nine values in some hundred letters."""

HOSTILE = [
    # name, contents, exit code, what is said
    ("o.yaml", "!!python/object/apply:os.system ['touch hacked']", 2, "not valid YAML"),
    ("o.yaml", "size: !!python/name:os.system", 2, "not valid YAML"),
    ("o.yaml", "seed: !!python/object/new:subprocess.Popen [touch hacked]", 2, "not valid YAML"),
    ("o.yaml", BOMB, 2, "aliases"),
    ("o.yaml", "model:\n  <<: *x", 2, "aliases"),
    ("o.yaml", "epochs: 1\nseed: 2\nepochs: 3", 2, "'epochs' is given twice"),
    ("o.yaml", "model: {frames: 2, 'frames': 4}", 2, "'frames' is given twice"),
    ("o.toml", "epochs = 1\nepochs = 3", 2, "not valid TOML"),
    ("o.yaml", "learning_rate: .nan", 2, "learning_rate: nan is not finite"),
    ("o.yaml", "learning_rate: .inf", 2, "learning_rate: inf is not finite"),
    ("o.yaml", "mass_growth: nan", 2, "mass_growth: nan is not finite"),
    ("o.yaml", "weight_decay: 1.0e+999", 2, "weight_decay: inf is not finite"),
    ("o.yaml", "model: {dropout: -.inf}", 2, "model.dropout: -inf is not finite"),
    ("o.yaml", "model: {patch: [9, .nan]}", 2, "model.patch: nan is not finite"),
    ("o.toml", "learning_rate = nan", 2, "learning_rate: nan is not finite"),
    ("o.yaml", f"seed: {10**20}", 2, "seed: 1000000000000"),
    ("o.yaml", "epochs: " + "9" * 5000, 2, "not valid YAML"),
    ("o.yaml", "seed: 1\nmodel: {frames: 8\n", 2, "flow mapping in line 2, expected ',' or '}'"),
    ("o.yaml", "[1, 2]", 2, "table of options"),
    ("o.yaml", "text", 2, "table of options"),
    ("o.yaml", "model: [1, 2]", 2, "model: must be a table"),
    ("o.yaml", "model:", 2, "model: must be a table"),
    ("o.yaml", "model: {frames: [8]}", 2, "frames"),
    ("o.yaml", "model: {1: 2}", 2, "model has '1' where a name belongs"),
    ("o.yaml", "1: 2", 2, "the file has '1' where a name belongs"),
    ("o.yaml", "? [epochs]\n: 3", 2, "not valid YAML"),
    ("o.yaml", '"\\e[31mepochs": 3', 2, "where a name belongs"),
    ("o.yaml", "epochz: 3", 2, "epochz"),
    ("o.yaml", "model: {depth: 1000000000}", 2, "depth"),
    ("o.yaml", "model: {frames: 1000000000}", (2, 3), ""),
    ("o.yaml", "split: [2010, 2011]", 2, "split"),
    ("o.yaml", "split: {train: 3}", 2, "split"),
    ("o.yaml", "epochs: {a: 3}", 2, "epochs"),
    ("o.yaml", "--- \nepochs: 1\n---\nepochs: 2", 2, "not valid YAML"),
    ("o.yaml", b"epochs: 3 # \xff\xfe", 2, "not valid YAML"),
    ("o.toml", "epochs: 3", 2, "not valid TOML"),
    ("o.yaml", b"\x00\x01\x02", 2, "not valid YAML"),
    ("o.yaml", "a: " + "[" * 5000 + "]" * 5000, 2, "nested too deeply"),
    ("o.toml", "a = " + "[" * 5000 + "]" * 5000, 2, "not valid TOML"),
    ("o.yaml", "#" * (LARGEST + 1), 3, "no file of options"),
    ("o.yaml", "folder", 3, "Is a directory"),
    ("o.yaml", "/dev/zero", 3, "no file of options"),
    ("o.yaml", None, 3, "No such file"),
    ("o.pkl", pickle.dumps([1]), 2, "must end in"),
]


@pytest.mark.parametrize(
    ("name", "content", "code", "said"), HOSTILE, ids=lambda part: str(part)[:30] if part else None
)
def test_a_strangers_file_of_options(co2phys, tmp_path, world, name, content, code, said):
    """Refused by every command that reads one, in one line; nothing is executed or written."""
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content == "/dev/zero":
        path.symlink_to(content)
    elif content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    train = ("train", "--data", world, "--output", "run", "--size", "XS", "--config", name)
    shown = () if content == "folder" else (("config", "show", name),)  # the folder of a run
    by_the_model = said in ("depth", "frames", "")  # what only the network knows to be wrong
    for command in (train,) if by_the_model else (train, ("config", "validate", name), *shown):
        done = co2phys(*command)
        assert done.code in (code if isinstance(code, tuple) else (code,)), done.err
        (line,) = done.err.splitlines()
        assert line.startswith("co2phys: error: ") and line.isprintable() and len(line) < 500
        assert said in line and "this is a bug" not in line
        assert done.out == "" and not list(tmp_path.rglob("hacked"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("content", "words", "said"),
    [
        ("epochs: two", (), "o.yaml: epochs: Input should be a valid integer"),
        ("architecture: unet", (), "o.yaml: architecture: 'unet' is not one of co2net"),
        ("model: {frames: 3}", (), "o.yaml: model.frames: 3 is not an even number"),
        ("betas: [0.9, 1.5]", (), "o.yaml: betas.1: Input should be less than 1; got 1.5"),
        ("epochs: two", ("--set", "epochs=three"), "--set epochs: Input should be a valid"),
        ("", ("--set", "model.frames=3"), "--set model.frames: 3 is not an even number"),
        ("model: {frames: 4}", ("--frames", "3"), "--frames: 3 is not an even number"),
        ("", ("--set", "epoch=3"), "--set epoch: no such option; did you mean epochs"),
        ("", ("--set", "zzz=3"), "--set zzz: no such option; `co2phys config generate --model co2"),
        (
            "",
            ("--set", "patch=[6, 8]"),
            "--set patch: is an option of the network; call it model.p",
        ),
        (
            "",
            ("--set", "model.patches=3"),
            "--set model.patches: no such option of this network; did you mean patch",
        ),
        (
            "",
            ("--set", "model.zzz=3"),
            "--set model.zzz: no such option of this network; choose from statistics, ",
        ),
    ],
)
def test_a_wrong_option_says_where_it_was_given(co2phys, tmp_path, world, content, words, said):
    (tmp_path / "o.yaml").write_text(content)
    run = ("train", "--data", world, "--output", "run", "--size", "XS", "--config", "o.yaml")
    done = co2phys(*run, "--dry-run", *words)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith(f"co2phys: error: {said}")


def test_an_empty_file_leaves_the_defaults(tmp_path):
    for name, content in (("o.yaml", b""), ("o.toml", b""), ("p.yaml", b"# nothing yet\n")):
        (tmp_path / name).write_bytes(content)
        assert read_config(tmp_path / name) == TrainingConfig()


def test_a_mark_at_the_beginning_of_a_file_is_no_option(tmp_path):
    """As some editors write it."""
    for name, text in (("o.yaml", "epochs: 3"), ("o.toml", "epochs = 3")):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert read_config(tmp_path / name).epochs == 3


def test_the_command_goes_before_the_file_before_the_defaults(co2phys, tmp_path, small_world):
    write_dataset(small_world(), tmp_path / "world.zarr")
    (tmp_path / "o.yaml").write_text(
        "epochs: 2\nlearning_rate: 1.0e-3\nseed: 5\nmodel: {frames: 2, embedding: none}\n"
    )
    words = ("--config", "o.yaml", "--seed", "6", "--embedding", "climode", "--set", "warm_up=0.5")
    assert co2phys("train", *RUN, *words, "--output", "run").code == 0
    shown = yaml.safe_load(co2phys("config", "show", "run").out)
    found = {name: shown[name] for name in ("epochs", "learning_rate", "seed", "warm_up")}
    assert found == {"epochs": 2, "learning_rate": 1e-3, "seed": 6, "warm_up": 0.5}
    assert (shown["model"]["frames"], shown["model"]["embedding"]) == (2, "climode")
    assert shown["batch_size"] == 4


def test_an_ensemble_is_trained_continued_and_not_mixed(co2phys, tmp_path, small_world):
    write_dataset(small_world(), tmp_path / "world.zarr")
    words = ("train", *RUN, "--frames", "2", "--epochs", "1", "--output", "run")
    done = co2phys(*words, "--ensemble", "2", "--json")
    assert done.code == 0, done.err
    members = json.loads(done.out)["members"]
    assert [member["output"] for member in members] == ["run/member-01", "run/member-02"]
    assert members[0]["validation_rmse"] != members[1]["validation_rmse"]
    stations = [
        json.loads((tmp_path / member["output"] / "last" / "metadata.json").read_text())
        for member in members
    ]
    assert stations[0]["training_stations"] == stations[1]["training_stations"]
    assert co2phys(*words, "--ensemble", "3").code == 2
    done = co2phys(*words, "--ensemble", "3", "--resume", "auto", "--json")
    again = json.loads(done.out)["members"]
    assert again[:2] == members and len(again) == 3
    for other in ((), ("--ensemble", "2", "--resume", "auto")):
        done = co2phys(*words, *other)
        assert done.code == 2 and "holds an ensemble of 3" in done.err.splitlines()[-1]
    fewer = (*words, "--ensemble", "2", "--overwrite")
    assert co2phys(*fewer, "--dry-run").code == 0
    assert co2phys(*fewer, "--data", "nowhere.zarr").code == 3
    assert (tmp_path / "run" / "member-03").exists(), "nothing was trained in its place"
    assert co2phys(*fewer).code == 0
    assert not (tmp_path / "run" / "member-03").exists()
    done = co2phys("reconstruct", "--checkpoint", "run", "--data", "world.zarr", "--output", "r.nc")
    assert done.code == 0, done.err
