"""Reading commits out of the log: messages of any shape, the rules of measure.sql, and each kind of break."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balances.ground import amounts
from balances.models import TOTALS, Transaction
from reconciliation.measuring import measure
from reconciliation.models import Break
from reconciliation.proving import families, wire
from reconciliation.proving.commits import Broken
from reconciliation.proving.families import Families
from reconciliation.proving.prover import Prover
from reconciliation.proving.rules import COLUMNS, row_of
from reconciliation.proving.tables import ColumnsChanged, IdentityLost, Published
from reconciliation.proving.wire import StreamUnreadable
from tests import world
from tests.reconciliation import pgoutput

Kind = Break.Kind
BALANCES, TRANSACTIONS, RECORDS, EDITS = 1, 2, 3, 4
BALANCE_COLUMNS = ("balance_id", "ledger_id", *TOTALS, "meta_data")
ROW_COLUMNS = (
    "transaction_id",
    "parent_transaction",
    "source",
    "destination",
    "reference",
    "amount",
    "precise_amount",
    "precision",
    "status",
    "description",
    "meta_data",
)
RECORD_COLUMNS = (
    "reconstruction_id",
    "balance_id",
    "outcome",
    "transaction_id",
    *(f"{when}_{total}" for when in ("previous", "recalculated") for total in TOTALS),
)
EDIT_COLUMNS = ("id", "balance_id", "database_user", "client_address", "application_name", "backend_pid")
PUBLISHED = {
    BALANCES: Published("balances", BALANCE_COLUMNS),
    TRANSACTIONS: Published("transactions", ROW_COLUMNS),
    RECORDS: Published("reconciliation_reconstruction", RECORD_COLUMNS),
    EDITS: Published("reconciliation_balanceedit", EDIT_COLUMNS),
}
Values = Sequence[bytes | None]


def texts(values: Iterable[object]) -> list[bytes | None]:
    return [None if value is None else str(value).encode() for value in values]


def row(key: str, source: str | None, destination: str | None, units: int | None, **more: Any) -> list[bytes | None]:
    values = {"transaction_id": key, "source": source, "destination": destination, "precise_amount": units}
    values |= {"parent_transaction": "", "reference": f"ref-{key}", "precision": 100, "status": "APPLIED"} | more
    return texts(values.get(name) for name in ROW_COLUMNS)


def totals(balance_id: str, credit: object = 0, debit: object = 0, held: int = 0, **more: Any) -> list[bytes | None]:
    net = credit - debit if isinstance(credit, int) and isinstance(debit, int) else 0
    values = {"balance_id": balance_id, "ledger_id": "l", "credit_balance": credit, "debit_balance": debit}
    values |= {"balance": net, "inflight_credit_balance": 0, "inflight_debit_balance": held}
    values |= {"inflight_balance": -held, "meta_data": "{}"} | more
    return texts(values.get(name) for name in BALANCE_COLUMNS)


class Log:
    """A stream that tests write to, read by a prover."""

    def __init__(self, *, identity: str = "f") -> None:
        self.prover = Prover(Families(), lambda xid: xid, PUBLISHED)
        self.position = 100
        for number, (name, columns) in PUBLISHED.items():
            self.feed(pgoutput.relation(number, name, columns, identity if number < RECORDS else "d"))

    def feed(self, *messages: bytes) -> None:
        for message in messages:
            wire.feed(self.prover.handler, message)

    def commit(self, *changes: bytes) -> list[Broken]:
        self.position += 10
        self.feed(pgoutput.begin(self.position), *changes, pgoutput.commit(self.position, self.position + 5))
        return self.prover.take()


def seen(broken: Iterable[Broken]) -> list[tuple[str, Kind, dict[str, Any]]]:
    """Return for each break its balance, its kind, and those of its amounts that are not zero."""
    return [
        (each.balance_id.decode(), each.kind, {n: a for n, a in zip(TOTALS, each.amounts, strict=True) if a})
        for each in broken
    ]


@pytest.fixture(autouse=True)
def _nothing_else_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(families, "_wait_for", lambda xid: None)


# --- what cannot be read is refused


@pytest.mark.parametrize("cut", [26, 30, 34, 40])
def test_a_message_that_is_cut_off_is_refused(cut: int) -> None:
    log = Log()
    log.feed(pgoutput.begin(1))

    with pytest.raises(StreamUnreadable):
        log.feed(pgoutput.insert(TRANSACTIONS, row("t", "a", "b", 5))[:cut])


def test_a_message_of_an_unknown_kind_and_a_table_that_was_not_announced_are_refused() -> None:
    log = Log()
    log.feed(pgoutput.begin(1))

    with pytest.raises(StreamUnreadable, match="unknown kind"):
        log.feed(pgoutput.framed(b"?"))
    with pytest.raises(StreamUnreadable):
        log.feed(pgoutput.insert(99, row("t", "a", "b", 5)))


def test_a_table_that_no_one_reads_is_refused() -> None:
    with pytest.raises(StreamUnreadable, match=r"Table public\.other is in the log"):
        Log().feed(pgoutput.relation(99, "other", BALANCE_COLUMNS))


RENAMED = {
    "a total has another name": [*BALANCE_COLUMNS[:2], "parked", *BALANCE_COLUMNS[3:]],
    "two totals traded their names": ["balance_id", "ledger_id", TOTALS[1], TOTALS[0], *TOTALS[2:], "meta_data"],
    "a column before them is gone": ["balance_id", *TOTALS, "meta_data"],
    "a total that came last is gone": list(BALANCE_COLUMNS[:5]),
    "there is nothing": [],
}


@pytest.mark.parametrize("columns", RENAMED.values(), ids=RENAMED)
def test_columns_that_are_not_those_of_the_table_end_the_proof(columns: list[str]) -> None:
    with pytest.raises(ColumnsChanged, match="Columns of balances were renamed or dropped"):
        Log().feed(pgoutput.relation(BALANCES, "balances", columns))


def test_a_column_that_is_added_at_the_end_or_was_not_there_yet_is_none_of_its_business() -> None:
    for columns in ([*BALANCE_COLUMNS, "colour"], BALANCE_COLUMNS[:-1]):
        log = Log()
        log.feed(pgoutput.relation(BALANCES, "balances", columns))
        assert seen(log.commit(pgoutput.insert(BALANCES, [*totals("a", 5), b"red"][: len(columns)])))


def test_a_table_that_is_renamed_in_the_middle_of_a_commit_is_the_same_table() -> None:
    log = Log()
    edit = pgoutput.update(BALANCES, totals("a", 5), totals("a", 9))

    found = log.commit(pgoutput.relation(BALANCES, "parked", BALANCE_COLUMNS, schema="elsewhere"), edit)

    assert seen(found) == [("a", Kind.TOTAL_CHANGED, {"credit_balance": 4, "balance": 4})]


def test_changes_that_do_not_bring_the_old_row_end_the_proof() -> None:
    with pytest.raises(IdentityLost, match="replica identity of balances"):
        Log(identity="d")


# --- messages of any shape

VALUE = st.one_of(st.none(), st.just(pgoutput.UNSENT), st.binary(max_size=40).filter(lambda each: b"\0" not in each))


@given(st.lists(VALUE, min_size=1, max_size=30), st.lists(VALUE, min_size=1, max_size=30), st.booleans())
def test_rows_of_any_shape_are_read_as_they_were_sent(old: list[Any], new: list[Any], keyed: bool) -> None:
    got: list[Any] = []
    handler = wire.Handler(
        lambda *_: None, lambda _: None, lambda _: None, lambda *change: got.append(change[1:]), lambda _: None
    )
    wire.feed(handler, pgoutput.relation(7, "t", [f"c{each}" for each in range(30)]))
    wire.feed(handler, pgoutput.insert(7, new))
    wire.feed(handler, pgoutput.update(7, old, new, b"K" if keyed else b"O"))
    wire.feed(handler, pgoutput.update(7, None, new))
    wire.feed(handler, pgoutput.delete(7, old))

    was, became = ([wire.UNCHANGED if each == pgoutput.UNSENT else each for each in values] for values in (old, new))
    assert got == [(None, became), (None if keyed else was, became), (None, became), (was, None)]


@given(st.integers(0, 2**63), st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)), st.integers(0, 2**32 - 1))  # noqa: DTZ001
def test_commits_bring_position_instant_and_transaction_id(position: int, at: datetime, xid: int) -> None:
    got: list[Any] = []
    handler = wire.Handler(lambda *begun: got.append(begun), got.append, got.append, lambda *_: None, got.append)
    at = at.replace(tzinfo=wire.EPOCH.tzinfo)

    wire.feed(handler, pgoutput.begin(position, at, xid))
    wire.feed(handler, pgoutput.commit(position, position + 8))

    assert got == [(position, at, xid), position + 8]


# --- the rules are those of measure.sql


@dataclass(frozen=True)
class Step:
    """What happens next in a history: a kind, which earlier row it is about, and an amount."""

    kind: str
    about: int
    units: int
    ends: tuple[int, int]
    new_commit: bool


FRESH = {
    "direct": "APPLIED",
    "hold": "INFLIGHT",
    "queued": "QUEUED",
    "scheduled": "SCHEDULED",
    "part": "APPLIED",
    "legacy": "APPLIED",
    "legacy_hold": "INFLIGHT",
}
FOLLOWING = {
    "applied": ("WAITING", "APPLIED"),
    "held": ("WAITING", "INFLIGHT"),
    "rejected": ("WAITING", "REJECTED"),
    "early": ("WAITING", "APPLIED"),
    "commit": ("INFLIGHT", "APPLIED"),
    "commit_by_queue": ("INFLIGHT", "APPLIED"),
    "void": ("INFLIGHT", "VOID"),
    "refund": ("APPLIED", "APPLIED"),
}
"""Kinds of steps: the status of the row, and before it that of the row that it is about."""
STEP = st.builds(
    Step,
    st.sampled_from([*FRESH, *FOLLOWING]),
    st.integers(0, 40),
    st.integers(1, 10**20),
    st.tuples(st.integers(0, 2), st.integers(1, 2)),
    st.booleans(),
)


class History:
    """Rows in the order in which they are written, each with whether a commit begins with it."""

    def __init__(self, steps: list[Step], ids: list[str]) -> None:
        self.rows: list[tuple[bool, Transaction]] = []
        self.ids, self.step = ids, steps[0]
        self.by_status: dict[str, list[Transaction]] = defaultdict(list)
        for self.step in steps:
            if self.step.kind in FRESH:
                self.fresh(self.step.kind)
            else:
                self.following(self.step.kind)

    def fresh(self, kind: str) -> None:
        first, second = (self.ids[each % 3] for each in (self.step.ends[0], sum(self.step.ends)))
        old = {
            "precise_amount": None,
            "amount": Decimal(self.step.units) / 1000,
            "precision": self.step.about * 50,
        }
        more = {"part": {"parent_transaction": "bulk_1"}, "legacy": old, "legacy_hold": old}.get(kind, {})
        self.add(first, second, FRESH[kind], **more)

    def following(self, kind: str) -> None:
        origin, status = FOLLOWING[kind]
        there = self.by_status[origin]
        was = there[self.step.about % len(there)] if there else None
        if was is None or (kind == "commit_by_queue" and not was.parent_transaction):
            return
        above = was.parent_transaction if kind == "commit_by_queue" else was.pk
        more = {"parent_transaction": above}
        if origin == "WAITING" and kind != "early":
            more["reference"] = f"{was.reference}_q"
            if any(each.reference == more["reference"] for _, each in self.rows):
                return
        ends = (was.source_id, was.destination_id)
        self.add(*(reversed(ends) if kind == "refund" else ends), status, **more)

    def add(self, source: str, destination: str, status: str, **more: Any) -> None:
        key = f"txn_{uuid.uuid4()}"
        values = {"reference": key, "precise_amount": self.step.units, "precision": 100, "currency": "USD"} | more
        made = Transaction(pk=key, source_id=source, destination_id=destination, status=status, **values)
        self.rows.append((self.step.new_commit, made))
        self.by_status["WAITING" if status in ("QUEUED", "SCHEDULED") else status].append(made)


def as_logged(each: Transaction) -> bytes:
    values = {field.column: getattr(each, field.attname) for field in Transaction._meta.concrete_fields}
    return pgoutput.insert(TRANSACTIONS, [*texts(values[name] for name in ROW_COLUMNS[:9]), None, b"{}"])


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.django_db
@pytest.mark.parametrize("remembered", [100_000, 1])
def test_what_rows_do_commit_by_commit_adds_up_to_what_measuring_sums(
    remembered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(families, "REMEMBERED", remembered)
    ids = sorted(world.balance().pk for _ in range(3))

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(STEP, min_size=1, max_size=40))
    def holds(steps: list[Step]) -> None:
        rows = History(steps, ids).rows
        with undone():
            Transaction.objects.bulk_create(each for _, each in rows)
            log, found, batch = Log(), list[Broken](), list[bytes]()
            for begins, each in rows:
                if begins and batch:
                    found += log.commit(*batch)
                    batch = []
                batch.append(as_logged(each))
            found += log.commit(*batch) if batch else []
            summed = {each.balance_id: each.recalculated for each in measure(ids)}
        added: dict[str, list[Any]] = {each: [0] * 6 for each in ids}
        for broken in found:
            key = broken.balance_id.decode()
            added[key] = [was - amount for was, amount in zip(added[key], broken.amounts, strict=True)]
        assert {key: tuple(value) for key, value in added.items()} == {
            key: tuple(getattr(value, total) for total in TOTALS) for key, value in summed.items()
        }

    holds()


def test_a_credit_at_a_rate_is_the_amount_at_that_rate_and_what_settles_it_is_not() -> None:
    columns = (*ROW_COLUMNS, "rate")
    places = wire.Relation(1, "blnk", "transactions", "f", columns).places(COLUMNS)

    rated = row_of([*row("t", "a", "b", 100), b"0.29"], places)
    settling = row_of([*row("t", "a", "b", 100), b"0"], places)

    assert (rated.debited, rated.credited) == (100, amounts.at_rate(100, 0.29)) == (100, 28)
    assert (settling.debited, settling.credited) == (100, 100)


# --- what adds up, and what does not


def test_a_posting_with_its_totals_is_no_break() -> None:
    assert (
        Log().commit(
            pgoutput.insert(TRANSACTIONS, row("t", "a", "b", 5)),
            pgoutput.update(BALANCES, totals("a"), totals("a", debit=5)),
            pgoutput.update(BALANCES, totals("b"), totals("b", credit=5)),
        )
        == []
    )


def test_totals_changed_in_sql_are_named_with_what_they_moved_by() -> None:
    found = Log().commit(pgoutput.update(BALANCES, totals("a", credit=7), totals("a", credit=12)))

    assert seen(found) == [("a", Kind.TOTAL_CHANGED, {"credit_balance": 5, "balance": 5})]


def test_metadata_of_a_balance_and_of_a_transaction_is_no_break() -> None:
    assert (
        Log().commit(
            pgoutput.update(BALANCES, totals("a"), totals("a", meta_data='{"a": 1}')),
            pgoutput.update(TRANSACTIONS, row("t", "a", "b", 5), row("t", "a", "b", 5, meta_data='{"a": 1}')),
        )
        == []
    )


def test_a_row_without_its_totals_and_one_with_others_are_told_apart() -> None:
    found = Log().commit(
        pgoutput.insert(TRANSACTIONS, row("t", "a", "b", 5)),
        pgoutput.update(BALANCES, totals("b"), totals("b", credit=4)),
    )

    assert seen(found) == [
        ("a", Kind.ROW_WITHOUT_TOTAL, {"debit_balance": -5, "balance": 5}),
        ("b", Kind.MISMATCH, {"credit_balance": -1, "balance": -1}),
    ]
    assert found[0].held is not None
    assert found[0].held.names == [{"transaction_id": "t", "change": "added"}]


def test_a_deleted_row_is_named_on_both_its_balances_by_what_it_had_moved() -> None:
    found = Log().commit(pgoutput.delete(TRANSACTIONS, row("t", "a", "b", 5)))

    assert seen(found) == [
        ("a", Kind.ROW_DELETED, {"debit_balance": 5, "balance": -5}),
        ("b", Kind.ROW_DELETED, {"credit_balance": 5, "balance": 5}),
    ]


def test_a_deleted_row_is_a_break_even_where_the_totals_were_changed_with_it() -> None:
    found = Log().commit(
        pgoutput.delete(TRANSACTIONS, row("t", "a", "b", 5)),
        pgoutput.update(BALANCES, totals("a", debit=5), totals("a")),
        pgoutput.update(BALANCES, totals("b", credit=5), totals("b")),
    )

    assert seen(found) == [("a", Kind.ROW_DELETED, {}), ("b", Kind.ROW_DELETED, {})]


@pytest.mark.django_db
def test_a_changed_row_is_named_with_its_columns_before_and_after() -> None:
    change = pgoutput.update(
        TRANSACTIONS, row("t", "a", "b", 5), row("t", "a", "c", 9, description=pgoutput.UNSENT.decode())
    )

    found = Log().commit(change)

    assert seen(found) == [
        ("a", Kind.ROW_CHANGED, {"debit_balance": -4, "balance": 4}),
        ("b", Kind.ROW_CHANGED, {"credit_balance": 5, "balance": 5}),
        ("c", Kind.ROW_CHANGED, {"credit_balance": -9, "balance": -9}),
    ]
    assert found[0].held is not None
    assert found[0].held.details == {"rows": {"t": {"destination": ["b", "c"], "precise_amount": ["5", "9"]}}}


@pytest.mark.django_db
def test_a_reference_that_was_changed_is_a_break_of_nothing() -> None:
    change = pgoutput.update(TRANSACTIONS, row("t", "a", "b", 5), row("t", "a", "b", 5, reference="other"))

    assert seen(Log().commit(change)) == [("a", Kind.ROW_CHANGED, {}), ("b", Kind.ROW_CHANGED, {})]


def test_a_balance_that_is_born_or_goes_with_totals_is_named() -> None:
    log = Log()

    assert seen(log.commit(pgoutput.insert(BALANCES, totals("a")))) == []
    assert seen(log.commit(pgoutput.insert(BALANCES, totals("b", credit=3)))) == [
        ("b", Kind.BALANCE_BORN, {"credit_balance": 3, "balance": 3})
    ]
    assert seen(log.commit(pgoutput.delete(BALANCES, totals("b", credit=3)))) == [
        ("b", Kind.BALANCE_DELETED, {"credit_balance": -3, "balance": -3})
    ]
    assert seen(
        log.commit(
            pgoutput.insert(BALANCES, totals("c", credit=3)), pgoutput.insert(TRANSACTIONS, row("t", "d", "c", 3))
        )
    ) == [("d", Kind.ROW_WITHOUT_TOTAL, {"debit_balance": -3, "balance": 3})]


@pytest.mark.parametrize("written", ["NaN", "Infinity", None])
def test_totals_that_are_no_number_are_named_and_stay_unreadable(written: str | None) -> None:
    found = Log().commit(pgoutput.update(BALANCES, totals("a", credit=7), totals("a", credit=written)))

    assert [each.kind for each in found] == [Kind.UNREADABLE]
    assert found[0].held is not None
    assert found[0].held.details == {"total": "credit_balance", "before": "7", "after": written}


def test_a_total_that_is_missing_is_no_zero() -> None:
    missing = totals("a", credit=None)
    for change in (pgoutput.update(BALANCES, totals("a"), missing), pgoutput.insert(BALANCES, missing)):
        (found,) = Log().commit(change)
        assert (found.kind, found.details) == (
            Kind.UNREADABLE,
            {"total": "credit_balance", "before": "0" if change[25:26] == b"U" else None, "after": None},
        )


def test_what_no_commit_can_take_back_is_not_hidden_by_a_fraction_in_the_same_commit() -> None:
    half = pgoutput.update(BALANCES, totals("a", credit=7), totals("a", credit="7.5"))
    gone = pgoutput.delete(BALANCES, totals("a", credit="7.5"))
    row_gone = pgoutput.delete(TRANSACTIONS, row("t", "b", "a", 7))

    (balance_gone,) = Log().commit(half, gone)
    (_, both) = sorted(Log().commit(half, row_gone, gone), key=lambda each: each.balance_id == b"a")

    assert (balance_gone.kind, (balance_gone.details or {})["also"]) == (Kind.BALANCE_DELETED, [Kind.UNREADABLE])
    assert (both.kind, (both.details or {})["also"]) == (Kind.ROW_DELETED, [Kind.BALANCE_DELETED, Kind.UNREADABLE])


def test_an_emptied_table_is_named() -> None:
    found = Log().commit(pgoutput.truncate([BALANCES, TRANSACTIONS]))

    assert [(each.kind, each.details) for each in found] == [
        (Kind.TRUNCATED, {"tables": ["balances", "transactions"]}),
    ]


def record(key: str, outcome: str, before: int, after: int, row_id: str | None = None) -> bytes:
    previous = [before, 0, before, 0, 0, 0]
    recalculated = [after, 0, after, 0, 0, 0]
    return pgoutput.insert(RECORDS, texts(["rcn_1", key, outcome, row_id, *previous, *recalculated]))


def test_a_correction_is_recognised_by_its_record_and_what_goes_beyond_it_is_a_break() -> None:
    moved = pgoutput.update(BALANCES, totals("a", credit=7), totals("a", credit=12))
    log = Log()

    assert seen(log.commit(record("a", "corrected", 7, 12), moved)) == [
        ("a", Kind.CORRECTION, {"credit_balance": 5, "balance": 5})
    ]
    assert seen(log.commit(record("a", "corrected", 7, 10), moved)) == [
        ("a", Kind.CORRECTION, {"credit_balance": 3, "balance": 3}),
        ("a", Kind.TOTAL_CHANGED, {"credit_balance": 2, "balance": 2}),
    ]
    assert seen(log.commit(record("a", "previewed", 7, 12), moved)) == [
        ("a", Kind.TOTAL_CHANGED, {"credit_balance": 5, "balance": 5})
    ]


def test_a_row_that_is_booked_again_on_record_is_a_correction() -> None:
    found = Log().commit(
        pgoutput.insert(TRANSACTIONS, row("t", None, "a", 5)), record("a", "rebooked", 5, 5, row_id="t")
    )

    assert seen(found) == [("a", Kind.CORRECTION, {"credit_balance": -5, "balance": -5})]


def test_a_break_has_its_author_from_the_edit_journal_of_the_same_commit() -> None:
    found = Log().commit(
        pgoutput.update(BALANCES, totals("a", credit=7), totals("a", credit=12)),
        pgoutput.insert(EDITS, texts([1, "a", "ann", "10.0.0.7", "psql", 4711])),
    )

    assert found[0].author == {
        "database_user": "ann",
        "client_address": "10.0.0.7",
        "application_name": "psql",
        "backend_pid": "4711",
    }


@pytest.mark.django_db
@pytest.mark.parametrize("by_queue", [False, True])
def test_a_hold_that_is_deleted_leaves_its_commits_as_plain_movements(by_queue: bool) -> None:
    first, second = world.balance(), world.balance()
    ends = {"source": first, "destination": second, "currency": "USD"}
    queued = Transaction.objects.create(pk="txn_q", reference="q", status="QUEUED", precise_amount=9, **ends)
    parent = {"parent_transaction": "txn_q"} if by_queue else {}
    hold = {"pk": "txn_h", "reference": "q_q", "status": "INFLIGHT", "precise_amount": 9} | parent
    made = Transaction.objects.create(**hold, **ends)
    above = queued.pk if by_queue else made.pk
    committed = Transaction.objects.create(
        pk="txn_c", reference="c", status="APPLIED", precise_amount=4, parent_transaction=above, **ends
    )
    log = Log()
    log.commit(*map(as_logged, (queued, made, committed)))
    before = {each.balance_id: each.recalculated for each in measure([first.pk, second.pk])}

    with undone():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("DELETE FROM transactions WHERE transaction_id = 'txn_h'")
        after = {each.balance_id: each.recalculated for each in measure([first.pk, second.pk])}
        gone = row("txn_h", first.pk, second.pk, 9, status="INFLIGHT", reference="q_q", **parent)
        found = log.commit(pgoutput.delete(TRANSACTIONS, gone))

    for each in found:
        drift = before[each.balance_id.decode()] - after[each.balance_id.decode()]
        assert each.kind == Kind.ROW_DELETED
        assert each.amounts == tuple(getattr(drift, total) for total in TOTALS)
    assert len(found) == 2


@pytest.mark.django_db
def test_a_large_commit_keeps_no_rows_and_finds_its_parents_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = world.balance(), world.balance()
    monkeypatch.setattr("reconciliation.proving.prover.CHILDREN_KEPT", 10)
    monkeypatch.setattr("reconciliation.proving.commits.NAMED_IN_ALL", 30)
    monkeypatch.setattr(families, "REMEMBERED", 5)
    made = []
    for number in range(50):
        common = {"source": first, "destination": second, "currency": "USD", "precise_amount": number + 1}
        hold = Transaction(pk=f"txn_h{number}", reference=f"h{number}", status="INFLIGHT", **common)
        made += [
            hold,
            Transaction(
                pk=f"txn_c{number}", reference=f"c{number}", status="APPLIED", parent_transaction=hold.pk, **common
            ),
        ]
    Transaction.objects.bulk_create(made)
    log = Log()
    moved = sum(range(51))

    found = log.commit(
        *map(as_logged, made),
        pgoutput.update(BALANCES, totals(first.pk), totals(first.pk, debit=moved)),
        pgoutput.update(BALANCES, totals(second.pk), totals(second.pk, credit=moved + 1)),
    )

    assert seen(found) == [(second.pk, Kind.MISMATCH, {"credit_balance": 1, "balance": 1})]
    assert found[0].held is not None
    assert (found[0].held.rows, len(found[0].held.names)) == (100, 15)
