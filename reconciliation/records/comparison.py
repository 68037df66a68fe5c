"""What the pages about reconstructions show: before and after, and the last result, ready to be laid out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from balances.models import TOTALS, Balance
from reconciliation.measuring import Measurement, Totals
from reconciliation.models import Finding, PlanItem, Reconstruction

RESULT_KEY = "BLNK_RECONCILIATION_RESULT"
LABELS = dict(
    zip(
        TOTALS,
        ("Credit", "Debit", "Balance", "Inflight credit", "Inflight debit", "Inflight balance"),
        strict=True,
    )
)
"""The six totals in plain words."""
RESULT_LABELS = {
    "previous_credit": "Previous credit",
    "recalculated_credit": "Recalculated credit",
    "previous_debit": "Previous debit",
    "recalculated_debit": "Recalculated debit",
    "previous_balance": "Previous balance",
    "recalculated_balance": "Recalculated balance",
    "difference": "Difference",
    "executed_at": "Executed at",
}
"""The eight fields of the documentation in plain words, in the order of the page."""
INTEGER = re.compile(r"-?[0-9]{1,1000}")
SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Line:
    """One total before and after."""

    label: str
    before: int
    after: int

    @property
    def difference(self) -> int:
        """Return what a correction adds."""
        return self.after - self.before


@dataclass(frozen=True)
class ResultField:
    """One of the eight fields: ``units`` where it is a whole number, else the ``text`` that stands there."""

    label: str
    text: str
    units: int | None
    is_difference: bool


@dataclass(frozen=True)
class Comparison:
    """One balance before and after, from a measurement or from a stored row; ``rows`` may be unknown."""

    balance_id: str
    name: str
    currency: str
    ledger_name: str
    rows: int | None
    before: Totals
    after: Totals
    refused: bool = False
    against: str = ""
    """Why the transactions should not be followed, as a sentence."""

    @classmethod
    def of(cls, measured: Measurement, *, refused: bool = False, against: str = "") -> Comparison:
        """Compare the totals of a measurement; ``refused`` where the drift was then left as it was."""
        return cls(
            **_identity(measured), before=measured.stored, after=measured.recalculated, refused=refused, against=against
        )

    @classmethod
    def of_row(cls, row: Reconstruction | Finding | PlanItem) -> Comparison:
        """Compare what a record, a finding or an item of a plan keeps."""
        return cls(**_identity(row), before=row.previous, after=row.recalculated)

    @property
    def lines(self) -> list[Line]:
        """Return all six totals."""
        return [Line(label, getattr(self.before, total), getattr(self.after, total)) for total, label in LABELS.items()]

    @property
    def differing(self) -> list[Line]:
        """Return the totals that are wrong."""
        return [line for line in self.lines if line.difference]

    @property
    def besides(self) -> list[Line]:
        """Return the wrong totals that the net difference does not cover, such as those of holds."""
        nets = {LABELS["balance"], LABELS["inflight_balance"]}
        covered = (
            {LABELS["credit_balance"], LABELS["debit_balance"]} if self.after.balance - self.before.balance else set()
        )
        return [line for line in self.differing if line.label not in nets | covered]

    @property
    def is_empty(self) -> bool:
        """Return whether there are totals without a single row behind them."""
        return bool(self.before) and self.rows == 0


def _identity(row: Measurement | Reconstruction | Finding | PlanItem) -> dict[str, Any]:
    return {
        "balance_id": row.balance_id,
        "name": row.indicator or row.balance_id,
        "currency": row.currency,
        "ledger_name": row.ledger_name,
        "rows": None if isinstance(row, PlanItem) else row.credit_rows + row.debit_rows + row.hold_rows,
    }


def last_result(balance: Balance) -> list[ResultField]:
    """Return the eight fields that the metadata holds, or none; any client can write anything there."""
    stored = balance.meta_data.get(RESULT_KEY) if isinstance(balance.meta_data, dict) else None
    if not isinstance(stored, dict):
        return []
    return [_field(name, label, stored.get(name)) for name, label in RESULT_LABELS.items()]


def _field(name: str, label: str, value: Any) -> ResultField:
    text = "–" if value is None else str(value)
    is_units = name != "executed_at" and isinstance(value, str) and INTEGER.fullmatch(value) is not None
    shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
    return ResultField(label, shown, int(text) if is_units else None, name == "difference")
