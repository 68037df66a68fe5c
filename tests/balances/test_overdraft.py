"""Overdraft: who may go below zero, and how far. Only a limit that is absent, or 0 as it was sent, is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import simplejson

from balances.ground.exceptions import LedgerError
from balances.models import Balance
from balances.models.queue import Entry
from balances.posting import Posting, post
from balances.posting.enqueuing import enqueue
from tests.client import Answer, Client
from tests.wire import assert_no_drift, body, create, drain, queued, row, run_batches, settled, sums, wallets, written

pytestmark = pytest.mark.django_db

MODES = ("direct", "queued", "hold", "queued hold", "split", "queued split", "bulk", "queued bulk", "background bulk")
PRECISIONS = (None, 0, 1, 100, 10**18)
SOME = 10
UNLIMITED = (None, "0")
ENOUGH = ("10", "1e300")
TOO_LITTLE = ("9",)
"""Limits as they are sent, for ``SOME`` that is to be spent of nothing."""


def wrong(precision: int | None) -> list[str]:
    """Return limits that are negative, less than a minor unit, or no whole number of them."""
    unit = 1 / Decimal(precision or 1)
    return ["-1", f"{unit * Decimal('0.4'):f}", f"{9 + unit * Decimal('1.5'):f}"]


@pytest.fixture
def ledger(api: Client) -> Client:
    wallets()
    return api


def asked(source: str, limit: str | None, precision: int | None) -> dict[str, Any]:
    given = body(f"of {source}", 0, source=source, precision=precision, allow_overdraft=True)
    raw = {} if limit is None else {"overdraft_limit": simplejson.RawJSON(limit)}
    return given | raw | {"precise_amount": None, "amount": SOME}


def sent(api: Client, mode: str, given: dict[str, Any], *, dry_run: bool = False) -> Answer:
    """Send a movement by one of the ways, and let a worker do what waits."""
    if "split" in mode:
        parts = [{"identifier": "bln_bob", "distribution": "50%"}, {"identifier": "bln_carol", "distribution": "left"}]
        given = {key: value for key, value in given.items() if key != "destination"} | {"destinations": parts}
    options = {"skip_queue": not mode.startswith(("queued", "background")), "dry_run": dry_run}
    if "bulk" in mode:
        batch = {"transactions": [given], "run_async": mode.startswith("background")}
        return api.post("/transactions/bulk", batch | options)
    return api.post("/transactions", given | {"inflight": "hold" in mode} | options)


def spent(source: str, precision: int | None) -> Decimal:
    """Return what an indicator owes or has promised, in major units."""
    found = Balance.objects.filter(indicator=source).first()
    return Decimal(found.debit_balance + found.inflight_debit_balance if found else 0) / (precision or 1)


@pytest.mark.parametrize("mode", MODES)
def test_nothing_goes_further_below_zero_than_its_limit(ledger: Client, mode: str) -> None:
    cases = [(limit, each) for each in PRECISIONS for limit in (*UNLIMITED, *ENOUGH, *TOO_LITTLE, *wrong(each))]
    for limit, precision in cases:
        given = asked(f"@{limit}-{precision}", limit, precision)
        preview, answer = sent(ledger, mode, given, dry_run=True), sent(ledger, mode, given)
        if limit in wrong(precision):
            assert (preview.status, preview.text) == (answer.status, answer.text), answer.text
            assert answer.status == 400
            assert "overdraft_limit: " in answer.body["errors"]
            continue
        fits = limit not in TOO_LITTLE
        apart = mode == "queued split"  # each leg is previewed on its own, and fits
        assert (preview.status, preview.body["would_apply"]) == (200, fits or apart), answer.text
        if mode in ("direct", "hold", "bulk"):
            assert answer.status == (201 if fits else 400), answer.text
    run_batches()
    drain()
    for limit, precision in cases:
        # Legs that wait are applied one by one.
        first_leg = SOME / 2 if mode == "queued split" and limit in TOO_LITTLE else 0
        expected = SOME if limit in (*UNLIMITED, *ENOUGH) else first_leg
        assert spent(f"@{limit}-{precision}", precision) == expected, (limit, precision)
    assert_no_drift()


@pytest.mark.parametrize("limit", ["null", "0.0", "-0.0", "0e5"])
def test_a_limit_of_nothing_as_it_was_sent_is_none(ledger: Client, limit: str) -> None:
    for mode in ("direct", "queued"):
        assert sent(ledger, mode, asked(f"@{mode}", limit, 100)).status == 201
        drain()
        assert spent(f"@{mode}", 100) == SOME


@pytest.mark.parametrize("skip_queue", [True, False])
def test_a_source_that_is_below_the_limit_already_spends_nothing_more(ledger: Client, skip_queue: bool) -> None:
    create(ledger, body("before", 5000, source="bln_dora", allow_overdraft=True))
    for number, limit in enumerate((49.99, 50, 50.01)):
        given = body(f"r{number}", 1, source="bln_dora", allow_overdraft=True, overdraft_limit=limit)
        ledger.post("/transactions", given | {"skip_queue": skip_queue})
        drain()
    assert sums("bln_dora")[0] == 5001
    assert_no_drift()


def test_a_limit_works_without_leave_to_overdraw_and_money_that_is_there_needs_none(ledger: Client) -> None:
    create(ledger, body("no leave", 1000, source="bln_dora", overdraft_limit=10))
    create(ledger, body("has it", 1000, overdraft_limit=0.01))
    assert ledger.post("/transactions", body("over", 1, source="bln_dora", overdraft_limit=10)).status == 400
    assert ledger.post("/transactions", body("bad", 1000, overdraft_limit=-1)).status == 400


@pytest.mark.parametrize("limit", ["1", True, [1], {"units": 1}])
def test_a_limit_that_is_no_number_is_refused(ledger: Client, limit: Any) -> None:
    before = written()
    for skip_queue in (True, False):
        given = body("r", source="bln_dora", allow_overdraft=True, overdraft_limit=limit, skip_queue=skip_queue)
        assert ledger.post("/transactions", given).status == 400
    assert written() == before


def test_a_limit_waits_in_the_table_until_its_date_and_holds_then(ledger: Client) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    terms: dict[str, Any] = {"source": "bln_dora", "allow_overdraft": True, "scheduled_for": later}
    for reference, limit in (("fits", 10), ("beyond", 9.99), ("free", 0)):
        create(ledger, queued(reference, 1000, **terms | {"overdraft_limit": limit, "inflight": reference == "fits"}))
    limits = Entry.objects.filter(action="apply").order_by("id").values_list("overdraft_limit", flat=True)
    assert list(limits) == [1000, 999, None]
    Entry.objects.update(due_at=datetime.now(UTC) - timedelta(hours=1))
    drain()
    assert [str(row(f"{each}_q").status) for each in ("fits", "beyond", "free")] == ["INFLIGHT", "REJECTED", "APPLIED"]
    settled(ledger, row("fits_q").pk)
    assert sums("bln_dora") == (2000, 0, 0, 0)
    assert_no_drift()


def test_a_limit_of_nothing_in_the_table_is_a_limit(ledger: Client) -> None:
    create(ledger, queued("r", source="bln_dora", allow_overdraft=True, overdraft_limit=10))
    Entry.objects.update(overdraft_limit=0)
    drain()
    assert (row("r_q").status, sums("bln_dora")[0]) == ("REJECTED", 0)


@pytest.mark.parametrize("limit", ["-1", "-0.001", "0.004", "10.005"])
def test_no_caller_of_the_ledger_itself_gets_round_it(ledger: Client, limit: str) -> None:
    given: dict[str, Any] = {"source": "bln_dora", "destination": "bln_bob", "currency": "USD", "precise_amount": 1}
    given |= {"reference": "r", "description": "d", "precision": 100, "allow_overdraft": True}
    before = written()
    for write in (post, enqueue):
        with pytest.raises(LedgerError, match=r"overdraft_limit cannot be negative|no whole number of minor units"):
            write(Posting(**given, overdraft_limit=Decimal(limit)))
    assert written() == before
