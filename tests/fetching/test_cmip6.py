"""Search of ESGF: what is asked, what is chosen from the replies, and what is done without them."""

import json
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from co2net_phys.errors import DataError, UsageError
from co2net_phys.fetching import cmip6
from co2net_phys.fetching.cmip6 import Query, cmip6_files

QUERY = Query("tas", "Amon", "CanESM5", "historical", "r1i1p1f1")
DIGEST = "ab" * 32


def record(span="185001-201412", grid="gn", node="a.org", version="20190429", **changes):
    """A record in the words of the indexes: lists of one, an address with its service."""
    name = f"tas_Amon_CanESM5_historical_r1i1p1f1_{grid}_{span}.nc"
    run = "CMIP6.CMIP.CCCma.CanESM5.historical.r1i1p1f1"
    path = f"{node}/thredds/fileServer/{name}"
    return {
        "title": name,
        "dataset_id": f"{run}.Amon.tas.{grid}.v{version}|{node}",
        "size": 1000,
        "checksum": [DIGEST],
        "checksum_type": ["SHA256"],
        "url": [
            f"https://{node}/thredds/dodsC/{name}.html|application/opendap-html|OPENDAP",
            f"https://{path}|application/netcdf|HTTPServer",
            f"gsiftp://{path}|application/gridftp|GridFTP",
        ],
    } | changes


@pytest.fixture
def index(server):
    """Function that sets the records of the index and gives its address."""

    def make(*records, path="/search"):
        def answer(handler):
            asked = parse_qs(urlsplit(handler.path).query)
            start, most = int(asked["offset"][0]), int(asked["limit"][0])
            docs = records[start : start + most]
            reply = {"response": {"numFound": len(records), "start": start, "docs": docs}}
            handler.send_text(200, json.dumps(reply), "application/json")

        server.script[path] = [answer] * 50
        return server.base + path

    return make


@pytest.fixture
def find(index, manners):
    def run(*records, query=QUERY, **options):
        return cmip6_files(query, indexes=[index(*records)], manners=manners, **options)

    return run


def test_what_is_asked(find, server):
    find(record())
    ((_, path, headers),) = server.asked
    asked = {name: value for name, (value,) in parse_qs(urlsplit(path).query).items()}
    assert asked == {
        "format": "application/solr+json", "type": "File", "project": "CMIP6", "latest": "true",
        "source_id": "CanESM5", "experiment_id": "historical", "variant_label": "r1i1p1f1",
        "table_id": "Amon", "variable_id": "tas", "limit": "500", "offset": "0",
    }  # fmt: skip
    assert headers["User-Agent"].startswith("co2phys/")


def test_one_file_with_what_the_index_tells(find):
    (file,) = find(record())
    name = "tas_Amon_CanESM5_historical_r1i1p1f1_gn_185001-201412.nc"
    assert file.name == name
    assert file.addresses == (f"https://a.org/thredds/fileServer/{name}",)
    assert (file.size, file.digest) == (1000, ("sha256", DIGEST))


def test_mirrors_are_put_together_and_old_versions_left_out(find):
    records = [
        record("190001-194912"),
        record("185001-189912", node="b.org"),
        record("185001-189912", node="b.org"),
        record("185001-189912"),
        record("185001-189912", node="c.org", checksum=["cd" * 32]),
        record("195001-199912", version="20180101"),
        record("200001-204912", retracted=True),
    ]
    files = find(*records)
    assert [file.name[-16:-3] for file in files] == ["185001-189912", "190001-194912"]
    assert [urlsplit(a).hostname for a in files[0].addresses] == ["b.org", "a.org"]


def test_plain_http_only_with_a_checksum_and_last(find):
    plain = ["http://a.org/x.nc|application/netcdf|HTTPServer"]
    (file,) = find(record(url=plain), record(node="b.org"))
    assert [a.partition(":")[0] for a in file.addresses] == ["https", "http"]
    (file,) = find(record(url=plain, checksum=None), record(node="b.org", checksum=None))
    assert [a.partition(":")[0] for a in file.addresses] == ["https"]


@pytest.mark.parametrize(
    "url",
    [None, [], ["file:///x|x|HTTPServer"], ["ftp://a/x|HTTPServer"], ["x"], [3], "x"],
)
def test_addresses_that_are_none(find, url):
    assert find(record(url=url))[0].addresses == ()


