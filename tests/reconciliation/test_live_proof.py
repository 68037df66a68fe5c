"""Live proof against a real server: what it refuses to prove, what it finds in which commit, and what it survives."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, ProgrammingError, connection, connections, transaction

from balances.models import TOTALS, Balance, Transaction
from balances.posting import Posting, post_transaction
from reconciliation.correcting import Proposal, apply, approve, propose_undo, reconstruct
from reconciliation.measuring import Scope
from reconciliation.models import Alert, Break, Finding, Gap, Origin, Proof, Sweep
from reconciliation.proving import (
    CannotWatch,
    Light,
    following,
    look,
    remove,
    running_drift,
    standing,
    watch,
    watcher,
    writing,
)
from reconciliation.proving.ground import prepare, slot_name
from reconciliation.proving.replication import CannotReplicate, Line
from reconciliation.sweeping import create_sweep, run_sweep
from tests import world

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("live proof")]
Kind, State = Break.Kind, Break.State
PATIENCE = 20
MOVE = "UPDATE balances SET credit_balance = credit_balance + %s, balance = balance + %s WHERE balance_id = %s"
READER = "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE slot_name = %s"


def until(holds: Callable[[], Any], what: str = "") -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {PATIENCE} s: {what or holds}; {standing().sentence}")


def green() -> bool:
    return standing().is_green


class Watching:
    """A watcher in a thread of its own."""

    def __init__(self) -> None:
        self.stop, self.said, self.error = threading.Event(), list[str](), list[BaseException]()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            watch(self.stop, self.said.append)
        except BaseException as error:
            self.error.append(error)
        finally:
            connections.close_all()

    def end(self) -> None:
        self.stop.set()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        assert self.error == []


@contextmanager
def watched() -> Iterator[Watching]:
    watching = Watching()
    try:
        yield watching
    finally:
        watching.end()


@pytest.fixture(autouse=True)
def _taken_back() -> Iterator[None]:
    yield
    remove("a test")


@pytest.fixture(autouse=True)
def _quick(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LEDGER_WATCH_GRACE = settings.LEDGER_WATCH_GRACE / 10
    settings.LEDGER_SWEEP_PACE = 100
    for name in ("CONFIRM_SECONDS", "LOOK_SECONDS", "LIMIT_SECONDS", "READ_SECONDS"):
        monkeypatch.setattr(following, name, 0.05)


def sql(text: str, *parameters: Any, guards: bool = True) -> int:
    """Run a statement in a commit of its own, and return the transaction id of that commit."""
    with transaction.atomic(), connection.cursor() as cursor:
        if not guards:
            cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(text, parameters)
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        return int(cursor.fetchone()[0])


def post(source: Balance, destination: Balance, units: int, **more: Any) -> Transaction:
    return world.post(source, destination, units, **more)


def world_drift(balance: Balance) -> int:
    return sql(MOVE, 5, 5, balance.pk, guards=False)


def _server() -> psycopg.Connection[Any]:
    """Connect to another database of the server."""
    return psycopg.connect(**connection.get_connection_params() | {"dbname": "postgres"}, autocommit=True)


@contextmanager
def _line() -> Iterator[Line]:
    line = Line(threading.Event())
    try:
        yield line
    finally:
        line.close()


def found_in(xid: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    rows = Break.objects.filter(xid=xid).exclude(kind=Kind.CORRECTION)
    return {each.balance_id: (each.kind, tuple(getattr(each, total) for total in TOTALS)) for each in rows}


# --- refused


def test_a_server_that_logs_too_little_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    found = look().found | {
        "wal_level": "replica",
        "may_replicate": False,
        "role": "ann",
        "slots": 10,
        "most_slots": 10,
    }
    monkeypatch.setattr("reconciliation.proving.ground.LOOK", type("", (), {"rows": lambda self, **_: [found]})())

    with pytest.raises(CommandError) as refusal:
        call_command("watch")
    assert str(refusal.value) == (
        "Set wal_level = logical in postgresql.conf and restart PostgreSQL; it is replica. "
        "Role ann may not replicate: ALTER ROLE ann REPLICATION. "
        "All 10 replication slots are taken: raise max_replication_slots."
    )


def test_tables_that_others_publish_in_part_are_refused() -> None:
    sql("CREATE PUBLICATION theirs FOR TABLE balances (balance_id)")
    try:
        assert look().obstacles == [
            "Publication theirs names columns of balances, and updates would be refused with replica identity FULL: "
            "publish all of its columns there."
        ]
        with watched():
            until(lambda: standing().state == "blocked")
            assert standing().sentence == look().obstacles[0]
    finally:
        sql("DROP PUBLICATION theirs")


def identity_of(table: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relreplident::text FROM pg_class WHERE oid = %s::regclass", [table])
        return str(cursor.fetchone()[0])


def test_identities_are_given_back_where_their_index_is_gone_and_where_a_table_has_another_name() -> None:
    sql("CREATE UNIQUE INDEX theirs ON balances (balance_id); ALTER TABLE balances REPLICA IDENTITY USING INDEX theirs")
    with watched():
        until(green)
    assert (identity_of("balances"), identity_of("transactions")) == ("f", "f")
    sql("DROP INDEX theirs; ALTER TABLE transactions RENAME TO kept; CREATE TABLE transactions ()")
    try:
        with _line() as line:
            prepare(line)
        assert identity_of("transactions") == "f"
        said = remove("ann")
        assert identity_of("transactions") == "d"
    finally:
        sql("DROP TABLE transactions; ALTER TABLE kept RENAME TO transactions")
    assert "The replica identity of balances is DEFAULT again: index theirs is gone." in said
    assert (identity_of("balances"), identity_of("transactions")) == ("d", "d")


def test_tables_with_parts_are_refused_and_end_a_stream() -> None:
    with watched():
        until(green)
        sql("CREATE TABLE part_of_balances () INHERITS (balances)")
        try:
            found = until(lambda: standing().state == "blocked" and standing())
            with pytest.raises(CommandError, match="Table balances is partitioned, or other tables inherit from it"):
                call_command("watch")
        finally:
            sql("DROP TABLE part_of_balances")
    assert found.light == Light.GREY
    assert Gap.objects.get(closed_at=None).reason.startswith("Publications, replica identities or columns")


def test_nothing_is_taken_back_while_a_process_watches() -> None:
    with watched():
        until(green)
        with pytest.raises(CannotWatch, match="A process still watches"):
            remove("ann")
    assert any("Publications" in sentence for sentence in remove("ann"))
    assert (standing().light, standing().sentence) == (Light.GREY, "Live proof was switched off by ann.")
    assert not look().is_set_up


# --- found


def test_each_fault_is_named_with_its_commit_and_its_amount() -> None:
    first, second, third = (world.balance() for _ in range(3))
    row, kept = post(first, second, 500), post(second, third, 30)
    with watched():
        until(green)
        edited = sql(MOVE, 7, 7, third.pk)
        deleted = sql("DELETE FROM transactions WHERE transaction_id = %s", row.pk, guards=False)
        changed = sql("UPDATE transactions SET precise_amount = 45 WHERE transaction_id = %s", kept.pk, guards=False)
        with transaction.atomic():
            world.row("APPLIED", 11, first, third)
            half = sql("SELECT 1")
        until(lambda: Break.objects.exclude(kind=Kind.CORRECTION).count() == 7)

        assert found_in(edited) == {third.pk: (Kind.TOTAL_CHANGED, (7, 0, 7, 0, 0, 0))}
        assert found_in(deleted) == {
            first.pk: (Kind.ROW_DELETED, (0, 500, -500, 0, 0, 0)),
            second.pk: (Kind.ROW_DELETED, (500, 0, 500, 0, 0, 0)),
        }
        assert found_in(changed) == {
            second.pk: (Kind.ROW_CHANGED, (0, -15, 15, 0, 0, 0)),
            third.pk: (Kind.ROW_CHANGED, (-15, 0, -15, 0, 0, 0)),
        }
        assert found_in(half) == {
            first.pk: (Kind.ROW_WITHOUT_TOTAL, (0, -11, 11, 0, 0, 0)),
            third.pk: (Kind.ROW_WITHOUT_TOTAL, (-11, 0, -11, 0, 0, 0)),
        }
        assert running_drift([third.pk]) == {third.pk: (7 - 15 - 11, 0, 7 - 15 - 11, 0, 0, 0)}
        author = Break.objects.get(xid=edited).author
        assert author["application_name"] == "ledger-backoffice"
        until(lambda: standing().open_breaks == 7)
        assert standing().light is Light.RED
        alert = Alert.objects.get(kind=Alert.Kind.PROOF_BROKEN, state=Alert.State.OPEN)
        assert alert.title.startswith("7 breaks on 3 balances: commits that do not add up.")
        until(lambda: not Break.objects.filter(state=State.OPEN, finding_id=None).exists())
        finding = Finding.objects.get(pk=Break.objects.get(xid=edited).finding_id)
        assert finding.balance_id == third.pk
        assert finding.explained_at is not None


def test_what_another_commit_takes_back_in_time_is_settled_and_what_it_takes_back_later_is_said(settings: Any) -> None:
    first, second = world.balance(), world.balance()
    with watched():
        until(green)
        sql(MOVE, 5, 5, first.pk)
        sql(MOVE, -5, -5, first.pk)
        until(lambda: standing().settled_breaks == 2)
        assert green()

        sql(MOVE, 5, 5, second.pk)
        until(lambda: standing().open_breaks == 1)
        sql(MOVE, -5, -5, second.pk)
        until(green)

        assert set(Break.objects.filter(balance_id=second.pk).values_list("state", flat=True)) == {State.TAKEN_BACK}
        until(lambda: not Alert.objects.filter(state=Alert.State.OPEN, kind=Alert.Kind.PROOF_BROKEN).exists())


def test_a_correction_is_shown_as_one_and_closes_the_breaks_that_it_corrects() -> None:
    first, second = world.balance(), world.balance()
    post(first, second, 100)
    world.drift(first, debit=9)
    with watched():
        until(lambda: standing().state == "drifting")
        world.drift(first, debit=4)
        until(lambda: standing().open_breaks == 1)
        record = reconstruct(first.pk, world.request())
        until(green)

    corrected = Break.objects.get(kind=Kind.CORRECTION)
    assert (corrected.record_id, corrected.debit_balance, corrected.state) == (record.pk, -13, State.ON_RECORD)
    assert set(Break.objects.exclude(pk=corrected.pk).values_list("state", flat=True)) == {State.CORRECTED}


def test_emptying_a_table_is_a_break_and_a_full_proof_begins_from_there() -> None:
    with watched():
        until(green)
        sql("TRUNCATE transactions", guards=False)
        until(lambda: standing().open_breaks == 1)
        found = Break.objects.get()
        assert (found.kind, found.details["tables"]) == (Kind.TRUNCATED, ["transactions"])
        world.balance()
        run_sweep(create_sweep(Scope(everything=True), actor="ann", origin=Origin.COMMAND).pk)
        until(lambda: standing().commits == 0)
        assert standing().light is Light.RED  # what was emptied may have added up to nothing
        run_sweep(create_sweep(Scope(everything=True), actor="ann", origin=Origin.COMMAND, deep=True).pk)
        until(green)
    assert Break.objects.get().state == State.MEASURED


def test_a_ledger_that_was_emptied_ends_no_watch_and_is_not_green_again_by_a_sweep_of_nothing() -> None:
    post(world.balance(), world.balance(), 500)
    with watched():
        until(green)
        xid = sql("TRUNCATE balances, transactions CASCADE; TRUNCATE transactions CASCADE", guards=False)
        until(lambda: standing().open_breaks == 1)
        found = Break.objects.get()
        assert (found.kind, found.xid, found.details["tables"]) == (Kind.TRUNCATED, xid, ["balances", "transactions"])
        run_sweep(create_sweep(Scope(everything=True), actor="ann", origin=Origin.COMMAND, deep=True).pk)
        until(lambda: standing().commits == 0)
        assert standing().light is Light.RED


@pytest.mark.parametrize("is_hidden", [False, True])
def test_what_is_emptied_under_balances_stays_a_break_while_a_deep_sweep_finds_faults(is_hidden: bool) -> None:
    post(world.balance(), world.balance(), 500)
    zero = ", ".join(f"{total} = 0" for total in TOTALS)
    with watched():
        until(green)
        also = f"; UPDATE balances SET {zero}" if is_hidden else ""
        sql(f"TRUNCATE transactions CASCADE{also}", guards=False)
        until(lambda: Break.objects.filter(kind=Kind.TRUNCATED).exists())
        run_sweep(create_sweep(Scope(everything=True), actor="ann", origin=Origin.COMMAND, deep=True).pk)
        until(lambda: standing().commits == 0)
        assert Break.objects.get(kind=Kind.TRUNCATED).state == State.OPEN
        assert standing().light is Light.RED


def failing(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let writing down breaks fail so many times."""
    done, left = writing._write_down, [times]

    def fails(*arguments: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise ProgrammingError('relation "transactions" does not exist')
        done(*arguments)

    monkeypatch.setattr(writing, "_write_down", fails)
    monkeypatch.setattr(watcher, "WAIT_AFTER_ERROR", 0.05)


def test_an_error_is_tried_again_from_the_same_place_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    balance = world.balance()
    with watched() as watching:
        until(green)
        failing(monkeypatch, watcher.TRIES - 1)
        xid = world_drift(balance)
        until(lambda: found_in(xid))
    assert 'The log could not be read on: relation "transactions" does not exist' in watching.said
    assert not Gap.objects.exists()


def test_an_error_that_stays_ends_the_stream_and_not_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    balance = world.balance()
    with watched():
        until(green)
        failing(monkeypatch, watcher.TRIES)
        world_drift(balance)
        gap = until(lambda: Gap.objects.filter(closed_at__isnull=False).first())
        until(lambda: standing().state == "drifting")
    assert gap.reason == 'The log could not be read on: relation "transactions" does not exist.'
    assert Proof.objects.get().stream == 2


def test_what_waits_when_its_stream_ends_is_opened_and_announced(settings: Any) -> None:
    settings.LEDGER_WATCH_GRACE = timedelta(hours=1)
    balance = world.balance()
    with watched():
        until(green)
        xid = world_drift(balance)
        until(lambda: found_in(xid))
        assert Break.objects.get().state == State.WAITING
        publish_less()
        until(lambda: Proof.objects.get().stream == 2 and Break.objects.exclude(finding_id=None).exists())
    found = Break.objects.get()
    assert (found.announced, found.state) == (True, State.OPEN)
    assert Finding.objects.get(pk=found.finding_id).drifted


def test_totals_that_follow_a_forged_or_deleted_row_do_not_take_it_back() -> None:
    first, second = world.balance(), world.balance()
    row = post(first, second, 500)
    with watched():
        until(green)
        sql("UPDATE transactions SET precise_amount = 501 WHERE transaction_id = %s", row.pk, guards=False)
        sql("UPDATE balances SET debit_balance = 501, balance = -501 WHERE balance_id = %s", first.pk)
        sql("UPDATE balances SET credit_balance = 501, balance = 501 WHERE balance_id = %s", second.pk)
        until(lambda: standing().commits == 3)
        time.sleep(0.5)
        assert set(Break.objects.filter(kind=Kind.ROW_CHANGED).values_list("state", flat=True)) == {State.OPEN}
        run_sweep(create_sweep(Scope(everything=True), actor="ann", origin=Origin.COMMAND).pk)
        until(lambda: standing().commits == 0)
        assert standing().light is Light.RED


def test_a_deleted_balance_stays_a_break_whatever_is_swept() -> None:
    first, second = world.balance(), world.balance()
    post(first, second, 500)
    with watched():
        until(green)
        sql("DELETE FROM balances WHERE balance_id = %s", second.pk, guards=False)
        until(lambda: standing().open_breaks == 1)
        run_sweep(create_sweep(Scope(everything=True), actor="ann", origin=Origin.COMMAND).pk)
        until(lambda: standing().commits == 0)
        assert standing().light is Light.RED
        assert Break.objects.get(kind=Kind.BALANCE_DELETED).state == State.OPEN


def test_an_undo_that_leaves_the_balance_wrong_is_open() -> None:
    first, second = world.balance(), world.balance()
    post(first, second, 100)
    with watched():
        until(green)
        world.drift(first, debit=4)
        until(lambda: standing().open_breaks == 1)
        record = reconstruct(first.pk, world.request())
        until(green)
        plan = propose_undo([record.pk], Proposal(actor="ann", origin=Origin.COMMAND, reason="mistake"))
        apply(approve(plan.pk, "bob", Origin.COMMAND).pk, "bob", Origin.COMMAND)
        until(lambda: Break.objects.filter(kind=Kind.CORRECTION, state=State.OPEN).count() == 1)
        assert standing().light is Light.RED


def test_a_break_that_waits_is_not_green(settings: Any) -> None:
    first = world.balance()
    settings.LEDGER_WATCH_GRACE = timedelta(seconds=30)
    with watched():
        until(green)
        sql(MOVE, 5, 5, first.pk)
        until(lambda: standing().waiting_breaks == 1)
        assert (standing().light, standing().state) == (Light.AMBER, "waiting")


def test_postings_holds_queue_splits_and_metadata_are_no_breaks() -> None:
    people = [world.balance() for _ in range(4)]
    with watched():
        until(green)
        threads = [threading.Thread(target=_hammered, args=(people, number)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until(lambda: standing().commits > 100)
        until(green)
        assert list(Break.objects.all()) == []


def _hammered(people: list[Balance], number: int) -> None:
    try:
        for turn in range(60):
            source, destination = people[(turn + number) % 4], people[(turn + number + 1 + turn % 3) % 4]
            post_transaction(
                Posting(
                    source=source.pk,
                    destination=destination.pk,
                    precise_amount=turn + 1,
                    precision=100,
                    currency="USD",
                    reference=f"live-{number}-{turn}",
                    description="live",
                    allow_overdraft=True,
                    inflight=turn % 5 == 0,
                )
            )
    finally:
        connections.close_all()


# --- survived


def test_a_process_killed_between_finding_and_writing_down_leaves_it_to_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    balance = world.balance()
    with watched():
        until(green)
    whole = following.confirm
    killed = threading.Event()

    def fails(proof: Proof, found: Any, **more: Any) -> Any:
        if found:
            killed.set()
            raise SystemExit
        return whole(proof, found, **more)

    monkeypatch.setattr(following, "confirm", fails)
    first = Watching()
    until(green)
    world.drift(balance, credit=5)
    assert killed.wait(PATIENCE)
    first.thread.join(PATIENCE)
    assert not Break.objects.exists()
    monkeypatch.setattr(following, "confirm", whole)

    with watched():
        until(lambda: standing().open_breaks == 1)

    assert [each.credit_balance for each in Break.objects.all()] == [5]
    assert not Gap.objects.exists()


def test_another_process_takes_over_without_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "WAIT_FOR_OTHERS", 0.1)
    balance = world.balance()
    first = Watching()
    until(green)
    with watched() as second:
        until(lambda: any("Another process watches" in sentence for sentence in second.said))
        first.end()
        world.drift(balance, credit=5)
        until(lambda: standing().open_breaks == 1)
    assert not Gap.objects.exists()
    assert Proof.objects.get().stream == 1


def drop_slot() -> None:
    """Drop the slot however often its reader comes back."""
    with connection.cursor() as cursor:
        for _ in range(100):
            cursor.execute(READER, [slot_name()])
            with suppress(DatabaseError):
                cursor.execute("SELECT pg_drop_replication_slot(%s)", [slot_name()])
                return


def end_reader() -> None:
    sql(READER, slot_name())


def unpublish() -> None:
    sql("ALTER PUBLICATION ledger_watch DROP TABLE balances")


def narrow_identity() -> None:
    sql("ALTER TABLE balances REPLICA IDENTITY DEFAULT")


def publish_less() -> None:
    sql("ALTER PUBLICATION ledger_watch SET (publish = 'insert')")


def publish_more() -> None:
    sql("ALTER PUBLICATION ledger_watch ADD TABLE ledgers")


def publish_a_schema() -> None:
    sql("ALTER PUBLICATION ledger_watch ADD TABLES IN SCHEMA public")


def publish_some_rows() -> None:
    sql("ALTER PUBLICATION ledger_watch SET TABLE transactions, balances WHERE (credit_balance > 5)")


def rename_a_total() -> None:
    sql("ALTER TABLE balances RENAME credit_balance TO parked; ALTER TABLE balances RENAME parked TO credit_balance")


def rewrite_a_total() -> None:
    sql("ALTER TABLE balances ALTER credit_balance TYPE numeric USING credit_balance + 0")


HARM = {
    end_reader: "",
    drop_slot: "Slot ledger_watch_",
    unpublish: "Publications, replica identities or columns",
    narrow_identity: "Publications, replica identities or columns",
    publish_less: "Publications, replica identities or columns",
    publish_more: "Publications, replica identities or columns",
    publish_some_rows: "Publications, replica identities or columns",
    publish_a_schema: "Table public.",
    rename_a_total: "Publications, replica identities or columns",
    rewrite_a_total: "Publications, replica identities or columns",
}
"""What is done to a stream, and how the reason of the gap begins that comes of it."""


@pytest.mark.parametrize(("harm", "reason"), HARM.items())
def test_what_ends_a_stream_is_a_gap_until_a_full_proof_follows(harm: Callable[[], None], reason: str) -> None:
    with watched():
        until(green)
        before = standing().proved_until
        harm()
        if reason:
            gap = until(lambda: Gap.objects.filter(closed_at__isnull=False).first())
            assert gap.reason.startswith(reason)
            assert before <= gap.started_at < gap.ended_at <= gap.closed_at
            assert Proof.objects.get().stream == 2
        until(lambda: green() and standing().proved_until > before)
    assert Gap.objects.count() == bool(reason)


RENAMES = {
    "ALTER TABLE balances RENAME TO parked; {} ALTER TABLE parked RENAME TO balances": "parked",
    "CREATE SCHEMA aside; ALTER TABLE balances SET SCHEMA aside; {} ALTER TABLE aside.balances SET SCHEMA public; "
    "DROP SCHEMA aside": "aside.balances",
}
MOVE_PARKED = "UPDATE {} SET credit_balance = credit_balance + 9, balance = balance + 9 WHERE balance_id = '{}';"


@pytest.mark.parametrize(("renames", "name"), RENAMES.items())
@pytest.mark.parametrize("is_read", [True, False])
def test_a_table_with_another_name_for_the_time_of_a_commit_hides_nothing(
    renames: str, name: str, is_read: bool
) -> None:
    balance = world.balance()
    text = renames.format(MOVE_PARKED.format(name, balance.pk))
    with watched():
        until(green)
        if is_read:
            xid = sql(text, guards=False)
            until(lambda: found_in(xid))
    if not is_read:
        xid = sql(text, guards=False)
        with watched():
            until(lambda: found_in(xid))
    assert found_in(xid) == {balance.pk: (Kind.TOTAL_CHANGED, (9, 0, 9, 0, 0, 0))}
    assert not Gap.objects.exists()


def test_a_clock_that_goes_back_costs_no_commit_and_is_not_green_meanwhile() -> None:
    balance = world.balance()
    with watched():
        until(green)
        ahead = standing().at + timedelta(hours=1)
    Proof.objects.update(proved_until=ahead, seen_at=ahead)
    assert standing().state == "silent"
    xid = world_drift(balance)
    with watched():
        until(lambda: standing().state == "broken" and standing().proved_until < ahead)
    assert found_in(xid) == {balance.pk: (Kind.TOTAL_CHANGED, (5, 0, 5, 0, 0, 0))}


def test_a_server_that_lets_no_one_in_for_a_while_costs_no_gap() -> None:
    """It is what a server does that stops or starts, in whatever language."""
    balance, name = world.balance(), connection.settings_dict["NAME"]
    with _server() as server, watched() as watching:
        until(green)
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            end_reader()
            until(lambda: any("The database is away" in sentence for sentence in watching.said))
            xid = world_drift(balance)
        finally:
            server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        until(lambda: found_in(xid))
    assert Proof.objects.get().stream == 1
    assert not Gap.objects.exists()


def test_a_role_that_is_let_in_but_may_not_replicate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sql("CREATE ROLE plain LOGIN")
    given = connection.get_connection_params()
    try:
        with monkeypatch.context() as patched, pytest.raises(CannotReplicate):
            patched.setattr(connection, "get_connection_params", lambda: given | {"user": "plain"})
            Line(threading.Event())
    finally:
        sql("DROP ROLE plain")


def test_a_slot_that_waits_for_a_transaction_names_it() -> None:
    blocker = psycopg.connect(**connection.get_connection_params(), application_name="payroll")
    blocker.execute("SELECT pg_current_xact_id()")
    with watched():
        try:
            until(lambda: "it waits for a transaction of process" in standing().sentence)
            assert "(payroll), open since " in standing().sentence
            assert not standing().is_green
        finally:
            blocker.close()
        until(green)


@pytest.mark.parametrize(
    "names", [("co-l", "co_l"), ("Co", "co"), ("c" * 63, "c" * 62), ("é", "ö"), ("x" * 50, "x" * 51)]
)
def test_no_two_databases_have_one_slot(names: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    slots = []
    for name in names:
        monkeypatch.setitem(connection.settings_dict, "NAME", name)
        slots.append(slot_name())
    assert len(set(slots)) == 2
    assert all(re.fullmatch("[a-z0-9_]{1,63}", slot) for slot in slots)
    monkeypatch.undo()


def test_a_slot_of_another_database_is_left_alone_and_one_of_an_earlier_name_of_this_one_is_not() -> None:
    made = "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')"
    with _server() as server:
        server.execute(made, ["ledger_watch_other"])
        try:
            with _line() as line:
                assert not line.drop_slot("ledger_watch_other")
            with watched():
                until(green)
            sql(made, "ledger_watch_before")
            Proof.objects.update(identity=Proof.objects.get().identity | {"slot": "ledger_watch_before"})
            with watched():
                until(lambda: green() and Proof.objects.get().stream == 2)
            slots = {name for (name,) in server.execute("SELECT slot_name FROM pg_replication_slots").fetchall()}
        finally:
            server.execute("SELECT pg_drop_replication_slot('ledger_watch_other')")
    assert "ledger_watch_other" in slots
    assert "ledger_watch_before" not in slots


def test_a_log_that_grows_beyond_its_limit_costs_the_slot_and_not_the_disk(settings: Any) -> None:
    with watched():
        until(green)
        settings.LEDGER_WATCH_MAX_WAL = 10
        gap = until(lambda: Gap.objects.first())
        settings.LEDGER_WATCH_MAX_WAL = 1024**3
        assert gap.reason.startswith("The log that PostgreSQL kept for the live proof passed")
        until(green)
        assert Gap.objects.get().closed_at is not None


def test_a_sweep_that_finds_what_the_stream_does_not_have_is_an_alert_of_its_own() -> None:
    balance = world.balance()
    with watched():
        until(green)
        world.drift(balance, credit=5)
        until(lambda: standing().open_breaks == 1)
        Break.objects.all().delete()
        run_sweep(create_sweep(Scope(everything=True), actor="ann", origin=Origin.COMMAND).pk)
        alert = until(lambda: Alert.objects.filter(kind=Alert.Kind.PROOF_DISAGREES, state=Alert.State.OPEN).first())

    assert alert.details["first"] == [{"balance_id": balance.pk, "expected": [0, 0, 0, 0], "found": [5, 0, 0, 0]}]
    assert Sweep.objects.filter(actor="ann").count() == 1


def test_the_command_says_how_the_ledger_stands_and_ends_with_3_where_that_is_not_green(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as status:
        call_command("proof")
    assert status.value.code == 3
    with watched():
        until(green)
        call_command("proof", "--json")
    assert '"green": true' in capsys.readouterr().out
    call_command("watch", "--look")
    assert "Everything is set up." in capsys.readouterr().out


def test_the_worker_proves_commits_beside_its_jobs(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def look_on() -> None:
        seen.append(bool(until(green)))
        connections.close_all()

    async def works(*_: Any, **__: Any) -> None:
        await asyncio.to_thread(look_on)

    monkeypatch.setattr("ledgerproj.management.commands.work._work", works)
    settings.LEDGER_WATCH = True
    call_command("work", verbosity=0)

    assert seen == [True]
    assert look().found["slot"] is not None
