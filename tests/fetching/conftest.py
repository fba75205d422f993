"""A web server in this process that misbehaves as told, and NetCDF files for it to send."""

import contextlib
import functools
import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import netCDF4
import numpy as np
import pytest

from co2net_phys.fetching.manners import Manners


class Server(ThreadingHTTPServer):
    """Sends `files`; the answers to a path follow `script[path]`, then the rules of HTTP.

    Attributes: files (path to bytes), script (path to a list of functions of the handler, one used
    up a request), asked (method, path and headers of each request), ranges, tags and lengths
    (whether the server has them).
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.script, self.asked = {}, {}, []
        self.ranges = self.tags = self.lengths = True
        self.base = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        """A client that has gone is part of the tests."""

    def sent(self, path):
        """Requests for a path."""
        return [headers for _, asked, headers in self.asked if asked == path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def do_GET(self):
        path = self.path.partition("?")[0]
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        steps = self.server.script.get(path) or self.server.script.get("*")
        if steps:
            steps.pop(0)(self)
        elif path in self.server.files:
            self.send_file()
        else:
            self.send_text(404)

    do_HEAD = do_GET

    @property
    def content(self):
        return self.server.files[self.path]

    def send_text(self, code, text="", kind="text/html", **headers):
        body = text.encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, most=None, length=None):
        """Send the file, of it `most` bytes, announcing `length`."""
        content, start = self.content, 0
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range", tag) == tag
        if self.server.ranges and wanted and same:
            start = int(wanted[1])
            if start >= len(content):
                self.send_text(416, Content_Range=f"bytes */{len(content)}")
                return
            self.send_response(206)
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", span)
        else:
            self.send_response(200)
        if self.server.tags:
            self.send_header("ETag", tag)
        self.send_header("Content-Type", "application/x-netcdf")
        if self.server.lengths:
            self.send_header("Content-Length", str(length or len(content) - start))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[start:][:most])
            self.wfile.flush()
        self.close_connection = True


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def netcdf(tmp_path_factory):
    """Function that gives the bytes of a NetCDF file, about 300 kB, another for each seed."""

    @functools.cache
    def make(seed=0, kind="NETCDF4"):
        path = tmp_path_factory.mktemp("netcdf") / "file.nc"
        with contextlib.closing(netCDF4.Dataset(path, "w", format=kind)) as dataset:
            dataset.createDimension("x", 75_000)
            values = np.random.default_rng(seed).random(75_000).astype("f4")
            dataset.createVariable("co2", "f4", ("x",))[:] = values
        return path.read_bytes()

    return make


@pytest.fixture
def waits():
    """Seconds that were asked to wait, in order; nobody waits in a test."""
    return []


@pytest.fixture
def manners(waits):
    return Manners(attempts=4, timeout=5.0, checkpoint=100_000, sleep=waits.append)
