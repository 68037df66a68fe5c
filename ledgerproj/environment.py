"""What the environment says: strict readers, so that a typing error stops the start and nothing else."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from ledgerproj.embedded.locks import held


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


def number(name: str, default: int, least: int = 0) -> int:
    """Return a variable that may only be a whole number; raise ``Misconfigured`` otherwise."""
    value = text(name, str(default))
    if not value.isdecimal():
        raise Misconfigured(f"{name} must be a whole number, not {value!r}.")
    if int(value) < least:
        raise Misconfigured(f"{name} must be at least {least}, not {value}.")
    return int(value)


def names(name: str, default: str) -> list[str]:
    """Return the entries of a comma-separated variable, without space around them and without empty ones."""
    return [entry.strip() for entry in text(name, default).split(",") if entry.strip()]


def limits(name: str, default: str) -> dict[str, int | None]:
    """Return limits by name from ``USD=100000,*=none``: whole numbers, or none; raise ``Misconfigured`` otherwise."""
    found: dict[str, int | None] = {}
    for entry in names(name, default):
        key, equals, value = (part.strip() for part in entry.partition("="))
        if not (key and equals and (value.isdecimal() or value == "none")):
            raise Misconfigured(f"{name} must be like USD=100000,*=0 (whole numbers, or none); {entry!r} is not.")
        if key in found:
            raise Misconfigured(f"{name} names {key} twice.")
        found[key] = None if value == "none" else int(value)
    return found


def database(url: str) -> dict[str, Any]:
    """Return Django's database settings for a PostgreSQL URL, read as libpq reads it (``options`` included)."""
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError as error:
        raise Misconfigured(f"DATABASE_URL is not a PostgreSQL URL: {str(error).strip()}") from error
    named = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    settings: dict[str, Any] = {key: str(parts.pop(part, "") or "") for key, part in named.items()}
    return settings | {"ENGINE": "django.db.backends.postgresql", "OPTIONS": dict(parts)}


def secret(name: str, kept: Path | None) -> str:
    """Return the secret given in a variable, else the one kept in a file, if there is such a file to be.

    Raises ``Misconfigured`` for characters that no HTTP header carries.
    """
    value = text(name) or (kept_secret(kept) if kept else "")
    if not (value.isascii() and value.isprintable()):
        raise Misconfigured(f"{name} may hold only printable ASCII characters: an HTTP header carries no others.")
    return value


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
    """Write a secret whole or not at all; whoever comes second gets what the first one wrote."""
    with held(path.parent):
        found = known_secret(path)
        if found:
            return found
        descriptor, new = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # only its owner may read it
        with os.fdopen(descriptor, "w") as file:
            file.write(value + "\n")
            file.flush()
            os.fsync(descriptor)
        Path(new).replace(path)
    return value
