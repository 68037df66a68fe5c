"""Tokens for personal data, in Blnk's own format, so that each server can read the other's.

A token is ``FPT:`` + a visible part of the original's shape + ``:`` + base64 of nonce and AES-256-GCM ciphertext.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from balances.people.identity_exceptions import TokenizationDisabled, UnreadableToken

PREFIX = "FPT:"
NONCE_BYTES = 12


class Tokenizer:
    """Makes and opens tokens under one key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key, self._cipher = key, AESGCM(key)

    def token_for(self, value: str) -> str:
        """Return a token for a value; only its visible part is the same each time."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = base64.b64encode(nonce + self._cipher.encrypt(nonce, value.encode(), None)).decode()
        return f"{PREFIX}{self._visible(value)}:{sealed}"

    def value_of(self, token: str) -> str:
        """Return the original of a token. Raises ``UnreadableToken`` for another key's, a damaged one, or no token."""
        # The original splits at the first colons, and fails where the visible part holds one.
        sealed = token.rpartition(":")[2] if token.startswith(PREFIX) else token
        try:
            data = base64.b64decode(sealed, validate=True)
            return self._cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], None).decode()
        except (binascii.Error, ValueError, InvalidTag) as error:
            raise UnreadableToken from error

    def opens(self, token: str) -> bool:
        """Return whether a text is a token of this key."""
        try:
            self.value_of(token)
        except UnreadableToken:
            return False
        return True

    def _visible(self, value: str) -> str:
        seed = hmac.digest(self._key, value.encode(), hashlib.sha256)
        return "".join(_disguised(character, seed[index % len(seed)]) for index, character in enumerate(value))


def tokenizer() -> Tokenizer:
    """Return a tokenizer with the configured key. Raises ``TokenizationDisabled`` where there is none."""
    if not settings.BLNK_TOKENIZATION_SECRET:
        raise TokenizationDisabled
    return Tokenizer(settings.BLNK_TOKENIZATION_SECRET)


def shown(value: str) -> str:
    """Return a stored value for display: of a token the visible part, marked as such."""
    if not value.startswith(PREFIX):
        return value
    return f"{value.removeprefix(PREFIX).rpartition(':')[0]} (token)"


def _disguised(character: str, byte: int) -> str:
    """Return a character of the same kind; ASCII punctuation and spaces stay.

    The original lets everything beyond ASCII stay, and so shows names such as Иван in full.
    """
    if character.isascii() and not character.isalnum():
        return character
    if character.isdecimal():
        return chr(ord("0") + byte % 10)
    return chr(ord("A" if character.isupper() else "a") + byte % 26)
