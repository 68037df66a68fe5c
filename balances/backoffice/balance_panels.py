"""Panels on the page of a balance: its state at an instant, whose money it holds, and its monitors."""

from __future__ import annotations

import shlex
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextInputWidget

from balances.ground import LedgerError, Mode, may
from balances.history import balance_at
from balances.lineage import balance_lineage, untraced
from balances.models import Balance, BalanceMonitor, Transaction
from balances.templatetags.money import amount

SHOWN_TRANSACTIONS = 20
"""Transactions shown on the page of a balance."""
SHOWN_MONITORS = 10
"""Monitors on the page of a balance."""


class InstantWidget(UnfoldAdminTextInputWidget):  # type: ignore[misc]  # unfold has no type hints
    """A day and time picker of the browser; its value has no zone and is read as UTC."""

    input_type = "datetime-local"


class AsOfForm(forms.Form):
    """The instant to show a balance at."""

    as_of = forms.DateTimeField(label="As of (UTC)", widget=InstantWidget({"step": 1}))


TOTALS_IN_WORDS = (
    ("balance", "Balance", "credits less debits", True),
    ("inflight_balance", "Held", "what open holds would add", True),
    ("credit_balance", "Credits", "all that came in", False),
    ("inflight_credit_balance", "Held to come in", "credits of open holds", False),
    ("debit_balance", "Debits", "all that went out", False),
    ("inflight_debit_balance", "Held to go out", "debits of open holds", False),
)
"""The six totals: label, meaning, and whether it is the net of two others."""


def totals(balance: Balance, precision: int | None) -> list[dict[str, Any]]:
    """Return the six stored totals in words and major units."""
    return [
        {
            "label": label,
            "hint": hint,
            "amount": amount(getattr(balance, name), precision, balance.currency),
            "is_net": is_net,
        }
        for name, label, hint, is_net in TOTALS_IN_WORDS
    ]


def curl(balance: Balance) -> str:
    """Return the command that reads a balance through REST; the key is a variable of the shell, never a value."""
    url = shlex.quote(f"{settings.LEDGER_PUBLIC_URL}/balances/{balance.pk}")
    return f'curl -H "X-Blnk-Key: $KEY" {url}'


def past(request: HttpRequest, balance: Balance) -> dict[str, Any]:
    """Return the form for an instant and, once one is given, the balance at it or the error."""
    if "as_of" not in request.GET:
        return {"as_of_form": AsOfForm()}
    form = AsOfForm(request.GET)
    try:
        then = balance_at(balance.pk, form.cleaned_data["as_of"]) if form.is_valid() else None
    except LedgerError as error:
        form.add_error("as_of", error.message)
        then = None
    return {"as_of_form": form, "then": then}


def lineage(balance: Balance) -> dict[str, Any]:
    """Return whose money a balance holds, if it tracks its funds, and the numbers of movements not traced."""
    if not balance.track_fund_lineage:
        return {}
    waiting, failed = untraced(balance.pk)
    return {"lineage": balance_lineage(balance.pk), "waiting_to_be_traced": waiting, "not_traced": failed}


def monitors(request: HttpRequest, balance: Balance) -> dict[str, Any]:
    """Return the newest monitors of a balance, if the user may see them."""
    may_see = request.user.has_perm("balances.view_balancemonitor")
    return {
        "may_see_monitors": may_see,
        "may_add_monitor": request.user.has_perm("balances.add_balancemonitor") and may(Mode.SERVE),
        "monitors": BalanceMonitor.objects.filter(balance=balance)[:SHOWN_MONITORS] if may_see else [],
    }


def last_transactions(balance_id: str) -> list[Transaction]:
    """Return the last applied rows and holds of a balance, newest first."""
    rows = Transaction.objects.latest_of(balance_id, SHOWN_TRANSACTIONS)
    newest = sorted(rows, key=lambda row: (row.effective_date or row.created_at, row.pk), reverse=True)
    return newest[:SHOWN_TRANSACTIONS]


def known_precision(rows: list[Transaction]) -> int | None:
    """Return the precision that all these transactions share, or ``None`` where they differ or have none."""
    precisions = {row.precision for row in rows}
    return precisions.pop() if len(precisions) == 1 else None
