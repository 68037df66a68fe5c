"""Looks up transactions of balances, so that no page reads the history of all others.

Asked for rows of one side or the other, newest first, PostgreSQL reads all transactions from the newest on until the
page is full: for a balance that did not move lately, or never, that is the whole table. The rows of each balance and
side stand in an index of their own, newest first; a page of all is among the first pages of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, Func, OrderBy, OuterRef, QuerySet, TextField

from balances.api.filtering.columns import compare, of_side
from balances.api.filtering.grammar import MAX_FILTERS, MAX_VALUES, Asked, Condition
from balances.models import Balance, Transaction, hashed

SIDES = ("source", "destination")


@dataclass(frozen=True)
class Balances:
    """The balances that a condition names, and the sides to search for them."""

    condition: Condition
    column: str
    sides: tuple[str, ...]

    def first_of_each(
        self, rows: QuerySet[Transaction], ordering: Sequence[OrderBy], count: int
    ) -> QuerySet[Transaction]:
        """Return the first rows of each balance and side, read from the index on it and ``created_at``."""
        if self.condition.field == "balance_id" and self.condition.operator == "eq":  # it need not be looked up
            ends = [
                rows.filter(of_side(side, self.condition)).order_by(*ordering).values("pk")[:count]
                for side in self.sides
            ]
            return Transaction.objects.filter(pk__in=ends[0].union(*ends[1:], all=True))
        named = Balance.objects.filter(compare(F(self.column), self.condition.operator, self.condition.values))
        parts = []
        for side in self.sides:
            own = rows.alias(hashed=hashed(F(side))).filter(hashed=hashed(OuterRef("pk")), **{side: OuterRef("pk")})
            first = own.order_by(*ordering).values("pk")[:count]
            each = Func(ArraySubquery(first), function="unnest", output_field=TextField())
            parts.append(named.order_by().annotate(first=each).values("first"))
        return Transaction.objects.filter(pk__in=parts[0].union(*parts[1:], all=True))


def balances_of(asked: Asked) -> Balances | None:
    """Return the balances that conditions are limited to; ``None`` where the planner does as well or better."""
    if len(asked.conditions) > (1 if asked.any_of else MAX_FILTERS):
        return None
    if any(condition.field in SIDES and condition.operator == "eq" for condition in asked.conditions):
        return None  # one balance on one side: its index is read in order anyway
    found = (_balances(condition) for condition in asked.conditions)
    return next((balances for balances in found if balances), None)


def _balances(condition: Condition) -> Balances | None:
    match condition.field, condition.operator:
        case "indicator", operator if operator != "isnull":  # few balances have one, nearly all have none
            return Balances(condition, "indicator", SIDES)
        case "balance_id", "eq" | "in" if len(condition.values) <= MAX_VALUES:
            return Balances(condition, "balance_id", SIDES)
        case "source" | "destination" as side, "in" if len(condition.values) <= MAX_VALUES:
            return Balances(condition, "balance_id", (side,))
    return None


def is_by_key(asked: Asked, keys: Sequence[str]) -> bool:
    """Return whether the conditions select few rows by values of an indexed field."""
    found = [
        condition.field in keys
        and condition.operator in ("eq", "in")
        and all(value.written != "" for value in condition.values)
        for condition in asked.conditions
    ]
    return bool(found) and (all(found) if asked.any_of else any(found))
