"""`reconstruct` and `evaluate` with a standard error: of an ensemble, and of a single network."""

import json

import numpy as np
import pytest
import torch
import xarray as xr

from co2net_phys.checkpoint import save_checkpoint
from co2net_phys.data.schema import CO2, standard_error_name
from co2net_phys.data.splits import block_split
from co2net_phys.data.statistics import field_statistics
from co2net_phys.data.store import open_store
from co2net_phys.ensemble import member_folder
from co2net_phys.model import CO2Net, CO2NetConfig
from co2net_phys.preparation import chosen_stations
from co2net_phys.provenance import sha256_of

ERROR = standard_error_name(CO2)


def save_network(world, place, seed, **options):
    store = open_store(world)
    torch.manual_seed(seed)
    model = CO2Net(
        CO2NetConfig(
            size="XS", frames=4, grid=store.shape, auxiliaries=store.auxiliaries,
            statistics=field_statistics(store, np.arange(100)), **options,
        )
    )  # fmt: skip
    train, held_out = chosen_stations(store, 72, 0)
    metadata = {
        "split": block_split(store, 4),
        "config": {"size": "XS", "seed": seed},
        "training_stations": [station.code for station in train],
        "held_out_stations": [station.code for station in held_out],
    }
    save_checkpoint(place, model, metadata)


@pytest.fixture(scope="session")
def runs(world, tmp_path_factory):
    """An ensemble of two that state a standard error, and a network of temperature."""
    folder = tmp_path_factory.mktemp("runs")
    for number in (1, 2):
        place = member_folder(folder / "ensemble", number) / "best"
        save_network(world, place, number, predict_variance=True)
    save_network(world, folder / "tas/best", 3, target_variable="tas", predict_variance=True)
    save_network(world, folder / "plain/best", 4)
    return folder


def clean(path):
    """Fail unless the CF checker finds nothing in a file."""
    runner = pytest.importorskip("compliance_checker.runner", reason="compliance-checker is absent")
    suite = runner.CheckSuite()
    suite.load_all_available_checkers()
    dataset = suite.load_dataset(str(path))
    (groups, errors) = suite.run_all(dataset, ["cf:1.11"], skip_checks=[])["cf:1.11"]
    dataset.close()
    assert not errors
    assert groups
    assert [group.msgs for group in groups if group.value[0] < group.value[1]] == []


@pytest.fixture
def reconstructed(co2phys, runs, world):
    """Function of the name of a run; reconstructs it to rec.nc."""

    def reconstruct(name, *more):
        words = ("--checkpoint", runs / name, "--data", world, "--output", "rec.nc", *more)
        done = co2phys("reconstruct", *words)
        assert done.code == 0, done.err
        return done

    return reconstruct


def test_an_ensemble_gives_a_clean_file_with_its_standard_error(reconstructed, runs, tmp_path):
    result = json.loads(reconstructed("ensemble", "--json").out)
    assert (result["members"], result["variables"]) == (2, [CO2, ERROR])
    assert result["checkpoint"] == str(runs / "ensemble")
    with xr.open_dataset(tmp_path / "rec.nc") as data:
        assert result["frames"] == data.sizes["time"]
        assert data[CO2].attrs["ancillary_variables"] == ERROR
        name = data[CO2].attrs["standard_name"]
        assert data[ERROR].attrs["standard_name"] == f"{name} standard_error"
        assert data[ERROR].attrs["units"] == data[CO2].attrs["units"] == "umol mol-1"
        assert data[ERROR].attrs["cell_methods"] == "time: point"
        assert (data[ERROR] > 0).all()
        assert "ensemble of 2 networks" in data.attrs["title"]
        read = json.loads(data.attrs["co2phys_input_sha256"])
        members = [f"member-0{number}/best/model.safetensors" for number in (1, 2)]
        assert set(read) == {"world.zarr", *members}
        assert all(read[name] == sha256_of(runs / "ensemble" / name) for name in members)
    clean(tmp_path / "rec.nc")


def test_another_variable_gives_a_clean_file_in_its_unit(reconstructed, tmp_path, co2phys, world):
    reconstructed("tas")
    with xr.open_dataset(tmp_path / "rec.nc", decode_times=False) as data:
        assert {"tas", "tas_standard_error"} <= set(data) and CO2 not in data
        assert data["tas"].attrs["units"] == data["tas_standard_error"].attrs["units"] == "K"
    clean(tmp_path / "rec.nc")
    done = co2phys("evaluate", "--prediction", "rec.nc", "--truth", world)
    assert done.code == 0, done.err
    assert "(K)" in done.out and "CRPS" in done.out


