import numpy as np
import pytest
import xarray as xr

from co2net_phys.data.schema import CO2
from co2net_phys.data.stations import load_stations
from co2net_phys.simulation.config import SimulationConfig
from co2net_phys.simulation.integration import integration
from co2net_phys.simulation.run import plan, simulate
from co2net_phys.simulation.world import twin_world
from co2net_phys.solvers import EARTH_RADIUS_M

CONFIG = SimulationConfig(
    truncation=10, frames=4, spin_up=21600.0, grid="model", seed=3, separate=True,
    components=("fossil",), diagnostics=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run with diagnostics of three tracers."""
    path = tmp_path_factory.mktemp("made") / "x.nc"
    simulate(twin_world(CONFIG), CONFIG, path, attributes={})
    return xr.open_dataset(path)


@pytest.mark.parametrize("tracer", [CO2, "co2s_from_fossil", "co2s_from_boundary"])
def test_statistics_are_those_of_the_frames(made, tracer):
    """The Gaussian grid's quadrature is exact for the square of a field of degree T."""
    weights = xr.DataArray(twin_world(CONFIG).harmonics.grid.area_weights, dims=made[CO2].dims[1:])
    fields = made[tracer].astype(float)
    mean = fields.weighted(weights).mean(("latitude", "longitude"))
    variance = fields.weighted(weights).var(("latitude", "longitude"))
    np.testing.assert_allclose(made[f"{tracer}_mean"], mean, rtol=1e-6)
    np.testing.assert_allclose(made[f"{tracer}_variance"], variance, rtol=1e-4)
    np.testing.assert_allclose(made[f"{tracer}_minimum"], fields.min(("latitude", "longitude")),
                               rtol=1e-6)  # fmt: skip
    np.testing.assert_allclose(made[f"{tracer}_maximum"], fields.max(("latitude", "longitude")),
                               rtol=1e-6)  # fmt: skip
    spectrum = made[f"{tracer}_spectrum"]
    assert spectrum.dims == ("time", "degree")
    np.testing.assert_allclose(spectrum[:, 1:].sum("degree"), made[f"{tracer}_variance"], rtol=1e-9)
    np.testing.assert_allclose(spectrum[:, 0], made[f"{tracer}_mean"] ** 2, rtol=1e-9)


def test_they_are_written_in_double_precision(made):
    assert made[f"{CO2}_mean"].dtype == made[f"{CO2}_spectrum"].dtype == np.float64
    assert made[f"{CO2}_mean"].values[0] != np.float32(made[f"{CO2}_mean"].values[0])
    assert made[CO2].dtype == np.float32


def test_the_courant_number(made):
    speed = np.hypot(made["uas"], made["vas"]).max(("latitude", "longitude"))
    step = integration(twin_world(CONFIG), CONFIG).time_step
    expected = speed * step * np.sqrt(10 * 11) / EARTH_RADIUS_M
    np.testing.assert_allclose(made["courant_number"], expected, rtol=1e-5)
    assert (made["courant_number"] < np.sqrt(8)).all()


@pytest.mark.parametrize("scheme", ["spectral", "monotone"])
def test_a_steady_mean_is_steady_to_round_off(tmp_path, scheme):
    config = CONFIG.model_copy(
        update={"components": (), "exchange": False, "separate": False, "scheme": scheme,
                "form": "flux", "frames": 6}
    )  # fmt: skip
    simulate(twin_world(config), config, tmp_path / "x.zarr", attributes={})
    with xr.open_zarr(tmp_path / "x.zarr", consolidated=False) as data:
        assert np.ptp(data[f"{CO2}_mean"].values) < 1e-12 * 400


def test_a_plan_names_them_and_a_run_without_has_none(tmp_path, made):
    planned = plan(twin_world(CONFIG), CONFIG)
    assert {f"{CO2}_spectrum", "courant_number"} <= set(planned.variables) <= set(made.variables)
    without = CONFIG.model_copy(update={"diagnostics": False})
    simulate(twin_world(without), without, tmp_path / "x.nc", attributes={})
    with xr.open_dataset(tmp_path / "x.nc") as data:
        assert "degree" not in data.dims
        assert "courant_number" not in data
        np.testing.assert_array_equal(data[CO2], made[CO2])


def test_a_training_store_takes_them(tmp_path):
    from co2net_phys.data.store import open_store

    config = CONFIG.model_copy(update={"frames": 8})
    stations = load_stations()[:5]
    simulate(twin_world(config), config, tmp_path / "x.zarr", attributes={}, stations=stations)
    store = open_store(tmp_path / "x.zarr")
    assert len(store.dataset["time"]) == 8
