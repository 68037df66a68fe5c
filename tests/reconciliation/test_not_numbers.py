"""Totals and amounts that are no whole numbers, as a foreign database may hold: one balance never ends a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import Client as DjangoClient
from django.urls import reverse

from balances.models import TOTALS, Balance, BalanceSnapshot
from reconciliation.measuring.scope import Scope
from reconciliation.models import Break, Finding, Origin, Sweep
from reconciliation.sweeping.service import create_sweep, run_sweep
from reconciliation.sweeping.status import verdict
from tests import people, world
from tests.client import Client

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def foreign_columns() -> Iterator[None]:
    """Let balances and transactions hold what those of a foreign database may."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype = 'c' AND conrelid IN ('balances'::regclass, 'transactions'::regclass)"
        )
        constraints = cursor.fetchall()
        nullable = (*TOTALS, "currency", "version")
        cursor.execute("ALTER TABLE balances " + ", ".join(f"ALTER {column} DROP NOT NULL" for column in nullable))
        for table, name, _ in constraints:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        try:
            yield
        finally:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("DELETE FROM balance_snapshots; DELETE FROM balances; DELETE FROM transactions")
            cursor.execute("SET session_replication_role = origin")
            cursor.execute("ALTER TABLE balances " + ", ".join(f"ALTER {column} SET NOT NULL" for column in nullable))
            for table, name, definition in constraints:
                cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


HALF_MORE = "credit_balance = credit_balance + 0.5, balance = balance + 0.5"
TOTALS_SET = {
    "null": "credit_balance = NULL",
    "nulls": ", ".join(f"{total} = NULL" for total in TOTALS),
    "held": "inflight_debit_balance = NULL",
    "net": "balance = NULL",
    "half": HALF_MORE,
    "nan": "credit_balance = 'NaN', balance = 'NaN'",
    "infinite": "credit_balance = 'Infinity', balance = 'Infinity'",
    "halves": HALF_MORE,
}
ROWS_SET = {"halves": "100.5", "row_half": "100.5", "row_nan": "'NaN'", "row_infinite": "'-Infinity'"}
HOLDS_SET = {"hold_nan": "'NaN'"}
MENDED = {"half"}
"""What a reconstruction mends: the transactions say what the total ought to be."""
AGREEING = {"halves"}
"""Totals that agree with the rows: both have a fraction."""
UNREADABLE = {*TOTALS_SET, *ROWS_SET, *HOLDS_SET}


@pytest.fixture
def damaged() -> Iterator[set[str]]:
    """Balances with one damage each, named after it, beside a healthy one and one that has drifted."""
    owner = world.ledger()
    names = sorted(UNREADABLE | {"right", "drifted"})
    Balance.objects.bulk_create(Balance(balance_id=f"bln_{name}", ledger=owner, currency="USD") for name in names)
    with foreign_columns():
        for name in names:
            world.post("@world", f"bln_{name}", 300)
            world.post("@world", f"bln_{name}", 100, reference=f"row {name}")
            world.post("@world", f"bln_{name}", 10, inflight=True, reference=f"hold {name}")
        world.drift(Balance.objects.get(pk="bln_drifted"), credit=300)
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            for name, change in TOTALS_SET.items():
                cursor.execute(f"UPDATE balances SET {change} WHERE balance_id = 'bln_{name}'")
            for kind, changes in (("row", ROWS_SET), ("hold", HOLDS_SET)):
                for name, amount in changes.items():
                    cursor.execute(
                        f"UPDATE transactions SET precise_amount = {amount} WHERE reference = '{kind} {name}'"
                    )
            cursor.execute("SET session_replication_role = origin")
        yield {f"bln_{name}" for name in UNREADABLE}


def swept(scope: Scope) -> Sweep:
    return run_sweep(create_sweep(scope, actor="alice", origin=Origin.COMMAND, deep=True).sweep_id)


@pytest.mark.parametrize("scope", [Scope(everything=True), Scope(currency="USD")], ids=str)
def test_a_sweep_goes_on_and_names_each_balance_as_not_proved(damaged: set[str], scope: Scope) -> None:
    sweep = swept(scope)
    findings = {each.balance_id: each for each in Finding.objects.all()}
    for balance_id in damaged:
        [why] = [each for each in findings[balance_id].not_proved if each["check"] == "unreadable_totals"]
        assert "whole number" in why["detail"]
    assert findings["bln_drifted"].drifted
    assert "bln_right" not in findings
    assert (sweep.state, verdict(sweep)) == ("finished", "findings")


