"""What a database that grew over years holds: fractions, missing and infinite totals, names used twice, JSON null."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.urls import reverse

import ledgerproj.urls  # noqa: F401 - finds the admin pages
from balances.models import Balance
from reconciliation.explaining import explain, explain_many
from reconciliation.measuring import Scope, measure
from reconciliation.models import Finding, Origin, Sweep
from reconciliation.sweeping import create_sweep, run_sweep
from tests.adopting.conftest import Adopt
from tests.client import Client


def swept(**how: Any) -> Sweep:
    sweep = create_sweep(Scope(everything=True), actor="alice", origin=Origin.COMMAND, **how)
    return run_sweep(sweep.sweep_id)


def some(server: psycopg.Connection[Any], count: int) -> list[str]:
    rows = server.execute(
        "SELECT balance_id FROM blnk.balances WHERE credit_balance > 0 ORDER BY balance_id LIMIT %s", [count]
    ).fetchall()
    return [balance_id for (balance_id,) in rows]


def odd(server: psycopg.Connection[Any]) -> dict[str, str]:
    """Make one balance of each kind odd, as SQL, old versions and restored backups do."""
    half, missing, nothing, infinite, null, text = some(server, 6)
    server.execute("ALTER TABLE blnk.balances ALTER credit_balance DROP NOT NULL")
    changes = {
        half: "credit_balance = credit_balance + 0.5, balance = balance + 0.5",
        missing: "credit_balance = NULL",
        nothing: "debit_balance = 'NaN'",
        infinite: "inflight_debit_balance = 'Infinity'",
        null: "meta_data = 'null'",
        text: "meta_data = '\"words\"'",
    }
    for balance_id, change in changes.items():
        server.execute(f"UPDATE blnk.balances SET {change} WHERE balance_id = %s".encode(), [balance_id])
    return {"half": half, "missing": missing, "NaN": nothing, "infinite": infinite, "null": null, "text": text}


def test_odd_totals_are_not_proved_and_stop_nothing(blnk: Adopt) -> None:
    server = blnk("0.15")
    made = odd(server)
    assert swept(deep=True).state == Sweep.State.FINISHED
    unproved = set(Finding.objects.exclude(not_proved=[]).values_list("balance_id", flat=True))
    assert unproved == {made[kind] for kind in ("half", "missing", "NaN", "infinite")}
    list(explain_many([*made.values()]))
    api = Client()
    for balance_id in made.values():
        for path in (f"/balances/{balance_id}", f"/balances/{balance_id}/explanation", f"/balances/{balance_id}/at"):
            assert api.get(path).status < 500, path


@pytest.mark.parametrize("model", ["balance", "finding"])
def test_pages_show_odd_totals(model: str, blnk: Adopt) -> None:
    server = blnk("0.15")
    made = odd(server)
    swept()
    browser = Browser()
    browser.force_login(User.objects.create_user("root", password="a long password", is_staff=True, is_superuser=True))
    found = Balance if model == "balance" else Finding
    page = next(each for each in admin.site._registry if each is found)
    name = f"admin:{page._meta.app_label}_{page._meta.model_name}"
    assert browser.get(reverse(f"{name}_changelist")).status_code == 200
    for row in found.objects.filter(balance_id__in=made.values()):
        assert browser.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200


def test_a_name_that_two_balances_share_is_no_error(blnk: Adopt) -> None:
    server = blnk("0.10.1")
    first, second = some(server, 2)
    server.execute(
        "UPDATE blnk.balances SET indicator = '@twice', currency = 'USD' WHERE balance_id = ANY(%s)", [[first, second]]
    )
    answer = Client().get("/balances/indicator/@twice/currency/USD")
    assert answer.status == 200
    assert answer.body["balance_id"] in {first, second}
    sweep = create_sweep(Scope(indicator="@twice", currency="USD"), actor="alice", origin=Origin.COMMAND)
    assert run_sweep(sweep.sweep_id).measured == 2


def test_rows_without_an_effective_date_are_evidence_as_of_their_creation(blnk: Adopt) -> None:
    """A third of the applied rows have none, even in 0.15. Two of them in a row, that are lost together, are found."""
    server = blnk("0.15")
    pair = server.execute(
        "SELECT destination, transaction_id, before, precise_amount + units FROM ("
        "  SELECT destination, transaction_id, precise_amount, effective_date, created_at, "
        "    lag(transaction_id) OVER seen AS before, lag(precise_amount) OVER seen AS units, "
        "    lag(effective_date) OVER seen AS dated, lag(created_at) OVER seen AS at "
        "  FROM blnk.transactions WHERE status = 'APPLIED' "
        "  WINDOW seen AS (PARTITION BY destination ORDER BY coalesce(effective_date, created_at))) AS r "
        "WHERE effective_date IS NULL AND dated IS NULL AND at < created_at AND units > 5000 AND precise_amount > 5000 "
        "ORDER BY transaction_id LIMIT 1"
    ).fetchone()
    assert pair is not None
    balance_id, second, first, units = pair
    server.execute(
        "UPDATE blnk.balances SET credit_balance = credit_balance - %(units)s, balance = balance - %(units)s, "
        "version = version - 2 WHERE balance_id = %(balance_id)s",
        {"units": units, "balance_id": balance_id},
    )
    explained = explain(measure([balance_id]))[balance_id]
    assert {first, second} <= {row for each in explained.explanations for row in each.rows}


def test_several_snapshots_of_a_day_are_all_looked_at(blnk: Adopt) -> None:
    server = blnk("0.15")
    (balance_id,) = some(server, 1)
    server.execute(
        "INSERT INTO blnk.balance_snapshots (balance_id, ledger_id, balance, credit_balance, debit_balance, "
        "inflight_balance, inflight_credit_balance, inflight_debit_balance, currency, snapshot_time, created_at) "
        "SELECT balance_id, ledger_id, balance, credit_balance, debit_balance, inflight_balance, "
        "inflight_credit_balance, inflight_debit_balance, currency, now() - n * interval '1 second', now() "
        "FROM blnk.balances, generate_series(1, 3) AS n WHERE balance_id = %s",
        [balance_id],
    )
    server.execute(
        "UPDATE blnk.balances SET credit_balance = credit_balance + 7, balance = balance + 7 WHERE balance_id = %s",
        [balance_id],
    )
    explained = explain(measure([balance_id]))[balance_id]
    assert len([point for point in explained.history if point.source == "snapshot"]) >= 3
    assert explained.last_right_at is not None
