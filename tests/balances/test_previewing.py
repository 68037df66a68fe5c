"""Dry runs against the calls they are about: the same verdict, the same words, the same totals."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balances.books.holds import Action, Part, Settlement
from balances.books.posting_exceptions import DuplicateReference, TransactionNotFound
from balances.books.projecting import Projection, Totals
from balances.ground.exceptions import LedgerError
from balances.models import Balance
from balances.posting import Posting, Share, post
from balances.posting.batches import Batch, new_batch_id, post_batch
from balances.posting.enqueuing import enqueue
from balances.posting.previewing import preview_batch, preview_posting, preview_refund
from balances.posting.previewing_holds import WAITING_ENTRIES, preview_settlement, preview_settlements
from balances.posting.refunding import Refund, refund
from balances.posting.settling import settle, settle_each
from balances.queueing import draining
from tests import world

pytestmark = pytest.mark.django_db

_numbers = itertools.count(1)
Sum = tuple[int, ...]
Sums = dict[str, Sum]
PARTS = ("credit_balance", "debit_balance", "inflight_credit_balance", "inflight_debit_balance")


def sums(totals: Totals) -> Sum:
    return tuple(getattr(totals, part) for part in PARTS)


def refusal(call: Callable[[], Any]) -> LedgerError | None:
    try:
        call()
    except LedgerError as error:
        return error
    return None


class Ledgers:
    """Three funded balances, an indicator that has none, and whatever a random history leaves."""

    def __init__(self) -> None:
        self.turn = next(_numbers)
        self.balances = [world.balance() for _ in range(3)]
        for each in self.balances[:2]:
            world.post(f"@world-{self.turn}", each, 500)
        self.names = [*(each.pk for each in self.balances), f"@new-{self.turn}"]
        self.used: list[str] = []
        self.ids = ["txn_unknown"]

    def totals(self) -> Sums:
        """Return the totals of all balances of these ledgers, by id, and by name where the turn gave one."""
        rows = Balance.objects.filter(Q(balance_id__in=self.names) | Q(indicator__endswith=f"-{self.turn}"))
        self.named = {row.pk: row.indicator or row.pk for row in rows}
        return {self.named[row.pk]: tuple(int(getattr(row, part)) for part in PARTS) for row in rows}

    def foreseen(self, before: Sums, projections: Iterable[Projection] | None) -> Sums:
        """Return what totals are to be: those that are projected so, all others as they were."""
        told = {self.named.get(each.balance_id, each.balance_id): sums(each.resulting) for each in projections or ()}
        return before | told

    def assert_came_true(self, expected: Sums) -> None:
        """Hold what was foreseen against what is. A balance that would have been created has nothing in it."""
        after = dict.fromkeys(expected, (0, 0, 0, 0)) | self.totals()
        assert after == expected

    def posting(self, order: Any) -> Posting:
        source, further, units, flags, shares, fresh = order
        destination = (source + further) % len(self.names)  # a request that names one balance twice is refused before
        if fresh or not self.used:
            self.used.append(f"preview-{self.turn}-{len(self.used)}")
        sides: Any = {"source": self.names[source], "destination": self.names[destination]}
        if shares:
            divided = "sources" if flags & 1 else "destinations"
            sides.pop(divided[:-1])
            whole = destination if flags & 1 else source
            fixed, left = (self.names[(whole + further) % len(self.names)] for further in shares)
            sides[divided] = (
                Share(identifier=left, distribution="left"),
                Share(identifier=fixed, precise_distribution=str(units - units // 3)),
            )
        return Posting(
            currency="USD",
            reference=self.used[-1],
            description="d",
            precise_amount=units,
            precision=100,
            inflight=bool(flags & 2),
            atomic=bool(flags & 4),
            allow_overdraft=bool(flags & 8) and bool(flags & 16),
            **sides,
        )

    def live(self, steps: Any) -> None:
        for kind, order, index, units in steps:
            target = self.ids[index % len(self.ids)]
            with suppress(LedgerError):
                match kind:
                    case "post":
                        item = post(self.posting(order))
                        self.ids += [item.place.transaction_id, *(row.pk for row in item.rows)]
                    case "queue":
                        item = enqueue(self.posting(order))
                        self.ids += [item.place.transaction_id, *(row.pk for row in item.rows)]
                    case "drain":
                        draining.drain()
                    case "commit" | "void":
                        self.ids.append(settle(Settlement(transaction_id=target, action=kind, part=part(units))).pk)
                    case "refund":
                        self.ids.append(refund(Refund(transaction_id=target, queued=False)).pk)


def part(units: int) -> Part:
    return Part(precise_amount=units if units < 400 else None)


NAMES, OTHERS = st.integers(0, 3), st.integers(1, 3)
UNITS = st.integers(2, 600)
ORDERS = st.tuples(
    NAMES,
    OTHERS,
    UNITS,
    st.integers(0, 31),
    st.none() | st.tuples(OTHERS, OTHERS),
    st.sampled_from([True] * 7 + [False]),
)
KINDS = st.sampled_from(["post", "post", "queue", "drain", "commit", "void", "refund"])
HISTORIES = st.lists(st.tuples(KINDS, ORDERS, st.integers(0, 20), UNITS), max_size=6)
ACTIONS = st.sampled_from(["commit", "void"])
SOME = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@SOME
@given(HISTORIES, ORDERS)
def test_a_posting_does_what_its_dry_run_said(history: Any, order: Any) -> None:
    ledgers = Ledgers()
    ledgers.live(history)
    posting, before = ledgers.posting(order), ledgers.totals()
    if missed := refusal(lambda: preview_posting(posting, skip_queue=True)):
        refused = refusal(lambda: post(posting))
        assert refused is not None
        assert isinstance(refused, DuplicateReference) or refused.code == missed.code
        return
    preview = preview_posting(posting, skip_queue=True)
    assert ledgers.totals() == before
    refused = refusal(lambda: post(posting))
    assert preview.would_apply is (refused is None)
    if refused and preview.rejection:
        assert refused.message.endswith(preview.rejection.message)
    ledgers.assert_came_true(ledgers.foreseen(before, preview.balances))


@SOME
@given(HISTORIES, st.lists(ORDERS, min_size=1, max_size=5), st.booleans(), st.booleans())
def test_a_batch_does_what_its_dry_run_said(history: Any, orders: Any, atomic: bool, inflight: bool) -> None:
    ledgers = Ledgers()
    ledgers.live(history)
    batch = Batch(
        batch_id=new_batch_id(),
        postings=[ledgers.posting(order) for order in orders],
        skip_queue=True,
        atomic=atomic,
        inflight=inflight,
    )
    before = ledgers.totals()
    if refusal(lambda: preview_batch(batch)):
        assert refusal(lambda: post_batch(batch)) is not None
        return
    preview = preview_batch(batch)
    assert ledgers.totals() == before
    refused = refusal(lambda: post_batch(batch))
    assert preview.would_apply is (refused is None)
    if refused:
        number, first = next((n, each) for n, each in enumerate(preview.results, 1) if each.rejection)
        assert first.rejection
        assert refused.message.startswith(f"failed to queue transaction {number} ")
        assert first.rejection.message in refused.message
    ledgers.assert_came_true(ledgers.foreseen(before, preview.balances))


@SOME
@given(HISTORIES, ACTIONS, st.integers(0, 20), UNITS)
def test_a_settlement_does_what_its_dry_run_said(history: Any, action: Action, index: int, units: int) -> None:
    ledgers = Ledgers()
    ledgers.live(history)
    asked = Settlement(transaction_id=ledgers.ids[index % len(ledgers.ids)], action=action, part=part(units))
    before = ledgers.totals()
    if missed := refusal(lambda: preview_settlement(asked, skip_queue=True)):
        assert isinstance(missed, TransactionNotFound)
        assert refusal(lambda: settle(asked)) is not None
        ledgers.assert_came_true(before)
        return
    preview = preview_settlement(asked, skip_queue=True)
    assert ledgers.totals() == before
    refused = refusal(lambda: settle(asked))
    assert preview.would_apply is (refused is None)
    if refused and preview.rejection and preview.rejection.code != "TXN_VALIDATION_ERROR":
        assert refused.code == preview.rejection.code
    ledgers.assert_came_true(ledgers.foreseen(before, preview.balances))


@SOME
@given(HISTORIES, ACTIONS, st.lists(st.tuples(st.integers(0, 20), UNITS), min_size=1, max_size=6))
def test_settlements_in_bulk_do_what_their_dry_run_said(history: Any, action: Action, items: Any) -> None:
    ledgers = Ledgers()
    ledgers.live([*history, ("drain", None, 0, 0)])
    asked = [
        Settlement(transaction_id=ledgers.ids[index % len(ledgers.ids)], action=action, part=part(units))
        for index, units in items
    ]
    before = ledgers.totals()
    preview = preview_settlements(asked, skip_queue=True)
    assert ledgers.totals() == before
    outcomes = settle_each(asked)
    assert [each.would_apply for each in preview.results] == [not outcome.errors for outcome in outcomes]
    expected = dict(before)
    for each in (each for result in preview.results for each in result.balances or ()):
        name = ledgers.named[each.balance_id]
        moved = zip(expected[name], sums(each.resulting), sums(each.current), strict=True)
        expected[name] = tuple(was + after - current for was, after, current in moved)
    ledgers.assert_came_true(expected)


@SOME
@given(HISTORIES, st.integers(0, 20))
def test_a_refund_does_what_its_dry_run_said(history: Any, index: int) -> None:
    ledgers = Ledgers()
    ledgers.live(history)
    asked, before = Refund(transaction_id=ledgers.ids[index % len(ledgers.ids)], queued=False), ledgers.totals()
    if missed := refusal(lambda: preview_refund(asked)):
        refused = refusal(lambda: refund(asked))
        assert refused is not None
        assert refused.code == missed.code == "TXN_NOT_FOUND"
        return
    preview = preview_refund(asked)
    assert ledgers.totals() == before
    refused = refusal(lambda: refund(asked))
    assert preview.would_apply is (refused is None)
    if refused and preview.rejection:
        assert (refused.message, refused.code) == (preview.rejection.message, preview.rejection.code)
    ledgers.assert_came_true(ledgers.foreseen(before, preview.balances))


def test_what_waits_is_found_by_indexes_however_long_the_queue_is() -> None:
    alice, bob = world.balance(), world.balance()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO transactions (transaction_id, parent_transaction, source, destination, reference, amount,
                                      precise_amount, precision, currency, description, status, hash,
                                      created_at, effective_date, meta_data)
            SELECT 'txn_' || n, '', %s, %s, 'waits-' || n, 1, 100, 100, 'USD', '', 'QUEUED', '', now(), now(), '{}'
            FROM generate_series(1, 20000) AS n
            """,
            [alice.pk, bob.pk],
        )
        cursor.execute(
            """
            INSERT INTO queueing_entry (action, transaction_id, group_id, action_id, is_timer, inflight,
                                        allow_overdraft, due_at, attempts, last_error)
            SELECT 'apply', 'txn_' || n, CASE n % 10 WHEN 0 THEN 'group ' || n / 100 ELSE '' END, '', false, true,
                   false, now(), 0, ''
            FROM generate_series(1, 20000) AS n
            """
        )
        cursor.execute("ANALYZE transactions, queueing_entry")
        ids = {"ids": [f"txn_{n}" for n in range(1, 101)]}
        cursor.execute(f"EXPLAIN {WAITING_ENTRIES.text}", ids)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert all(index in plan for index in ("a_transaction_waits_once", "entries_of_group", "transactions_pkey")), plan
    assert "Seq Scan" not in plan, plan
    assert len(WAITING_ENTRIES.rows(**ids)) == 109  # those asked for, and nine more of the group of the last one
