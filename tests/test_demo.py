import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import xarray as xr

from co2net_phys.data.opening import open_dataset
from co2net_phys.data.schema import CO2
from co2net_phys.demo import DemoConfig, run_demo

METHODS = {
    "co2net-xs", "kriging", "station-mean", "climatology-offset", "ridge", "climatology-kriging",
    "optimal-interpolation",
}  # fmt: skip


@dataclass(frozen=True)
class Tiny(DemoConfig):
    """The demo on a coarse world without much spin-up."""

    @property
    def simulation(self):
        return super().simulation.model_copy(update={"truncation": 10, "spin_up": 21600.0})


@contextmanager
def silent(label, total):
    yield SimpleNamespace(total=total, update=lambda done, note="": None)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder, said = tmp_path_factory.mktemp("demo") / "demo", []
    config = Tiny(days=14, epochs=1, windows_per_epoch=8)
    result = run_demo(config, folder, silent, said.append, ["co2phys", "demo"])
    return folder, result, said, config


@pytest.mark.slow
def test_everything_is_written_and_nothing_else(demo):
    folder, result, _, _ = demo
    names = {"twin.zarr", "runs", "rec.nc", "metrics.json", "report.html"}
    assert {path.name for path in folder.iterdir()} == names
    assert (folder / "runs" / "xs" / "best" / "model.safetensors").stat().st_size > 1000
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics == json.loads(json.dumps(result))
    assert metrics["unit"] == "umol mol-1"
    assert set(metrics["methods"]) == METHODS
    for scores in metrics["methods"].values():
        assert 0 < scores["rmse"] < 50
        assert -1 <= scores["acc"] <= 1
    with xr.open_dataset(folder / "rec.nc") as data:
        assert data[CO2].sizes["time"] > 10


@pytest.mark.slow
def test_the_report_needs_nothing_from_outside(demo):
    page = (demo[0] / "report.html").read_text()
    sources = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'\s>]+)""", page)
    assert [s for s in sources if s.startswith("data:image/")]
    assert [s for s in sources if not s.startswith(("data:", "#"))] == []
    assert not re.search(r"@import|url\(\s*['\"]?(?!data:)[a-z]+:", page)
    for word in ("Skill", "Maps", "Held-out stations", *METHODS):
        assert word in page


@pytest.mark.slow
def test_a_second_run_uses_the_twin_again_unless_it_is_another(demo, monkeypatch):
    folder, first, _, config = demo
    made = open_dataset(folder / "twin.zarr").attrs["co2phys_git_commit"]
    # Of an edited checkout no twin is used again; here the code is the same by construction.
    monkeypatch.setattr("co2net_phys.demo.git_commit", lambda: made)
    monkeypatch.setattr("co2net_phys.demo.EDITED", "no such mark")
    before = (folder / "twin.zarr" / "zarr.json").stat().st_mtime_ns
    said = []
    again = run_demo(config, folder, silent, said.append, ["co2phys", "demo"])
    assert any("again" in line for line in said)
    assert (folder / "twin.zarr" / "zarr.json").stat().st_mtime_ns == before
    assert again["methods"] == first["methods"], "the same numbers to the last bit"
    other = Tiny(days=13, epochs=1, windows_per_epoch=8)
    said.clear()
    run_demo(other, folder, silent, said.append, ["co2phys", "demo"])
    assert not any("twin.zarr again" in line for line in said)
