"""The statement of a balance, as a page under it and as a file. It only reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from balances.backoffice import exporting
from balances.backoffice.balance_panels import known_precision, last_transactions
from balances.backoffice.statement_form import STATUS_WORDS, StatementForm
from balances.ground import LedgerError, ReadTimedOut, amounts, deadline
from balances.history import Figures, Key, Line, Wanted, count_lines, statement_lines, statement_page
from balances.models import Balance, Transaction
from balances.templatetags.money import amount, listed

if TYPE_CHECKING:
    from balances.backoffice.pages import LedgerModelAdmin

ROWS = 50
"""Rows on a page."""
SECONDS = 5.0
"""How long a page may read; only looking for a text or an amount among very many rows takes so long."""
PLACES = ("after", "before")
"""What in the address of a page says where it begins."""


@dataclass(frozen=True)
class Shown:
    """A row as the page shows it, with the amount on its side."""

    line: Line
    status: str
    other: Balance | None
    debit: SafeString | str
    credit: SafeString | str
    balance: SafeString
    held: SafeString


def routes(page: LedgerModelAdmin) -> list[Any]:
    """Return the addresses under a balance."""

    def route(ending: str, view: Any, name: str, **options: Any) -> Any:
        return path(
            f"<path:balance_id>/statement/{ending}",
            page.admin_site.admin_view(require_safe(partial(view, page))),
            options,
            name=f"balances_balance_statement{name}",
        )

    exports = [route(f"export.{kind}", _export, f"_{kind}", kind=kind) for kind in exporting.KINDS]
    return [*exports, route("", _page, "")]


def balance_for(request: HttpRequest, balance_id: str) -> Balance:
    """Return a balance for one who may see it and its transactions. Raises ``PermissionDenied`` or ``Http404``."""
    if not request.user.has_perms(("balances.view_balance", "balances.view_transaction")):
        raise PermissionDenied
    balance = Balance.objects.filter(pk=balance_id).first()
    if balance is None:
        raise Http404("No balance has this id.")
    return balance


def _page(page: LedgerModelAdmin, request: HttpRequest, balance_id: str) -> HttpResponse:
    balance = balance_for(request, balance_id)
    form = StatementForm(request.GET)
    context = {
        **page.admin_site.each_context(request),
        "title": f"Statement of {balance.indicator or balance.pk}",
        "opts": page.opts,
        "original": balance,
        "form": form,
    }
    if form.is_valid():
        try:
            context |= _found(request, balance, form)
        except ReadTimedOut:
            context["refusal"] = "Looking through so many rows took too long. Give a shorter period."
        except LedgerError as error:
            context["refusal"] = error.message
    return TemplateResponse(request, "admin/balances/balance/statement.html", context)


def _found(request: HttpRequest, balance: Balance, form: StatementForm) -> dict[str, Any]:
    """Return what the page shows. Raises ``NoSuchPage`` or ``ReadTimedOut``."""
    wanted = form.wanted(balance.pk)
    places = {place: Key.read(request.GET[place]) for place in PLACES if request.GET.get(place)}
    with deadline(SECONDS, f"the statement of {balance.pk}"):
        precision = known_precision(last_transactions(balance.pk))
        found = statement_page(wanted, ROWS, **places)
    query = request.GET.copy()
    for place in PLACES:
        query.pop(place, None)
    return {
        "lines": [_shown(balance, line, precision) for line in found.lines],
        "with_holds": wanted.with_holds,
        "opening": _figures(found.opening, precision, balance.currency),
        "closing": _figures(found.closing, precision, balance.currency),
        "debited": amount(found.debited, precision, balance.currency),
        "credited": amount(found.credited, precision, balance.currency),
        "first_page": f"?{query.urlencode()}" if places else "",
        "previous": _at(query, "before", found.previous),
        "next": _at(query, "after", found.next),
        "exports": [(kind.upper(), f"export.{kind}?{query.urlencode()}") for kind in exporting.KINDS],
    }


def _at(query: QueryDict, place: str, key: Key | None) -> str:
    """Return the address of a page, or nothing where there is none."""
    if key is None:
        return ""
    there = query.copy()
    there[place] = str(key)
    return f"?{there.urlencode()}"


def _figures(figures: Figures, precision: int | None, currency: str) -> dict[str, SafeString]:
    return {
        "balance": amount(figures.balance, precision, currency),
        "held": amount(figures.inflight_balance, precision, currency),
    }


def _shown(balance: Balance, line: Line, precision: int | None) -> Shown:
    row, is_debit = line.row, line.row.source_id == balance.pk
    moved = listed(moved_units(line, is_debit), row.precision or 1)
    if row.status != Transaction.Status.APPLIED:
        moved = format_html('<span class="ledger-still">({})</span>', moved)
    return Shown(
        line,
        STATUS_WORDS[Transaction.Status(row.status or "")],
        row.destination if is_debit else row.source,
        moved if is_debit else "",
        "" if is_debit else moved,
        listed(line.figures.balance, precision),
        listed(line.figures.inflight_balance, precision),
    )


def moved_units(line: Line, is_debit: bool) -> int | Decimal:
    """Return what an applied row moved on its side, or the amount of a row that moves nothing, in minor units."""
    row = line.row
    if row.status == Transaction.Status.APPLIED:
        return line.figures.debit if is_debit else line.figures.credit
    if row.precise_amount is None:
        return amounts.stored_units(row.amount or amounts.ZERO, row.precision or 1)
    return row.precise_amount


def _export(page: LedgerModelAdmin, request: HttpRequest, balance_id: str, kind: str) -> HttpResponseBase:
    """Answer with the statement as a file, oldest row first, or go back to it and say why not."""
    balance = balance_for(request, balance_id)
    form = StatementForm(request.GET)
    there = f"{reverse('admin:balances_balance_statement', args=[balance.pk])}?{request.GET.urlencode()}"
    if not form.is_valid():
        return HttpResponseRedirect(there)
    try:
        sheet, name = _sheet(balance, form.wanted(balance.pk)), f"statement-{balance.pk}"
        return exporting.answer(request, sheet, kind, name, listed=f"statement of {balance.pk}")
    except LedgerError as error:
        page.message_user(request, f"Nothing was exported. {error.message}", messages.ERROR)
        return HttpResponseRedirect(there)


COLUMNS = {
    "effective_date": False,
    "created_at": False,
    "transaction_id": True,
    "reference": True,
    "status": True,
    "description": True,
    "other_balance_id": True,
    "other_indicator": True,
    "currency": True,
    "side": False,
    "amount (minor units)": False,
    "amount (major units)": False,
    "moved (minor units)": False,
    "moved (major units)": False,
    "balance (minor units)": False,
    "balance (major units)": False,
}
"""The columns of the file, and whether they have text from people; ``moved`` is the change of the balance."""
HELD = {"inflight_balance (minor units)": False, "inflight_balance (major units)": False}


def _sheet(balance: Balance, wanted: Wanted) -> exporting.Sheet:
    precision = known_precision(last_transactions(balance.pk))

    def rows() -> Iterator[list[str]]:
        for line in statement_lines(wanted):
            yield _cells(balance, line, precision, with_holds=wanted.with_holds)

    return exporting.Sheet(COLUMNS | (HELD if wanted.with_holds else {}), rows, lambda most: count_lines(wanted, most))


def _cells(balance: Balance, line: Line, precision: int | None, *, with_holds: bool) -> list[str]:
    row, is_debit = line.row, line.row.source_id == balance.pk
    other = row.destination if is_debit else row.source
    change = line.figures.credit - line.figures.debit
    texts = (
        row.effective_date,
        row.created_at,
        row.pk,
        row.reference,
        row.status,
        row.description,
        row.destination_id if is_debit else row.source_id,
        other.indicator if other else "",
        row.currency,
        "debit" if is_debit else "credit",
    )
    money = [(moved_units(line, is_debit), row.precision), (change, row.precision), (line.figures.balance, precision)]
    if with_holds:
        money.append((line.figures.inflight_balance, precision))
    pairs = ((exporting.in_minor(units), exporting.in_major(units, places)) for units, places in money)
    return [*map(exporting.in_text, texts), *(cell for pair in pairs for cell in pair)]
