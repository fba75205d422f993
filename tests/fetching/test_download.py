"""One file: whatever the server and the line do, the bytes are right or the reason is said."""

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from email.utils import formatdate

import pytest

from co2net_phys.errors import DataError
from co2net_phys.fetching.connection import MissingError
from co2net_phys.fetching.download import download
from co2net_phys.fetching.manners import Manners
from co2net_phys.fetching.partial_file import Origin, PartialFile
from co2net_phys.fetching.remote_file import RemoteFile

PATH = "/co2/day.nc"


@pytest.fixture
def get(server, netcdf, tmp_path, manners):
    """Function that fetches day.nc, which has the bytes `server.files[PATH]`."""
    server.files[PATH] = netcdf()

    def run(**changes):
        file = RemoteFile("day.nc", (server.base + PATH,))
        own = {k: changes.pop(k) for k in list(changes) if hasattr(manners, k)}
        return download(replace(file, **changes), tmp_path, replace(manners, **own))

    return run


def right(server, folder):
    """Whether the file is there as the server has it, and nothing else is."""
    assert sorted(path.name for path in folder.iterdir()) == ["day.nc"]
    return (folder / "day.nc").read_bytes() == server.files[PATH]


def drop(after):
    """The connection breaks after so many bytes."""
    return lambda handler: handler.send_file(most=after)


def status(code, **headers):
    return lambda handler: handler.send_text(code, "<html>no</html>", **headers)


@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT_DATA"])
@pytest.mark.parametrize("lengths", [True, False])
def test_a_file_comes_as_it_is(get, server, netcdf, tmp_path, kind, lengths):
    server.files[PATH], server.lengths = netcdf(kind=kind), lengths
    entry = get()
    assert right(server, tmp_path)
    assert entry.sha256 == hashlib.sha256(server.files[PATH]).hexdigest()
    assert entry.bytes == len(server.files[PATH])
    assert entry.address == server.base + PATH
    agent = server.sent(PATH)[0]["User-Agent"]
    assert agent.startswith("co2phys/")


def test_a_broken_connection_goes_on_where_it_broke(get, server, tmp_path, waits):
    server.script[PATH] = [drop(100_000), drop(60_000)]
    get()
    assert right(server, tmp_path)
    first, second, third = server.sent(PATH)
    assert "Range" not in first
    assert second["Range"] == "bytes=100000-"
    assert third["Range"] == "bytes=160000-"
    assert second["If-Range"].strip('"') == hashlib.md5(server.files[PATH]).hexdigest()
    assert len(waits) == 2


def test_more_breaks_than_attempts_do_not_matter_while_there_is_progress(get, server, tmp_path):
    server.script[PATH] = [drop(30_000)] * 9
    get(attempts=2)
    assert right(server, tmp_path)
    assert len(server.sent(PATH)) == 10


@pytest.mark.parametrize("without", ["ranges", "tags"])
def test_without_ranges_or_tags_it_starts_again(get, server, tmp_path, without):
    setattr(server, without, False)
    server.script[PATH] = [drop(100_000)]
    get()
    assert right(server, tmp_path)
    assert len(server.sent(PATH)) == 2


def test_a_weak_tag_is_not_trusted_but_a_date_is(get, server, tmp_path):
    date = formatdate(1e9, usegmt=True)

    def weak(handler):
        handler.send_response(200)
        handler.send_header("ETag", 'W/"weak"')
        handler.send_header("Last-Modified", date)
        handler.send_header("Content-Length", str(len(handler.content)))
        handler.end_headers()
        handler.wfile.write(handler.content[:70_000])
        handler.close_connection = True

    server.script[PATH] = [weak]
    get()
    assert server.sent(PATH)[1]["If-Range"] == date
    assert right(server, tmp_path)


def test_a_file_that_changes_meanwhile_is_started_again(get, server, netcdf, tmp_path):
    def drop_and_change(handler):
        handler.send_file(most=100_000)
        server.files[PATH] = netcdf(seed=1)

    server.script[PATH] = [drop_and_change]
    get()
    assert right(server, tmp_path)
    assert server.files[PATH] == netcdf(seed=1)


