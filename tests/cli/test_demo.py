"""`co2phys demo` that is interrupted goes on as it says."""

import re

import pytest

from co2net_phys import demo
from co2net_phys.simulation.run import _Frames


@pytest.fixture
def small(monkeypatch):
    """The demo on a coarse world without much spin-up."""
    full = demo.DemoConfig.simulation
    coarse = {"truncation": 10, "spin_up": 21600.0}
    monkeypatch.setattr(
        demo.DemoConfig, "simulation", property(lambda it: full.fget(it).model_copy(update=coarse))
    )


def interrupt(*arguments):
    raise KeyboardInterrupt


def test_an_interrupted_simulation_goes_on_with_the_option_that_is_named(
    co2phys, tmp_path, monkeypatch, small
):
    record, words = _Frames.record, ("demo", "--days", "12", "--output", "d")

    def failing(self, number, *rest):
        return interrupt() if number == 30 else record(self, number, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(_Frames, "record", failing)
        stopped = co2phys(*words)
    assert stopped.code == 130
    (said,) = [line for line in stopped.err.splitlines() if "are in d/twin.zarr.partial" in line]
    (option,) = re.findall(r"continue with (--\w+)", said)
    kept = said.split(" of 96 frames")[0].split()[-1]
    monkeypatch.setattr(demo, "_train", interrupt)  # after the simulation
    other = co2phys(*words, option, "--seed", "9")
    assert other.code == 2 and "seed" in other.err.splitlines()[-1]
    resumed = co2phys(*words, option)
    assert resumed.code == 130
    assert f"d/twin.zarr: go on after {kept} of 96 frames" in resumed.err
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["twin.zarr"]
    assert "d/twin.zarr again" in co2phys(*words, option).err
