"""Cells, and one search, that several lists and pages of the back-office share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from balances.models import Balance
from balances.templatetags.money import amount, difference
from reconciliation.explaining import CAUSES, Certainty
from reconciliation.models import Finding
from reconciliation.records import Comparison

BESIDES = '<span class="ledger-besides">{} {}</span>'
SHORT = 60
"""Characters of a text in a list; its page has all of it."""
CERTAINTY = dict(Certainty.choices)
Precisions = Mapping[str, int | None]
"""Minor units in a major one by currency, ``None`` where that is not known."""
MORE_CURRENCIES = 3
"""Currencies that a cell of a list names."""


def net_difference(compared: Comparison) -> SafeString:
    """Show what the balance changes by, in minor units, and what else does."""
    return format_html(
        "{}{}",
        difference(compared.after.balance - compared.before.balance),
        format_html_join("", BESIDES, ((line.label.lower(), f"{line.difference:+}") for line in compared.besides)),
    )


def of_balance(queryset: Any, term: str, column: str) -> Any:
    """Narrow rows to a balance by its id, or to those of an indicator, by their index."""
    if term.startswith("bln_"):
        return queryset.filter(**{column: term})
    return queryset.filter(**{f"{column}__in": Balance.objects.called(term).values("balance_id")})


def balance_link(row: Any) -> SafeString:
    """Link to the page of a balance; its name is the row's own copy."""
    url = reverse("admin:balances_balance_change", args=[row.balance_id])
    return format_html('<a class="text-link" href="{}">{}</a>', url, row.indicator or row.balance_id)


def row_link(model: str, key: str | None, text: str | None = None) -> SafeString | str:
    """Link to the page of a row of ours by its key, or show that there is none."""
    if not key:
        return "–"
    url = reverse(f"admin:reconciliation_{model}_change", args=[key])
    return format_html('<a class="text-link" href="{}">{}</a>', url, text or key)


def list_link(model: str, text: str, **narrowed: str) -> SafeString:
    """Link to a list of ours, narrowed."""
    url = reverse(f"admin:reconciliation_{model}_changelist", query=narrowed)
    return format_html('<a class="text-link" href="{}">{}</a>', url, text)


def short(text: str) -> str:
    """Show the beginning of a text."""
    return text if len(text) <= SHORT else f"{text[:SHORT]}…"


def by_currency(drift: dict[str, Any]) -> SafeString:
    """Show amounts in minor units, each with its currency, the first few."""
    named = sorted(drift.items())
    more = len(named) - MORE_CURRENCIES
    return format_html(
        "{}{}",
        format_html_join(
            "",
            '<span class="ledger-amount"><span class="money">{}</span> {}</span>',
            ((units, currency) for currency, units in named[:MORE_CURRENCIES]),
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
