"""Inversions in a comparison: their fluxes, their time, and gaps in the record."""

import json

import numpy as np
import pytest
import xarray as xr

from co2net_phys.comparison import inverted
from co2net_phys.comparison.config import Comparison
from co2net_phys.comparison.experiment import run_all
from co2net_phys.errors import UsageError
from co2net_phys.trainer import Interrupted

LETKF = {
    "method": "letkf", "truncation": 8, "members": 2, "window": 3 * 86400.0,
    "initial_length": 3e6, "factor_length": 4e6,
}  # fmt: skip
MEAN = {"baseline": "station-mean"}


@pytest.fixture
def fluxes(tmp_path):
    """Function that writes a flux of this size everywhere to a file, and gives the method."""

    def write(name, size):
        north, east = np.arange(-87.5, 90, 5), np.arange(-177.5, 180, 5)
        flux = np.full((north.size, east.size), size)
        attributes = {"units": "umol m-2 s-1"}
        data = xr.Dataset({"sea": (("latitude", "longitude"), flux, attributes)})
        data.assign_coords(latitude=north, longitude=east).to_netcdf(tmp_path / name)
        return {"letkf": {"invert": {**LETKF, "flux": name}}}

    return write


def test_a_file_of_fluxes_drives_it_and_is_part_of_what_it_is(planned, fluxes, monkeypatch):
    monkeypatch.setattr(inverted, "inversion_attributes", seen := Seen())
    experiment = planned(methods=fluxes("flux.nc", 0.2))
    with pytest.raises(StopHere):
        list(run_all(experiment, []))
    assert seen.inversion.flux.components == ("sea",)
    assert [path.name for path in seen.inputs] == ["world.zarr", "flux.nc"]
    others = [planned(methods=fluxes(f"{size}.nc", size)) for size in (0.2, 0.3)]
    (run,), (same,), (other,) = (one.runs for one in (experiment, *others))
    assert run.identity == same.identity != other.identity


class StopHere(Exception):
    """Enough was seen."""


class Seen:
    """Keeps what it is called with, and stops."""

    def __call__(self, inversion, inputs, *_):
        self.inversion, self.inputs = inversion, inputs
        raise StopHere


def test_a_setting_of_no_meaning_is_still_refused():
    method = {"letkf": {"invert": {**LETKF, "fluxes": "flux.nc"}}}
    with pytest.raises(UsageError, match=r"methods.letkf: .*fluxes"):
        Comparison(data="w.zarr", methods=method).inversion("letkf", 1)


def test_a_gap_ends_the_inversion_and_no_other_method(planned, small_world):
    world = small_world().drop_isel(time=[185])
    methods = {"letkf": {"invert": LETKF}, "mean": MEAN}
    letkf, mean = run_all(planned(world, methods), [])
    assert "frames are missing" in letkf["failed"]
    assert mean["regions"]["global"]["rmse"] > 0


def test_seconds_of_all_sessions_are_added(planned, tmp_path):
    experiment = planned(methods={"letkf": {"invert": LETKF}})
    calls = iter(range(99))
    with pytest.raises(Interrupted):
        list(run_all(experiment, [], should_stop=lambda: next(calls) == 2))
    kept = tmp_path / "table/runs/letkf/seed-1" / inverted.SECONDS
    assert 0 < json.loads(kept.read_text()) < 1000
    kept.write_text("1000.0")
    (found,) = run_all(experiment, [], continued=True)
    assert 1000 < found["cost"]["seconds"] < 2000
