"""`co2phys bench`, at small size."""

import json
import typing

import pytest

from co2net_phys.cli import bench
from co2net_phys.validation.solver_speed import LIBRARIES
from co2net_phys.validation.time_to_accuracy import METHODS
from co2net_phys.validation.training_speed import TrainingSpeed
from co2net_phys.validation.transport_cases import CASES
from co2net_phys.validation.transport_schemes import SCHEMES

ASKED = {
    "transport": {"l1", "l2", "linf", "l2_mid", "min", "max", "mass_drift", "seconds", "steps"},
    "solver": {
        "backend", "truncation", "dtype", "threads", "ms_per_step", "ms_transform_pair", "error",
    },
}  # fmt: skip


def test_transport_as_json(co2phys):
    done = co2phys(
        "bench", "transport", "--case", "cosine-bells", "--flow", "nondivergent",
        "--scheme", "monotone", "--resolution", "7.5", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    assert summary.keys() >= ASKED["transport"] | {"l1_mid", "linf_mid", "filament", "mixing"}
    assert summary["min"] >= 0.1 - 1e-12
    assert abs(summary["mass_drift"]) < 1e-12


def test_transport_as_a_table(co2phys):
    done = co2phys("bench", "transport", "--case", "correlated-bells", "--resolution", "9")
    assert done.code == 0, done.err
    assert "correlated-bells, nondivergent, spectral, flux form, 9°, T13" in done.out
    assert "mixing at mid-time: real" in done.out
    done = co2phys("--quiet", "bench", "transport", "--case", "cosine-bells", "--resolution", "9")
    assert "area above thresholds kept" in done.out
    assert done.err == ""


def test_several_resolutions_give_an_order(co2phys):
    words = ("--flow", "solid-body", "--tilt", "90", "--resolution", "9", "--resolution", "6")
    done = co2phys("bench", "transport", *words, "--json")
    rates = json.loads(done.out)
    assert len(rates["runs"]) == 2
    assert rates["order_mid"] > 1
    assert "order mid" in co2phys("bench", "transport", *words).out


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("--case", "hills"), 2, "--case"),
        (("--scheme", "upwind"), 2, "--scheme"),
        (("--resolution", "1.4"), 2, "resolution 1.4°"),
        (("--resolution", "9", "--resolution", "9"), 2, "twice"),
        (("--resolution", "9", "--resolution", "6", "--steps", "90"), 2, "--steps"),
        (("--resolution", "9", "--steps", "9"), 2, "even"),
        (("--resolution", "9", "--steps", "10"), 4, "unstable"),
        (("--tilt", "45"), 2, "tilt"),
    ],
)
def test_bad_values_are_one_line(co2phys, words, code, part):
    done = co2phys("bench", "transport", *words)
    assert done.code == code
    (line,) = done.err.splitlines()
    assert part in line
    assert done.out == ""


def test_solver(co2phys):
    done = co2phys(
        "bench", "solver", "--truncation", "8", "--truncation", "10", "--rounds", "1",
        "--library", "co2phys-numba", "--library", "shtns", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert [row["truncation"] for row in found] == [8, 8, 10, 10]
    assert all(row.keys() >= ASKED["solver"] for row in found)
    table = co2phys("bench", "solver", "--truncation", "8", "--rounds", "1").out.splitlines()
    assert [line.split()[0] for line in table] == ["backend", *LIBRARIES]


def test_solver_with_an_unknown_library(co2phys):
    done = co2phys("bench", "solver", "--library", "fftpack")
    assert done.code == 2
    assert "fftpack" in done.err


def test_accuracy(co2phys, monkeypatch):
    from co2net_phys.validation import time_to_accuracy

    monkeypatch.setattr(time_to_accuracy.time_to_accuracy, "__kwdefaults__", {
        **time_to_accuracy.time_to_accuracy.__kwdefaults__, "truncations": (21,), "repeats": 1,
    })  # fmt: skip
    words = ("--target", "0.5", "--target", "1e-9", "--threads", "1")
    done = co2phys("bench", "accuracy", *words, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert [(row["method"], row["target"]) for row in found] == [
        (method, target) for target in (0.5, 1e-9) for method in METHODS
    ]
    assert found[0]["seconds"] > 0
    table = co2phys("bench", "accuracy", *words).out
    assert table.count("not reached") == len(METHODS)
    assert co2phys("bench", "accuracy", "--wind-every", "often").code == 2


@pytest.mark.slow
def test_train(co2phys):
    words = ("--size", "XS", "--batch", "1", "--steps", "1", "--device", "cpu")
    done = co2phys("bench", "train", *words, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found.keys() == typing.get_type_hints(TrainingSpeed).keys()
    assert found["difference"] < 1e-5
    assert found["speedup"] > 0 and found["mfu"] > 0


def test_train_as_a_table(co2phys):
    words = ("--size", "XS", "--batch", "1", "--steps", "1", "--device", "cpu", "--no-reference")
    done = co2phys("bench", "train", *words)
    assert done.code == 0, done.err
    title, head, row, speed = done.out.splitlines()
    assert title.startswith("CO2-Net XS, 5.8 M parameters, 14 GFLOP a sample; batch 1, bf16, cpu")
    assert head.split() == ["ms/step", "samples/s", "peak", "memory"]
    assert row.startswith("this one")
    assert "TFLOP/s (measured)" in speed


@pytest.mark.parametrize(
    ("words", "part"),
    [(("--size", "XL"), "--size"), (("--batch", "0"), "--batch"), (("--device", "abacus"), "auto")],
)
def test_train_with_bad_values_is_one_line(co2phys, words, part):
    done = co2phys("bench", "train", *words)
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert part in line


def test_a_missing_subcommand_is_one_line(co2phys):
    done = co2phys("bench")
    assert done.code == 2
    assert "Missing command" in done.err


def test_the_choices_are_those_of_the_suite():
    """They are written out so that help needs no heavy import."""
    choices = typing.get_type_hints(bench.transport)
    assert typing.get_args(choices["case"]) == tuple(CASES)
    assert typing.get_args(choices["scheme"]) == SCHEMES
