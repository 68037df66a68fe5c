"""What a balance was at an instant: back-dated, future-dated and old rows, wrong snapshots."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balances.history.history import BALANCE_AT, balance_at
from balances.history.snapshots import TAKE_SNAPSHOTS
from balances.models import Balance, BalanceSnapshot, Transaction
from reconciliation.correcting.rebuilding import reconstruct
from tests import world
from tests.client import Answer, Client

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SOURCES = ("", "&from_source=true", "&from_source=1")
INVALID = "invalid timestamp format. Please use ISO 8601 format (e.g., 2024-01-01T15:04:05Z)"


def ask(api: Client, balance: Balance | str, instant: datetime | str, rest: str = "") -> Answer:
    balance_id = balance if isinstance(balance, str) else balance.pk
    text = instant if isinstance(instant, str) else instant.isoformat()
    return api.get(f"/balances/{balance_id}/at?timestamp={quote(text)}{rest}")


def sides(api: Client, balance: Balance, instant: datetime | str) -> tuple[int, int]:
    """Return credit and debit, the same by each way of asking."""
    answers = [ask(api, balance, instant, rest).body["balance"] for rest in SOURCES]
    assert answers == answers[:1] * len(SOURCES)
    assert answers[0]["balance"] == answers[0]["credit_balance"] - answers[0]["debit_balance"]
    return answers[0]["credit_balance"], answers[0]["debit_balance"]


def snapshot(instant: datetime) -> None:
    TAKE_SNAPSHOTS.rows(after="", batch_size=1000, taken_at=instant)


def refused(answer: Answer, status: int, code: str, text: str, *, details: bool = False) -> None:
    assert answer.status == status, answer.text
    detail: dict[str, Any] = {"code": code, "message": text} | ({"details": {}} if details else {})
    assert answer.body == {"error": text, "error_detail": detail}


# --- refused


@pytest.mark.parametrize(
    "given",
    [
        *("yesterday", "2026-03-04", "2026-03-04T09:15:00", "2026-03-04 09:15:00Z", "2026-02-30T09:15:00Z"),
        *("2026-03-04T09:15:00 02:00", "1772615700", "2026-03-04T09:15:00+0200", "2026-03-04T09:15Z"),
    ],
)
def test_what_is_no_instant_is_refused_before_the_balance_is_looked_for(api: Client, given: str) -> None:
    refused(ask(api, "bln_none", given), 400, "BAL_INVALID_TIMESTAMP", INVALID)


@pytest.mark.parametrize("given", ["0001-01-01T00:00:00Z", "0001-01-01T02:00:00+02:00"])
def test_the_zero_time_is_refused(api: Client, given: str) -> None:
    refused(ask(api, "bln_none", given), 400, "GEN_BAD_REQUEST", "Target time cannot be zero")


@pytest.mark.parametrize("rest", SOURCES)
def test_a_balance_that_is_not_there_is_not_found(api: Client, rest: str) -> None:
    refused(ask(api, "bln_none", NOON, rest), 404, "BAL_NOT_FOUND", "Balance 'bln_none' not found", details=True)


def test_a_sum_that_takes_too_long_is_ended(api: Client, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    alice = world.balance()
    slow = BALANCE_AT.text.replace("WHERE b.balance_id", "WHERE (SELECT pg_sleep(20)) IS NULL AND b.balance_id")
    monkeypatch.setattr(BALANCE_AT, "text", slow)
    settings.LEDGER_READ_TIMEOUT = 0.05
    answer = ask(api, alice, NOON)
    assert (answer.status, answer.body["error_detail"]["code"]) == (503, "GEN_UNAVAILABLE")


# --- served


def test_the_answer_has_its_keys_in_byte_order_and_echoes_the_zone_without_the_fraction(api: Client) -> None:
    alice, bob = world.balance(currency="KES"), world.balance(currency="KES")
    world.row("APPLIED", 1725, bob, alice, effective_date=NOON - HOUR)
    world.row("APPLIED", 650, alice, bob, effective_date=NOON)
    answer = ask(api, alice, "2026-03-04T14:00:00.999999999+02:00", "&from_source=true")
    assert (answer.status, answer.text) == (
        200,
        f'{{"balance":{{"balance":1075,"balance_id":"{alice.pk}","credit_balance":1725,"currency":"KES",'
        '"debit_balance":650},"from_source":true,"timestamp":"2026-03-04T14:00:00+02:00"}',
    )
    for written, shown in (("Z", "Z"), ("+00:00", "Z"), ("-00:00", "Z"), (".5-03:30", "-03:30")):
        assert ask(api, alice, f"2026-03-04T12:00:00{written}").body["timestamp"] == f"2026-03-04T12:00:00{shown}"


@pytest.mark.parametrize("rest", [*SOURCES, "&from_source=TRUE", "&from_source=yes", "&from_source=0&from_source=1"])
def test_the_source_is_asked_for_by_true_or_1_and_echoed(api: Client, rest: str) -> None:
    assert ask(api, world.balance(), NOON, rest).body["from_source"] is (rest in SOURCES[1:])


@pytest.mark.parametrize("query", ["", "?timestamp=", "?timestamp=&timestamp=2000-01-01T00:00:00Z"])
def test_without_an_instant_it_is_now_in_utc(api: Client, query: str) -> None:
    alice = world.balance()
    world.post("@world", alice, 5)
    world.post("@world", alice, 7, effective_date=datetime.now(UTC) + HOUR)
    answer = api.get(f"/balances/{alice.pk}/at{query}").body
    assert answer["balance"]["balance"] == 5
    assert answer["timestamp"].endswith("Z")
    assert abs(datetime.fromisoformat(answer["timestamp"]) - datetime.now(UTC)) < timedelta(seconds=30)


def test_a_row_counts_from_its_effective_date_on_to_the_microsecond(api: Client) -> None:
    alice, bob = world.balance(), world.balance()
    world.row("APPLIED", 10**40, alice, bob, effective_date=NOON)
    tick = timedelta(microseconds=1)
    assert [sides(api, bob, NOON + step * tick) for step in (-1, 0, 1)] == [(0, 0), (10**40, 0), (10**40, 0)]
    assert sides(api, alice, NOON) == (0, 10**40)
    assert sides(api, alice, "1900-01-01T00:00:00Z") == (0, 0)


@pytest.mark.parametrize("status", [each for each in Transaction.Status.values if each != "APPLIED"])
def test_only_applied_rows_count(api: Client, status: str) -> None:
    alice, bob = world.balance(), world.balance()
    world.row(status, 5, alice, bob, effective_date=NOON)
    world.row("APPLIED", 3, alice, bob, effective_date=NOON)
    assert sides(api, alice, NOON + DAY) == (0, 3)


@pytest.mark.parametrize("hours", [-12, -3, 2, 14])
def test_an_offset_is_honoured_with_and_without_a_snapshot(api: Client, hours: int) -> None:
    alice, bob = world.balance(), world.balance()
    world.row("APPLIED", 5, alice, bob, created_at=NOON, effective_date=NOON)
    zone = timezone(hours * HOUR)
    for _ in range(2):
        assert sides(api, bob, (NOON - HOUR).astimezone(zone)) == (0, 0)
        assert sides(api, bob, NOON.astimezone(zone)) == (5, 0)
        snapshot(NOON + HOUR)


def test_a_back_dated_posting_after_a_snapshot_counts_before_and_after_it(api: Client) -> None:
    alice, bob = world.balance(), world.balance()
    world.post(alice, bob, 100, effective_date=NOON)
    snapshot(NOON + DAY)
    world.post(alice, bob, 7, effective_date=NOON + HOUR)
    assert [sides(api, bob, NOON + after)[0] for after in (-HOUR, 0 * HOUR, HOUR, DAY, 2 * DAY)] == [
        *(0, 100, 107, 107, 107)
    ]


def test_a_future_dated_posting_before_a_snapshot_counts_once_and_only_when_its_date_comes(api: Client) -> None:
    alice, bob = world.balance(), world.balance()
    world.post(alice, bob, 100, effective_date=NOON)
    world.post(alice, bob, 7, effective_date=NOON + 2 * DAY)
    snapshot(NOON + DAY)
    assert [sides(api, bob, NOON + after * DAY)[0] for after in (0, 1, 2, 3)] == [100, 100, 107, 107]


@pytest.mark.django_db(transaction=True)
def test_a_wrong_snapshot_is_never_started_from_whether_its_drift_was_found_or_not(api: Client) -> None:
    alice, bob = world.balance(), world.balance()
    world.post(alice, bob, 100, effective_date=NOON)
    world.drift(bob, credit=55)
    snapshot(NOON + HOUR)
    assert BalanceSnapshot.objects.get(balance=bob).credit_balance == 155
    assert sides(api, bob, NOON + DAY) == (100, 0)
    reconstruct(bob.pk, world.request())
    assert sides(api, bob, NOON + DAY) == (100, 0)


def test_a_reconstruction_counts_future_rows_that_an_instant_does_not(api: Client) -> None:
    alice, bob = world.balance(), world.balance()
    world.post(alice, bob, 100)
    world.post(alice, bob, 7, effective_date=datetime.now(UTC) + DAY)
    assert api.get(f"/balances/{bob.pk}?from_source=true").body["credit_balance"] == 107
    assert api.get(f"/balances/{bob.pk}/at?from_source=true").body["balance"]["credit_balance"] == 100


def test_rows_from_before_dates_or_minor_units_existed_count(api: Client) -> None:
    alice, bob = world.balance(), world.balance()
    world.row("APPLIED", 100, alice, bob, created_at=NOON, effective_date=None)
    old = {"units": None, "source": alice, "destination": bob, "created_at": NOON + HOUR}
    world.row("APPLIED", **old, amount=Decimal("1.005"), precision=100, effective_date=None)
    world.row("APPLIED", **old, amount=Decimal(7), precision=0, effective_date=NOON + DAY)
    world.row("APPLIED", **old, amount=None, precision=1, effective_date=NOON)
    assert [sides(api, bob, NOON + after)[0] for after in (-HOUR, 0 * HOUR, HOUR, DAY)] == [0, 100, 201, 208]
    assert sides(api, alice, NOON + DAY) == (0, 208)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("posted", "undated", "in major units", "held", "snapshot", "drift")),
        st.integers(0, 2),
        st.integers(1, 2),
        st.integers(1, 10**12),
        st.integers(-96, 96),
        st.integers(-96, 96),
    ),
    max_size=14,
)


class Model:
    """Balances, and what plain arithmetic says that they were: each row by the hour from which on it counts."""

    def __init__(self) -> None:
        owner = world.ledger()
        self.balances = [world.balance(owner) for _ in range(3)]
        self.rows: list[tuple[Balance, Balance, int, datetime]] = []

    def step(self, what: str, first: int, by: int, units: int, created: int, effective: int) -> None:
        source, destination = self.balances[first], self.balances[(first + by) % 3]
        recorded, counts = NOON + created * HOUR, NOON + effective * HOUR
        dates: dict[str, Any] = {"created_at": recorded, "effective_date": counts}
        match what:
            case "posted":
                world.post(source, destination, units, effective_date=counts)
            case "undated":
                world.row("APPLIED", units, source, destination, created_at=recorded, effective_date=None)
                counts = recorded
            case "in major units":
                world.row("APPLIED", None, source, destination, amount=Decimal(units) / 100, precision=100, **dates)
            case "held":
                world.row("INFLIGHT", units, source, destination, **dates)
            case "snapshot":
                snapshot(recorded)
            case "drift":
                world.drift(source, credit=units, debit=1)
        if what in {"posted", "undated", "in major units"}:
            self.rows.append((source, destination, units, counts))

    def then(self, balance: Balance, instant: datetime) -> tuple[int, int]:
        by_then = [row for row in self.rows if row[3] <= instant]
        return sum(r[2] for r in by_then if r[1] == balance), sum(r[2] for r in by_then if r[0] == balance)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, asked=st.lists(st.tuples(st.integers(-100, 100), st.integers(-14, 14)), min_size=1, max_size=4))
def test_any_history_is_answered_as_plain_arithmetic_would(
    steps: list[tuple[str, int, int, int, int, int]], asked: list[tuple[int, int]], db: None
) -> None:
    with transaction.atomic():
        model, api = Model(), Client()
        for step in steps:
            model.step(*step)
        for hour, offset in asked:
            instant = (NOON + hour * HOUR).astimezone(timezone(offset * HOUR))
            for balance in model.balances:
                assert sides(api, balance, instant) == model.then(balance, instant)
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_a_long_history_is_summed_in_one_statement_from_the_covering_indexes_alone(
    api: Client, django_assert_num_queries: Callable[..., Any]
) -> None:
    alice, bob, *others = (world.balance() for _ in range(12))
    world.many_rows([alice, bob], 40_000)
    world.many_rows(others, 8_000, prefix="other")
    instant = datetime.now(UTC) - timedelta(seconds=20_000)
    credit, debit = sides(api, bob, instant)
    by_then = Transaction.objects.filter(effective_date__lte=instant)
    assert credit == sum(by_then.filter(destination=bob).values_list("precise_amount", flat=True))
    assert debit == sum(by_then.filter(source=bob).values_list("precise_amount", flat=True))
    assert credit > 900_000
    for rest in SOURCES:
        with django_assert_num_queries(1):
            assert ask(api, bob, instant, rest).body["balance"]["credit_balance"] == credit
    plan = plan_of(bob.pk, instant)
    for index in ("applied_credits", "applied_debits"):
        assert f"Index Only Scan using {index}" in plan, plan
    assert plan.count("Heap Fetches: 0") == 2, plan
    assert "Seq Scan on transactions" not in plan, plan


@pytest.mark.django_db(transaction=True)
def test_rows_without_a_date_or_minor_units_are_read_by_index_as_well() -> None:
    balances = [world.balance() for _ in range(50)]
    world.many_rows(balances, 20_000)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE transactions SET effective_date = NULL WHERE reference ~ '[05]$'")
        cursor.execute("UPDATE transactions SET precise_amount = NULL WHERE reference ~ '[36]$'")
        cursor.execute("RESET session_replication_role")
        cursor.execute("VACUUM ANALYZE transactions")
    plan = plan_of(balances[0].pk, datetime.now(UTC))
    assert "Seq Scan on transactions" not in plan, plan
    assert "legacy_credits" in plan, plan
    assert "legacy_debits" in plan, plan
    then = balance_at(balances[0].pk, datetime.now(UTC))
    assert (then.credit_balance, then.debit_balance) == (40_000, 40_000)


def plan_of(balance_id: str, instant: datetime) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {BALANCE_AT.text}",
            {"balance_id": balance_id, "instant": instant},
        )
        return "\n".join(line for (line,) in cursor.fetchall())
