"""Generated ledgers: right but for the drift wished for, the same from the same seed, into an empty database only."""

from __future__ import annotations

from collections import Counter
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from balances.ground import amounts
from balances.importing import generating
from balances.importing.generating import GenerationRefused, Wish, generate_ledger
from balances.models import Balance, Ledger, Transaction
from reconciliation.measuring.measurement import Measurement, measure
from tests import world
from tests.balances.test_command_import_ledger import Terminal

SMALL = {"balances": 40, "transactions": 4_000, "holds": 90, "drift": 7, "seed": 5}


def measured() -> list[Measurement]:
    return measure(list(Balance.objects.values_list("balance_id", flat=True)))


def rows() -> list[tuple[Any, ...]]:
    return list(
        Transaction.objects.exclude(parent_transaction__gt="")
        .order_by("reference")
        .values_list("reference", "source_id", "destination_id", "precise_amount", "status")
    )


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"balances": 1}, "balances must be between 2 and 1,000,000,000, not 1"),
        ({"transactions": 0}, "transactions must be between 1 and 10,000,000,000, not 0"),
        ({"holds": 4_001}, "holds must be between 0 and 4,000, not 4,001"),
        ({"drift": 41}, "drift must be between 0 and 40, not 41"),
        ({"seed": -1}, "seed must be between 0 and 4,611,686,018,427,387,904, not -1"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(wrong: dict[str, int], sentence: str) -> None:
    with pytest.raises(GenerationRefused) as refusal:
        Wish(**SMALL | wrong)
    assert str(refusal.value) == sentence


@pytest.mark.django_db
def test_nothing_is_generated_beside_a_ledger_that_is_there() -> None:
    world.balance()
    with pytest.raises(CommandError) as refusal:
        call_command("generate_ledger", "--balances=2", "--transactions=2")
    assert str(refusal.value) == (
        "There are balances in this database; a ledger is generated into an empty one only; nothing was generated."
    )
    assert (Balance.objects.count(), Transaction.objects.count()) == (1, 0)
    assert not Ledger.objects.filter(name="Generated").exists()


@pytest.mark.django_db
def test_all_totals_are_right_but_for_the_drift_wished_for() -> None:
    made = generate_ledger(Wish(**SMALL))

    found = measured()
    assert (made.balances, made.drifted) == (len(found), sum(one.has_drift for one in found)) == (40, 7)
    assert made.transactions == Transaction.objects.count()
    assert all(one.stored.inflight_balance == one.recalculated.inflight_balance for one in found)
    assert sum(bool(one.recalculated.inflight_credit_balance) for one in found) > 10
    assert sum(one.recalculated.balance for one in found) == 0
    touched = Balance.objects.get(pk=found[0].balance_id)
    assert touched.version == 1 + touched.debits.count() + touched.credits.count()


@pytest.mark.django_db
def test_holds_are_open_committed_or_voided_a_third_each() -> None:
    generate_ledger(Wish(**SMALL))

    holds = Transaction.objects.filter(status="INFLIGHT")
    settled = Counter(Transaction.objects.filter(parent_transaction__gt="").values_list("status", flat=True))
    assert holds.count() == 90
    assert set(settled) == {"APPLIED", "VOID"}
    assert all(15 < count < 45 for count in settled.values())
    child = Transaction.objects.filter(parent_transaction__gt="")[0]
    assert child.precise_amount == holds.get(pk=child.parent_transaction).precise_amount


@pytest.mark.django_db
def test_rows_are_as_posting_leaves_them() -> None:
    generate_ledger(Wish(**SMALL))

    row = Transaction.objects.order_by("reference")[0]
    posted = world.post("@a", "@b", 100)
    assert row.hash == amounts.transaction_hash(
        amounts.Decimal(0), str(row.reference), "USD", str(row.source_id), str(row.destination_id)
    )
    assert (len(row.pk), row.precision, row.parent_transaction) == (len(posted.pk), 100, "")
    assert row.meta_data == posted.meta_data
    assert row.amount is not None
    assert row.amount * 100 == row.precise_amount


@pytest.mark.django_db(transaction=True)
def test_the_same_seed_draws_the_same_ledger_in_batches_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    generate_ledger(Wish(**SMALL))
    first = rows()
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM transactions")
        cursor.execute("DELETE FROM balances")
        cursor.execute("RESET session_replication_role")
    monkeypatch.setattr(generating, "BATCH", 999)
    generate_ledger(Wish(**SMALL))
    assert rows() == first


@pytest.mark.django_db
def test_no_row_costs_a_statement() -> None:
    with CaptureQueriesContext(
        connection,
    ) as small:
        generate_ledger(Wish(balances=2, transactions=1))
    assert len(small) < 20


@pytest.mark.django_db(transaction=True)
def test_the_command_says_what_was_made_and_sums_read_indexes_only(capsys: pytest.CaptureFixture[str]) -> None:
    said = StringIO()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM balances, transactions")  # else autovacuum may be about the rows of other tests
    with world.flushed():
        call_command("generate_ledger", "--balances=50", "--transactions=20_000", stdout=said, stderr=Terminal())

    ledger = Ledger.objects.get(name="Generated")
    assert said.getvalue().startswith(
        f"Generated 50 balances and 20,000 transactions in ledger {ledger.pk}, 0 with drift, in "
    )
    assert "20000/20000" in capsys.readouterr().err
    with connection.cursor() as cursor:
        cursor.execute("SELECT relallvisible = relpages FROM pg_class WHERE oid = 'transactions'::regclass")
        assert cursor.fetchone() == (True,)
