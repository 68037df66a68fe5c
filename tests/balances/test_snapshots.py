"""Daily snapshots: one a balance and day, as stored, with the newest row; set-wise, by index, beside postings."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Sum
from procrastinate.contrib.django.models import ProcrastinateJob

from balances.history.snapshots import TAKE_SNAPSHOTS, take_snapshots
from balances.history.tasks import request_snapshots
from balances.models import TOTALS, Balance, BalanceSnapshot, Transaction
from tests import world
from tests.balances.api.test_statements import explain
from tests.client import Client

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Return a way to say what time it is for a run of snapshots."""

    def at(instant: datetime) -> None:
        monkeypatch.setattr("balances.history.snapshots.now", lambda: instant)

    return at


def latest(balance: Balance) -> BalanceSnapshot:
    return BalanceSnapshot.objects.filter(balance=balance).latest("snapshot_time")


@pytest.mark.django_db
def test_a_snapshot_holds_everything_as_it_was_stored(clock: Callable[[datetime], None]) -> None:
    alice = world.balance(meta_data={"who": "Alice", "big": 2**70})
    world.post("@world", alice, 10**30)
    world.drift(alice, hold_debit=7)
    clock(NOON)
    assert take_snapshots() == Balance.objects.count() == 2
    taken = latest(alice)
    assert {total: getattr(taken, "net_balance" if total == "balance" else total) for total in TOTALS} == (
        world.totals(alice)
    )
    assert (taken.ledger_id, taken.currency, taken.meta_data) == (
        alice.ledger_id,
        "USD",
        {"who": "Alice", "big": 2**70},
    )
    assert taken.snapshot_time == taken.created_at == NOON


@pytest.mark.django_db
def test_the_second_call_of_a_day_adds_what_is_missing_and_the_next_day_starts_anew(
    clock: Callable[[datetime], None],
) -> None:
    world.balance()
    clock(NOON)
    assert take_snapshots() == 1
    world.balance()
    clock(NOON + timedelta(hours=11, minutes=59))
    assert (take_snapshots(), take_snapshots()) == (1, 0)
    clock(NOON + timedelta(hours=12))
    assert take_snapshots() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 8, 2**62])
def test_every_balance_is_in_whatever_the_batch(batch_size: int) -> None:
    for _ in range(7):
        world.balance()
    assert take_snapshots(batch_size) == 7
    assert BalanceSnapshot.objects.values("balance").distinct().count() == 7


@pytest.mark.django_db
@pytest.mark.parametrize("status", Transaction.Status.values)
def test_the_newest_row_counts_by_creation_on_either_side_and_in_any_status(
    status: str, clock: Callable[[datetime], None]
) -> None:
    alice, bob, carol = (world.balance() for _ in range(3))
    world.row("APPLIED", 5, alice, bob, created_at=NOON, effective_date=NOON + timedelta(days=9))
    newest = world.row(status, 5, bob, alice, created_at=NOON + timedelta(hours=1), effective_date=NOON)
    clock(NOON + timedelta(hours=2))
    take_snapshots()
    assert (latest(alice).last_tx_id, latest(bob).last_tx_id) == (newest.pk, newest.pk)
    assert latest(carol).last_tx_id is None
    clock(NOON + timedelta(days=2))
    late = world.row(status, 5, alice, carol, created_at=NOON + timedelta(minutes=59))
    take_snapshots()
    assert (latest(alice).last_tx_id, latest(carol).last_tx_id) == (newest.pk, late.pk)


@pytest.mark.django_db(transaction=True)
def test_the_rows_up_to_the_last_one_are_exactly_those_behind_the_totals_while_money_moves() -> None:
    alice, bob = world.balance(), world.balance()
    done = threading.Event()
    refused: list[Exception] = []

    def post() -> None:
        try:
            while not done.is_set():
                world.post(alice, bob, 1)
                world.post(bob, alice, 2)
        except Exception as error:
            refused.append(error)
        finally:
            connection.close()

    writers = [threading.Thread(target=post) for _ in range(3)]
    for writer in writers:
        writer.start()
    start = datetime.now(UTC)
    for day in range(40):
        row = TAKE_SNAPSHOTS.rows(after="", batch_size=10, taken_at=start + timedelta(days=day))[0]
        assert row["taken"] == 2
    done.set()
    for writer in writers:
        writer.join(60)
    assert not refused
    for taken in BalanceSnapshot.objects.all():
        rows = Transaction.objects.none()
        if taken.last_tx_id:
            rows = Transaction.objects.filter(created_at__lte=Transaction.objects.get(pk=taken.last_tx_id).created_at)
        credit = rows.filter(destination=taken.balance_id).aggregate(sum=Sum("precise_amount"))["sum"] or 0
        debit = rows.filter(source=taken.balance_id).aggregate(sum=Sum("precise_amount"))["sum"] or 0
        assert (taken.credit_balance, taken.debit_balance) == (credit, debit)


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_write_each_snapshot_once_and_a_killed_one_is_gone_on_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(60):
        world.balance()
    rows, calls = TAKE_SNAPSHOTS.rows, iter(range(100))

    def killed(**parameters: Any) -> list[dict[str, Any]]:
        if next(calls) == 3:
            raise DatabaseError("terminating connection due to administrator command")
        return rows(**parameters)

    monkeypatch.setattr(TAKE_SNAPSHOTS, "rows", killed)
    with pytest.raises(DatabaseError):
        take_snapshots(5)
    monkeypatch.undo()
    assert BalanceSnapshot.objects.count() == 15
    gate, written = threading.Barrier(3), []

    def run() -> None:
        gate.wait(10)
        written.append(take_snapshots(5))
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(written) == 45
    assert BalanceSnapshot.objects.count() == 60


