"""From files to the samples store: values, GOSAT's line, streaming, provenance, refusals."""

import json

import numpy as np
import pytest
import xarray as xr

from co2net_phys.errors import DataError, UsageError
from co2net_phys.satellite.covariate_store import open_covariates
from co2net_phys.satellite.fusing import FusionOptions, fuse
from co2net_phys.satellite.gridding import grid_soundings
from co2net_phys.satellite.lite_file import read_lite
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.samples import build_samples
from co2net_phys.satellite.schema import FEATURES, SAMPLE_VARIABLES, SENSORS

DAYS = np.arange("2019-06-01", "2019-06-04", dtype="datetime64[D]")
SLOPE, INTERCEPT = 1.25, -100.0


def name(sensor, day):
    digits = str(day)[2:].replace("-", "")
    return f"{sensor}_LtCO2_{digits}_B11_x.nc4"


@pytest.fixture(scope="module")
def files(tmp_path_factory, write_lite_in, region):
    """Three days of three satellites that see one smooth truth, GOSAT through a line."""
    generator, folder = np.random.default_rng(0), tmp_path_factory.mktemp("lite")
    paths = []
    for day in DAYS:
        for sensor, count in (("oco2", 60), ("oco3", 40), ("acos", 30)):
            north = generator.uniform(region.south, region.north, count)
            east = generator.uniform(region.west, region.east, count)
            truth = 410 + 2 * (north - 30) + (east - 100) + (day - DAYS[0]).astype(int)
            seen = (truth - INTERCEPT) / SLOPE if sensor == "acos" else truth
            options = {"day": str(day), "uncertainty": 0.1}
            paths.append(write_lite_in(folder, name(sensor, day), north, east, seen, **options))
    return paths


def opened(path):
    return xr.open_dataset(path, engine="zarr", consolidated=False)


def test_a_sample_is_a_cell_on_a_day_with_its_features(write_lite, planes, region):
    places = np.array([30.05, 30.06, 30.15]), np.array([100.05, 100.04, 100.35])
    path = write_lite(name("oco2", DAYS[0]), *places, np.array([410.0, 412.0, 415.0]))
    covariates = open_covariates(planes)
    cells = grid_soundings(read_lite(path, region)[0], region)
    samples = build_samples(cells, covariates, region)
    assert samples.sizes == {"sample": 2, "feature": 46}
    assert tuple(samples["feature"].values) == FEATURES
    np.testing.assert_allclose(samples["xco2"], [411, 415], rtol=1e-6)
    np.testing.assert_array_equal(samples["sounding_count"], [2, 1])
    np.testing.assert_array_equal(samples["column"], [0, 3])
    np.testing.assert_allclose(samples["longitude"], [100.05, 100.35])
    elevation = samples["features"].sel(feature="elevation")
    np.testing.assert_allclose(elevation, [30.05 + 200.1, 30.15 + 200.7], rtol=1e-6)
    assert {n: samples[n].attrs["units"] for n in SAMPLE_VARIABLES} == SAMPLE_VARIABLES


def test_files_become_a_store_with_gosat_on_the_scale_of_oco(files, planes, region, tmp_path):
    output = tmp_path / "samples.zarr"
    seen = []
    done = fuse(
        files[::-1],
        [planes],
        region,
        output,
        FusionOptions(coincidence_kilometres=8.0),
        command="co2phys data fuse",
        watch=lambda days: seen.extend(days) or days,
    )
    assert done.gosat.slope == pytest.approx(SLOPE, abs=5 * done.gosat.slope_error)
    store = opened(output)
    assert store.sizes["sample"] == done.samples
    assert done.tally.total == done.tally.kept == 3 * 130
    np.testing.assert_array_equal(np.unique(store["time"].values.astype("M8[D]")), DAYS)
    assert list(seen) == [*DAYS, *DAYS]  # one pass for the line, one for the samples
    keys = np.stack([store["time"].values.astype(int), store["row"], store["column"]], axis=1)
    assert len(np.unique(keys, axis=0)) == done.samples
    truth = 410 + 2 * (store["latitude"] - 30) + store["longitude"] - 100
    truth = truth + (store["time"].values.astype("M8[D]") - DAYS[0]).astype(int)
    # Within a cell of 0.1° the truth varies by ±0.15; a wrong scale of GOSAT would be 2 and more.
    error = (store["xco2"] - truth).values
    gosat = (store["source"] == SENSORS["gosat"]).values
    assert gosat.any()
    assert np.abs(error[~gosat]).max() < 0.16
    assert np.abs(error[gosat]).max() < 0.5
    both = SENSORS["oco2"] | SENSORS["oco3"]
    assert set(np.unique(store["source"])) == {1, 2, both, SENSORS["gosat"]}
    assert Region.from_json(store.attrs["region"]) == region
    assert json.loads(store.attrs["gosat_model"])["slope"] == done.gosat.slope
    assert len(json.loads(store.attrs["co2phys_input_sha256"])) == len(files) + 1
    assert "co2phys data fuse" in store.attrs["history"]


