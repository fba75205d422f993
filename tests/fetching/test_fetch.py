"""Many files: order, list of checksums, what is skipped, who may write."""

import json
import threading
from dataclasses import replace

import pytest

from co2net_phys.errors import DataError
from co2net_phys.fetching.fetch import check, fetch, free_bytes, plan
from co2net_phys.fetching.remote_file import RemoteFile

NAMES = ("a.nc", "b.nc", "c.nc", "d.nc", "e.nc")


@pytest.fixture
def files(server, netcdf):
    """Five files on the server."""
    for seed, name in enumerate(NAMES):
        server.files[f"/{name}"] = netcdf(seed)
    return [RemoteFile(name, (f"{server.base}/{name}",)) for name in NAMES]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "new" / "raw"


def noted(folder):
    return json.loads((folder / "co2phys-fetch.json").read_text())["files"]


def test_all_come_one_after_the_other_with_a_list(files, folder, server, manners, waits):
    said = []
    done = fetch(files, folder, manners, lambda *words: said.append(words))
    assert (done.fetched, done.there, done.missing) == (list(NAMES), [], [])
    assert done.bytes == sum(map(len, server.files.values()))
    assert [path for _, path, _ in server.asked] == [f"/{name}" for name in NAMES]
    assert waits == [manners.pause] * 4
    assert sorted(noted(folder)) == list(NAMES)
    assert {path.name for path in folder.iterdir()} == {*NAMES, "co2phys-fetch.json"}
    assert check(folder).intact == list(NAMES)
    assert {name for name, *_ in said} == set(NAMES)
    assert all(0 < there <= total == len(server.files[f"/{name}"]) for name, there, total in said)


def test_complete_files_are_not_asked_for_again(files, folder, server, manners, waits):
    fetch(files[:3], folder, manners)
    server.asked.clear()
    waits.clear()
    done = fetch(files, folder, manners)
    assert (done.fetched, done.there) == ([*NAMES[3:]], [*NAMES[:3]])
    assert [path for _, path, _ in server.asked] == ["/d.nc", "/e.nc"]
    assert len(waits) == 1


def test_the_plan_writes_nothing_and_asks_nobody(files, folder, server, manners):
    assert plan(files, folder).new == list(NAMES)
    assert not folder.parent.exists()
    fetch(files[:2], folder, manners)
    (folder / "c.nc.part").write_bytes(b"")
    server.asked.clear()
    planned = plan(files, folder)
    assert (planned.there, planned.begun, planned.new) == (
        ["a.nc", "b.nc"],
        ["c.nc"],
        ["d.nc", "e.nc"],
    )
    assert server.asked == []
    assert free_bytes(folder / "not" / "there") > 0


def test_damage_is_found_by_checking_and_mended_by_fetching(files, folder, manners, caplog, server):
    fetch(files[:3], folder, manners)
    changed = bytearray((folder / "a.nc").read_bytes())
    changed[-1] ^= 1
    (folder / "a.nc").write_bytes(changed)
    (folder / "b.nc").unlink()
    found = check(folder, NAMES[:4])
    assert (found.intact, found.damaged, found.absent) == (["c.nc"], ["a.nc"], ["b.nc", "d.nc"])
    (folder / "a.nc").write_bytes(changed[:1000])
    done = fetch(files[:3], folder, manners)
    assert done.fetched == ["a.nc", "b.nc"]
    assert "has 1000 bytes where" in caplog.text
    assert check(folder).damaged == []


def test_a_check_of_an_empty_folder_says_so(tmp_path):
    with pytest.raises(DataError, match="fetch first"):
        check(tmp_path)


def test_a_file_that_came_by_another_way_is_taken_if_it_is_the_same(files, folder, server, manners):
    folder.mkdir(parents=True)
    (folder / "a.nc").write_bytes(server.files["/a.nc"])
    done = fetch(files[:1], folder, manners)
    assert done.there == ["a.nc"]
    assert [method for method, *_ in server.asked] == ["HEAD"]
    assert check(folder).intact == ["a.nc"]


@pytest.mark.parametrize("cut", [1000, 0])
def test_a_file_that_is_another_is_not_replaced(files, folder, server, netcdf, manners, cut):
    folder.mkdir(parents=True)
    other = server.files["/a.nc"][:-cut] if cut else netcdf(kind="NETCDF3_CLASSIC")
    (folder / "a.nc").write_bytes(other)
    with pytest.raises(DataError, match=r"a\.nc: .*was not fetched by co2phys, move it away"):
        fetch(files[:1], folder, manners)
    assert (folder / "a.nc").read_bytes() == other


def test_a_folder_in_place_of_a_file(files, folder, manners):
    (folder / "a.nc").mkdir(parents=True)
    with pytest.raises(DataError, match="is not a file"):
        fetch(files[:1], folder, manners)


def test_days_that_are_missing_are_named_and_the_rest_comes(files, folder, server, manners, caplog):
    del server.files["/b.nc"], server.files["/c.nc"]
    done = fetch(files, folder, manners)
    assert (done.fetched, done.missing) == (["a.nc", "d.nc", "e.nc"], ["b.nc", "c.nc"])
    assert caplog.text.count("is not on the server") == 2


def test_a_wrong_address_is_noticed_after_three(files, folder, server, manners):
    server.files.clear()
    with pytest.raises(DataError, match=r"c\.nc: is not on the server"):
        fetch(files, folder, manners)
    assert len(server.asked) == 3


def test_only_one_process_fetches_into_a_folder(files, folder, server, manners):
    arrived, go_on = threading.Event(), threading.Event()

    def hold(handler):
        arrived.set()
        go_on.wait(10)
        handler.send_file()

    server.script["/a.nc"] = [hold]
    first = threading.Thread(target=fetch, args=(files[:1], folder, manners))
    first.start()
    assert arrived.wait(10)
    with pytest.raises(DataError, match="another process is writing it"):
        fetch(files[:1], folder, manners)
    go_on.set()
    first.join()
    assert (folder / "a.nc").read_bytes() == server.files["/a.nc"]
    assert fetch(files[:1], folder, manners).there == ["a.nc"]


@pytest.mark.parametrize("text", ["", "[]", '{"files": 3}', '{"files": {"a.nc": {"bytes": 1}}}'])
def test_a_list_that_is_none(files, folder, manners, text):
    folder.mkdir(parents=True)
    (folder / "co2phys-fetch.json").write_text(text)
    with pytest.raises(DataError, match="is not a list of fetched files; remove it"):
        fetch(files, folder, manners)


def test_a_folder_that_is_a_file(files, tmp_path, manners):
    (tmp_path / "raw").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        fetch(files, tmp_path / "raw", manners)


def test_a_failure_keeps_what_came_before(files, folder, server, manners):
    server.script["/c.nc"] = [lambda handler: handler.send_text(403)] * 2
    with pytest.raises(DataError, match="403"):
        fetch(files, folder, manners)
    assert sorted(noted(folder)) == ["a.nc", "b.nc"]
    with pytest.raises(DataError, match="403"):
        fetch(files, folder, replace(manners, pause=0.0))
    assert fetch(files, folder, manners).fetched == ["c.nc", "d.nc", "e.nc"]
