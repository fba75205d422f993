"""A run of the world of columns: its budget, its store, its interruption."""

import numpy as np
import pytest
import xarray as xr

from co2net_phys.columns.schema import TRACER, VARIABLES, air_mass_of, validate_columns
from co2net_phys.columns.simulate import simulate_columns
from co2net_phys.columns.world import ColumnsConfig, ColumnWorld, columns_config
from co2net_phys.errors import DataError, UsageError
from co2net_phys.solvers.vertical import redistribute

COMMAND = "co2phys simulate --preset columns"


def unexplained(data):
    """Change of the burden that the budget does not explain, per frame, over the burden."""
    gained = data["emitted"] - data["dry_deposited"] - data["wet_deposited"]
    return (np.diff(data["burden"]) - gained.values[1:]) / data["burden"].values.max()


@pytest.mark.parametrize("levels", [2, 20, pytest.param(62, marks=pytest.mark.slow)])
def test_every_gram_is_accounted_for(levels):
    world = ColumnWorld(ColumnsConfig(levels=levels, truncation=7, spin_up_days=1, seed=levels))
    emitted = deposited = 0.0
    for _ in range(16):
        before = world.burden
        step = world.step()
        lost = step.dry_deposited + step.wet_deposited
        assert abs(world.burden - before - step.emitted + lost) <= 1e-12 * step.emitted
        emitted, deposited = emitted + step.emitted, deposited + lost
    assert abs(world.burden - emitted + deposited) <= 1e-12 * emitted
    assert world.ratio.min() >= 0.0
    assert 0.02 * emitted < deposited < emitted


def test_transport_keeps_what_is_the_same_everywhere():
    world = ColumnWorld(ColumnsConfig(levels=6, truncation=7, spin_up_days=1))
    ratio = np.full_like(world.ratio, 3e-9)
    for _ in range(8):
        flow = world.circulation.advance()
        layers = zip(ratio, flow.before, flow.gathered, flow.u, flow.v, strict=True)
        ratio = np.stack([world.transport(*layer) for layer in layers])
        ratio = redistribute(ratio, flow.gathered, flow.after)
    np.testing.assert_allclose(ratio, 3e-9, rtol=1e-13)


def test_the_store_is_what_the_schema_says(columns_store, columns_config):
    data = validate_columns(columns_store, "columns.zarr")
    assert data.sizes == {"time": 3, "level": 4, "latitude": 12, "longitude": 24, "bnds": 2}
    for name, variable in VARIABLES.items():
        assert data[name].attrs["units"] == variable.units
        assert data[name].attrs["standard_name"] == variable.standard_name
        assert np.isfinite(data[name]).all()
        point = name in (TRACER, "ps")
        assert data[name].attrs["cell_methods"].startswith("time: point" if point else "time: mean")
    assert data.attrs["Conventions"] == "CF-1.11, ACDD-1.3"
    assert data.attrs["co2phys_seed"] == "5"
    assert '"levels": 4' in data.attrs["co2phys_configuration"]
    assert str(data["time"].values[0])[:10] == "2012-01-01"
    assert data[TRACER].min() >= 0.0


@pytest.mark.parametrize("hours", [24, 6])
def test_the_time_of_a_frame_is_that_of_its_weather(hours, columns_config, tmp_path):
    config = columns_config.model_copy(update={"days": 2, "output_hours": hours})
    path = tmp_path / "columns.zarr"
    simulate_columns(config, path, command=COMMAND)
    world = ColumnWorld(config)
    moments = []
    with xr.open_zarr(path, consolidated=False) as data:
        for time in data["time"].values:
            while world.clock.moment(world.circulation.weather.seconds) < time:
                flow = world.step().flow
            moments.append(world.clock.moment(world.circulation.weather.seconds))
            frame = data.sel(time=time)
            np.testing.assert_array_equal(frame["ps"], world.pressure.astype("f4"))
            np.testing.assert_array_equal(frame[TRACER], world.ratio.astype("f4"))
            assert hours == 24 or np.array_equal(frame["ua"], flow.u.astype("f4"))
        np.testing.assert_array_equal(data["time"], moments)
    assert moments[0] == np.datetime64("2012-01-01")


def test_a_user_can_check_the_budget_from_the_store(columns_store):
    assert np.abs(unexplained(columns_store)).max() < 1e-12
    column = (air_mass_of(columns_store) * columns_store[TRACER]).sum("level")
    burden = (column * columns_store["areacella"]).sum(("latitude", "longitude"))
    np.testing.assert_allclose(burden, columns_store["burden"], rtol=1e-6)
    emitted = (columns_store["emibc"] * columns_store["areacella"]).sum(("latitude", "longitude"))
    np.testing.assert_allclose(86400 * emitted, columns_store["emitted"], rtol=1e-6)


class Killed(Exception):
    pass


@pytest.mark.parametrize("frames", [1, 3])
def test_a_run_that_was_stopped_goes_on_to_the_same_numbers(
    frames, columns_config, columns_store, tmp_path
):
    def stop(done):
        if done == frames:
            raise Killed

    path = tmp_path / "columns.zarr"
    with pytest.raises(Killed):
        simulate_columns(columns_config, path, command=COMMAND, progress=stop)
    assert not path.exists()
    done = []
    simulate_columns(columns_config, path, command=COMMAND, resume=True, progress=done.append)
    assert done == list(range(frames + 1, 5))
    with xr.open_zarr(path, consolidated=False) as data:
        xr.testing.assert_equal(data.load(), columns_store)


def test_the_seed_decides(columns_config):
    def tracer(seed):
        world = ColumnWorld(columns_config.model_copy(update={"seed": seed}))
        for _ in range(4):
            world.step()
        return world.ratio

    np.testing.assert_array_equal(tracer(5), tracer(5))
    assert not np.allclose(tracer(5), tracer(6), rtol=1e-3, atol=0.0)


def test_an_existing_output_is_not_replaced(columns_config, columns_path):
    with pytest.raises(DataError, match="already exists"):
        simulate_columns(columns_config, columns_path, command=COMMAND)


def test_options_that_make_no_sense_are_refused_in_one_line():
    for wrong in ({"levels": 1}, {"output_hours": 9}, {"days": 0}, {"colour": "red"}):
        with pytest.raises(UsageError) as refused:
            columns_config(**wrong)
        assert str(refused.value).startswith(next(iter(wrong)))
        assert "\n" not in str(refused.value)
    assert columns_config(levels=62, output_hours=6).frames == 4 * 365
