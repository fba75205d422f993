"""A store of columns, the windows that a network learns from, and the scales of its inputs."""

import numpy as np
import pytest
import torch

from co2net_phys.columns.network_config import ColumnConfig
from co2net_phys.columns.scaling import column_config
from co2net_phys.columns.schema import PROFILE_INPUTS, SURFACE_INPUTS, VARIABLES
from co2net_phys.columns.store import ColumnStore, open_columns
from co2net_phys.columns.windows import column_windows
from co2net_phys.data.splits import block_split, split_frames
from co2net_phys.errors import DataError, UsageError


def test_inputs_come_in_the_order_of_the_schema(store):
    raw, frames = store.dataset, [7, 3]
    for number, name in enumerate(SURFACE_INPUTS):
        np.testing.assert_array_equal(store.surface(frames)[:, number], raw[name].values[frames])
    for number, name in enumerate(PROFILE_INPUTS[1:]):
        np.testing.assert_array_equal(store.forcing(frames)[:, number], raw[name].values[frames])
    np.testing.assert_array_equal(store.tracer(frames), raw["mmrbc"].values[frames])


def test_air_is_the_share_of_the_surface_pressure(store):
    air = store.air_mass([5])
    np.testing.assert_allclose(air.sum(axis=1), store.dataset["ps"].values[[5]] / 9.80665, 1e-6)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_window_is_history_forcing_and_what_comes_of_them(store, steps):
    windows = column_windows(store, np.arange(20), 2, steps)
    assert windows.ends.tolist() == list(range(1 + steps, 20))
    last = 12
    item = windows.batch([last - 1 - steps, 0])
    shapes = [tuple(part.shape) for part in item]
    assert shapes == [
        (2, 1 + steps, 6, 8, 16),
        (2, 1 + steps, 7, 3, 8, 16),
        (2, 2, 3, 8, 16),
        (2, steps, 3, 8, 16),
        (2, steps, 3, 8, 16),
    ]
    first = last - steps + 1
    tracer = store.tracer(range(60))
    np.testing.assert_array_equal(item.target[0], tracer[first : last + 1])
    np.testing.assert_array_equal(item.history[0], tracer[first - 2 : first])
    # The weather goes up to the frame that is predicted, the tracer to the one before.
    np.testing.assert_array_equal(item.surface[0], store.surface(range(first - 1, last + 1)))
    np.testing.assert_array_equal(item.forcing[0], store.forcing(range(first - 1, last + 1)))


def test_items_that_are_read_ahead_are_the_same(store):
    windows = column_windows(store, np.arange(20), 2)
    groups = [[3, 1], [0], [4, 5]]
    for item, group in zip(windows.stream(groups), groups, strict=True):
        assert all(map(torch.equal, item, windows.batch(group)))


def test_windows_stay_in_their_block_and_out_of_gaps(world):
    data = world(frames=100)
    store = ColumnStore(data.isel(time=np.r_[0:30, 33:100]), "world")
    split = block_split(store, 4)
    for name in ("train", "validation", "test"):
        block = split_frames(store, split, name)
        windows = column_windows(store, block, 3, 1)
        spans = windows.ends[:, None] + np.arange(-3, 1)
        assert np.isin(spans, block).all()
        assert (np.diff(store.seconds[spans], axis=1) == 6 * 3600).all()


def test_a_store_larger_than_its_cache_gives_the_same(world, tmp_path):
    data = world(frames=24)
    data.to_zarr(tmp_path / "columns.zarr", consolidated=False, zarr_format=3)
    small = open_columns(tmp_path / "columns.zarr", cache_bytes=30_000)
    frames = np.random.default_rng(0).permutation(24)
    np.testing.assert_array_equal(small.tracer(frames), data["mmrbc"].values[frames])
    assert small._cache.nbytes <= 30_000


def damaged(data, name, value):
    values = data[name].values.copy()
    values.flat[5] = value
    return data.assign({name: (data[name].dims, values, data[name].attrs)})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ta", np.nan, "world: variable 'ta' has 1 missing or infinite values"),
        ("mmrbc", -1e-9, "world: variable 'mmrbc' is negative, at least -1e-09"),
        ("emibc", -1e-14, "world: variable 'emibc' is negative, at least -1e-14"),
    ],
)
def test_holes_and_negative_masses_are_refused(world, name, value, message):
    store = ColumnStore(damaged(world(frames=8), name, value), "world")
    with pytest.raises(DataError, match=message):
        store.variable(name, range(8))


def test_other_units_and_regions_are_refused(world):
    data = world(frames=8)
    data["ps"].attrs["units"] = "hPa"
    with pytest.raises(DataError, match="'ps' is in 'hPa', expected 'Pa'"):
        ColumnStore(data, "world")
    with pytest.raises(DataError, match="does not go round the globe"):
        ColumnStore(world(frames=8).isel(longitude=slice(0, 8)), "world")
    with pytest.raises(DataError, match="even number of longitudes"):
        ColumnStore(world(frames=8, columns=15), "world")
    east = {"longitude": np.linspace(0, 360, 16)}
    with pytest.raises(DataError, match="none of them twice"):
        ColumnStore(world(frames=8).assign_coords(east), "world")


@pytest.mark.parametrize("name", ["store", "block", "kind"])
def test_options_that_no_network_has_are_refused_by_name(store, name):
    with pytest.raises(UsageError, match=f"^model.{name}: "):
        column_config(store, np.arange(40), ColumnConfig, **{name: 1})


def test_scaled_inputs_of_the_training_block_have_mean_0_and_spread_1(store):
    config = column_config(store, np.arange(40), frames=3, width=4)
    assert config.levels == 3 and config.columns == 16 and not config.rows_at_poles
    weights = np.cos(np.radians(store.latitude))[:, None]
    frames = np.arange(1, 40)
    for name in VARIABLES:
        for level, (scale, mean, spread) in enumerate(config.statistics[name]):
            values = store.variable(name, frames).astype(np.float64)
            values = values if name in SURFACE_INPUTS else values[:, level]
            if name in ("mmrbc", "emibc", "pr", "prc", "hus", "edt", "mc"):
                assert scale == pytest.approx((values * weights).mean() / weights.mean(), rel=1e-3)
                values = np.arcsinh(values / scale)
            scaled = (values - mean) / spread
            average = (scaled * weights).mean() / weights.mean()
            square = (scaled**2 * weights).mean() / weights.mean()
            assert name == "ua" or average == pytest.approx(0, abs=1e-3)
            assert name == "va" or square == pytest.approx(1, rel=2e-3)


def test_the_increment_is_the_usual_change_of_each_level(store):
    config = column_config(store, np.arange(40))
    change = np.diff(store.tracer(range(40)).astype(np.float64), axis=0)
    weights = np.cos(np.radians(store.latitude))[:, None] * np.ones(16)
    for level, size in enumerate(config.increment):
        square = np.average(change[:, level] ** 2, axis=(1, 2), weights=weights)
        assert size == pytest.approx(np.sqrt(square.mean()), rel=1e-4)


def test_what_never_changes_has_a_scale_all_the_same(world):
    data = world(frames=12)
    data["mc"] = data["mc"] * 0
    data["mc"].attrs["units"] = VARIABLES["mc"].units
    data["mmrbc"][:, 2] = 0.0
    config = column_config(ColumnStore(data, "world"), np.arange(12))
    assert config.statistics["mc"] == ((1.0, 0.0, 1.0),) * 3
    assert 0 < config.increment[2] == pytest.approx(1e-6 * max(config.increment))
