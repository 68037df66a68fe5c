"""The command palette (Ctrl+K): lists by their names in the sidebar, and rows as the lists themselves find them.

unfold would keep what it found for some minutes, whatever permissions are taken away meanwhile, and would look for
texts in lower case. So its page is filled here; what may be searched, and by which index, is each list's own rule.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst
from unfold.dataclasses import SearchResult

from balances.backoffice import url_of
from balances.templatetags.money import amount
from ledgerproj.sidebar import SECTIONS

SHOWN = 5
"""Rows of each kind: the palette is for one that is known; the list behind it has all."""
LEAST = 2
"""Characters from which on rows are looked for."""
LONGEST = 200
TEMPLATE = "unfold/helpers/command_results.html"
Row = Any


def _transaction(row: Row) -> str:
    return f"{row.get_status_display()}, {_plain(row)}, {row.created_at:%Y-%m-%d}"


def _plain(row: Row) -> str:
    shown = amount(row.units, row.precision or 1, row.currency or "")
    return str(shown).partition(">")[2].partition("<")[0]


KINDS: tuple[tuple[str, str, Callable[[Row], str]], ...] = (
    ("balances.balance", "account_balance_wallet", lambda row: str(row.ledger)),
    ("balances.transaction", "receipt_long", _transaction),
    ("reconciliation.finding", "search_insights", lambda row: f"{row.found_at:%Y-%m-%d %H:%M} UTC, {row.ledger_name}"),
    ("reconciliation.plan", "fact_check", lambda row: f"{row.get_state_display()}, {row.reason[:60]}"),
)
"""Model, icon, and what stands beside the name of a row."""


def search(request: HttpRequest) -> HttpResponse:
    """Answer what the palette shows for a term."""
    began, term = time.monotonic(), request.GET.get("s", "").strip()[:LONGEST]
    if not term:
        return HttpResponse()
    paginator = Paginator([*_lists(request, term), *_rows(request, term)], per_page=100)
    context = {
        "page_obj": paginator,
        "results": paginator.page(1),
        "page_counter": 0,
        "execution_time": time.monotonic() - began,
        "command_show_history": False,
    }
    return TemplateResponse(request, TEMPLATE, context, headers={"HX-Trigger": "search"})


def _lists(request: HttpRequest, term: str) -> Iterator[SearchResult]:
    """Yield the lists that the user may see and whose names have a term."""
    for section, entries in SECTIONS.items():
        for title, icon, app, model in entries:
            if term.lower() in title.lower() and request.user.has_perm(f"{app}.view_{model}"):
                yield SearchResult(title=title, description=section, link=_list_of(app, model), icon=icon)


def _rows(request: HttpRequest, term: str) -> Iterator[SearchResult]:
    """Yield the rows of each kind that the user may see and that its list finds by a term."""
    for label, icon, describe in KINDS if len(term) >= LEAST else ():
        model = apps.get_model(label)
        model_admin = admin.site.get_model_admin(model)
        if not model_admin.has_view_permission(request):
            continue
        found, _ = model_admin.get_search_results(request, model_admin.get_queryset(request), term)
        for row in found[:SHOWN]:
            said = f"{capfirst(model._meta.verbose_name)}, {describe(row)}"
            yield SearchResult(title=str(row), description=said, link=url_of(row), icon=icon)


def _list_of(app: str, model: str) -> str:
    return reverse(f"admin:{app}_{model}_changelist")
