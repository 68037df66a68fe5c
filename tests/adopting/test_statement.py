"""The statement of a balance over Blnk's own tables: right to the unit in each generation, and nothing is written."""

from __future__ import annotations

import pytest
from django.urls import reverse

from balances.history import SIDES, Wanted, statement_lines, statement_page
from balances.models import Balance
from reconciliation.measuring import Totals, measure
from tests.adopting.blnk_database import GENERATIONS
from tests.adopting.conftest import Adopt
from tests.adopting.test_observing import contents, signed_in

EVERYTHING = ("APPLIED", "INFLIGHT", "VOID", "QUEUED", "REJECTED")


@pytest.mark.parametrize("generation", GENERATIONS)
def test_each_statement_closes_with_what_measuring_says_and_writes_nothing(generation: str, blnk: Adopt) -> None:
    server = blnk(generation)
    before = contents(server)
    found = measure(list(Balance.objects.order_by("balance_id").values_list("balance_id", flat=True)))
    busiest = sorted(found, key=lambda each: (each.hold_rows, each.credit_rows), reverse=True)
    measured = {each.balance_id: each.recalculated for each in (*busiest[:8], found[len(found) // 2])}
    for balance_id, totals in measured.items():
        wanted = Wanted(balance_id=balance_id, statuses=EVERYTHING, sides=SIDES)
        page = statement_page(wanted, 7)
        for figures in (page.closing, *(line.figures for line in page.lines[:1])):
            assert (
                Totals.net(
                    credit=figures.credits,  # type: ignore[arg-type]
                    debit=figures.debits,  # type: ignore[arg-type]
                    inflight_credit=figures.inflight_credits,  # type: ignore[arg-type]
                    inflight_debit=figures.inflight_debits,  # type: ignore[arg-type]
                )
                == totals
            ), balance_id
        lines = list(statement_lines(wanted))
        assert [line.figures.balance for line in lines[-7:]] == [line.figures.balance for line in reversed(page.lines)]
        moved = sum(line.figures.credit - line.figures.debit for line in lines)
        assert moved == totals.balance
    browser = signed_in()
    there = reverse("admin:balances_balance_statement", args=[busiest[0].balance_id])
    assert browser.get(there, {"status": "all"}).status_code == 200
    assert b"".join(browser.get(f"{there}export.csv").streaming_content)
    assert contents(server) == before
