"""A run that goes on: what it must share with the one before, and what that did not record."""

from pathlib import Path

import pytest

from co2net_phys.errors import UsageError
from co2net_phys.same_run import require_same_data


def test_data_that_differ_are_named_and_what_was_not_recorded_is_not_compared():
    metadata = {"sites": ["A", "B"], "bridges": "12ab"}
    now = {"sites": ("A", "B"), "bridges": "12ab", "inversions": "34cd"}
    require_same_data(Path("run"), metadata, now, "world")
    with pytest.raises(UsageError, match=r"run: .* than world, which differ in bridges; give"):
        require_same_data(Path("run"), metadata, now | {"bridges": "56ef"}, "world")
