"""Cron expressions: what is refused, in words for people, and when something is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.models.cron import last_due, next_due, validate_cron


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("", "five fields"),
        ("0 2 * *", "this one has 4"),
        ("0 0 2 * * *", "this one has 6"),
        ("@daily", "five fields"),
        ("61 * * * *", "out of range"),
        ("0 2 * * 8", "out of range"),
        ("*/0 * * * *", "step '0'"),
        ("- * * * *", "is no cron expression"),
        ("1,,2 * * * *", "is no cron expression"),
        ("R * * * *", "only digits"),
        ("H 2 * * *", "only digits"),
        ("0 2 L * *", "only digits"),
        ("soon 2 * * *", "only digits"),
        ("0 0 31 2 *", "never matches a date"),
    ],
)
def test_what_is_no_cron_expression_is_refused_in_words(expression: str, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        validate_cron(expression)


@pytest.mark.parametrize("expression", ["0 2 * * *", "*/15 8-18 * * mon-fri", "0 0 29 2 *", "5,35 * 1 JAN,jul *"])
def test_what_unix_understands_is_accepted(expression: str) -> None:
    validate_cron(expression)


def test_due_is_the_very_minute_not_the_one_before_it() -> None:
    two = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)
    assert last_due("0 2 * * *", two) == two
    assert last_due("0 2 * * *", two - timedelta(microseconds=1)) == two - timedelta(days=1)
    assert next_due("0 2 * * *", two) == two + timedelta(days=1)


@given(st.integers(0, 2**31))
def test_what_was_due_last_is_never_later_than_now_and_what_is_next_always_is(seconds: int) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    for expression in ("0 2 * * *", "*/7 * * * *", "30 23 1 * sun"):
        assert last_due(expression, at) <= at < next_due(expression, at)
        assert next_due(expression, last_due(expression, at)) == next_due(expression, at)