def test_a_server_that_ignores_if_range_is_found_out(get, server, netcdf, tmp_path):
    """It sends the end of another file: its tag is another."""

    def other_end(handler):
        server.files[PATH] = netcdf(seed=1)
        del handler.headers["If-Range"]
        handler.send_file()

    server.script[PATH] = [drop(100_000), other_end]
    get()
    assert right(server, tmp_path)
    assert [*map(bool, (h.get("Range") for h in server.sent(PATH)))] == [False, True, False]


def test_a_range_the_server_cannot_give_starts_again(get, server, tmp_path):
    server.script[PATH] = [drop(100_000), status(416)]
    get()
    assert right(server, tmp_path)
    assert "Range" not in server.sent(PATH)[2]


@pytest.mark.parametrize("span", ["bytes 5-9/10", "bytes 100000-100009/200000", "nonsense"])
def test_another_range_than_asked_for_starts_again(get, server, tmp_path, span):
    server.script[PATH] = [drop(100_000), status(206, Content_Range=span)]
    get()
    assert right(server, tmp_path)


def test_too_long_a_length_is_a_truncation(get, server, tmp_path, waits):
    """The server announces more than it ever sends."""
    server.ranges = False
    server.script[PATH] = [lambda handler: handler.send_file(length=len(handler.content) + 9)] * 9
    with pytest.raises(DataError, match=r"ended after (\d+) of \d+ bytes, 4 times in a row") as why:
        get()
    assert "\n" not in str(why.value)
    assert server.base + PATH in str(why.value)
    assert len(waits) == 3
    assert not (tmp_path / "day.nc").exists()


@pytest.mark.parametrize("lengths", [True, False])
def test_a_short_file_is_no_complete_netcdf(get, server, tmp_path, lengths):
    """Cut on the server, or a close that nobody can tell from the end."""
    server.files[PATH], server.lengths = server.files[PATH][:-1000], lengths
    with pytest.raises(DataError, match="is not a complete NetCDF file"):
        get()
    assert list(tmp_path.iterdir()) == []


def test_a_busy_server_is_waited_for(get, server, tmp_path, waits):
    server.script[PATH] = [status(503, Retry_After="7"), status(429), status(502)]
    get()
    assert right(server, tmp_path)
    assert waits[0] == 7
    assert 1 <= waits[1] <= 2  # doubled, with jitter from half
    assert 2 <= waits[2] <= 4


def test_a_date_says_when_to_come_back(get, server, waits):
    server.script[PATH] = [status(503, Retry_After=formatdate(time.time() + 30, usegmt=True))]
    get()
    assert 25 < waits[0] <= 30


@pytest.mark.parametrize("text", ["soon", "-5", ""])
def test_an_unreadable_date_is_as_none(get, server, waits, text):
    server.script[PATH] = [status(503, Retry_After=text)]
    get()
    assert 0.5 <= waits[0] <= 1


def test_too_long_a_wait_is_left_to_the_user(get, server, waits):
    server.script[PATH] = [status(503, Retry_After="7200")]
    with pytest.raises(DataError, match=r"503 Service Unavailable.*asks to wait 7200 s"):
        get()
    assert waits == []


@pytest.mark.parametrize(
    ("code", "words"),
    [(404, "is not on the server"), (410, "is not on"), (403, "refuses it"), (418, "answers 418")],
)
def test_a_refusal_is_one_line_with_the_address(get, server, tmp_path, waits, code, words):
    server.script[PATH] = [status(code)]
    with pytest.raises(DataError, match=words) as why:
        get()
    assert str(why.value).startswith(server.base + PATH)
    assert str(code) in str(why.value)
    assert isinstance(why.value, MissingError) == (code in (404, 410))
    assert waits == []
    assert not (tmp_path / "day.nc").exists()


def test_a_server_that_stays_down_is_given_up(get, server, waits):
    server.script[PATH] = [status(500)] * 9
    with pytest.raises(DataError, match="500 Internal Server Error, 4 times in a row"):
        get()
    assert len(waits) == 3


@pytest.mark.parametrize("kind", ["text/html", "application/x-netcdf"])
def test_a_web_page_is_not_taken_for_data(get, server, tmp_path, kind):
    server.script[PATH] = [lambda handler: handler.send_text(200, "<!DOCTYPE html><p>", kind)]
    with pytest.raises(DataError, match="sends a web page instead of NetCDF"):
        get()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_answer_is_not_taken_for_data(get, server, tmp_path):
    server.script[PATH] = [lambda handler: handler.send_text(200, "", "application/x-netcdf")]
    with pytest.raises(DataError, match="sends nothing"):
        get()
    assert list(tmp_path.iterdir()) == []


