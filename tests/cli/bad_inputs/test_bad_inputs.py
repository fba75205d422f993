"""Whatever is wrong with the input: one line and an exit code, or a store that is right."""

import importlib
from pathlib import Path

import pytest
import xarray as xr
from all_cases import GROUPS
from bad_input import SAID

ROOT = Path(__file__).parents[3]
CASES = [case for group in GROUPS for case in group.cases]
PREFIXES = ("co2phys: warning: ", "co2phys: error: ")


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_what_the_user_sees(co2phys, tmp_path, monkeypatch, listing, clean, case):
    case.write(tmp_path)
    before = listing(tmp_path)
    if case.disturb:
        case.disturb(monkeypatch, tmp_path)
    done = co2phys(*case.words)
    lines = done.err.splitlines()
    said = [line.removeprefix("co2phys: ") for line in lines if line.startswith(PREFIXES)]
    assert done.code == case.code, done.err
    assert case.agrees(said), "\n".join(said)
    assert "Traceback" not in done.err
    if case.code == 0:
        with xr.open_zarr(tmp_path / "store.zarr", consolidated=False) as store:
            case.check(store.load(), clean(case))
        return
    assert lines[-1].startswith("co2phys: error: "), "nothing follows the one line"
    monkeypatch.undo()
    assert before.items() <= listing(tmp_path).items() or case.disturb, "inputs are as they were"
    assert not (tmp_path / "store.zarr").exists() or "store.zarr" in {p.name for p in before}


def test_the_list_is_whole():
    titles = [case.title for case in CASES]
    assert len(titles) == len(set(titles)) >= 100
    assert set(SAID) == set(titles)
    assert all(case.says for case in CASES if case.code), "an error is never silent"


def test_the_page_is_up_to_date(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs/scripts"))
    made = importlib.import_module("bad_inputs").page()
    assert (ROOT / "docs/results/bad-inputs.md").read_text() == made, (
        "run python docs/scripts/bad_inputs.py"
    )
