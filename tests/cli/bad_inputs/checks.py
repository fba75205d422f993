"""What must be true of a store that was made of a bad input."""

import numpy as np


def same_as_clean(store, clean):
    """Every value is that of the store of clean files."""
    assert set(store.data_vars) == set(clean.data_vars)
    for name in clean.data_vars:
        np.testing.assert_allclose(store[name], clean[name], rtol=1e-6, err_msg=name)
    for axis in ("time", "latitude", "longitude"):
        np.testing.assert_array_equal(store[axis], clean[axis])


def missing_at(count, of="co2s"):
    """So many values are missing, all others are those of the clean files."""

    def check(store, clean):
        missing = np.isnan(store[of].values)
        assert missing.sum() == count
        np.testing.assert_array_equal(store[of].values[~missing], clean[of].values[~missing])

    return check


def lacks(*names):
    """These variables are not there, all others are those of the clean files."""
    return lambda store, clean: same_as_clean(store, clean.drop_vars(names))


def frames(count):
    """So many frames are left, with the values that clean files have then."""

    def check(store, clean):
        assert store.sizes["time"] == count
        same = clean["co2s"].sel(time=store["time"])
        np.testing.assert_allclose(store["co2s"], same, rtol=1e-6)

    return check
