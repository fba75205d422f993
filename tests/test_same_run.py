"""A run that goes on: what it must share with the one before."""

from pathlib import Path

import pytest

from co2net_phys.errors import UsageError
from co2net_phys.same_run import require_same_data


def test_data_that_differ_are_named():
    metadata = {"sites": ["A", "B"], "bridges": "12ab"}
    now = {"sites": ("A", "B"), "bridges": "12ab"}
    require_same_data(Path("run"), metadata, now, "world")
    with pytest.raises(UsageError, match=r"run: .* than world, which differ in bridges; give"):
        require_same_data(Path("run"), metadata, now | {"bridges": "56ef"}, "world")
