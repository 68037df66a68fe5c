"""One POST: what counts as no answer, what is cut, what nobody is told, and how it is signed."""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from balances.events.sending import LARGEST_ANSWER, Answer, NoAnswer, is_address, post, recipient, signed
from tests.receiver import Receiver, listening


def reason(url: str, seconds: float = 5) -> str:
    with pytest.raises(NoAnswer) as refused:
        post(url, b"{}", {}, seconds)
    return refused.value.why


@pytest.mark.parametrize(
    "url", ["", "risk.example/h", "ftp://risk.example/h", "http://", "http://[::1/h", "http://h:port/"]
)
def test_what_is_no_address_is_not_tried(url: str) -> None:
    assert not is_address(url)
    assert reason(url) == "Not an http or https address"


@pytest.mark.parametrize("seconds", [0, -5])
def test_without_time_nothing_is_sent(receiver: Receiver, seconds: int) -> None:
    assert reason(receiver.url, seconds) == f"No time to answer: the timeout is {seconds} s"
    assert receiver.got == []


def test_nobody_there_is_no_answer() -> None:
    assert reason("http://127.0.0.1:9/h") == "NewConnectionError"
    assert reason("http://nobody.invalid/h") == "NameResolutionError"


def test_a_receiver_that_says_nothing_is_cut_off(receiver: Receiver) -> None:
    receiver.gate = threading.Event()
    begun = time.monotonic()
    assert reason(receiver.url, 0.3) == "No answer within 0.3 s"
    assert time.monotonic() - begun < 2
    receiver.gate.set()


def test_a_receiver_that_drips_is_cut_off_although_no_single_read_takes_long(receiver: Receiver) -> None:
    receiver.body, receiver.drip_seconds = b"x" * 1_000, 0.1
    begun = time.monotonic()
    assert reason(receiver.url, 0.5) == "No answer within 0.5 s"
    assert time.monotonic() - begun < 2


def test_an_answer_without_end_is_not_read_to_its_end(receiver: Receiver) -> None:
    receiver.body = b"x" * (LARGEST_ANSWER + 1)
    assert reason(receiver.url) == f"HTTP 200, longer than {LARGEST_ANSWER} bytes"
    receiver.body = b"x" * LARGEST_ANSWER
    assert len(post(receiver.url, b"{}", {}, 5).body) == LARGEST_ANSWER


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[tuple[Receiver, str, Path]]:
    """Yield a server with TLS, its address, and its certificate, which nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    begin = datetime.now(UTC) - timedelta(days=1)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(begin).not_valid_after(begin + timedelta(days=2))
    built = built.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
    pem = tmp_path / "pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with listening() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        yield server, server.url.replace("http:", "https:"), pem


def test_a_certificate_that_nobody_vouches_for_is_refused(sealed: tuple[Receiver, str, Path]) -> None:
    receiver, url, _ = sealed
    assert reason(url) == "SSLCertVerificationError"
    assert receiver.got == []


def test_a_sealed_connection_is_cut_off_as_well(
    sealed: tuple[Receiver, str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, url, certificate = sealed
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    receiver.body = b"x" * 1_000
    assert post(url, b"{}", {}, 5) == Answer(200, receiver.body)
    receiver.drip_seconds = 0.1
    assert reason(url, 0.5) == "No answer within 0.5 s"


def test_a_redirect_is_answered_not_followed(receiver: Receiver) -> None:
    receiver.answers = [307]
    assert post(receiver.url, b"{}", {}, 5).status == 307
    assert len(receiver.got) == 1


def test_a_body_goes_out_as_it_is_with_headers_query_and_user(receiver: Receiver) -> None:
    url = receiver.url.replace("//", "//me:pass@") + "?a=b c"
    assert post(url, "ü".encode(), {"X-Team": "ledger"}, 5).status == 200
    ((headers, body),) = receiver.got
    assert body == "ü".encode()
    assert headers["X-Team"] == "ledger"
    assert headers["Authorization"] == "Basic bWU6cGFzcw=="
    assert receiver.paths == ["/hooks/ledger?a=b%20c"]


def test_an_address_of_version_6_works() -> None:
    assert recipient("http://[::1]:5001/h") == "[::1]/h"
    if socket.has_ipv6:
        assert reason("http://[::1]:9/h") == "NewConnectionError"


def test_the_signature_is_over_the_instant_and_the_body() -> None:
    headers = signed(b'{"a":1}', "key")
    message = headers["X-Blnk-Timestamp"].encode() + b'.{"a":1}'
    assert headers["X-Blnk-Signature"] == hmac.new(b"key", message, hashlib.sha256).hexdigest()
    assert abs(int(headers["X-Blnk-Timestamp"]) - time.time()) < 5
    assert len(signed(b"", "")["X-Blnk-Signature"]) == 64


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:hidden@risk.example:8443/h/1?token=hidden#hidden", "risk.example/h/1"),
        ("https://risk.example", "risk.example"),
        ("http://[::1/h?hidden", ""),
        ("", ""),
    ],
)
def test_people_are_shown_host_and_path_alone(url: str, shown: str) -> None:
    assert recipient(url) == shown