@pytest.mark.parametrize(
    "title",
    [
        "../../tas.nc", "/etc/tas_Amon_CanESM5_historical_r1i1p1f1_gn_185001-201412.nc",
        "tas_Amon_CanESM5_historical_r1i1p1f1_../x_185001-201412.nc",
        "pr_Amon_CanESM5_historical_r1i1p1f1_gn_185001-201412.nc", "", None,
    ],
)  # fmt: skip
def test_names_of_other_files_are_ignored(find, title):
    with pytest.raises(DataError, match="no such files"):
        find(record(title=title))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("", "", 3), ("1900", "1900", 1), ("1899", "1900", 2), ("1899-12", "1899-12", 1),
        ("1899-12-31", "1900-01-01", 2), ("1950-01", "", 1), ("", "1849", 0), ("2000", "", 0),
    ],
)  # fmt: skip
def test_only_files_that_overlap_the_time(find, start, end, expected):
    records = [record(span) for span in ("185001-189912", "190001-194912", "195001-199912")]
    if expected:
        assert len(find(*records, start=start, end=end)) == expected
    else:
        with pytest.raises(DataError, match=r"only .*185001-189912\.nc to .*195001-199912\.nc"):
            find(*records, start=start, end=end)


@pytest.mark.parametrize("text", ["18", "1850-1", "1850/01", "185001", "yesterday"])
def test_a_bound_that_is_no_date(find, text):
    with pytest.raises(UsageError, match="--end"):
        find(end=text)


def test_several_grids_must_be_chosen_from(find):
    records = [record(grid="gn"), record(grid="gr")]
    with pytest.raises(UsageError, match=r"grids gn, gr; choose with --grid"):
        find(*records)
    (file,) = find(*records, query=replace(QUERY, grid="gr"))
    assert "_gr_" in file.name


@pytest.mark.parametrize("name", ["variable", "table", "model", "experiment", "variant"])
@pytest.mark.parametrize("value", ["", "a b", "a/b", "a_b", "*", "a,b"])
def test_words_that_are_no_names_of_cmip6(name, value):
    with pytest.raises(UsageError, match=f"--{name}"):
        replace(QUERY, **{name: value})


def test_all_pages_are_read(find, server, monkeypatch):
    monkeypatch.setattr(cmip6, "_PAGE", 2)
    files = find(*[record(f"{year}01-{year}12") for year in range(1850, 1855)])
    assert len(files) == 5
    offsets = [parse_qs(urlsplit(path).query)["offset"][0] for _, path, _ in server.asked]
    assert offsets == ["0", "2", "4"]


def test_the_next_index_is_asked(index, server, manners, caplog):
    server.script["/down"] = [lambda handler: handler.send_text(500)] * 9
    addresses = [f"{server.base}/gone", f"{server.base}/down"]
    addresses += [index(path="/empty"), index(record(), path="/good"), f"{server.base}/unasked"]
    assert len(cmip6_files(QUERY, indexes=addresses, manners=manners)) == 1
    assert not server.sent("/unasked")
    assert "500 Internal Server Error, 4 times in a row" in caplog.text


def test_no_index_answers(server, manners):
    with pytest.raises(DataError, match=r"no index of ESGF answers; the last one: .*404"):
        cmip6_files(QUERY, indexes=[f"{server.base}/gone"], manners=manners)


@pytest.mark.parametrize("text", ["<html>", "[]", "{}", '{"response": 3}', '{"response": {}}'])
def test_a_reply_that_is_none(server, manners, text):
    server.script["/search"] = [lambda handler: handler.send_text(200, text)] * 2
    with pytest.raises(DataError, match=r"index of ESGF|another index"):
        cmip6_files(QUERY, indexes=[f"{server.base}/search"], manners=manners)


def test_a_reply_that_is_cut_is_asked_for_again(index, server, manners, waits):
    address = index(record())

    def cut(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"response"')
        handler.close_connection = True

    server.script["/search"].insert(0, cut)
    assert len(cmip6_files(QUERY, indexes=[address], manners=manners)) == 1
    assert len(waits) == 1
