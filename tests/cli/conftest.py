"""Run `co2phys` inside this process, with everything it leaves behind cleaned up."""

import logging
import signal
from types import SimpleNamespace

import pytest

from co2net_phys.cli import main
from co2net_phys.data.writer import write_dataset


@pytest.fixture
def co2phys(capfd, monkeypatch, tmp_path):
    """Function of the words of a command line; gives code, out and err."""
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*words):
        for name in ("CO2PHYS_DEBUG", "CO2PHYS_QUIET"):
            monkeypatch.setenv(name, "")
        monkeypatch.setattr("sys.argv", ["/somewhere/bin/co2phys", *map(str, words)])
        logging.getLogger("co2net_phys").handlers.clear()
        capfd.readouterr()
        with pytest.raises(SystemExit) as leaving:
            main.main()
        return SimpleNamespace(code=leaving.value.code, **capfd.readouterr()._asdict())

    yield run
    logging.getLogger("co2net_phys").handlers.clear()
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def world(tmp_path_factory, small_world):
    """A training store on disk."""
    path = tmp_path_factory.mktemp("world") / "world.zarr"
    write_dataset(small_world(), path)
    return path


def contents(folder):
    """Everything below a folder, with the time of its last change."""
    return {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture
def listing():
    return contents
