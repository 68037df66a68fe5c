"""The live proof seen from outside: routes, pages, metrics. What it finds is tested elsewhere."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from prometheus_client.parser import text_string_to_metric_families

from balances.keys import keyring
from balances.models import Balance, now
from reconciliation.alerting import exposition
from reconciliation.models import Break, Gap, Proof
from tests import world
from tests.client import Client
from tests.people import CASES, VIEW, signed_in

pytestmark = pytest.mark.django_db
LIVE = "admin:reconciliation_break_live"
BREAKS = "admin:reconciliation_break_changelist"


def broken(balance: Balance | None = None, **fields: Any) -> Break:
    """Write down what the live proof would have found."""
    target = balance or world.balance(indicator="@ben")
    given: dict[str, Any] = {
        "kind": Break.Kind.TOTAL_CHANGED,
        "state": Break.State.OPEN,
        "stream": 1,
        "position": 2**32 + Break.objects.count(),
        "xid": 745,
        "committed_at": now(),
        "credit_balance": 10**30,
        "balance": 10**30,
        "balance_id": target.pk,
        "indicator": target.indicator,
        "currency": target.currency,
        "author": {"database_user": "postgres", "client_address": "10.0.0.7", "application_name": "psql"},
    }
    return Break.objects.create(**(given | fields))


def proved(**fields: Any) -> None:
    given = {"state": Proof.State.PROVED, "seen_at": now(), "proved_until": now(), "since": now(), "commits": 7}
    Proof.objects.update_or_create(proof_id=Proof.ONLY, defaults=given | {"full_proof": world.sweep()} | fields)


# --- routes


@pytest.mark.parametrize("path", ["/proof", "/breaks", "/breaks/brk_1"])
def test_a_key_reaches_them_by_the_scope_of_reconstructions_alone(path: str) -> None:
    expected = 404 if path.endswith("_1") else 200
    assert Client(_key("reconstructions:read")).get(path).status == expected
    assert Client(_key("balances:read", "reconstructions:write")).get(path).status == 403
    assert Client("").get(path).status == 401


def _key(*scopes: str) -> str:
    key = keyring.issue(name="n", owner_id="o", scopes=scopes, expires_at=now() + timedelta(days=1))
    return str(key.plaintext)


@pytest.mark.parametrize("query", ["state=odd", "kind=odd", "limit=0", "limit=x", "offset=-1"])
def test_a_query_that_means_nothing_is_refused(api: Client, query: str) -> None:
    assert api.get(f"/breaks?{query}").status == 400


def test_nothing_set_up_is_grey_and_not_green(api: Client) -> None:
    answer = api.get("/proof")
    assert (answer.status, answer.body["green"], answer.body["light"], answer.body["state"]) == (
        200,
        False,
        "grey",
        "off",
    )


def test_green_is_said_only_while_commits_are_read_and_nothing_is_wrong(api: Client) -> None:
    proved()
    assert api.get("/proof").body["green"] is True
    found = broken()
    body = api.get("/proof").body
    assert (body["green"], body["light"], body["open_breaks"]) == (False, "red", 1)
    found.delete()
    proved(seen_at=now() - timedelta(minutes=2))
    assert api.get("/proof").body["light"] == "amber"


def test_a_break_is_read_by_id_and_listed_by_balance_kind_and_state(api: Client) -> None:
    first, other = broken(), broken(world.balance(), state=Break.State.SETTLED, kind=Break.Kind.MISMATCH)
    body = api.get(f"/breaks/{first.pk}").body
    assert body["drift"] == dict.fromkeys(body["drift"], "0") | {
        "credit_balance": f"1{'0' * 30}",
        "balance": f"1{'0' * 30}",
    }
    assert (body["lsn"], body["xid"], body["author"]["client_address"]) == ("1/0", 745, "10.0.0.7")
    assert "by database user postgres from 10.0.0.7 through psql" in body["sentence"]
    for query, expected in (
        ("", {first.pk, other.pk}),
        (f"?balance_id={first.balance_id}", {first.pk}),
        ("?state=settled", {other.pk}),
        ("?kind=mismatch&kind=total_changed", {first.pk, other.pk}),
        ("?state=corrected", set()),
    ):
        assert {each["break_id"] for each in api.get(f"/breaks{query}").body} == expected


# --- pages


def test_whoever_may_see_no_findings_may_not_follow_the_state() -> None:
    assert signed_in(*VIEW).get(reverse(LIVE)).status_code == 403
    assert signed_in(*VIEW).get(reverse(BREAKS)).status_code == 403


def test_a_page_follows_the_state_by_an_address_that_costs_few_queries() -> None:
    proved()
    client = signed_in(*CASES)
    assert reverse(LIVE) in client.get(reverse("admin:index")).content.decode()
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(reverse(LIVE))
    assert len(queries) <= 9
    assert "ledger-light-green" in answer.content.decode()
    assert "<html" not in answer.content.decode()


def test_the_pages_of_breaks_show_what_happened_and_lead_to_the_balance() -> None:
    row = "txn_1"
    found = broken(rows=[{"transaction_id": row, "change": "added"}], row_count=3, details={"odd <b>": "x"})
    client = signed_in(*VIEW, *CASES, "view_break")
    assert "@ben" in client.get(reverse(BREAKS)).content.decode()
    page = client.get(reverse("admin:reconciliation_break_change", args=[found.pk])).content.decode()
    assert "Totals changed without a transaction" in page
    assert reverse("admin:balances_balance_change", args=[found.balance_id]) in page
    assert reverse("admin:balances_transaction_change", args=[row]) in page
    assert "and 2 more" in page
    assert "odd &lt;b&gt;" in page
    balance = reverse("admin:balances_balance_change", args=[found.balance_id])
    assert reverse("admin:reconciliation_break_change", args=[found.pk]) in client.get(balance).content.decode()
    assert 'id="breaks"' not in signed_in(*VIEW, *CASES).get(balance).content.decode()


def test_a_break_of_a_whole_table_has_a_page() -> None:
    found = broken(kind=Break.Kind.TRUNCATED, balance_id="", indicator=None, credit_balance=0, balance=0, author={})
    client = signed_in(*VIEW, *CASES, "view_break")
    for url in (reverse(BREAKS), reverse("admin:reconciliation_break_change", args=[found.pk])):
        assert "Table emptied" in client.get(url).content.decode()


# --- metrics


def samples() -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(exposition().decode())
        for sample in family.samples
    }


def test_prometheus_reads_lag_commits_breaks_and_state() -> None:
    assert samples()[("ledger_live_proof_lag_seconds",)] == float("inf")
    proved(behind=512, kept=4096, commits_ever=99, proved_until=now() - timedelta(seconds=5))
    broken()
    broken(world.balance(), state=Break.State.WAITING)
    broken(world.balance(), state=Break.State.CORRECTED, closed_at=now())
    Gap.objects.create(started_at=now(), stream=1, position=1, reason="the slot is gone")
    read = samples()
    assert read[("ledger_live_proof_state", "proved")] == 1
    assert read[("ledger_live_proof_state", "off")] == 0
    assert 5 <= read[("ledger_live_proof_lag_seconds",)] < 60
    assert read[("ledger_live_proof_lag_bytes",)] == 512
    assert read[("ledger_live_proof_kept_bytes",)] == 4096
    assert read[("ledger_live_proof_commits",)] == 99
    assert (read[("ledger_breaks", "open")], read[("ledger_breaks", "waiting")]) == (1, 1)
    assert read[("ledger_live_proof_gaps",)] == 1
