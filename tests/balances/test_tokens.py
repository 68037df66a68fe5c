"""Tokens: read as Blnk wrote them, no two the same, nothing of the original left in them."""

from __future__ import annotations

import base64
import logging

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from balances.people.identity_exceptions import TokenizationDisabled, UnreadableToken
from balances.people.tokens import Tokenizer, shown, tokenizer

KEY = b"0123456789abcdef0123456789abcdef"
TOKENS = Tokenizer(KEY)
BLNK = {
    "FPT:Awoay:e6mKA4GAYVl0C+cnk5qmiKU9s6lAPdy4I5gYu2yRZAaX": "Alice",
    "FPT:F'Gmvt: Jx:h9oO/aVttjPx09ibIgky9S1UiijAeO4wQFogNjpVEul9l+aA5Nk=": "O'Neil: Jr",
    "FPT:Žqžats 1:5qSivkwckb0lI39JQcEpTA01aiFeRU5oetKfRlcsubU1pLQSIWM=": "Žižkov 5",
}
"""What Blnk Core 0.15 itself stored under ``KEY``."""
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize("token", BLNK)
def test_another_key_opens_nothing(token: str) -> None:
    with pytest.raises(UnreadableToken):
        Tokenizer(KEY[::-1]).value_of(token)


@pytest.mark.parametrize("token", ["", "Alice", "FPT:", "FPT:Alice", "FPT:Qwert:YWJj", "FPT:Qwert:Žž", "YWJj", "===="])
def test_what_is_no_token_is_not_read(token: str) -> None:
    with pytest.raises(UnreadableToken):
        TOKENS.value_of(token)
    assert not TOKENS.opens(token)


@given(TEXTS, st.integers(min_value=0), st.integers(1, 255))
def test_a_token_with_one_byte_changed_is_not_read(value: str, place: int, change: int) -> None:
    visible, _, sealed = TOKENS.token_for(value).rpartition(":")
    data = bytearray(base64.b64decode(sealed))
    data[place % len(data)] ^= change
    with pytest.raises(UnreadableToken):
        TOKENS.value_of(f"{visible}:{base64.b64encode(data).decode()}")


def test_without_a_key_there_are_no_tokens(settings: object) -> None:
    settings.BLNK_TOKENIZATION_SECRET = b""  # type: ignore[attr-defined]
    with pytest.raises(TokenizationDisabled, match="must be set to a 32-byte value"):
        tokenizer()


@pytest.mark.parametrize(("token", "value"), BLNK.items())
def test_what_blnk_wrote_is_read_even_where_blnk_cannot(token: str, value: str) -> None:
    assert TOKENS.value_of(token) == value
    assert TOKENS.value_of(token.rpartition(":")[2]) == value


def test_the_visible_part_is_that_of_blnk() -> None:
    assert TOKENS.token_for("Alice").startswith("FPT:Awoay:")
    assert TOKENS.token_for("O'Neil: Jr").startswith("FPT:F'Gmvt: Jx:")


@given(TEXTS)
@example("")
@example(":::")
@example("FPT:Alice:x")
@example("Alice\x00Žižkov 🦀")
def test_what_goes_in_comes_out(value: str) -> None:
    token = TOKENS.token_for(value)
    assert TOKENS.value_of(token) == value
    assert TOKENS.token_for(value) != token


@given(TEXTS)
def test_the_visible_part_has_the_shape_of_the_original_and_none_of_its_letters_beyond_ascii(value: str) -> None:
    visible = TOKENS.token_for(value).removeprefix("FPT:").rpartition(":")[0]
    assert len(visible) == len(value)
    assert visible.isascii()
    for original, seen in zip(value, visible, strict=True):
        if original.isascii():
            assert (original.isupper(), original.islower(), original.isdigit()) == (
                seen.isupper(),
                seen.islower(),
                seen.isdigit(),
            )
            assert original == seen or original.isalnum()


def test_a_name_in_another_script_does_not_stand_in_its_token() -> None:
    token = TOKENS.token_for("Иван Петров")
    assert token.isascii()
    assert TOKENS.value_of(token) == "Иван Петров"


@pytest.mark.parametrize(
    ("stored", "seen"), [("Alice", "Alice"), ("FPT:Awoay:e6mK", "Awoay (token)"), ("FPT:F'G: Jx:h9", "F'G: Jx (token)")]
)
def test_people_see_the_visible_part_marked_as_a_token(stored: str, seen: str) -> None:
    assert shown(stored) == seen


def test_nothing_of_key_or_value_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        TOKENS.value_of(TOKENS.token_for("Alice"))
    assert caplog.text == ""
    assert "0123456789abcdef" not in f"{TOKENS!r}{UnreadableToken()!r}"