def test_one_satellite_alone_and_a_period(files, planes, region, tmp_path, caplog):
    covariates = [planes]
    gosat = [path for path in files if path.name.startswith("acos")]
    done = fuse(gosat, covariates, region, tmp_path / "gosat.zarr")
    assert done.gosat.regression == "none"
    assert "not mapped" in caplog.text
    oco = [path for path in files if path.name.startswith("oco2")]
    options = FusionOptions(first="2019-06-02", last="2019-06-02")
    fuse(oco, covariates, region, tmp_path / "oco.zarr", options)
    days = np.unique(opened(tmp_path / "oco.zarr")["time"].values.astype("M8[D]"))
    np.testing.assert_array_equal(days, DAYS[1:2])
    assert set(opened(tmp_path / "oco.zarr")["source"].values) == {1}


def test_soundings_of_the_next_day_in_a_file_join_those_of_the_next_file(
    write_lite, planes, region, tmp_path
):
    place = np.array([30.05]), np.array([100.05])
    first = write_lite(name("oco2", DAYS[0]), *place, np.array([410.0]), day="2019-06-02")
    second = write_lite(name("oco2", DAYS[1]), *place, np.array([412.0]), day="2019-06-02")
    fuse([first, second], [planes], region, tmp_path / "s.zarr")
    store = opened(tmp_path / "s.zarr")
    assert store.sizes["sample"] == 1
    assert store["xco2"].item() == 411
    assert store["sounding_count"].item() == 2


def test_chunks_do_not_change_the_store(files, planes, region, tmp_path, monkeypatch):
    covariates = [planes]
    fuse(files, covariates, region, tmp_path / "one.zarr")
    monkeypatch.setattr("co2net_phys.satellite.samples._CHUNK_SAMPLES", 50)
    fuse(files, covariates, region, tmp_path / "many.zarr")
    one, many = opened(tmp_path / "one.zarr"), opened(tmp_path / "many.zarr")
    assert many["xco2"].encoding["chunks"] == (50,)
    assert one.sizes["sample"] > 150
    xr.testing.assert_equal(one.compute(), many.compute())


def test_cells_without_a_covariate_are_left_out(files, make_covariates, region, tmp_path, caplog):
    axes = {"latitude": region.latitude, "longitude": region.longitude}
    values = np.ones(region.shape)
    values[:, 0] = np.nan
    ndvi = xr.DataArray(values, axes, ("latitude", "longitude"))
    fuse(files, [make_covariates(region, ndvi=ndvi)], region, tmp_path / "s.zarr")
    store = opened(tmp_path / "s.zarr")
    assert (store["column"] > 0).all()
    assert np.isfinite(store["features"]).all()
    assert "observed cells; they are left out" in caplog.text
    nothing = make_covariates(region, name="empty.zarr", ndvi=ndvi * np.nan)
    with pytest.raises(DataError, match=r"empty.zarr: a covariate is missing at all"):
        fuse(files, [nothing], region, tmp_path / "t.zarr")
    assert not (tmp_path / "t.zarr").exists()


def test_what_cannot_be_fused_is_refused(files, planes, make_covariates, region, tmp_path):
    covariates, output = [planes], tmp_path / "s.zarr"
    elsewhere = Region(0.0, 0.0, 1.0, 1.0, 0.1)
    with pytest.raises(DataError, match="none of 180 good soundings lies in the region"):
        fuse(files[::3], covariates, elsewhere, output)
    with pytest.raises(DataError, match="0 coincidences"):
        fuse(files, covariates, elsewhere, output)
    with pytest.raises(DataError, match="no file of the wanted days"):
        fuse(files, covariates, region, output, FusionOptions(first="2020-01-01"))
    with pytest.raises(DataError, match="no value for 2019-06-01"):
        late = make_covariates(region, ("2019-06-02", "2019-06-10"), name="late.zarr")
        fuse(files, [late], region, output)
    with pytest.raises(UsageError, match=r"end it in .zarr"):
        fuse(files, covariates, region, tmp_path / "s.nc")
    with pytest.raises(UsageError, match="no Lite files"):
        fuse([], covariates, region, output)
    with pytest.raises(UsageError, match="swap them"):
        FusionOptions(first="2020-01-02", last="2020-01-01")
    with pytest.raises(UsageError, match="not a date"):
        FusionOptions(first="soon", last="2020-01-01")
    assert sorted(path.name for path in tmp_path.glob("s.zarr*")) == []
