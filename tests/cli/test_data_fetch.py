"""`co2phys data fetch` against a web server in this process."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import netCDF4
import numpy as np
import pytest

MONTH = ("--start", "2000-01-01", "--end", "2000-01-03", "--output", "raw")
NAMES = [f"CT2022.molefrac_glb3x2_2000-01-0{day}.nc" for day in (1, 2, 3)]


@pytest.fixture
def mirror(tmp_path_factory, monkeypatch):
    """A mirror of three days of CT2022; gives its address and its folder."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    root = tmp_path_factory.mktemp("mirror")
    folder = root / "CT2022" / "molefractions" / "co2_total"
    folder.mkdir(parents=True)
    for number, name in enumerate(NAMES):
        with netCDF4.Dataset(folder / name, "w") as dataset:
            dataset.createDimension("x", 50_000)
            values = np.random.default_rng(number).random(50_000)
            dataset.createVariable("co2", "f4", ("x",))[:] = values

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *words, **options):
            super().__init__(*words, directory=root, **options)

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", folder
        server.shutdown()


@pytest.fixture
def fetch(co2phys, monkeypatch):
    monkeypatch.setattr("co2net_phys.fetching.manners.time.sleep", lambda seconds: None)
    return lambda *words: co2phys("data", "fetch", *words)


def error(done):
    (line,) = [line for line in done.err.splitlines() if line.startswith("co2phys: error: ")]
    return line


def test_three_days_come_and_stay(fetch, mirror, tmp_path):
    address, folder = mirror
    done = fetch("carbontracker", *MONTH, "--base-url", address, "--json")
    assert (done.code, json.loads(done.out)["fetched"]) == (0, NAMES)
    for name in NAMES:
        assert (tmp_path / "raw" / name).read_bytes() == (folder / name).read_bytes()
    again = fetch("carbontracker", *MONTH, "--base-url", address)
    assert again.code == 0
    assert again.out.startswith("fetched 0 files, 0 MB; 3 were there: raw")


def test_the_dry_run_touches_nothing(fetch, mirror, tmp_path):
    done = fetch("carbontracker", *MONTH, "--dry-run", "--json")  # the real address, never asked
    plan = json.loads(done.out)
    assert done.code == 0
    assert [file["name"] for file in plan["files"]] == plan["new"] == NAMES
    assert plan["files"][0]["addresses"][0].startswith("https://gml.noaa.gov/aftp/")
    assert plan["bytes"] == 3 * 97_000_000
    text = fetch("carbontracker", *MONTH, "--dry-run").out
    assert "nothing (dry run)" in text
    assert not (tmp_path / "raw").exists()


def test_verify_finds_what_was_changed(fetch, mirror, tmp_path):
    address, _ = mirror
    missing = fetch("carbontracker", *MONTH, "--verify")
    assert missing.code == 3
    fetch("carbontracker", *MONTH, "--base-url", address)
    assert fetch("carbontracker", *MONTH, "--verify").code == 0
    assert fetch("cmip6", "--output", "raw", "--verify").code == 0  # all that is noted there
    with (tmp_path / "raw" / NAMES[1]).open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"changed")
    damaged = fetch("carbontracker", *MONTH, "--verify", "--json")
    assert damaged.code == 3
    assert json.loads(damaged.out)["damaged"] == [NAMES[1]]
    assert f"raw/{NAMES[1]}: does not have its checksum" in error(damaged)


