"""What the environment says: strict readers, so that a typing error stops the start and nothing else."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import tempfile
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from ledgerproj.embedded.locks import held

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Misconfigured(SystemExit, ImproperlyConfigured):
    """What stops the start with one sentence: every command ends with it, and Django knows it for what it is."""


def text(name: str, default: str = "") -> str:
    """Return a variable's value without surrounding space."""
    return os.environ.get(name, default).strip()


def flag(name: str, default: bool) -> bool:
    """Return a variable that may only be ``true`` or ``false``; raise ``Misconfigured`` otherwise."""
    value = text(name, "true" if default else "false").lower()
    if value not in {"true", "false"}:
        raise Misconfigured(f"{name} must be true or false, not {value!r}.")
    return value == "true"


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """Return a variable that may only be one of some words; raise ``Misconfigured`` otherwise."""
    value = text(name, default).lower()
    if value not in allowed:
        raise Misconfigured(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
    return value


def number(name: str, default: int, least: int = 0) -> int:
    """Return a variable that may only be a whole number; raise ``Misconfigured`` otherwise."""
    value = text(name, str(default))
    if not value.isdecimal():
        raise Misconfigured(f"{name} must be a whole number, not {value!r}.")
    if int(value) < least:
        raise Misconfigured(f"{name} must be at least {least}, not {value}.")
    return int(value)


SIZES = {"MB": 1024**2, "GB": 1024**3, "TB": 1024**4}


def size(name: str, default: str) -> int:
    """Return bytes from a variable such as ``512MB``; raise ``Misconfigured`` for anything else, nothing included."""
    value = text(name, default)
    found = re.fullmatch(r"(\d+)\s*(MB|GB|TB)", value, re.ASCII)
    if not found or not int(found[1]):
        raise Misconfigured(f"{name} must be a size such as 512MB or 1GB, not {value!r}.")
    return int(found[1]) * SIZES[found[2]]


def rate_limit(rate_name: str, burst_name: str) -> tuple[float, int]:
    """Return requests a second, and at once; one that is not given follows from the other.

    Raises ``Misconfigured``.
    """
    given = text(rate_name)
    if not re.fullmatch(r"(\d+(\.\d+)?)?", given, re.ASCII) or (given and not float(given)):
        raise Misconfigured(f"{rate_name} must be a number above 0, such as 50 or 0.5, not {given!r}.")
    if not given:
        burst = number(burst_name, 10_000_000, least=1)
        return burst / 2, burst
    return float(given), number(burst_name, max(2 * int(float(given)), 1), least=1)


def networks(name: str) -> list[Network]:
    """Return the addresses and networks of a comma-separated variable; raise ``Misconfigured`` for anything else."""
    try:
        return [ipaddress.ip_network(entry) for entry in names(name, "")]
    except ValueError as error:
        raise Misconfigured(
            f"{name} must name addresses or networks, such as 10.0.0.7,10.1.0.0/16: {error}."
        ) from error


def names(name: str, default: str) -> list[str]:
    """Return the entries of a comma-separated variable, without space around them and without empty ones."""
    return [entry.strip() for entry in text(name, default).split(",") if entry.strip()]


def limits(name: str, default: str) -> dict[str, int | None]:
    """Return limits by name from ``USD=100000,*=none``: whole numbers, or none; raise ``Misconfigured`` otherwise."""
    given: dict[str, int | None] = {}
    for entry in names(name, default):
        key, equals, value = (part.strip() for part in entry.partition("="))
        if not (key and equals and (value.isdecimal() or value == "none")):
            raise Misconfigured(f"{name} must be like USD=100000,*=0 (whole numbers, or none); {entry!r} is not.")
        if key in given:
            raise Misconfigured(f"{name} names {key} twice.")
        given[key] = None if value == "none" else int(value)
    return given


PATIENCE = {
    "connect_timeout": "5",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""Seconds to connect; seconds until a silent connection is probed, and how; milliseconds until what was sent must have
been acknowledged. Left alone, libpq waits for ever, for two hours, and for fifteen minutes."""


def database(url: str, name: str = "DATABASE_URL") -> dict[str, Any]:
    """Return Django's database settings for a PostgreSQL URL, read as libpq reads it (``options`` included).

    What the URL leaves open about a network that swallows everything is limited (``PATIENCE``).
    """
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError as error:
        raise Misconfigured(f"{name} is not a PostgreSQL URL: {str(error).strip()}") from error
    named = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    settings: dict[str, Any] = {key: str(parts.pop(part, "") or "") for key, part in named.items()}
    return settings | {"ENGINE": "ledgerproj.postgresql", "OPTIONS": PATIENCE | parts}


def webhook(name: str) -> str:
    """Return the URL given in a variable; raise ``Misconfigured`` unless it is https, or http on this machine."""
    value = text(name)
    url = _url(name, value)
    if value and not (url.hostname and (url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname)))):
        raise Misconfigured(f"{name} must be an https URL: only on this machine may it be http.")
    return value


HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
FRAMING = {"Content-Length", "Host", "Transfer-Encoding"}
"""Headers that belong to the request itself."""


def headers(name: str) -> dict[str, str]:
    """Return HTTP headers from ``X-Team:ledger,X-Key:abc``; raise ``Misconfigured``, which shows no value."""
    given: dict[str, str] = {}
    for number, entry in enumerate(names(name, ""), 1):
        key, colon, value = (part.strip() for part in entry.partition(":"))
        if not (colon and HEADER_NAME.fullmatch(key) and value.isascii() and value.isprintable()):
            raise Misconfigured(f"{name} must be like X-Team:ledger,X-Key:abc; its entry {number} is not.")
        if key.title() in FRAMING or key.title() in given:
            raise Misconfigured(
                f"{name} must not set {key}." if key.title() in FRAMING else f"{name} sets {key} twice."
            )
        given[key.title()] = value
    return given


MAIL_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}
"""How mail leaves, and the usual port: in the clear, with STARTTLS, over TLS."""


class Mail(NamedTuple):
    """Where mail leaves; without a host nothing can be sent."""

    host: str
    port: int
    user: str
    password: str
    starttls: bool
    tls: bool


def email(name: str) -> Mail:
    """Return where mail leaves, from a URL such as ``smtp+tls://user:password@mail.example.com:587``.

    Raises ``Misconfigured``.
    """
    value = text(name)
    url = _url(name, value)
    if value and not (url.scheme in MAIL_PORTS and url.hostname):
        raise Misconfigured(f"{name} must look like smtp+tls://user:password@host:587; also smtp:// and smtps://.")
    return Mail(
        host=url.hostname or "",
        port=url.port or MAIL_PORTS.get(url.scheme, 25),
        user=unquote(url.username or ""),
        password=unquote(url.password or ""),
        starttls=url.scheme == "smtp+tls",
        tls=url.scheme == "smtps",
    )


def _url(name: str, value: str) -> SplitResult:
    try:
        url = urlsplit(value)
        _ = url.port  # a port that is no number is noticed only when it is asked for
    except ValueError as error:
        raise Misconfigured(f"{name} is not a URL: {error}.") from error
    return url


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def secret(name: str, kept: Path | None) -> str:
    """Return the secret given in a variable, else the one kept in a file, where a file is configured.

    Raises ``Misconfigured`` for characters that no HTTP header carries.
    """
    value = text(name) or (kept_secret(kept) if kept else "")
    if not (value.isascii() and value.isprintable()):
        raise Misconfigured(f"{name} may hold only printable ASCII characters: an HTTP header carries no others.")
    return value


DEFAULT_SECRETS = {"secret", "changeme", "change-me", "change_me", "password", "blnk", "some-secret", "your-secret-key"}
SHORTEST_SECRET = 16


def weakness(secret: str) -> str:
    """Return what is wrong with a secret, after its name: missing, well known or short; nothing where it is good."""
    if not secret:
        return "is not set"
    if secret.lower() in DEFAULT_SECRETS or secret.lower().startswith("django-insecure"):
        return "is a well-known default"
    return f"is shorter than {SHORTEST_SECRET} characters" if len(secret) < SHORTEST_SECRET else ""


def cipher_key(name: str, kept: Path | None) -> bytes:
    """Return the key of 32 bytes given in a variable, else the one kept in a file, where a file is configured.

    Without either it is empty. Raises ``Misconfigured`` for any other length: the original takes that for none.
    """
    key = os.fsencode(text(name) or (kept_secret(kept, size=16) if kept else ""))
    if len(key) not in {0, 32}:
        raise Misconfigured(f"{name} must be exactly 32 bytes long, not {len(key)}.")
    return key


def kept_secret(path: Path, size: int = 32) -> str:
    """Return the secret kept in a file that only its owner may read, at first making one of ``size`` random bytes.

    An empty file counts as none. Raises ``Misconfigured`` when the file can be neither read nor made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return known_secret(path) or _keep(path, secrets.token_hex(size))
    except OSError as error:
        raise Misconfigured(
            f"The secret {path} can be neither read nor made ({error.strerror}); "
            "set LEDGER_DATA_DIR to a directory of your own."
        ) from error


def known_secret(path: Path) -> str:
    """Return the secret kept in a file, or an empty string. Raises ``OSError`` or ``Misconfigured``."""
    try:
        return path.read_text("ascii").strip()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise Misconfigured(f"The secret {path} is no text; remove it to have a new one made.") from error


def _keep(path: Path, value: str) -> str:
    """Write a secret as a whole; a process that comes second gets what the first one wrote."""
    with held(path.parent):
        existing = known_secret(path)
        if existing:
            return existing
        descriptor, new = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # only its owner may read it
        with os.fdopen(descriptor, "w") as file:
            file.write(value + "\n")
            file.flush()
            os.fsync(descriptor)
        Path(new).replace(path)
    return value
