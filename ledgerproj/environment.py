"""What the environment says: strict readers, so that a typing error stops the start and nothing else."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict


def text(name: str, default: str = "") -> str:
    """Return a variable's value without surrounding space."""
    return os.environ.get(name, default).strip()


def flag(name: str, default: bool) -> bool:
    """Return a variable that may only be ``true`` or ``false``; raise ``ImproperlyConfigured`` otherwise."""
    value = text(name, "true" if default else "false").lower()
    if value not in {"true", "false"}:
        raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")
    return value == "true"


def number(name: str, default: int) -> int:
    """Return a variable that may only be a whole number; raise ``ImproperlyConfigured`` otherwise."""
    value = text(name, str(default))
    if not value.isdecimal():
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.")
    return int(value)


def database(url: str) -> dict[str, Any]:
    """Return Django's database settings for a PostgreSQL URL, read as libpq reads it (``options`` included)."""
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError as error:
        raise ImproperlyConfigured(f"DATABASE_URL is not a PostgreSQL URL: {error}") from error
    named = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    settings: dict[str, Any] = {key: str(parts.pop(part, "") or "") for key, part in named.items()}
    return settings | {"ENGINE": "django.db.backends.postgresql", "OPTIONS": dict(parts)}


def kept_secret(path: Path, size: int = 32) -> str:
    """Return the secret kept in a file that only its owner may read, at first making one of ``size`` random bytes."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(size) + "\n")
    return path.read_text().strip()
