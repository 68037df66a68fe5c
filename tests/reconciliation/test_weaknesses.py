"""Weaknesses of the original's reconstruction: each test is named after one that is not here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction

from balances.models import GENERAL_LEDGER_ID, Balance
from reconciliation.correcting.rebuilding import reconstruct, reconstruct_many
from reconciliation.models import Reconstruction
from tests import world
from tests.client import Client

pytestmark = pytest.mark.django_db

FLAG = {"BLNK_RUN_RECONCILIATION": "SOURCE"}
Commit = Callable[..., AbstractContextManager[Any]]


def execute(sql: str, *values: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.rowcount


def write_as_blnk_does(balance: Balance, version: int, debit: int, credit: int) -> int:
    """Write absolute totals computed from an older read, guarded by the version, as Blnk's writer does."""
    return execute(
        "UPDATE balances SET credit_balance = %s, debit_balance = %s, balance = %s, version = version + 1 "
        "WHERE balance_id = %s AND version = %s",
        credit,
        debit,
        credit - debit,
        balance.pk,
        version,
    )


def test_w1_a_stale_writer_cannot_undo_a_correction_because_the_version_rose() -> None:
    alice = world.balance()
    world.post("@world", alice, 100)
    world.drift(alice, credit=500)
    read = Balance.objects.get(pk=alice.pk)

    reconstruct(alice.pk, world.request())

    assert write_as_blnk_does(alice, read.version, read.debit_balance, read.credit_balance + 50) == 0
    assert world.totals(alice)["credit_balance"] == 100


@pytest.mark.django_db(transaction=True)
def test_w1_a_posting_between_measurement_and_correction_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    alice = world.balance()
    world.post("@world", alice, 100)
    world.drift(alice, credit=500)
    from reconciliation.correcting import rebuilding

    measure = rebuilding.measure

    def measure_then_somebody_posts(balance_ids: list[str]) -> Any:
        measured = measure(balance_ids)
        poster = threading.Thread(target=post_from_another_connection, args=(alice,))
        poster.start()
        poster.join(20)
        assert not poster.is_alive(), "a posting waited for a reconstruction that was only summing"
        return measured

    monkeypatch.setattr(rebuilding, "measure", measure_then_somebody_posts)
    reconstruct(alice.pk, world.request())
    monkeypatch.undo()

    assert world.totals(alice)["credit_balance"] == 150
    assert reconstruct(alice.pk, world.request()).outcome == "no_drift"


def post_from_another_connection(balance: Balance) -> None:
    try:
        world.post("@world", balance, 50)
    finally:
        connection.close()


def test_w2_a_balance_created_with_the_flag_keeps_its_first_posting(api: Client) -> None:
    body = {"ledger_id": GENERAL_LEDGER_ID, "currency": "USD", "meta_data": FLAG}
    alice = Balance.objects.get(pk=api.post("/balances", body).body["balance_id"])
    world.post("@world", alice, 70)
    assert world.totals(alice)["credit_balance"] == 70
    assert "BLNK_RUN_RECONCILIATION" not in Balance.objects.get(pk=alice.pk).meta_data


def test_w3_inflight_totals_are_rebuilt_too() -> None:
    alice, bob = world.balance(), world.balance()
    hold = world.row("INFLIGHT", 1000, alice, bob)
    world.row("VOID", 400, alice, bob, parent_transaction=hold.pk)
    world.drift(alice, hold_debit=123, hold_credit=5)
    record = reconstruct(alice.pk, world.request())
    assert record.previous.inflight_debit_balance == 123
    assert world.totals(alice)["inflight_debit_balance"] == 600
    assert world.totals(alice)["inflight_credit_balance"] == 0
    assert world.totals(alice)["inflight_balance"] == -600


