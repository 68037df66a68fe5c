"""Every page of the back-office at a million transactions: how long it takes, and how many statements.

    uv run python -m tests.benchmarks.pages [--transactions N] [--balances N] [--only TEXT]

A generated ledger of N transactions (1,000,000) on N balances (100,000), a hundredth of them holds, of which a fifth
are of one balance. Fifty balances drift; all are swept, a plan and a correction made. Then each page of each model that
has rows is asked for, its row the first, and what each list links to: filters, columns to sort by, days. Figures are
medians of five times by Django's own client, so without server and browser. No page may take 300 ms, or more than 20
statements. Ends with 1 where one does.
"""

from __future__ import annotations

import argparse
import html
import re
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.benchmarks import scratch

TIMES, LIMIT_MS, LIMIT_STATEMENTS = 5, 300.0, 20
LINKS = re.compile(r'href="(\?[^"]*)"')
LINKS_OF_A_LIST = 12
NO_PAGES = ("/export.", "/autocomplete/", "/jsi18n/")
POINT_TO = """
    UPDATE transactions SET source = %s
    WHERE destination <> %s AND status = 'APPLIED' AND coalesce(parent_transaction, '') = ''
      AND get_byte(decode(md5(reference), 'hex'), 0) < 51
"""


@dataclass
class Page:
    address: str
    milliseconds: float
    statements: int

    @property
    def is_slow(self) -> bool:
        return self.milliseconds >= LIMIT_MS or self.statements > LIMIT_STATEMENTS


def fill(balances: int, transactions: int) -> str:
    """Make the ledger and what people do with it; return the balance with the long history."""
    from django.db import connection

    from balances.history.snapshots import take_snapshots
    from balances.importing.generating import GENERATE_DRIFT, GENERATE_TOTALS, Wish, generate_ledger
    from balances.models import Balance
    from reconciliation.correcting import Choice, Proposal, Request, propose, reconstruct
    from reconciliation.measuring import Scope
    from reconciliation.models import Finding, Origin
    from reconciliation.sweeping import create_sweep, run_sweep
    from tests.world import unguarded

    generate_ledger(Wish(balances=balances, transactions=transactions, holds=transactions // 100))
    busy = str(Balance.objects.order_by("pk").values_list("pk", flat=True)[balances // 2])
    with unguarded("transactions"), connection.cursor() as cursor:
        cursor.execute(POINT_TO, [busy, busy])
    with connection.cursor() as cursor:
        GENERATE_TOTALS.rows()
        GENERATE_DRIFT.rows(balances=50, seed=1)
        cursor.execute("VACUUM ANALYZE")
    sweep = run_sweep(create_sweep(Scope(everything=True), actor="ann", origin=Origin.COMMAND).pk)
    propose(Choice(sweep_id=sweep.pk), Proposal(actor="ann", origin=Origin.COMMAND, reason="month end"))
    drifting = Finding.objects.filter(drifted=True).latest("found_at").balance_id
    reconstruct(drifting, Request(actor="ann", origin=Origin.COMMAND, reason="by hand", allow_incomplete=True))
    take_snapshots()
    return busy


def addresses(busy: str) -> Iterator[str]:
    from django.urls import reverse

    from tests import test_every_page

    yield "/admin/"
    page = reverse("admin:balances_balance_change", args=[busy])
    yield page
    statement = reverse("admin:balances_balance_statement", args=[busy])
    yield from (statement, f"{statement}?{urlencode({'as_of': '2026-06-01'})}")
    from django.contrib import admin

    for model, model_admin in admin.site._registry.items():
        if model._default_manager.exists():
            found = list(test_every_page.addresses(model, model_admin))
            yield from (each for each in found if not any(part in each for part in NO_PAGES))
            for text in ("bln_", "1,250.34", "@", "nothing that is there"):
                if model_admin.search_fields:
                    yield f"{test_every_page.list_of(model)}?{urlencode({'q': text})}"


def links(address: str, content: str) -> list[str]:
    """Return what a list links to on itself: filters, orders, days."""
    if "?" in address or 'id="changelist"' not in content:
        return []
    found = dict.fromkeys(html.unescape(each) for each in LINKS.findall(content))
    return [address + each for each in list(found)[:LINKS_OF_A_LIST] if each != "?"]


def walk(busy: str, only: str) -> Iterator[Page]:
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.create_superuser("benchmark", password="a long password"))
    waiting, seen = list(addresses(busy)), set[str]()
    while waiting:
        address = waiting.pop(0)
        if address in seen or only not in address:
            continue
        seen.add(address)
        answer: Any = client.get(address)
        if answer.status_code != 200:
            continue
        content = "" if answer.streaming else answer.content.decode()
        waiting += links(address, content)
        times = []
        for _ in range(TIMES):
            began = time.perf_counter()
            client.get(address)
            times.append((time.perf_counter() - began) * 1000)
        with CaptureQueriesContext(connection) as statements:
            client.get(address)
        yield Page(address, statistics.median(times), len(statements))


def main(options: argparse.Namespace) -> list[Page]:
    with scratch.database():
        busy = fill(options.balances, options.transactions)
        pages = list(walk(busy, options.only))
    pages.sort(key=lambda page: -page.milliseconds)
    print(f"  {len(pages)} pages; median {statistics.median(page.milliseconds for page in pages):.0f} ms")
    slow = [page for page in pages if page.is_slow]
    for page in dict.fromkeys(page.address for page in [*pages[:15], *slow]):
        found = next(each for each in pages if each.address == page)
        print(f"  {found.milliseconds:>6.0f} ms {found.statements:>4} statements  {page}{'  SLOW' * found.is_slow}")
    return slow


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--transactions", type=int, default=1_000_000)
    parser.add_argument("--balances", type=int, default=100_000)
    parser.add_argument("--only", default="", help="pages whose address contains this")
    sys.exit(bool(main(parser.parse_args())))
