"""The tables that the log is read of: what they are, whatever they are called, and with which columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from balances.models import TOTALS
from reconciliation.proving.rules import COLUMNS

BALANCES, TRANSACTIONS = "balances", "transactions"
RECORDS, TOTAL_EDITS, ROW_EDITS = (
    "reconciliation_reconstruction",
    "reconciliation_balanceedit",
    "reconciliation_transactionedit",
)
WHO = ("database_user", "client_address", "application_name", "backend_pid")
RECORD_COLUMNS = (
    "reconstruction_id",
    "balance_id",
    "outcome",
    "transaction_id",
    *(f"{when}_{total}" for when in ("previous", "recalculated") for total in TOTALS),
)
TOTAL_EDIT_COLUMNS = ("id", "balance_id", *WHO)
ROW_EDIT_COLUMNS = ("id", "transaction_id", *WHO)
WATCHED = {BALANCES: ("balance_id", *TOTALS), TRANSACTIONS: COLUMNS}
"""The tables of which every change is read, with the columns that decide."""
NOTES = {RECORDS: RECORD_COLUMNS, TOTAL_EDITS: TOTAL_EDIT_COLUMNS, ROW_EDITS: ROW_EDIT_COLUMNS}
"""Tables of ours whose new rows are read along, and the columns that are."""


class Published(NamedTuple):
    """A table whose changes are read, as the catalogue has it."""

    name: str
    columns: tuple[str, ...]


class ColumnsChanged(Exception):
    """A change of a table has other columns than that table has now, so that it cannot be read."""

    def __init__(self, table: str) -> None:
        super().__init__(f"Columns of {table} were renamed or dropped.")


class IdentityLost(Exception):
    """Changes of a table no longer bring the old row, so that commits cannot be proved."""

    def __init__(self, table: str) -> None:
        super().__init__(f"The replica identity of {table} is no longer FULL.")


def are_same(sent: Sequence[str], known: Sequence[str], read: Iterable[str]) -> bool:
    """Return whether columns of a change are those of the table, but for such as are added at its end.

    Columns that traded their names for the time of a commit stand in other places.
    """
    here = all(one == other for one, other in zip(sent, known, strict=False))
    return here and all(column in sent for column in read if column in known)