@pytest.mark.django_db(transaction=True)
def test_w4_overlapping_metadata_updates_keep_each_others_keys() -> None:
    alice = world.balance()

    def add(key: str) -> None:
        try:
            assert Client().post(f"/{alice.pk}/metadata", {"meta_data": {key: 1} | FLAG}).status == 200
        finally:
            connection.close()

    threads = [threading.Thread(target=add, args=(f"key{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    stored = Balance.objects.get(pk=alice.pk).meta_data
    assert set(stored) == {f"key{number}" for number in range(8)} | {"BLNK_RECONCILIATION_RESULT"}


def test_w5_numbers_in_metadata_survive_a_reconstruction_digit_for_digit(
    api: Client, django_capture_on_commit_callbacks: Commit
) -> None:
    alice = world.balance(meta_data={"big": 12345678901234567890123, "exact": Decimal("0.10000000000000000555")})
    with django_capture_on_commit_callbacks(execute=True):
        api.post(f"/{alice.pk}/metadata", {"meta_data": FLAG})
    text = api.get(f"/balances/{alice.pk}").text
    assert '"big":12345678901234567890123,' in text
    assert '"exact":0.10000000000000000555' in text


@pytest.mark.parametrize("stored", [None, "null", "[]", '"text"', "7"])
def test_w6_balances_with_odd_metadata_are_not_refused(
    api: Client, django_capture_on_commit_callbacks: Commit, stored: str | None
) -> None:
    alice = world.balance()
    world.post("@world", alice, 100)
    world.drift(alice, credit=1)
    execute("UPDATE balances SET meta_data = %s::jsonb WHERE balance_id = %s", stored, alice.pk)
    assert api.get(f"/balances/{alice.pk}").status == 200
    with django_capture_on_commit_callbacks(execute=True):
        assert api.post(f"/{alice.pk}/metadata", {"meta_data": FLAG}).body == {"meta_data": FLAG}
    assert world.totals(alice)["credit_balance"] == 100
    assert set(Balance.objects.get(pk=alice.pk).meta_data) == {"BLNK_RECONCILIATION_RESULT"}


def test_w6_fractional_totals_of_a_foreign_database_are_read_and_mended(api: Client) -> None:
    alice = world.balance()
    world.post("@world", alice, 100)
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    execute("ALTER TABLE balances DROP CONSTRAINT balance_totals_are_whole")
    execute("UPDATE balances SET credit_balance = 99.5, balance = 99.5 WHERE balance_id = %s", alice.pk)
    assert '"balance":99.5,' in api.get(f"/balances/{alice.pk}").text
    run = api.post(f"/balances/{alice.pk}/reconstructions", {"dry_run": True})
    assert run.body["difference"]["balance"] == 0.5
    reconstruct(alice.pk, world.request())
    assert world.totals(alice)["balance"] == 100


def test_w7_rows_without_precise_amount_count_amount_times_precision_rounded_half_away_from_zero() -> None:
    alice, bob = world.balance(), world.balance()
    world.row("APPLIED", None, alice, bob, amount=Decimal("12.345"), precision=100)
    world.row("APPLIED", None, alice, bob, amount=Decimal(7), precision=1)
    world.row("APPLIED", 50, alice, bob)
    hold = world.row("INFLIGHT", None, alice, bob, amount=Decimal("2.5"), precision=100)
    world.row("APPLIED", None, alice, bob, amount=Decimal(1), precision=100, parent_transaction=hold.pk)
    reconstruct(alice.pk, world.request())
    assert world.totals(alice)["debit_balance"] == 1235 + 7 + 50 + 100
    assert world.totals(alice)["inflight_debit_balance"] == 250 - 100


def test_w8_there_is_one_notion_of_from_source(api: Client) -> None:
    alice = world.balance()
    world.post("@world", alice, 100)
    world.post("@world", alice, 40, effective_date=datetime.now(UTC) + timedelta(days=400))
    shown = api.get(f"/balances/{alice.pk}?from_source=true").body["balance"]
    record = reconstruct(alice.pk, world.request())
    assert (shown, record.recalculated.balance, record.outcome) == (140, 140, "no_drift")


def test_w9_no_answer_about_a_balance_starts_from_totals_of_before_the_correction(api: Client) -> None:
    alice = world.balance(world.ledger(), indicator="@alice")
    world.post("@world", alice, 100)
    world.drift(alice, credit=900)
    assert api.get(f"/balances/{alice.pk}").body["balance"] == 1000
    reconstruct(alice.pk, world.request())
    answers = [
        api.get(f"/balances/{alice.pk}").body,
        api.get(f"/balances/{alice.pk}?from_source=true").body,
        api.get("/balances/indicator/@alice/currency/USD").body,
        next(each for each in api.get("/balances").body if each["balance_id"] == alice.pk),
    ]
    assert [answer["balance"] for answer in answers] == [100] * 4
    world.post("@world", alice, 1)
    assert api.get(f"/balances/{alice.pk}").body["balance"] == 101


def test_w13_a_run_can_be_previewed_and_many_balances_take_one_call() -> None:
    balances = [world.balance() for _ in range(3)]
    for each in balances:
        world.post("@world", each, 100)
        world.drift(each, credit=5)
    ids = [each.pk for each in balances]
    previewed = list(reconstruct_many(ids, world.request(dry_run=True)))
    assert [finding.measurement.difference.balance for finding in previewed] == [-5] * 3
    assert [world.totals(each)["balance"] for each in balances] == [105] * 3
    assert all(finding.record is not None for finding in reconstruct_many(ids, world.request()))
    assert [world.totals(each)["balance"] for each in balances] == [100] * 3
    assert Reconstruction.objects.filter(dry_run=True).count() == 3


@pytest.mark.django_db(transaction=True)
def test_w14_no_row_is_locked_while_history_is_summed() -> None:
    from reconciliation.correcting import rebuilding

    alice = world.balance()
    world.post("@world", alice, 100)
    with transaction.atomic():
        rebuilding.SERIALISE.rows(balance_ids=[alice.pk])
        rebuilding.measure([alice.pk])
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relation::regclass::text, mode FROM pg_locks "
                "WHERE pid = pg_backend_pid() AND locktype IN ('relation', 'tuple', 'transactionid')"
            )
            modes = {mode for _, mode in cursor.fetchall()}
    assert modes == {"AccessShareLock"}
