"""Cells, and one search, that several lists and pages of the back-office share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from balances.models import Balance, now
from balances.templatetags.ids import short_id
from balances.templatetags.money import amount, instant, listed, listed_difference
from reconciliation.explaining import CAUSES, Certainty
from reconciliation.models import Finding
from reconciliation.overview import precisions
from reconciliation.records import Comparison

BESIDES = '<span class="ledger-besides">{} {}</span>'
SHORT = 60
"""Characters of a text in a list; its page has all of it."""
CERTAINTY = dict(Certainty.choices)
Precisions = Mapping[str, int | None]
"""Minor units in a major one by currency, ``None`` where that is not known."""
UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
MORE_CURRENCIES = 3
"""Currencies that a cell of a list names."""


class InMajorUnits:
    """Lists and pages whose amounts are in major units, as postings of the last 30 days say what these are."""

    def precisions(self) -> Precisions:
        """Return minor units in a major one by currency, which each row of the list gets."""
        return precisions()

    def get_object(self, *args: Any, **named: Any) -> Any:
        """Give them to the row of a page as well."""
        row = super().get_object(*args, **named)  # type: ignore[misc]  # of the page's own class
        if row is not None:
            row.precisions = self.precisions()
        return row


def precision_of(row: Any, currency: str | None = None) -> int | None:
    """Return how many minor units make a major one in a currency, that of the row unless another is given."""
    known: Precisions = getattr(row, "precisions", {})
    return known.get(row.currency if currency is None else currency)


def named(row: Any) -> SafeString | str:
    """Show the name of a balance, or its id, shortened."""
    return row.indicator or short_id(row.balance_id)


def in_list(row: Any, units: int | Decimal | None) -> SafeString:
    """Show an amount of a row of a list, with its currency."""
    return listed(units, precision_of(row), row.currency)


def net_difference(row: Any, compared: Comparison) -> SafeString:
    """Show what the balance of a row changes by, with its currency, and what else changes; or that alone."""
    precision, net = precision_of(row), compared.after.balance - compared.before.balance
    stands = bool(net) or not compared.besides
    currency = "" if stands else row.currency
    besides = format_html_join(
        "",
        BESIDES,
        ((line.label.lower(), listed_difference(line.difference, precision, currency)) for line in compared.besides),
    )
    return format_html("{}{}", listed_difference(net, precision, row.currency) if stands else "", besides)


def age(since: datetime | None, at: datetime) -> str:
    """Show in one unit how long ago something was: ``3 days``."""
    if since is None:
        return ""
    seconds = max((at - since).total_seconds(), 0)
    unit, length = next(each for each in UNITS if seconds >= each[1] or each[1] == 1)
    count = int(seconds // length)
    return f"{count:,} {unit}{'' if count == 1 else 's'}"


def since_when(at: datetime | None) -> SafeString | str:
    """Show an instant, and below it how long ago that was."""
    return "–" if at is None else format_html("{}{}", instant(at), format_html(BESIDES, age(at, now()), "ago"))


def of_balance(queryset: Any, term: str, column: str) -> Any:
    """Narrow rows to a balance by its id, or to those of an indicator, by their index."""
    if term.startswith("bln_"):
        return queryset.filter(**{column: term})
    return queryset.filter(**{f"{column}__in": Balance.objects.called(term).values("balance_id")})


def balance_link(row: Any) -> SafeString:
    """Link to the page of a balance; its name is the row's own copy."""
    url = reverse("admin:balances_balance_change", args=[row.balance_id])
    return format_html('<a class="text-link" href="{}">{}</a>', url, named(row))


def row_link(model: str, key: str | None, text: str | None = None) -> SafeString | str:
    """Link to the page of a row of ours by its key, or show that there is none."""
    if not key:
        return "–"
    url = reverse(f"admin:reconciliation_{model}_change", args=[key])
    return format_html('<a class="text-link" href="{}">{}</a>', url, text or short_id(key))


def list_link(model: str, text: str, **narrowed: str) -> SafeString:
    """Link to a list of ours, narrowed."""
    url = reverse(f"admin:reconciliation_{model}_changelist", query=narrowed)
    return format_html('<a class="text-link" href="{}">{}</a>', url, text)


def short(text: str) -> str:
    """Show the beginning of a text."""
    return text if len(text) <= SHORT else f"{text[:SHORT]}…"


def by_currency(row: Any, drift: dict[str, Any]) -> SafeString:
    """Show amounts of a row of a list, each with its currency, the first few."""
    named = sorted(drift.items())
    more = len(named) - MORE_CURRENCIES
    return format_html(
        "{}{}",
        format_html_join(
            "",
            '<span class="ledger-amount">{}</span>',
            ((listed(units, precision_of(row, currency), currency),) for currency, units in named[:MORE_CURRENCIES]),
        ),
        format_html('<span class="ledger-besides">and {} more currencies</span>', more) if more > 0 else "",
    )


def duration(span: timedelta | None) -> str:
    """Show a length of time to the second: ``1 h 02 min``, ``3 min 20 s``, ``0.4 s``."""
    if span is None:
        return "–"
    seconds = span.total_seconds()
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def title_of(cause: str) -> str:
    """Return the title of a cause, or its stored name where the code no longer has that cause."""
    return CAUSES[cause].title if cause in CAUSES else cause or "–"


def certainty_of(finding: Finding) -> str:
    """Return how sure the cause of a finding is, in words."""
    best = next((each for each in finding.explanations if each["cause"] == finding.cause), None)
    return CERTAINTY.get(best["certainty"], best["certainty"]) if best else ""


def in_currencies(units: Mapping[str, int], precisions: Precisions, most: int = MORE_CURRENCIES) -> SafeString:
    """Show amounts, each with its currency, the first few."""
    named = sorted(units.items())
    shown = format_html_join(", ", "{}", ((amount(each, precisions.get(key), key),) for key, each in named[:most]))
    more = len(named) - most
    return format_html("{} and {} more currencies", shown, more) if more > 0 else shown
