"""Encryption of the secrets that codes are made from, with a key that follows from ``DJANGO_SECRET_KEY``.

A copy of the database alone then gives no codes. After a change of that key the secrets cannot be read, and their
owners enrol again.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

PURPOSE = b"ledger: secrets of second factors"


def seal(text: str) -> str:
    """Return a text, encrypted."""
    return _cipher().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str | None:
    """Return the text that was sealed, or ``None`` where that was done with another key."""
    try:
        return _cipher().decrypt(sealed).decode()
    except InvalidToken:
        return None


def _cipher() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    derived = (HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(str(key).encode()) for key in keys)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in derived])
