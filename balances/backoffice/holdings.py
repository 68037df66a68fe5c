"""What a ledger or an identity holds: the totals of its balances by currency, and the newest of these."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from balances.ground import Statement
from balances.models import Balance
from balances.templatetags.money import listed

OF_LEDGER = Statement.beside(__file__, "totals_of_ledger.sql")
OF_IDENTITY = Statement.beside(__file__, "totals_of_identity.sql")
SUMMED = 100_000
"""Balances that are summed while a page opens, which takes about 0.1 s; of more, the page shows no sums."""
NEWEST = 10
"""Balances that a page names; the list behind it has all."""


def holdings(request: HttpRequest, key: str, of: Statement, query: str) -> dict[str, Any]:
    """Return what a page shows of the balances of a ledger or an identity, for a user who may see balances.

    ``query`` is what the list of balances is asked for to show them.
    """
    if not request.user.has_perm("balances.view_balance"):
        return {}
    precisions = admin.site.get_model_admin(Balance).precisions()  # type: ignore[attr-defined]  # ours
    rows = of.rows(key=key, most=SUMMED + 1)
    count = sum(row["balances"] for row in rows)
    return {
        "count": count,
        "is_counted": count <= SUMMED,
        "totals": [_line(row, precisions.get(row["currency"])) for row in rows] if count <= SUMMED else [],
        "all_balances": f"{reverse('admin:balances_balance_changelist')}?{query}",
    }


def newest(balances: Any) -> list[dict[str, Any]]:
    """Return the newest of some balances, with their amounts for people."""
    precisions = admin.site.get_model_admin(Balance).precisions()  # type: ignore[attr-defined]  # ours
    rows = balances.select_related("ledger").newest_first()[:NEWEST]
    return [{"balance": row, "amount": listed(row.balance, precisions.get(row.currency), row.currency)} for row in rows]


def _line(row: dict[str, Any], precision: int | None) -> dict[str, Any]:
    """Return the totals of one currency for people."""
    units = {name: int(row[name]) for name in ("credit", "debit", "inflight")}
    units["net"] = units["credit"] - units["debit"]
    currency = row["currency"] or ""
    return {"currency": currency, "balances": row["balances"]} | {
        name: listed(each, precision, currency) for name, each in units.items()
    }
