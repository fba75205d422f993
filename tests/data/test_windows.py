import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.data.schema import CO2
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import Windows, shuffled, window_ends
from co2net_phys.errors import DataError


@pytest.fixture(scope="module")
def data(small_world):
    return small_world(60)


@pytest.fixture(scope="module")
def windows(data):
    store = TrainingStore(data, "world.nc")
    return Windows(store, window_ends(store, np.arange(60), 4), np.array([6, 2]), 4)


@settings(max_examples=60, deadline=None)
@given(
    kept=st.lists(st.booleans(), min_size=60, max_size=60),
    inside=st.lists(st.booleans(), min_size=60, max_size=60),
    length=st.integers(1, 8),
    spacing=st.integers(1, 3),
)
def test_windows_never_cross_a_gap_nor_leave_their_block(data, kept, inside, length, spacing):
    present = np.flatnonzero([True, True, *kept[2:]])  # so that the time step is three hours
    frames = np.flatnonzero(np.array(inside)[present])
    store = TrainingStore(data[[CO2]].isel(time=present), "gaps.nc")
    allowed, span = set(frames), (length - 1) * spacing + 1
    expected = [
        end
        for end in range(len(present))
        if end + 1 >= span
        and set(range(end - span + 1, end + 1)) <= allowed
        and present[end] - present[end - span + 1] == span - 1
    ]
    if expected:
        assert list(window_ends(store, frames, length, spacing)) == expected
    else:
        with pytest.raises(DataError, match=r"gaps\.nc: no .* consecutive"):
            window_ends(store, frames, length, spacing)


def test_frames_of_a_window_are_spaced(data):
    store = TrainingStore(data, "world.nc")
    windows = Windows(store, window_ends(store, np.arange(60), 4, 3), np.array([6]), 4, spacing=3)
    assert windows.ends[0] == 9
    batch = windows.batch([0])
    expected = data["ps"].values[[0, 3, 6, 9]].astype(np.float32)
    np.testing.assert_array_equal(batch.fields["ps"][0], expected)
    np.testing.assert_allclose(batch.coordinates.elapsed[0], np.arange(4) * 32400.0)


def test_a_batch_holds_what_direct_indexing_gives(windows, data):
    batch = windows.batch([10, 0, 3])
    ends = windows.ends[[10, 0, 3]]
    assert list(ends) == [13, 3, 6]
    for place, end in enumerate(ends):
        frames = slice(end - 3, end + 1)
        for name in ("ps", "vas"):
            expected = data[name].values[frames].astype(np.float32)
            np.testing.assert_array_equal(batch.fields[name][place], expected)
        expected = data[CO2].values[[end]].astype(np.float32)
        np.testing.assert_array_equal(batch.fields[CO2][place], expected)
        seen = data["co2s_station"].values[frames][:, [6, 2]].astype(np.float32)
        np.testing.assert_array_equal(batch.observations.value[place], seen)
    np.testing.assert_array_equal(batch.fields["oro"][2, 0], data["oro"].values.astype("f4"))
    np.testing.assert_allclose(batch.observations.latitude, data["station_latitude"][[6, 2]])
    np.testing.assert_allclose(batch.observations.longitude, data["station_longitude"][[6, 2]])
    np.testing.assert_allclose(batch.coordinates.elapsed, np.tile(np.arange(4) * 10800.0, (3, 1)))
    np.testing.assert_allclose(batch.coordinates.day_phase[1], np.arange(4) / 8)
    np.testing.assert_allclose(batch.coordinates.latitude, data["latitude"])


def test_batches_cover_every_window_once_in_order(windows):
    sizes = [len(batch) for batch in windows.batches(10)]
    assert sizes == [10, 10, 10, 10, 10, 7]
    phases = torch.cat([batch.coordinates.year_phase[:, -1] for batch in windows.batches(10)])
    assert (torch.diff(phases) > 0).all()


def test_batches_follow_an_order(windows):
    (batch,) = windows.batches(8, [5, 1])
    for place, position in enumerate([5, 1]):
        expected = windows.batch([position]).fields["tas"][0]
        assert torch.equal(batch.fields["tas"][place], expected)


def test_a_stream_has_a_batch_for_each_group(windows):
    groups = [np.array([4]), [9, 0, 9]]
    for batch, group in zip(windows.stream(groups), groups, strict=True):
        assert torch.equal(batch.fields["tas"], windows.batch(group).fields["tas"])
    np.testing.assert_array_equal(windows.frames([2]), [[2, 3, 4, 5]])


def test_reconstructing_does_not_read_the_target(data):
    store = TrainingStore(data, "w")
    blind = Windows(store, np.array([10]), np.array([0]), 4, with_target=False)
    assert CO2 not in blind.batch([0]).fields


@given(count=st.integers(1, 200), seed=st.integers(0, 99), epoch=st.integers(0, 9))
def test_shuffling_is_a_permutation_given_by_seed_and_epoch(count, seed, epoch):
    order = shuffled(count, seed, epoch)
    assert sorted(order) == list(range(count))
    np.testing.assert_array_equal(order, shuffled(count, seed, epoch))
    if count > 20:
        assert list(order) != list(shuffled(count, seed, epoch + 1))
        assert list(order) != list(shuffled(count, seed + 1, epoch))
