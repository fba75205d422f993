import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.config import TrainingConfig
from co2net_phys.data.schema import CO2
from co2net_phys.data.splits import (
    GAP_DAYS,
    GAP_SHARE,
    PAPER_SPLITS,
    SPLIT_ATTRIBUTE,
    SPLIT_NAMES,
    block_split,
    check_split,
    split_frames,
    stored_split,
    time_labels,
)
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import window_ends
from co2net_phys.errors import DataError, UsageError


@pytest.fixture(scope="module")
def store_of(small_world):
    def make(frames, hours=3):
        data = small_world(frames, hours).drop_dims("station")[[CO2]]
        return TrainingStore(data.isel(latitude=[0, 1], longitude=[0, 1]), "short.nc")

    return make


@settings(max_examples=40, deadline=None)
@given(
    frames=st.integers(2, 900), window=st.sampled_from([2, 4, 8]), hours=st.sampled_from([3, 24])
)
def test_blocks_are_disjoint_ordered_and_apart(store_of, frames, window, hours):
    store = store_of(frames, hours)
    try:
        split = block_split(store, window)
    except DataError as error:
        assert "short.nc" in str(error)
        assert frames * 0.08 < window + 1, "refused only if a tenth holds no window"
        return
    blocks = [split_frames(store, split, name) for name in SPLIT_NAMES]
    gap = min(GAP_DAYS * 86400, GAP_SHARE * frames * hours * 3600)
    for block in blocks:
        assert len(block) >= window
        assert (np.diff(block) == 1).all()
    for before, after in pairwise(blocks):
        assert store.seconds[after[0]] - store.seconds[before[-1]] >= gap
    assert (blocks[0][0], blocks[-1][-1]) == (0, frames - 1)
    assert len(blocks[0]) > len(blocks[2]) >= len(blocks[1])


def test_labels_bring_back_the_same_frames_from_another_store(store_of):
    split = block_split(store_of(400), 8)
    longer = store_of(480)
    for name in SPLIT_NAMES:
        expected = split_frames(store_of(400), split, name)
        np.testing.assert_array_equal(split_frames(longer, split, name), expected)
    assert time_labels(longer)[1] == "2010-03-01T03:00:00"
    assert len(split_frames(longer, split, "all")) == 480


def test_a_short_record_says_how_long_it_must_be(store_of):
    with pytest.raises(DataError, match=r"short\.nc: 60 time steps.*window of 8.*12 days"):
        block_split(store_of(60), 8)
    assert block_split(store_of(12 * 8), 8), "and so it does"


def test_no_such_block(store_of):
    store = store_of(400)
    split = block_split(store, 8)
    with pytest.raises(UsageError, match=r"'exam'.*train"):
        split_frames(store, split, "exam")
    with pytest.raises(DataError, match=r"short\.nc: no time step between 1999"):
        split_frames(store, {"test": ("1999-01-01T00:00:00", "1999-02-01T00:00:00")}, "test")


@pytest.mark.parametrize("last", ["2010-03-10", "2010-03-10T21", "2010-03-10T21:00:00"])
def test_a_last_day_is_included_to_its_end(store_of, last):
    store = store_of(400)
    frames = split_frames(store, {"train": ("2010-03-02", last)}, "train")
    labels = time_labels(store)
    assert labels[frames[0]] == "2010-03-02T00:00:00"
    assert labels[frames[-1]] == "2010-03-10T21:00:00"


def test_blocks_of_whole_months_and_years(store_of):
    split = {"train": ("2010", "2010-03"), "test": ("2010-04-02", "2010")}
    store = store_of(400)
    assert len(split_frames(store, split, "train")) == 31 * 8
    assert split_frames(store, split, "test")[-1] == 399


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"exam": ("2010-03-01", "2010-03-02")}, "no block is called 'exam'"),
        ({"train": ("2010-03-09", "2010-03-02")}, "'train' ends at 2010-03-02, before"),
        (
            {"train": ("2010-03-01", "2010-03-09"), "test": ("2010-03-09T12", "2010-03-20")},
            "'train' and 'test' overlap",
        ),
        (
            {"test": ("2010-03-05", "2010-03-06"), "train": ("2010-03-01", "2010-03-20")},
            "'train' and 'test' overlap",
        ),
        ({"train": ("2010-03-01 00:00", "2010-03-09")}, "'2010-03-01 00:00' .train. is no ISO"),
        ({"train": ("March", "2010-03-09")}, "'March' .train. is no ISO"),
        ({"train": ()}, "holds no interval"),
        ({"train": ("2010-03-01",)}, "is no interval"),
        ({"train": (("2010-03-01", "2010-03-02", "2010-03-03"),)}, "is no interval"),
        (
            {"train": (("2010-03-01", "2010-03-05"), ("2010-03-04", "2010-03-09"))},
            "'train' and 'train' overlap",
        ),
        (
            {
                "train": (("2010-03-01", "2010-03-02"), ("2010-03-20", "2010-03-22")),
                "test": ("2010-03-02T21", "2010-03-05"),
            },
            "'train' and 'test' overlap",
        ),
    ],
)
def test_a_split_that_makes_no_sense(store_of, split, message):
    with pytest.raises(UsageError, match=message):
        split_frames(store_of(400), split, "train")


@pytest.mark.parametrize("as_kept", [lambda block: block, lambda block: list(map(list, block))])
def test_a_block_of_several_intervals(store_of, as_kept):
    """As tuples in the configuration, or as lists in the JSON of a checkpoint."""
    store = store_of(400)
    parts = (("2010-03-01", "2010-03-02"), ("2010-03-05", "2010-03-06"))
    split = {"train": ["2010-03-10", "2010-03-20"], "test": as_kept(parts)}
    frames = split_frames(store, split, "test")
    np.testing.assert_array_equal(frames, [*range(16), *range(32, 48)])
    ends = window_ends(store, frames, 8)
    assert set(ends) == {*range(7, 16), *range(39, 48)}, "no window reaches from one to the other"
    np.testing.assert_array_equal(window_ends(store, frames, 16), [15, 47])
    with pytest.raises(DataError, match="no 17 consecutive"):
        window_ends(store, frames, 17)


def test_intervals_that_are_all_outside(store_of):
    split = {"test": (("1999", "1999"), ("2001", "2002"))}
    with pytest.raises(DataError, match="between 1999 and 1999 or 2001 and 2002"):
        split_frames(store_of(40), split, "test")


@pytest.mark.parametrize("name", PAPER_SPLITS)
def test_the_splits_of_the_paper_use_every_year_once(name):
    split = PAPER_SPLITS[name]
    check_split(split)
    config = TrainingConfig.validated({"split": json.loads(json.dumps(split))})
    assert config.split == split, "what a file of options holds comes back as it was"
    years = []
    for block in split.values():
        for first, last in [block] if isinstance(block[0], str) else block:
            years += range(int(first), int(last) + 1)
    first, last = {"carbontracker": (2000, 2020), "cmip6": (1850, 2014)}[name]
    assert sorted(years) == list(range(first, last + 1))


def test_the_split_that_a_store_was_prepared_for(store_of):
    data = store_of(8).dataset
    assert stored_split(data) is None
    split = {"train": ("2010-03-01", "2010-03-02"), "test": (("2011", "2011"), ("2013", "2014"))}
    assert stored_split(data.assign_attrs({SPLIT_ATTRIBUTE: json.dumps(split)})) == split