def test_a_network_without_a_standard_error_writes_none(reconstructed, tmp_path):
    assert json.loads(reconstructed("plain", "--json").out)["variables"] == [CO2]
    with xr.open_dataset(tmp_path / "rec.nc") as data:
        assert ERROR not in data and "ancillary_variables" not in data[CO2].attrs


def test_a_dry_run_counts_members_and_variables(co2phys, runs, world, tmp_path, listing):
    words = ("--data", world, "--output", "rec.nc", "--dry-run")
    plans = {}
    for name in ("ensemble", "plain"):
        done = co2phys("reconstruct", "--checkpoint", runs / name, *words, "--json")
        plans[name] = json.loads(done.out)
    assert (plans["ensemble"]["members"], plans["plain"]["members"]) == (2, 1)
    assert plans["ensemble"]["output_bytes"] == 2 * plans["plain"]["output_bytes"]
    assert (
        f"{CO2}, {ERROR}" in co2phys("reconstruct", "--checkpoint", runs / "ensemble", *words).out
    )
    assert not listing(tmp_path)


def test_evaluate_scores_the_standard_error(reconstructed, co2phys, world, tmp_path):
    reconstructed("ensemble")
    words = ("evaluate", "--prediction", "rec.nc", "--truth", world)
    scores = json.loads(co2phys(*words, "--json").out)
    stated = scores["probabilistic"]
    assert set(stated) == {"crps", "spread", "spread_skill_ratio", "coverage", "spread_skill"}
    assert set(stated["coverage"]) == {"50", "68", "90", "95"}
    assert set(stated["spread_skill"][0]) == {"spread", "error", "share"}
    assert 0 < stated["crps"] < scores["mae"], "a spread of the right size costs less than none"
    assert "coverage" in scores["stations"]["held_out"]["probabilistic"]
    lines = co2phys(*words).out.splitlines()
    (head,) = (number for number, line in enumerate(lines) if "CRPS" in line)
    expected = "stated standard error CRPS spread /error 50 % 68 % 90 % 95 %"
    assert " ".join(lines[head].split()) == expected
    names = [line[:24].strip() for line in lines[head + 1 :]]
    assert names == ["globe", "stations, held out", "stations, training"]
    assert float(lines[head + 1][24:].split()[0]) == pytest.approx(stated["crps"], abs=1e-3)


def test_a_threshold_on_the_crps(reconstructed, co2phys, world):
    words = ("evaluate", "--prediction", "rec.nc", "--truth", world)
    reconstructed("ensemble")
    assert co2phys(*words, "--fail-if", "crps>1000").code == 0
    done = co2phys(*words, "--fail-if", "crps>0.001")
    assert (done.code, len(done.err.splitlines())) == (5, 1)
    assert "crps>0.001" in done.err
    reconstructed("plain", "--overwrite")
    done = co2phys(*words, "--fail-if", "crps>1")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "no standard error" in done.err


@pytest.mark.slow
def test_the_report_shows_scores_and_calibration(reconstructed, co2phys, world, tmp_path):
    words = ("evaluate", "--prediction", "rec.nc", "--truth", world, "--report", "page.html")
    reconstructed("ensemble")
    assert co2phys(*words).code == 0
    page = (tmp_path / "page.html").read_text()
    for text in ("Stated standard errors", "CRPS", "inside 68 %", "held out", "data:image/png"):
        assert text in page
    done = co2phys(*words)
    assert (done.code, "--overwrite" in done.err) == (3, True)
    reconstructed("plain", "--overwrite")
    assert co2phys(*words, "--overwrite").code == 0
    page = (tmp_path / "page.html").read_text()
    assert "Globe and regions" in page and "Stated standard errors" not in page


@pytest.mark.parametrize(
    ("report", "code", "words"),
    [
        ("page.txt", 2, "end it in .html"),
        ("folder.html", 3, "is a folder"),
        ("rec.nc", 2, "is an input"),
    ],
)
def test_a_report_that_cannot_be_written(
    reconstructed, co2phys, world, tmp_path, report, code, words
):
    (tmp_path / "folder.html").mkdir()
    reconstructed("plain")
    done = co2phys("evaluate", "--prediction", "rec.nc", "--truth", world, "--report", report)
    assert (done.code, len(done.err.splitlines())) == (code, 1)
    assert words in done.err
