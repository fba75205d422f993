"""Stores of clean files, to compare with."""

import shlex
import sys
from pathlib import Path

import pytest
import xarray as xr

sys.path.insert(0, str(Path(__file__).parents[2] / "products"))  # importlib mode adds nothing
sys.path.insert(0, str(Path(__file__).parent))

import inputs


@pytest.fixture(scope="session")
def clean_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clean")


@pytest.fixture
def clean(co2phys, clean_folder, monkeypatch):
    """Function of a case: the store of the clean files that it spoils, made once."""

    def store(case):
        product = case.words[2]
        place = clean_folder / product
        if not place.exists():
            place.mkdir()
            write, command = (
                (inputs.model, inputs.CMIP)
                if product == "cmip6"
                else (inputs.days, inputs.CARBONTRACKER)
            )
            write(place)
            monkeypatch.chdir(place)
            done = co2phys(*shlex.split(command))
            assert done.code == 0, done.err
        return xr.open_zarr(place / "store.zarr", consolidated=False)

    return store
