from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from co2net_phys.errors import DataError, UsageError
from co2net_phys.satellite.folds import BLOCKS, block_labels, hold_out, k_folds

Labels = st.lists(st.integers(0, 12), min_size=2, max_size=80).map(np.array)


@given(labels=Labels, count=st.integers(2, 6), seed=st.integers(0, 99))
def test_folds_partition_and_blocks_never_straddle(labels: Any, count: int, seed: int) -> None:
    if np.unique(labels).size < count:
        with pytest.raises(DataError, match="fewer than"):
            k_folds(labels, count, seed)
        return
    folds = k_folds(labels, count, seed)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(labels)))
    for fold in folds:
        assert sorted([*fold.training, *fold.test]) == list(range(len(labels)))
        assert not set(labels[fold.training]) & set(labels[fold.test])
        assert len(fold.training) and len(fold.test)
    blocks = [np.unique(labels[fold.test]).size for fold in folds]
    assert max(blocks) - min(blocks) <= 1


@given(labels=Labels, share=st.floats(0.05, 0.95), seed=st.integers(0, 99))
def test_hold_out_reaches_its_share_with_whole_blocks(labels: Any, share: float, seed: int) -> None:
    if np.unique(labels).size < 2:
        with pytest.raises(DataError, match="one block"):
            hold_out(labels, share, seed)
        return
    fold = hold_out(labels, share, seed)
    assert sorted([*fold.training, *fold.test]) == list(range(len(labels)))
    assert not set(labels[fold.training]) & set(labels[fold.test])
    assert len(fold.training) and len(fold.test)
    largest = np.bincount(labels).max()
    assert len(fold.test) < share * len(labels) + largest
    is_last_block_left = np.unique(labels[fold.training]).size == 1
    assert len(fold.test) >= share * len(labels) * (1 - 1e-9) or is_last_block_left


def test_labels_by_hand(make_samples: Any) -> None:
    samples = make_samples(5)
    samples.time[:] = np.array(
        ["2019-01-30", "2019-01-30", "2019-01-31", "2019-02-01", "2020-01-30"], "M8[D]"
    )
    samples.sensors[:] = [1, 4, 4, 4, 4]
    samples.latitude[:] = [10.2, 10.8, 9.9, -0.1, 0.1]
    samples.longitude[:] = [100.5, 100.9, 100.5, 100.5, 100.5]
    expected = {
        "sample": [0, 1, 2, 3, 4],
        "day": [0, 0, 1, 2, 3],
        "week": [0, 0, 1, 1, 2],  # 31 January 2019 was a Thursday
        "month": [0, 0, 0, 1, 2],
        "pass": [0, 1, 2, 3, 4],
        "tile": [3, 3, 2, 0, 1],
    }
    assert set(expected) == set(BLOCKS)
    for blocks, labels in expected.items():
        np.testing.assert_array_equal(block_labels(samples, blocks), labels, err_msg=blocks)
    np.testing.assert_array_equal(block_labels(samples, "tile", 20.0), [1, 1, 1, 0, 1])


def test_tracks_that_meet_in_a_cell_are_one_pass(make_samples: Any) -> None:
    samples = make_samples(7)
    samples.time[:] = np.array(["2019-01-30"] * 4 + ["2019-01-31"] * 3, "M8[D]")
    samples.sensors[:] = [1, 2, 3, 4, 1, 2, 4]
    np.testing.assert_array_equal(block_labels(samples, "pass"), [0, 0, 0, 1, 2, 3, 4])


def test_folds_are_those_of_the_seed() -> None:
    labels = np.arange(50)
    one, same, other = (k_folds(labels, 5, seed)[0].test for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert set(one) != set(other)


def test_senseless_numbers_are_refused(make_samples: Any) -> None:
    with pytest.raises(UsageError, match="two or more"):
        k_folds(np.arange(5), 1, 0)
    with pytest.raises(UsageError, match="between 0 and 1"):
        hold_out(np.arange(5), 1.0, 0)
    with pytest.raises(UsageError, match="positive size"):
        block_labels(make_samples(3), "tile", 0.0)
