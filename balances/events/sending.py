"""One signed POST to a third party's server: bounded in time, never redirected, and reported without secrets."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import make_headers, parse_url

SCHEMES = {"http": HTTPConnection, "https": HTTPSConnection}
LARGEST_ANSWER = 1024 * 1024
"""Bytes of an answer that are read."""


class NoAnswer(Exception):
    """No complete answer came; ``why`` gives the reason without address or headers, which may hold secrets."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


@dataclass(frozen=True)
class Answer:
    """The answer of a receiver."""

    status: int
    body: bytes


def signed(body: bytes, key: str) -> dict[str, str]:
    """Return the headers that sign a body now.

    The signature is the lowercase hex HMAC-SHA256 over timestamp (Unix seconds), full stop and body.
    """
    timestamp = str(int(time.time()))
    signature = hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Blnk-Signature": signature, "X-Blnk-Timestamp": timestamp}


def recipient(url: str) -> str:
    """Return host and path for display, because user and query may hold secrets; empty where ``url`` is no address."""
    try:
        parts = parse_url(url)
    except urllib3.exceptions.LocationParseError:
        return ""
    return f"{parts.host or ''}{parts.path or ''}"


def is_address(url: str) -> bool:
    """Return whether a URL is one that something can be sent to."""
    try:
        parts = parse_url(url)
    except urllib3.exceptions.LocationParseError:
        return False
    return parts.scheme in SCHEMES and bool(parts.host)


def post(url: str, body: bytes, headers: Mapping[str, str], seconds: float) -> Answer:
    """Send a body and return the answer, whatever its status. Raises ``NoAnswer``.

    ``seconds`` limits the whole attempt after the name is resolved. Redirects are not followed: they would send the
    body elsewhere.
    """
    if seconds <= 0:
        raise NoAnswer(f"No time to answer: the timeout is {seconds} s")
    if not is_address(url):
        raise NoAnswer("Not an http or https address")
    parts, until = parse_url(url), time.monotonic() + seconds
    identified = {"Authorization": make_headers(basic_auth=parts.auth)["authorization"]} if parts.auth else {}
    late = threading.Event()
    reason = ""
    try:
        connection = SCHEMES[str(parts.scheme)](str(parts.host).strip("[]"), parts.port, timeout=seconds)
        with closing(connection):
            connection.connect()
            with _cut_off(connection.sock, until, late):
                sent = identified | dict(headers)
                connection.request("POST", parts.request_uri, body=body, headers=sent, preload_content=False)
                response = connection.getresponse()
                answer = Answer(response.status, response.read(LARGEST_ANSWER + 1))
    except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        reason = type(error).__name__
    if late.is_set() or (reason and time.monotonic() >= until):  # an answer that the cut ended may look whole
        reason = f"No answer within {seconds} s"
    elif not reason and len(answer.body) > LARGEST_ANSWER:
        reason = f"HTTP {answer.status}, longer than {LARGEST_ANSWER} bytes"
    if reason:
        raise NoAnswer(reason)
    return answer


@contextmanager
def _cut_off(connected: socket.socket | None, until: float, late: threading.Event) -> Iterator[None]:
    """Shut a socket down when its time is up.

    A socket's own timeout applies to each read: a receiver that sends a byte now and then would hold a worker forever.
    """

    def cut() -> None:
        late.set()
        if connected is not None:
            with suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(until - time.monotonic(), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
