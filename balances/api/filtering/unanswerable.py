"""The refusal of what the database cannot compare."""

from __future__ import annotations

from balances.api.filtering import columns
from balances.ground import LedgerError


class Unanswerable(LedgerError):
    """A value or a type that the database cannot compare; the original reports its own failure."""

    code = "GEN_BAD_REQUEST"

    def __init__(self, rows: str, reason: columns.Incomparable) -> None:
        super().__init__(f"Failed to retrieve {rows}")
        said = {"Severity": "ERROR", "Code": reason.sqlstate, "Message": reason.message}
        self.details = dict.fromkeys(DATABASE_ERROR_KEYS, "") | said if reason.message else {}


DATABASE_ERROR_KEYS = (
    *("Severity", "Code", "Message", "Detail", "Hint", "Position", "InternalPosition", "InternalQuery", "Where"),
    *("Schema", "Table", "Column", "DataTypeName", "Constraint", "File", "Line", "Routine"),
)
"""The keys of a PostgreSQL error on the wire."""
