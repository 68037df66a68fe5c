"""Requests as the original's decoder reads them: types, words for errors, times, durations."""

from balances.api.go.body import (
    ANYTHING,
    NUMBER,
    InvalidBody,
    Kind,
    MalformedBody,
    Mismatch,
    Strings,
    Structs,
    decode,
    parse_time,
)
from balances.api.go.untaken import FieldNotTaken, refuse_in_query

__all__ = [
    "ANYTHING",
    "NUMBER",
    "FieldNotTaken",
    "InvalidBody",
    "Kind",
    "MalformedBody",
    "Mismatch",
    "Strings",
    "Structs",
    "decode",
    "parse_time",
    "refuse_in_query",
]
