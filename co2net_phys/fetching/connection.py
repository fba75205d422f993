"""Ask a server for something over HTTP; every refusal is explained in one line.

`urllib` of the standard library does all that is needed (proxies of the environment, TLS with the
certificates of the system), so that no further library becomes a dependency.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import IO
from urllib.parse import urlsplit

from co2net_phys import __version__
from co2net_phys.errors import DataError
from co2net_phys.fetching.manners import TransientError

USER_AGENT = f"co2phys/{__version__} (data fetch)"

_PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Statuses after which the same request may succeed (RFC 9110)."""

_GONE = {404, 410}


class MissingError(DataError):
    """The server does not have the file."""


class RangeRefusedError(TransientError):
    """The server cannot go on from the byte asked for; the file must be started again."""


@contextmanager
def answer_of(
    address: str, timeout: float, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> Iterator[http.client.HTTPResponse]:
    """Give the answer of a server to one request, redirects followed.

    Failures while the block reads the answer are explained too.

    Raises:
        TransientError: it may work in a moment.
        DataError: it will not; one line that names the address.
    """
    request = urllib.request.Request(
        address,
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"} | dict(headers or {}),
        method=method,
    )
    opener = urllib.request.build_opener(_SameScheme())
    with _explained(address), opener.open(request, timeout=timeout) as answer:
        yield answer


class _SameScheme(urllib.request.HTTPRedirectHandler):
    """Follow redirects, but never from https to anything that can be read or changed on the way."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new not in {old, "https"}:
            raise DataError(
                f"{req.full_url}: is redirected from {old} to {new} ({newurl[:200]}), which is "
                "refused; give the right address with --base-url"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """Turn what `urllib` raises into `TransientError` or a one-line `DataError`."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        raise _of_status(address, error) from error
    except urllib.error.URLError as error:
        reason = error.reason if isinstance(error.reason, Exception) else error
        raise _of_connection(address, reason) from error
    except (OSError, http.client.HTTPException) as error:
        raise _of_connection(address, error) from error


def _of_status(address: str, error: urllib.error.HTTPError) -> Exception:
    said = f"{error.code} {http.client.responses.get(error.code, '')}".strip()
    if error.code in _PASSING:
        return TransientError(
            f"the server answers {said}", _seconds(error.headers.get("Retry-After"))
        )
    if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
        return RangeRefusedError(f"the server answers {said}")
    if error.code in _GONE:
        return MissingError(f"{address}: is not on the server ({said}); check dates and release")
    if error.code in (401, 403):
        return DataError(f"{address}: the server refuses it ({said}); ask its operators for access")
    if 300 <= error.code < 400:
        to = str(error.headers.get("Location"))[:200]
        return DataError(f"{address}: is redirected where nobody can go ({to}); check the address")
    return DataError(f"{address}: the server answers {said}; check the address")


def _of_connection(address: str, error: Exception) -> Exception:
    if isinstance(error, ssl.SSLCertVerificationError):
        return DataError(
            f"{address}: the certificate of the server is not trusted ({error.verify_message}); "
            "check the clock of this machine, or name your certificates in SSL_CERT_FILE"
        )
    if isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER":
        return DataError(f"{address}: the server does not speak TLS; check the address")
    if isinstance(error, socket.gaierror) and error.errno != socket.EAI_AGAIN:
        host = urlsplit(address).hostname
        return DataError(f"{address}: no host {host!r} is known; check address and network")
    if isinstance(error, TimeoutError):
        return TransientError("the server is silent")
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return TransientError(f"the connection fails ({' '.join(str(reason).split())[:120]})")


def _seconds(text: str | None) -> float | None:
    """Seconds in a `Retry-After`, a number or a date; None if there is none that can be read."""
    if text is None:
        return None
    try:
        if text.strip().isdigit():
            return float(text)
        when = parsedate_to_datetime(text)
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max(0.0, (when - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return None
