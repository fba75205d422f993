"""Redirects, certificates and addresses: what is followed, what is refused."""

import shutil
import ssl
import subprocess

import pytest

from co2net_phys.errors import DataError, UsageError
from co2net_phys.fetching.connection import answer_of
from co2net_phys.fetching.manners import TransientError
from co2net_phys.fetching.remote_file import RemoteFile, checked_base


def redirect(to):
    return lambda handler: handler.send_text(302, Location=to)


def read(address):
    with answer_of(address, 5.0) as answer:
        return answer.read()


def test_a_redirect_is_followed(server):
    server.files["/new"] = b"here"
    server.script["/old"] = [redirect(server.base + "/new")]
    assert read(server.base + "/old") == b"here"


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x"])
def test_a_redirect_elsewhere_is_refused(server, to):
    server.script["/old"] = [redirect(to)]
    with pytest.raises(DataError, match=f"is redirected .*{to}") as why:
        read(server.base + "/old")
    assert str(why.value).startswith(f"{server.base}/old: ")


def test_a_redirect_in_a_circle_ends(server):
    server.script["/old"] = [redirect("/old")] * 50
    with pytest.raises(DataError, match=r"redirected where nobody can go \(/old\)"):
        read(server.base + "/old")


@pytest.fixture
def with_tls(server, tmp_path):
    """The server with a certificate of its own making; gives the file of the certificate."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate]
    words += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([openssl, *words], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.base = server.base.replace("http:", "https:")
    return certificate


def test_an_unknown_certificate_is_explained(server, with_tls):
    with pytest.raises(DataError, match=r"certificate .* is not trusted \(self.signed.*SSL_CERT_"):
        read(server.base + "/x")


def test_from_https_to_http_is_refused(server, with_tls, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(with_tls))
    server.files["/new"] = b"here"
    server.script["/old"] = [redirect("/new"), redirect(f"http://{server.base[8:]}/new")]
    assert read(server.base + "/old") == b"here"
    with pytest.raises(DataError, match="redirected from https to http "):
        read(server.base + "/old")


def test_https_where_there_is_none(server):
    with pytest.raises(DataError, match="does not speak TLS"):
        read(server.base.replace("http:", "https:") + "/x")


def test_an_unknown_host():
    with pytest.raises((DataError, TransientError), match=r"no host|name resolution"):
        read("http://no-such-host.invalid/x")


@pytest.mark.parametrize(
    "address",
    [
        "", "gml.noaa.gov", "ftp://host/x", "file:///tmp", "https://", "https:///x",
        "https://user:word@host/", "https://host/?q=1", "https://host/#x", "https://ho st/",
        "https://host:port/", "https://[::1/", "https://host/\r\nX: y",
    ],
)  # fmt: skip
def test_a_base_that_is_no_plain_address_is_refused(address):
    with pytest.raises(UsageError, match="--base-url"):
        checked_base(address)


@pytest.mark.parametrize("address", ["https://host", "http://127.0.0.1:80/a/b", "https://[::1]/x"])
def test_a_base_loses_its_last_slash(address):
    assert checked_base(f"{address}/") == checked_base(address) == address


@pytest.mark.parametrize(
    "name",
    ["../x.nc", "a/b.nc", "/etc/x.nc", "..nc", ".x.nc", "a\\b.nc", "x.txt", "", "a..nc", "-x.nc",
     "x.nc\n", "x\0.nc", "é.nc", "x" * 300 + ".nc"],
)  # fmt: skip
def test_names_that_could_leave_the_folder_are_refused(name):
    with pytest.raises(DataError, match="not a plain name"):
        RemoteFile(name, ("https://host/x.nc",))
