"""Finds where a text stops being JSON, with the messages of the original's decoder.

The text is read again for that, token by token: only what cannot be read comes here.
"""

from __future__ import annotations

import re

BLANKS = re.compile(r"[ \t\r\n]*+")
PLAIN = re.compile(r'[^"\\\x00-\x1f]*+')
DIGITS = re.compile(r"[0-9]*+")
HEX = re.compile(r"[0-9a-fA-F]{0,4}+")
LITERALS = {"t": "true", "f": "false", "n": "null"}
VALUE, KEY = "looking for beginning of value", "looking for beginning of object key string"
END = "unexpected EOF"


class SyntaxFault(Exception):
    """The text is not JSON from this position on."""


def fault_of(text: str) -> str:
    """Return what is wrong with a text that holds no JSON value at its beginning."""
    try:
        _scan(text)
    except SyntaxFault as fault:
        return str(fault)
    return END


def _scan(text: str) -> None:
    """Read one value, keeping nested objects and lists on a stack. Raises ``SyntaxFault``."""
    closers: list[str] = []
    at, is_fresh = 0, False  # fresh: the object or list has only just begun, and may end at once
    while True:
        at = _skip(text, at)
        if is_fresh and text[at] == closers[-1]:
            closers.pop()
            at += 1
        else:
            if closers and closers[-1] == "}":
                at = _key(text, at)
            if text[at] in "{[":
                closers.append("}" if text[at] == "{" else "]")
                at, is_fresh = at + 1, True
                continue
            at = _scalar(text, at)
        is_fresh = False
        while closers:
            at = _skip(text, at)
            if text[at] == ",":
                break
            if text[at] != closers[-1]:
                raise _at(text, at, "after object key:value pair" if closers[-1] == "}" else "after array element")
            closers.pop()
            at += 1
        if not closers:
            return
        at += 1


def _skip(text: str, at: int) -> int:
    """Return where the next token begins. Raises ``SyntaxFault`` at the end of the text."""
    found = BLANKS.match(text, at)
    end = found.end() if found else at
    if end >= len(text):
        raise SyntaxFault(END)
    return end


def _key(text: str, at: int) -> int:
    """Read a key and its colon; return where its value begins."""
    if text[at] != '"':
        raise _at(text, at, KEY)
    at = _skip(text, _string(text, at + 1))
    if text[at] != ":":
        raise _at(text, at, "after object key")
    return _skip(text, at + 1)


def _scalar(text: str, at: int) -> int:
    first = text[at]
    if first == '"':
        return _string(text, at + 1)
    if first == "-" or first in "0123456789":
        return _number(text, at)
    if first not in LITERALS:
        raise _at(text, at, VALUE)
    word = LITERALS[first]
    for number, letter in enumerate(word):
        if _char(text, at + number) != letter:
            raise _at(text, at + number, f"in literal {word} (expecting '{letter}')")
    return at + len(word)


def _string(text: str, at: int) -> int:
    while True:
        at = _end_of(PLAIN, text, at)
        match _char(text, at):
            case '"':
                return at + 1
            case "\\":
                at = _escape(text, at + 1)
            case _:
                raise _at(text, at, "in string literal")


def _escape(text: str, at: int) -> int:
    if _char(text, at) == "u":
        end = _end_of(HEX, text, at + 1)
        if end < at + 5:
            _char(text, end)
            raise _at(text, end, "in \\u hexadecimal character escape")
        return end
    if text[at] not in 'bfnrt\\/"':
        raise _at(text, at, "in string escape code")
    return at + 1


def _number(text: str, at: int) -> int:
    if text[at] == "-":
        at += 1
    if _char(text, at) == "0":
        at += 1
    else:
        at = _digits(text, at, "in numeric literal")
    if text[at : at + 1] == ".":
        at = _digits(text, at + 1, "after decimal point in numeric literal")
    if text[at : at + 1] in ("e", "E"):
        at += 1
        if _char(text, at) in "+-":
            at += 1
        at = _digits(text, at, "in exponent of numeric literal")
    return at


def _digits(text: str, at: int, where: str) -> int:
    """Read at least one digit."""
    end = _end_of(DIGITS, text, at)
    if end == at:
        _char(text, at)
        raise _at(text, at, where)
    return end


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _char(text: str, at: int) -> str:
    if at >= len(text):
        raise SyntaxFault(END)
    return text[at]


def _at(text: str, at: int, where: str) -> SyntaxFault:
    """Return the name of the invalid byte, as a character of its own."""
    byte = chr(text[at].encode(errors="surrogatepass")[0])
    return SyntaxFault(f"invalid character {quoted(byte)} {where}")


def quoted(character: str) -> str:
    """Return a character in single quotes."""
    return "'\\''" if character == "'" else f"'{character}'" if character.isprintable() else repr(character)