@pytest.mark.django_db(transaction=True)
def test_a_batch_reads_by_index_and_takes_one_statement_however_large_it_is(
    django_assert_num_queries: Callable[..., Any],
) -> None:
    balances = [world.balance() for _ in range(100)]
    world.many_rows(balances, 20_000)
    day = datetime.now(UTC) - timedelta(days=40)
    for number in range(30):
        take_all(day + timedelta(days=number))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE balances, balance_snapshots")
    plan = "\n".join(
        next(iter(row.values()))
        for row in explain(TAKE_SNAPSHOTS, {"after": "", "batch_size": 10, "taken_at": datetime.now(UTC)})
    )
    assert "debits_of_balance" in plan, plan
    assert "credits_of_balance" in plan, plan
    assert "Seq Scan on transactions" not in plan, plan
    assert "Seq Scan on balance_snapshots" not in plan, plan
    with django_assert_num_queries(2):
        take_snapshots(1000)


def waiting() -> Any:
    return ProcrastinateJob.objects.filter(task_name="snapshot_balances", status="todo")


def take_all(instant: datetime) -> None:
    TAKE_SNAPSHOTS.rows(after="", batch_size=1000, taken_at=instant)


@pytest.mark.django_db
@pytest.mark.parametrize("given", ["0", "-1", "x", "", "1.5", "99999999999999999999"])
def test_a_bad_batch_is_refused_and_nothing_is_deferred(api: Client, given: str) -> None:
    answer = api.post(f"/balances-snapshots?batch_size={given}")
    assert answer.text == (
        '{"error":"invalid batch_size value",'
        '"error_detail":{"code":"GEN_VALIDATION_ERROR","message":"invalid batch_size value"}}'
    )
    assert answer.status == 400
    assert not waiting().exists()


@pytest.mark.django_db(transaction=True)
def test_rest_answers_at_once_and_the_worker_takes_them(api: Client) -> None:
    alice = world.balance()
    for query in ("", "?batch_size=10"):
        answer = api.post(f"/balances-snapshots{query}", b"{not read")
        assert (answer.status, answer.text) == (
            200,
            '{"message":"Snapshotting in progress. should be completed shortly"}',
        )
    assert waiting().count() == 1
    assert not BalanceSnapshot.objects.exists()
    call_command("work", "--once")
    assert latest(alice).net_balance == 0


@pytest.mark.django_db(transaction=True)
def test_a_request_in_a_block_that_is_rolled_back_asks_for_nothing() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        request_snapshots(10)
        raise RuntimeError
    assert not waiting().exists()


@pytest.mark.django_db
def test_a_snapshot_never_changes() -> None:
    world.balance()
    take_snapshots()
    with pytest.raises(IntegrityError, match="Cannot modify balance snapshot data"), transaction.atomic():
        BalanceSnapshot.objects.update(net_balance=1)
    BalanceSnapshot.objects.update(meta_data={"note": "may change"})


@pytest.mark.django_db
def test_the_command_refuses_a_batch_of_nothing() -> None:
    with pytest.raises(CommandError, match="at least 1"):
        call_command("snapshot_balances", "--batch-size", "0")


@pytest.mark.django_db
@pytest.mark.parametrize("form", ["json", "csv", "table"])
def test_the_command_reports_what_it_wrote(form: str) -> None:
    for _ in range(3):
        world.balance()
    out = io.StringIO()
    call_command("snapshot_balances", "--batch-size", "2", "--format", form, stdout=out)
    read: dict[str, Callable[[], Any]] = {
        "json": lambda: json.loads(out.getvalue())[0]["written"],
        "csv": lambda: int(next(csv.DictReader(io.StringIO(out.getvalue())))["written"]),
        "table": lambda: 3 if "Snapshots written" in out.getvalue() else 0,
    }
    assert read[form]() == BalanceSnapshot.objects.count() == 3
