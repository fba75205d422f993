"""Writers of synthetic files on the documented layouts, as fixtures."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for grid_files; importlib mode adds nothing

import grid_files


@pytest.fixture
def carbontracker_day(tmp_path):
    """Write one daily CarbonTracker file: `write(day, **changes) -> Path`."""
    return lambda day="2010-01-01", **changes: grid_files.carbontracker(tmp_path, day, **changes)


@pytest.fixture
def cmip_file(tmp_path):
    """Write one CMIP6 file: `write(variable, **changes) -> Path`."""
    return lambda variable="co2s", **changes: grid_files.cmip(tmp_path, variable, **changes)


@pytest.fixture
def told(caplog):
    """Return the warnings so far, each of which must be one line."""

    def lines():
        messages = [record.getMessage() for record in caplog.records]
        assert not any("\n" in message for message in messages)
        return messages

    return lines
