"""Parts of the page of a balance that are asked for when somebody looks at them, so that opening it stays quick.

Each is a page of its own as well, for browsers without scripts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.safestring import SafeString

from balances.backoffice.balance_panels import known_precision, last_transactions
from balances.backoffice.statement import balance_for
from balances.ground import ReadTimedOut, deadline
from balances.history import READ_ROWS, Flow, OpenHold, counterparties, open_holds
from balances.models import Balance, now
from balances.templatetags.money import amount, listed

if TYPE_CHECKING:
    from balances.backoffice.pages import LedgerModelAdmin

SHOWN_HOLDS = 20
SHOWN_COUNTERPARTIES = 8
FLOW_DAYS = 90
LONGEST_DAYS = 3_660
SECONDS = 2.0
"""How long a part may read; one of a balance with millions of rows may take longer."""
ROW_HEIGHT, MIDDLE_HEIGHT, WIDEST = 48, 96, 22
"""Pixels of the picture of flows: a counterparty, the balance, and the widest line."""
Shown = Callable[[HttpRequest, Balance], dict[str, Any]]


def routes(page: LedgerModelAdmin, parts: dict[str, Shown]) -> list[Any]:
    """Return the addresses of parts by their names, each with what is shown there."""
    return [
        path(
            f"<path:balance_id>/{name}/",
            page.admin_site.admin_view(partial(_part, page, name, shown)),
            name=f"balances_balance_{name}",
        )
        for name, shown in parts.items()
    ]


def _part(page: LedgerModelAdmin, name: str, shown: Shown, request: HttpRequest, balance_id: str) -> HttpResponse:
    balance = balance_for(request, balance_id)
    is_part = "HX-Request" in request.headers
    context = {
        "frame": "admin/balances/balance/bare.html" if is_part else "admin/base_site.html",
        "original": balance,
        "part": f"admin/balances/balance/{name}.html",
    }
    if not is_part:
        context |= page.admin_site.each_context(request) | {"title": str(balance), "opts": page.opts}
    try:
        with deadline(SECONDS, f"{name} of {balance.pk}"):
            context |= shown(request, balance)
    except ReadTimedOut:
        context["refusal"] = "Not shown: this balance has so many transactions that reading them took too long."
    return TemplateResponse(request, "admin/balances/balance/part.html", context)


def holds(request: HttpRequest, balance: Balance) -> dict[str, Any]:
    """Return the open holds, oldest first."""
    found = open_holds(balance.pk, SHOWN_HOLDS)
    precision = known_precision(last_transactions(balance.pk)) if found.count else None
    return {
        "holds": [(each, listed(each.units, each.precision or 1), *_open(each)) for each in found.shown],
        "count": found.count,
        "more": found.count - len(found.shown),
        "debits": amount(found.debits, precision, balance.currency),
        "credits": amount(found.credits, precision, balance.currency),
    }


def _open(hold: OpenHold) -> tuple[SafeString, SafeString]:
    return listed(hold.committed, hold.precision or 1), listed(hold.remaining, hold.precision or 1)


@dataclass(frozen=True)
class Line:
    """One counterparty of the picture: its amount, and the line from it to the balance."""

    other: str
    name: str
    amount: SafeString
    row_count: int
    width: int
    y: int
    """Where the line begins, in pixels from the top, and with which width."""


def flows(request: HttpRequest, balance: Balance) -> dict[str, Any]:
    """Return with whom a balance moved money, as two lists and the lines between them and the balance."""
    given = request.GET.get("days", "")
    days = min(int(given), LONGEST_DAYS) if given.isdecimal() and len(given) < len(str(LONGEST_DAYS)) + 1 else FLOW_DAYS
    came_in, went_out = counterparties(balance.pk, now() - timedelta(days=days), SHOWN_COUNTERPARTIES)
    precision = known_precision(last_transactions(balance.pk))
    height = ROW_HEIGHT * max(len(came_in.largest), len(went_out.largest), 2)
    return {
        "days": days,
        "read_rows": f"{READ_ROWS:,}",
        "choices": [each for each in (30, FLOW_DAYS, 365) if each != days],
        "height": height,
        "middle": height // 2,
        "ways": [
            {
                "name": name,
                "title": title,
                "lines": _lines(flow, precision),
                "total": amount(flow.total, precision, balance.currency),
                "more": flow.others - len(flow.largest),
                "is_cut": flow.is_cut,
            }
            for name, title, flow in (("in", "Came from", came_in), ("out", "Went to", went_out))
        ],
    }


def _lines(flow: Flow, precision: int | None) -> list[Line]:
    largest = max((each.units for each in flow.largest), default=0)
    return [
        Line(
            each.other,
            each.other_name,
            listed(each.units, precision),
            each.row_count,
            max(int(each.units * WIDEST // largest), 1) if largest > 0 else 1,
            ROW_HEIGHT * number + ROW_HEIGHT // 2,
        )
        for number, each in enumerate(flow.largest)
    ]


PARTS: dict[str, Shown] = {"holds": holds, "flows": flows}