def test_a_missing_day_is_an_error_after_all_else_came(fetch, mirror, tmp_path):
    address, folder = mirror
    (folder / NAMES[1]).unlink()
    done = fetch("carbontracker", *MONTH, "--base-url", address)
    assert done.code == 3
    assert f"{NAMES[1]}: is not on the server" in error(done)
    assert (tmp_path / "raw" / NAMES[2]).exists()
    done = fetch("carbontracker", *MONTH, "--verify")
    assert f"raw/{NAMES[1]}: is not there" in error(done)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--start", "1999-12-31", "--end", "2000-01-01"), 2, "CT2022 has the days 2000-01-01"),
        (("--start", "2000-01-02", "--end", "2000-01-01"), 2, "is after"),
        (("--start", "2000-02-30", "--end", "2000-03-01"), 2, "2000-02-30"),
        (("--start", "2000-01-01", "--end", "2000-01-01", "--release", "../x"), 2, "--release"),
        (
            ("--start", "2000-01-01", "--end", "2000-01-01", "--base-url", "file:///"),
            2,
            "--base-url",
        ),
        (("--start", "2000-01-01", "--end", "2000-01-01", "--kind", "winds"), 2, "winds"),
        (("--end", "2000-01-01"), 2, "--start"),
    ],
)
def test_wrong_options_are_one_line(fetch, tmp_path, words, code, said):
    done = fetch("carbontracker", *words, "--output", "raw")
    assert done.code == code
    assert said in error(done)
    assert not (tmp_path / "raw").exists()


def test_too_small_a_disk_is_foretold(fetch, mirror, monkeypatch):
    monkeypatch.setattr("co2net_phys.fetching.fetch.free_bytes", lambda folder: 1_000_000)
    done = fetch("carbontracker", *MONTH, "--base-url", mirror[0])
    assert "co2phys: warning: raw: 278 MB are missing and only 1 MB are free" in done.err
    assert done.code == 0


def test_obspack_is_explained(fetch, tmp_path):
    done = fetch("obspack")
    assert done.code == 0
    assert "https://gml.noaa.gov/ccgg/obspack/data.php" in done.out
    assert "may not be redistributed" in done.out
    assert json.loads(fetch("obspack", "--json").out)["where"].startswith("https://gml")
    assert list(tmp_path.iterdir()) == []


def test_cmip6_asks_the_index_and_fetches(fetch, mirror, tmp_path):
    """The reply of the index is a file of the mirror: it ignores the question."""
    address, folder = mirror
    name = "tas_Amon_CanESM5_esm-hist_r1i1p1f1_gn_185001-201412.nc"
    url = f"{address}/CT2022/molefractions/co2_total/{NAMES[0]}|application/netcdf|HTTPServer"
    content = (folder / NAMES[0]).read_bytes()
    record = {"title": name, "size": len(content), "url": [url]}
    record |= {"checksum": hashlib.sha256(content).hexdigest(), "checksum_type": "SHA256"}
    reply = {"response": {"numFound": 1, "docs": [record]}}
    (folder / "index").write_text(json.dumps(reply))
    words = ["--variable", "tas", "--output", "raw"]
    words += ["--base-url", f"{address}/CT2022/molefractions/co2_total/index"]
    dry = fetch("cmip6", *words, "--dry-run")
    assert dry.code == 0
    assert name in dry.out
    assert not (tmp_path / "raw").exists()
    assert fetch("cmip6", *words).code == 0
    assert (tmp_path / "raw" / name).read_bytes() == content
    none = fetch("cmip6", *words, "--start", "2015")
    assert none.code == 3
    assert "tas_Amon_CanESM5_esm-hist_r1i1p1f1: only" in error(none)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_says_how_to_go_on(tmp_path, monkeypatch, number, code):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    arrived = threading.Event()

    class Hanging(SimpleHTTPRequestHandler):
        def do_GET(self):
            arrived.set()
            time.sleep(5)

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hanging) as server:
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        words = ["data", "fetch", "carbontracker", *MONTH, "--base-url", address]
        running = subprocess.Popen(
            [sys.executable, "-m", "co2net_phys", *words],
            cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert arrived.wait(30)
        os.kill(running.pid, number)
        _, err = running.communicate(timeout=30)
        server.shutdown()
    assert running.returncode == code
    assert "raw: what has come in is kept; run the same command again to go on" in err
    assert "Traceback" not in err