def test_a_packed_answer_is_refused(get, server):
    server.script[PATH] = [status(200, Content_Encoding="gzip")]
    with pytest.raises(DataError, match="gzip-encoded"):
        get()


def test_a_silent_server_is_not_waited_for_without_end(get, server, tmp_path):
    def silent(handler):
        handler.send_file(most=100_000)
        handler.close_connection = False
        time.sleep(0.5)

    server.script[PATH] = [silent]
    get(timeout=0.1)
    assert right(server, tmp_path)
    assert server.sent(PATH)[1]["Range"] == "bytes=100000-"


def test_a_trickle_is_too_slow(get, server, tmp_path):
    def trickle(handler):
        handler.send_file(most=1000)
        for _ in range(40):
            time.sleep(0.02)
            handler.wfile.write(handler.content[1000:1001])
            handler.wfile.flush()

    server.script[PATH] = [trickle]
    with pytest.raises(DataError, match=r"only \d+ bytes a second"):
        get(timeout=0.2, least_rate=1e6, attempts=1)


def test_a_port_nobody_listens_on(tmp_path, manners, server):
    server.server_close()
    file = RemoteFile("day.nc", (server.base + PATH,))
    with pytest.raises(DataError, match=r"the connection fails \(Connection refused\)"):
        download(file, tmp_path, manners)


@pytest.mark.parametrize("changes", [{"size": 5}, {"digest": ("sha256", "0" * 64)}])
def test_what_the_catalogue_says_is_checked(get, server, tmp_path, changes):
    with pytest.raises(DataError, match="catalogue"):
        get(**changes)
    assert not (tmp_path / "day.nc").exists()


@pytest.mark.parametrize("algorithm", ["md5", "sha256", "sha512"])
def test_checksums_of_the_catalogue_agree(get, server, tmp_path, algorithm):
    digest = hashlib.new(algorithm, server.files[PATH]).hexdigest()
    get(size=len(server.files[PATH]), digest=(algorithm, digest.upper()))
    assert right(server, tmp_path)


def test_the_next_server_is_tried(get, server, tmp_path, caplog):
    get(addresses=(f"{server.base}/gone.nc", server.base + PATH))
    assert right(server, tmp_path)
    assert "trying the next server" in caplog.text


def test_no_server_at_all(get):
    with pytest.raises(MissingError, match=r"day\.nc: no server"):
        get(addresses=())


def begun(folder, content, certain, **origin):
    """Leave a part behind as a killed run does; bytes beyond the certain ones are rubbish."""
    (folder / "day.nc.part").write_bytes(content[:certain] + b"\0" * 500)
    (folder / "day.nc.part.json").write_text(json.dumps({"certain": certain, **origin}))


def test_bytes_that_never_reached_the_disk_are_fetched_again(get, server, tmp_path):
    tag = f'"{hashlib.md5(server.files[PATH]).hexdigest()}"'
    address, total = server.base + PATH, len(server.files[PATH])
    begun(tmp_path, server.files[PATH], 70_000, address=address, etag=tag, total=total)
    get()
    assert right(server, tmp_path)
    assert server.sent(PATH)[0]["Range"] == "bytes=70000-"


def test_a_part_put_together_wrongly_is_started_again(get, server, tmp_path):
    tag = f'"{hashlib.md5(server.files[PATH]).hexdigest()}"'
    wrong, total = b"\0" * 70_000, len(server.files[PATH])
    begun(tmp_path, wrong, 70_000, address=server.base + PATH, etag=tag, total=total)
    get()
    assert right(server, tmp_path)
    assert ["Range" in headers for headers in server.sent(PATH)] == [True, False]


@pytest.mark.parametrize(
    "notes",
    [
        "",
        "[]",
        "{}",
        '{"address": "http://elsewhere/day.nc", "etag": "x", "certain": 9}',
        '{"a":1}',
    ],
)
def test_a_part_of_nobody_knows_what_is_started_again(get, server, tmp_path, notes):
    (tmp_path / "day.nc.part").write_bytes(b"x" * 1000)
    (tmp_path / "day.nc.part.json").write_text(notes)
    get()
    assert right(server, tmp_path)
    assert "Range" not in server.sent(PATH)[0]


