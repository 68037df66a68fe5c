"""Corrects totals by their difference from the transactions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.db import DataError, transaction

from balances.events import publishing
from balances.ground import Mode, Statement, adoption, dumps, exceptions, require_mode
from balances.models import TOTALS, Balance

RESTATE = Statement.beside(__file__, "restate.sql")
SHORT_STATEMENTS = Statement.beside(__file__, "short_statements.sql")
LONGEST = "5s"
"""How long one statement may take while a balance of a running Blnk is locked."""


@dataclass(frozen=True, kw_only=True)
class Correction:
    """Differences to add to the six totals of one balance, and a result to store in its metadata, if any."""

    balance_id: str
    credit_balance: int = 0
    debit_balance: int = 0
    balance: int = 0
    inflight_credit_balance: int = 0
    inflight_debit_balance: int = 0
    inflight_balance: int = 0
    result: dict[str, str] | None = None


def restate_balances(corrections: list[Correction]) -> None:
    """Add each correction to the current totals.

    Must run in an atomic block; the row locks last until its end. Corrections are differences, so postings since the
    measurement are kept. A result is written even where nothing moves. Raises ``BalanceNotFound`` where one is gone,
    and ``ModeForbids``.
    """
    require_mode(Mode.REPAIR)
    ordered = sorted(corrections, key=lambda correction: correction.balance_id)
    ids = [correction.balance_id for correction in ordered]
    if adoption() is not None:
        SHORT_STATEMENTS.rows(limit=LONGEST)
    list(Balance.objects.locked(ids).values_list("balance_id"))
    restated = _restated(ordered)
    if gone := set(ids) - {row["balance_id"] for row in restated}:
        raise exceptions.BalanceNotFound(min(gone))
    publishing.publish_monitors([each.balance_id for each in ordered if any(getattr(each, total) for total in TOTALS)])


def _restated(ordered: list[Correction]) -> list[dict[str, Any]]:
    """Correct totals; where Blnk's own notification has no room for the result in the metadata, without it."""
    if adoption() is None:
        return _sent(ordered)
    for corrections in (ordered, [replace(each, result=None) for each in ordered]):
        try:
            with transaction.atomic():
                return _sent(corrections)
        except DataError as error:
            if exceptions.TOO_LONG not in str(error):
                raise
    raise exceptions.TooMuchMetadata(ordered[0].balance_id)


def _sent(ordered: list[Correction]) -> list[dict[str, Any]]:
    return RESTATE.rows(
        balance_ids=[each.balance_id for each in ordered],
        results=[None if each.result is None else dumps(each.result) for each in ordered],
        **{PARAMETERS[total]: [Decimal(getattr(each, total)) for each in ordered] for total in TOTALS},
    )


PARAMETERS = {
    "credit_balance": "credits",
    "debit_balance": "debits",
    "balance": "balances",
    "inflight_credit_balance": "inflight_credits",
    "inflight_debit_balance": "inflight_debits",
    "inflight_balance": "inflight_balances",
}
"""The parameter of ``restate.sql`` for each total."""