def test_a_balance_of_which_neither_currency_nor_version_is_known_ends_no_sweep(damaged: set[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE balances SET currency = NULL, version = NULL WHERE balance_id = 'bln_drifted'")
    sweep = swept(Scope(everything=True))
    finding = Finding.objects.get(balance_id="bln_drifted")
    assert (sweep.state, finding.drifted, finding.currency) == ("finished", True, "")
    assert "currency_blank" in {each["check"] for each in finding.not_proved}
    swept(Scope(balance_ids=("bln_right",)))


def test_commands_go_on_and_leave_what_they_cannot_judge(damaged: set[str]) -> None:
    told, err = {}, StringIO()
    for command in ("sweep", "explain", "reconstruct"):
        out = StringIO()
        with suppress(SystemExit):
            call_command(command, ledger="Wallets", format="json", stdout=out, stderr=err)
        told[command] = {row["balance_id"]: row for row in json.loads(out.getvalue())}
    assert damaged <= told["sweep"].keys()
    assert "bln_drifted" in told["explain"]
    for balance_id in damaged - {"bln_half"}:
        assert f"Not proved: Balance {balance_id} has" in err.getvalue()
    outcomes = {balance_id: row["outcome"] for balance_id, row in told["reconstruct"].items()}
    assert (outcomes["bln_drifted"], outcomes["bln_half"], outcomes["bln_right"]) == (
        "corrected",
        "corrected",
        "no_drift",
    )
    assert {outcomes[balance_id] for balance_id in damaged - {"bln_half"}} == {"refused"}


def test_rest_answers_each_question_about_each_balance(damaged: set[str], api: Client) -> None:
    assert api.get("/balances?limit=99").status == 200
    for balance_id in damaged:
        mended = balance_id == "bln_half"
        for path in ("", "?from_source=true"):
            assert api.get(f"/balances/{balance_id}{path}").status == 200
        assert api.get(f"/balances/{balance_id}/explanation").status == (200 if mended else 409)
        posted = api.post("/transactions", world.POSTING | {"destination": balance_id, "reference": balance_id})
        assert posted.status in (201, 409), posted.text
        assert api.post(f"/balances/{balance_id}/reconstructions", {"dry_run": True}).status == (200 if mended else 409)
    flag = {"meta_data": {"BLNK_RUN_RECONCILIATION": "SOURCE"}}
    assert {api.post(f"/{balance_id}/metadata", flag).status for balance_id in damaged} == {200, 409}


def test_a_plan_refuses_them_one_by_one_and_corrects_the_others(damaged: set[str], api: Client) -> None:
    asked = {"balance_ids": [*damaged, "bln_drifted"], "reason": "r", "allow_incomplete": True}
    plan = api.post("/plans", asked)
    assert plan.status == 201, plan.text
    items = {each["balance_id"]: each["outcome"] for each in api.get(f"/plans/{plan.body['plan_id']}/items").body}
    assert (items.pop("bln_drifted"), items.pop("bln_half")) == (None, None)
    assert set(items.values()) == {"refused"}


def test_pages_show_them(damaged: set[str]) -> None:
    admin = people.signed_in(*people.VIEW, *people.CASES)
    sweep = swept(Scope(everything=True))
    pages = ["balances/balance/", "reconciliation/finding/", f"reconciliation/sweep/{sweep.pk}/change/"]
    pages += [f"balances/balance/{balance_id}/change/" for balance_id in damaged]
    pages += [f"reconciliation/finding/{each.pk}/change/" for each in Finding.objects.all()]
    for page in pages:
        assert admin.get(f"/admin/{page}").status_code == 200, page


def test_snapshots_are_taken_of_all_whose_totals_are_there(damaged: set[str]) -> None:
    call_command("snapshot_balances", stdout=StringIO(), stderr=StringIO())
    taken = set(BalanceSnapshot.objects.values_list("balance_id", flat=True))
    assert damaged - taken == {"bln_null", "bln_nulls", "bln_held", "bln_net"}
    assert {"bln_right", "bln_drifted"} <= taken


@pytest.mark.parametrize("odd", ["NaN", "Infinity", "-Infinity"])
def test_a_row_whose_amount_is_no_number_is_shown_as_it_is_and_breaks_no_list(api: Client, odd: str) -> None:
    with foreign_columns():
        posted = world.row("APPLIED", 5, world.balance(), world.balance())
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("UPDATE transactions SET precise_amount = %s, amount = %s", [odd, odd])
            cursor.execute("SET session_replication_role = origin")
        one, listed = api.get(f"/transactions/{posted.pk}"), api.get("/transactions")
        assert (one.status, listed.status) == (200, 200)
        assert (one.body["amount"], one.body["precise_amount"]) == (odd, odd)
        assert listed.body[0]["amount"] == odd


def test_a_total_of_five_thousand_digits_ends_no_sweep_no_answer_and_no_page(api: Client, client: DjangoClient) -> None:
    """More digits than Python writes by itself; PostgreSQL keeps 131,072."""
    damaged, other = world.balance(), world.balance()
    world.post(damaged, other, 100)
    nines = 10**5_000 - 1
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE balances SET credit_balance = repeat('9', 5000)::numeric, "
            "balance = repeat('9', 5000)::numeric - debit_balance WHERE balance_id = %s",
            [damaged.pk],
        )
    sweep = run_sweep(create_sweep(Scope(everything=True), actor="ann", origin=Origin.COMMAND, deep=True).pk)
    finding = Finding.objects.get(sweep=sweep)
    assert (sweep.state, sweep.drifted, finding.difference.credit_balance) == (Sweep.State.FINISHED, 1, -nines)
    for path in (f"/balances/{damaged.pk}", "/balances"):
        assert str(nines) in api.get(path).text
    call_command("explain", damaged.pk, stdout=StringIO())
    client.force_login(get_user_model().objects.create_superuser("root"))
    for model, key in (("balances_balance", damaged.pk), ("reconciliation_finding", finding.pk)):
        assert client.get(reverse(f"admin:{model}_changelist")).status_code == 200
        assert client.get(reverse(f"admin:{model}_change", args=[key])).status_code == 200
    assert client.get(reverse("admin:index")).status_code == 200
    found = Break(kind=Break.Kind.TOTAL_CHANGED, credit_balance=nines, position=1, xid=1, committed_at=finding.found_at)
    assert f"credit +{nines:,}, in commit" in found.sentence
