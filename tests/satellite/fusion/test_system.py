"""What the commands do with fusion networks: which covariates a run has read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from co2net_phys.errors import UsageError
from co2net_phys.provenance import sha256_of
from co2net_phys.satellite import system
from co2net_phys.satellite.network import FusionConfig, ResNetLSTM
from co2net_phys.satellite.schema import feature_names
from co2net_phys.system import Request, Trained

INPUTS = "co2phys_input_sha256"


def write_store(folder: Path, elevation: float) -> Path:
    axis = {"latitude": np.arange(25.5, 28.6, 0.5), "longitude": np.arange(91.5, 95.1, 0.5)}
    values = xr.DataArray(np.full((7, 8), elevation), axis, tuple(axis), attrs={"units": "m"})
    path = folder / "elevation.zarr"
    xr.Dataset({"elevation": values}).to_zarr(path, mode="w", zarr_format=3, consolidated=False)
    return path


def trained() -> Trained:
    names = feature_names(["elevation"])
    torch.manual_seed(0)
    statistics = dict.fromkeys(names, (0.0, 100.0)) | {"xco2": (410.0, 3.0)}
    config = FusionConfig(features=names, statistics=statistics, widths=(4,), hidden=4)
    region = {"west": 92.0, "south": 26.0, "east": 94.0, "north": 27.5, "spacing": 0.25}
    return Trained([ResNetLSTM(config)], {"region": region, "days": ["2019-01-01", "2019-01-20"]})


def reconstruct(folder: Path, progress: Any = lambda done, total: None, **choices: Any) -> None:
    attributes = {INPUTS: json.dumps({"model.safetensors": "abc"})}
    request = Request(attributes, choices, "cpu", False, progress)
    system.reconstruct(trained(), folder / "covariates", folder / "maps.zarr", request)


def test_other_values_of_covariates_are_not_continued_with(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Stopped

    (tmp_path / "covariates").mkdir()
    write_store(tmp_path / "covariates", 100.0)
    with pytest.raises(Stopped):
        reconstruct(tmp_path, stop)
    write_store(tmp_path / "covariates", 200.0)
    with pytest.raises(UsageError, match=r"another input: elevation\.zarr was"):
        reconstruct(tmp_path, resume=True)
    path = write_store(tmp_path / "covariates", 100.0)
    reconstruct(tmp_path, resume=True)
    with xr.open_zarr(tmp_path / "maps.zarr", consolidated=False) as maps:
        inputs = json.loads(maps.attrs[INPUTS])
    digest = sha256_of(path, with_values=True)
    assert inputs == {"model.safetensors": "abc", "elevation.zarr": digest}
