"""Decodes the bytes of a file."""

from __future__ import annotations

import codecs
from pathlib import Path

from balances.importing import refusing
from balances.importing.refusing import ImportRefused


def decoded(path: Path, data: bytes, encoding: str) -> str:
    """Return the text of a file without its byte order mark. Raises ``ImportRefused`` with line and likely cause."""
    name = codecs.lookup(encoding).name
    try:
        text = data.decode("utf-8-sig" if name == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        byte, line = error.object[error.start], data.count(b"\n", 0, error.start) + 1
        hint = refusing.of_content(data[:16]) or refusing.of_bytes(byte, name)
        raise ImportRefused(f"{path}, line {line}: byte 0x{byte:02x} is not {encoding.upper()}{hint}") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ImportRefused(f"{path}, line {line}: there is a NUL character{refusing.of_bytes(0, name)}")
    return text
