"""XCO2 of satellites: what needs no simulated world."""

import json

import numpy as np
import pytest
import xarray as xr


@pytest.mark.parametrize(("given", "blocks"), [({}, None), ({"hold_out_blocks": "day"}, "day")])
def test_the_network_stops_by_the_scheme_unless_told_otherwise(given, blocks, tmp_path):
    from contextlib import ExitStack
    from dataclasses import fields

    from co2net_phys.cli import crossvalidate_samples as verb
    from co2net_phys.satellite.models import FusionRunOptions

    names = [field.name for field in fields(verb.Request)]
    request = verb.Request(**dict.fromkeys(names) | {"report": tmp_path, "resume": False})
    with ExitStack() as stack:
        options = FusionRunOptions.validated(given)
        methods = verb._methods([verb.NETWORK], options, request, stack)
    assert methods[verb.NETWORK].blocks == blocks


def test_the_real_file(co2phys, tmp_path, real_lite_file):
    """The OCO-2 file of the sample data: one sounding, without flag, names by another tool."""
    with xr.open_dataset(real_lite_file) as real:
        north, east = (float(real[name].values.ravel()[0]) for name in ("lat", "lon"))
        days = real["time"].values.astype("datetime64[D]").ravel()
    south, west = np.floor(north) - 1, np.floor(east) - 1
    axes = {
        "time": (days[0] + np.arange(-31, 1)).astype("datetime64[ns]"),
        "latitude": south + np.arange(0.5, 3), "longitude": west + np.arange(0.5, 3),
    }  # fmt: skip
    values = xr.DataArray(np.full((32, 3, 3), 10.0), axes, tuple(axes), attrs={"units": "degC"})
    xr.Dataset({"temperature": values}).to_netcdf(tmp_path / "weather.nc")
    region = f"{west},{south},{west + 3},{south + 3}"
    words = ("data", "fuse", real_lite_file, "--covariates", "weather.nc", "--region", region)
    words += ("--spacing", "0.5", "--output", "real.zarr", "--json")
    refused = co2phys(*words)
    assert refused.code == 3 and "--accept-unflagged" in refused.err
    done = co2phys(*words, "--accept-unflagged")
    assert done.code == 0, done.err
    assert json.loads(done.out)["samples"] == 1
    with (
        xr.open_dataset("real.zarr", consolidated=False) as samples,
        xr.open_dataset(real_lite_file) as real,
    ):
        assert 390 < float(samples["xco2"][0]) < 410
        assert str(samples["time"].values[0])[:10] == "2015-01-31"
