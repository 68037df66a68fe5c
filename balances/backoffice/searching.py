"""What people type into the search of a list, as conditions that an index answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Q

from balances.ground import adoption
from balances.models import Balance, Identity, Ledger

TYPED = re.compile(
    r"(?P<digits>\d{1,3}(?:[, \u202f\u00a0]\d{3})+|\d+)(?P<part>\.\d+)?(?: (?P<currency>[A-Za-z]\w{0,15}))?"
)
"""An amount as pages show it: ``1,250.34``, ``1250.34 EUR``. ``1.250,34`` is none, because it can be read two ways."""
MOST_DECIMALS = 18
"""Decimals of the smallest currencies known, those of tokens."""
MOST_DIGITS = 1000
MOST_NAMED = 100
"""Holders, or ledgers, whose balances a word finds, the newest: partial indexes do not answer conditions on more."""


@dataclass(frozen=True)
class Amount:
    """An amount as it was typed, and the currency if one was."""

    value: Decimal
    currency: str

    @property
    def condition(self) -> Q:
        """Return the condition on transactions: these major units at the precision of the row, or these minor units."""
        shown = self.value.as_tuple()
        decimals = max(-int(shown.exponent), 0)
        digits = int("".join(map(str, shown.digits)))  # whole numbers have no limit of digits
        found = Q()
        for more in range(decimals, MOST_DECIMALS + 1):
            units, precision = digits * 10 ** (more - decimals), 10**more
            found |= Q(precise_amount=units, precision=precision) if more else Q(precise_amount=units)
        return found & Q(currency__iexact=self.currency) if self.currency else found


def amount_in(term: str) -> Amount | None:
    """Return the amount that a term is, or ``None`` where it is something else."""
    typed = TYPED.fullmatch(term)
    if typed is None or len(term) > MOST_DIGITS:
        return None
    digits = re.sub(r"\D", "", typed["digits"])
    part = (typed["part"] or "").rstrip("0").rstrip(".")
    return Amount(Decimal(f"{digits}{part}"), typed["currency"] or "")


def transactions(queryset: Any, term: str) -> Any:
    """Find by id or its beginning, with children; by balance id; else by reference, indicator of a side, or amount."""
    if term.startswith("bln_"):
        return queryset.moving(term)
    if term.startswith("txn_"):
        children = Q(parent_transaction=term, parent_transaction__gt="")
        return queryset.filter(Q(transaction_id__startswith=term) | children)
    found = queryset.filter(Q(reference=term) | Q(transaction_id=term))
    if (amount := amount_in(term)) and adoption() is None:  # Blnk's own tables have no index of amounts
        found |= queryset.filter(amount.condition)
    if called := list(Balance.objects.called(term).values_list("pk", flat=True)[:MOST_NAMED]):
        found |= queryset.moving(*called)
    return found


def balances(queryset: Any, term: str, may_see_holders: bool) -> Any:
    """Find by the beginning of an id or of an indicator, with or without its ``@``; else by holder or ledger."""
    if term.startswith("bln_"):
        return queryset.filter(balance_id__startswith=term)
    if term.startswith("idt_") and may_see_holders:
        return queryset.filter(identity=term)
    found = Q(indicator__startswith=term) | Q(indicator__startswith=f"@{term}")
    if not term.startswith("@"):
        holders = identities(Identity.objects, term) if may_see_holders else Identity.objects.none()
        ledgers = Ledger.objects.named(term)
        # Keys, not subqueries: with these an index is read for each part.
        for side, named in (("identity__in", holders), ("ledger__in", ledgers)):
            if keys := list(named.order_by("-created_at").values_list("pk", flat=True)[:MOST_NAMED]):
                found |= Q(**{side: keys})
    return queryset.filter(found)


def identities(queryset: Any, term: str) -> Any:
    """Find by the beginning of an id, or by words of names and e-mail address."""
    if term.startswith("idt_"):
        return queryset.filter(identity_id__startswith=term)
    if adoption() is None:
        return queryset.named(term)
    # Blnk's own tables have no index of words, and may be large.
    return queryset.filter(Q(last_name__startswith=term) | Q(organization_name__startswith=term))
