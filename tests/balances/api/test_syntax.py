"""What is said of texts that are no JSON: the words of the original's decoder, which names a byte and a place."""

from __future__ import annotations

import time

import pytest

from balances.api.go.json_in import Unreadable, first_value

VALUE, KEY = "looking for beginning of value", "looking for beginning of object key string"
FAULTS = [
    ("", "EOF"),
    (" \n", "EOF"),
    ("-", "unexpected EOF"),
    ("nul", "unexpected EOF"),
    ('{"a"', "unexpected EOF"),
    ('{"a":', "unexpected EOF"),
    ('{"a":1', "unexpected EOF"),
    ('{"a":[1,{"b":"c', "unexpected EOF"),
    ('{"a":"\\u12', "unexpected EOF"),
    ('{"a":1e', "unexpected EOF"),
    ('{"a":tru', "unexpected EOF"),
    ("xyz", f"invalid character 'x' {VALUE}"),
    ("{bad", f"invalid character 'b' {KEY}"),
    ("{'a':1}", f"invalid character '\\'' {KEY}"),
    ('{"a":1,}', f"invalid character '}}' {KEY}"),
    ("[1,]", f"invalid character ']' {VALUE}"),
    ("[1 2]", "invalid character '2' after array element"),
    ('{"a":1 "b":2}', "invalid character '\"' after object key:value pair"),
    ('{"a":{"b":1]}', "invalid character ']' after object key:value pair"),
    ('{"a" 1}', "invalid character '1' after object key"),
    ('{"a":nul}', "invalid character '}' in literal null (expecting 'l')"),
    ('{"a":flse}', "invalid character 'l' in literal false (expecting 'a')"),
    ('{"a":-}', "invalid character '}' in numeric literal"),
    ('{"a":--1}', "invalid character '-' in numeric literal"),
    ('{"a":-Infinity}', "invalid character 'I' in numeric literal"),
    ('{"a":1.}', "invalid character '}' after decimal point in numeric literal"),
    ('{"a":1.5e}', "invalid character '}' in exponent of numeric literal"),
    ('{"a":1e+}', "invalid character '}' in exponent of numeric literal"),
    ('{"a":01}', "invalid character '1' after object key:value pair"),
    ('{"a":.5}', f"invalid character '.' {VALUE}"),
    ('{"a":"\t"}', "invalid character '\\t' in string literal"),
    ('{"a":"\x00"}', "invalid character '\\x00' in string literal"),
    ('{"a":"\\x"}', "invalid character 'x' in string escape code"),
    ('{"a":"\\u12G4"}', "invalid character 'G' in \\u hexadecimal character escape"),
    ("ü", f"invalid character 'Ã' {VALUE}"),
    ("[" * 1_000 + "1" + "]" * 999, "invalid character '[' exceeded max depth"),
]


@pytest.mark.parametrize(("text", "message"), FAULTS)
def test_a_syntax_error_is_named_as_by_the_original(text: str, message: str) -> None:
    with pytest.raises(Unreadable) as refused:
        first_value(text)
    assert str(refused.value) == message


@pytest.mark.parametrize("text", ['["' + "a" * 2_000_000, "[" + "1234567890," * 90_000 + "x", " " * 2_000_000 + "x"])
def test_a_long_text_is_named_in_a_fraction_of_a_second(text: str) -> None:
    began = time.process_time()
    with pytest.raises(Unreadable):
        first_value(text)
    assert time.process_time() - began < 1