def test_notes_never_outlive_the_bytes_they_tell_of(tmp_path):
    """Killed after a new start, a run must not leave notes about the bytes before it."""
    begun(tmp_path, b"x" * 2000, 1000, address="http://host/day.nc", etag="old", total=1000)
    with PartialFile(tmp_path / "day.nc", "http://host/day.nc", 10_000) as part:
        assert part.size == 1000
        part.restart(Origin("http://host/day.nc", "new"))
        part.write(b"y" * 1500)
        assert not (tmp_path / "day.nc.part.json").exists()
    assert json.loads((tmp_path / "day.nc.part.json").read_text())["etag"] == "new"


def test_a_complete_part_only_needs_its_name(get, server, tmp_path):
    """Killed between the last byte and the rename."""
    content = server.files[PATH]
    begun(tmp_path, content, len(content), address=server.base + PATH, total=len(content))
    get()
    assert right(server, tmp_path)
    assert server.asked == []


def test_a_link_in_place_of_the_part_is_not_followed(get, tmp_path_factory, tmp_path):
    outside = tmp_path_factory.mktemp("outside") / "file"
    (tmp_path / "day.nc.part").symlink_to(outside)
    with pytest.raises(DataError, match="cannot be written"):
        get()
    assert not outside.exists()


def test_a_full_disk_is_found_before_it_is_full(get, monkeypatch, tmp_path):
    free = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("co2net_phys.data.atomic.shutil.disk_usage", lambda path: free)
    with pytest.raises(DataError, match="no space left"):
        get()
    assert not (tmp_path / "day.nc").exists()


def test_a_disk_that_fills_keeps_what_is_safe(get, server, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(DataError, match="no space left"):
            get()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    get()
    assert right(server, tmp_path)
    start = int(server.sent(PATH)[1]["Range"].removeprefix("bytes=").removesuffix("-"))
    assert 100_000 <= start <= 200_000


SCRIPT = """
import sys
from pathlib import Path
from co2net_phys.fetching.download import download
from co2net_phys.fetching.manners import Manners
from co2net_phys.fetching.remote_file import RemoteFile
file = RemoteFile("day.nc", (sys.argv[1],))
download(file, Path(sys.argv[2]), Manners(checkpoint=20_000))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_gone_on_with(get, server, tmp_path, number):
    def hang(handler):
        handler.send_file(most=150_000)
        time.sleep(10)

    server.script[PATH] = [hang]
    words = [sys.executable, "-c", SCRIPT, server.base + PATH, str(tmp_path)]
    running = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    notes, until = tmp_path / "day.nc.part.json", time.monotonic() + 20
    while time.monotonic() < until:
        if notes.exists() and json.loads(notes.read_text())["certain"] >= 100_000:
            break
        time.sleep(0.01)
    os.kill(running.pid, number)
    running.wait()
    assert not (tmp_path / "day.nc").exists()
    certain = json.loads(notes.read_text())["certain"]
    assert certain >= 100_000
    if number == signal.SIGINT:  # every byte that came is made safe
        assert (tmp_path / "day.nc.part").stat().st_size == certain
    get()
    assert right(server, tmp_path)
    assert server.sent(PATH)[1]["Range"] == f"bytes={certain}-"


def test_waits_double_up_to_a_bound_with_jitter():
    patience = Manners(first_wait=1.0, longest_wait=10.0)
    for failures, longest in ((1, 1), (2, 2), (4, 8), (5, 10), (20, 10)):
        waits = [patience.wait(failures) for _ in range(50)]
        assert longest / 2 <= min(waits) < max(waits) <= longest


def chunked(most):
    """Send the file in chunks without a length; break off after so many bytes."""

    def send(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for start in range(0, min(most, len(handler.content)), 10_000):
            block = handler.content[start : start + 10_000]
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(block), block))
        handler.wfile.write(b"0\r\n\r\n" if most >= len(handler.content) else b"")
        handler.close_connection = True

    return send


def test_chunks_end_where_they_say(get, server, tmp_path, waits):
    server.script[PATH] = [chunked(50_000), chunked(10**9)]
    get()
    assert right(server, tmp_path)
    assert len(waits) == 1
