"""Reads requests as the original's decoder does: types, error messages, times, durations.

docs/design/wire.md states the rules under "Reading bodies".
"""

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
