"""The trial balance: what was credited equals what was debited, in each currency, over all balances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from django.db import transaction

from balances.ground import ONE_SNAPSHOT, Statement
from reconciliation.measuring.measurement import Totals, measure_all, units

STORED = Statement.beside(__file__, "trial_balance.sql")
SIDES = {
    "credit": "credit_balance",
    "debit": "debit_balance",
    "inflight_credit": "inflight_credit_balance",
    "inflight_debit": "inflight_debit_balance",
}


def trial_balance(drifting: Sequence[str] | None) -> list[dict[str, Any]]:
    """Return the trial balance of one snapshot: an object a currency with ``stored`` and ``recalculated`` sums.

    ``drifting`` are the balances known to drift: what is stored less their drift is what the transactions say,
    because every other balance agrees with them. ``None`` means that not all balances were measured, so nothing is
    recalculated. Sums are minor units; ``agrees`` is whether the sides are equal. Must not run in an atomic
    block: a snapshot is chosen at its beginning.
    """
    with transaction.atomic(durable=True):
        ONE_SNAPSHOT.execute()
        stored = stored_sums()
        recalculated = corrected(stored, _differences(drifting or ()))
    return [
        {
            "currency": currency,
            "stored": judged(stored[currency]),
            "recalculated": None if drifting is None else judged(recalculated[currency]),
        }
        for currency in stored
    ]


def stored_sums() -> dict[str, dict[str, int]]:
    """Return the stored sums of the four sides by currency, in minor units."""
    return {row["currency"]: {side: units(row[side]) for side in SIDES} for row in STORED.rows()}


def corrected(sums: dict[str, dict[str, int]], differences: Iterable[tuple[str, Totals]]) -> dict[str, dict[str, int]]:
    """Return sums as they are once differences have been added to balances of the given currencies."""
    result = {currency: dict(sides) for currency, sides in sums.items()}
    for currency, difference in differences:
        for side, total in SIDES.items():
            result[currency][side] += getattr(difference, total)
    return result


def _differences(drifting: Sequence[str]) -> Iterator[tuple[str, Totals]]:
    for measured in measure_all(sorted(drifting)):
        yield measured.currency, measured.difference


def judged(sums: dict[str, int]) -> dict[str, Any]:
    """Add whether the sides are equal: what left one balance entered another. NaN becomes text, as JSON knows none."""
    agrees = sums["credit"] == sums["debit"] and sums["inflight_credit"] == sums["inflight_debit"]
    written = {side: units if Decimal(units).is_finite() else str(units) for side, units in sums.items()}
    return written | {"agrees": agrees}
