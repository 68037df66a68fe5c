"""The report of ``manage.py reconstruct``."""

from __future__ import annotations

from typing import Any

from reconciliation.correcting import Rebuilt
from reconciliation.records import COLUMNS, NUMBERS, WHOSE, Report, compared, figures

MEASURED = Report(
    fields=(*WHOSE, *figures("previous", "recalculated"), "outcome", "why_not"),
    columns=COLUMNS | {"Outcome": "outcome", "Why not": "why_not"},
    numbers=NUMBERS,
    in_table=lambda row: row["outcome"] != "no_drift",
)
"""The report of a reconstruction: one row a balance."""


def as_row(rebuilt: Rebuilt) -> dict[str, Any]:
    """Return the row of one balance; amounts are texts of minor units."""
    measured = rebuilt.measurement
    row = compared(measured, previous=measured.stored, recalculated=measured.recalculated)
    return row | {"outcome": rebuilt.outcome, "why_not": rebuilt.why_not}
