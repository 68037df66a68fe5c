"""What the page of a transaction shows of its movement: both sides, its rows in time, its effect, why it failed."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.conf import settings
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from balances.books import EFFECTS, Effect
from balances.ground import ExactEncoder, Statement
from balances.models import Balance, Transaction
from balances.queueing import draining
from balances.shapes import TransactionAnswer
from balances.templatetags.money import amount

FAMILY = Statement.beside(__file__, "family.sql")
MOST = 50
"""Rows of a movement on the page of one of them."""
Status = Transaction.Status
SETTLED = {Status.APPLIED: Effect.COMMIT, Status.VOID: Effect.VOID}
HAPPENED: dict[str, Any] = {
    Status.QUEUED: gettext_lazy("Asked for"),
    Status.SCHEDULED: gettext_lazy("Asked for, with a date"),
    Status.INFLIGHT: gettext_lazy("Held"),
    Status.APPLIED: gettext_lazy("Moved"),
    Status.VOID: gettext_lazy("Released"),
    Status.REJECTED: gettext_lazy("Rejected"),
}
WHY = {
    "insufficient funds": gettext_lazy(
        "When its turn came, less was available on the source than the amount: the balance, less what open holds keep "
        "and beyond any overdraft that was allowed. Post it again once there are funds."
    ),
    "overdraft": gettext_lazy("It would have taken the source further below zero than its overdraft limit allows."),
    "lock": gettext_lazy("Another writer kept one of its balances too long. It can be posted again as it is."),
    "reference": gettext_lazy(
        "Its reference was in use already, so the movement may have been made by another transaction."
    ),
}
"""What a reason for a rejection means, by a word of it."""


@dataclass(frozen=True)
class Step:
    """One row of a movement."""

    row: Transaction
    settles: bool
    parent: Transaction | None
    is_shown: bool

    @cached_property
    def effect(self) -> Effect:
        """Return what the row does to totals."""
        status = Status(self.row.status) if self.row.status in Status.values else Status.REJECTED
        return SETTLED[status] if self.settles and status in SETTLED else EFFECTS.get(status, Effect.NONE)

    @property
    def amount(self) -> SafeString:
        """Return the amount for people."""
        return amount_of(self.row, self.row.units)

    @property
    def words(self) -> str:
        """Return what happened, in words."""
        parent = self.parent
        if self.settles:
            return _("Hold committed") if self.effect is Effect.COMMIT else _("Hold released")
        if parent is not None and self.is_refund_of(parent):
            return _("Given back")
        return str(HAPPENED.get(str(self.row.status), self.row.status))

    def is_refund_of(self, other: Transaction) -> bool:
        """Return whether the row moves money of another back."""
        return (self.row.source_id, self.row.destination_id) == (other.destination_id, other.source_id)

    @property
    def changes(self) -> list[tuple[Balance, str, SafeString]]:
        """Return what the row did to totals: balance, total, change."""
        posted, held = self.effect.value
        units = self.row.units
        sides = (
            (self.row.source, _("Debit"), _("Inflight debit"), -1),
            (self.row.destination, _("Credit"), _("Inflight credit"), 1),
        )
        found = []
        for balance, total, inflight, sign in sides:
            figures = (
                (total, posted),
                (_("Balance"), posted * sign),
                (inflight, held),
                (_("Inflight balance"), held * sign),
            )
            found += [
                (balance, name, signed(self.row, factor * units)) for name, factor in figures if factor and balance
            ]
        return found

    @property
    def reason(self) -> str:
        """Return why the row was rejected, as the ledger said it."""
        data = self.row.meta_data if isinstance(self.row.meta_data, dict) else {}
        return str(data.get(draining.REASON) or "") if self.row.status == Status.REJECTED else ""

    @property
    def meaning(self) -> str:
        """Return what that reason means for those who asked."""
        return next((str(meaning) for word, meaning in WHY.items() if word in self.reason.lower()), "")


def shown(row: Transaction) -> dict[str, Any]:
    """Return the context of the page of a transaction, in two statements whatever the movement has."""
    found = {each["transaction_id"]: each["settles"] for each in FAMILY.rows(id=row.pk, most=MOST + 1)}
    rows = Transaction.objects.filter(pk__in=list(found)[:MOST]).select_related("source", "destination")
    by_id = {each.pk: each for each in rows}
    order = sorted(
        by_id.values(), key=lambda each: (each.created_at, len(each.reference or ""), each.reference or each.pk)
    )
    steps = [Step(each, found[each.pk], by_id.get(each.parent_transaction or ""), each.pk == row.pk) for each in order]
    this = next(each for each in steps if each.is_shown)
    return {
        "step": this,
        "steps": steps,
        "more_steps": len(found) > MOST,
        "legs": legs(this, steps),
        "rejections": [each for each in steps if each.reason and each.row.pk in {row.pk, *_outcomes(row, steps)}],
        "api_json": ExactEncoder(indent=2, ensure_ascii=False).encode(TransactionAnswer(deepcopy(row)).data),
        "api_url": f"{settings.LEDGER_PUBLIC_URL}/transactions/{row.pk}",
    }


def legs(this: Step, steps: list[Step]) -> list[Step]:
    """Return the rows that the picture shows: that of the page, with those beside it if it is a leg of several."""
    beside = [each for each in steps if each.row.parent_transaction == this.row.parent_transaction]
    is_leg = this.row.parent_transaction and this.parent is None
    return beside if is_leg else [this]


def amount_of(row: Transaction, units: int) -> SafeString:
    """Return an amount of a row for people, in major units where its precision says what these are."""
    return amount(units, row.precision or 1, row.currency or "")


def signed(row: Transaction, units: int) -> SafeString:
    """Return a change with its sign."""
    sign = SafeString("+" if units > 0 else "")
    return sign + amount_of(row, units)


def _outcomes(row: Transaction, steps: list[Step]) -> set[str]:
    return {each.row.pk for each in steps if each.row.parent_transaction == row.pk}
