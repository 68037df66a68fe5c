"""Findings and incidents in the back-office, and what the page of a balance says of them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from balances.models import Balance
from reconciliation.correcting.rebuilding import reconstruct
from reconciliation.explaining.causes import CAUSES
from reconciliation.explaining.service import explain_findings
from reconciliation.models import Finding, Incident, Sweep
from reconciliation.sweeping.incidents import group_incidents
from reconciliation.sweeping.open_findings import supersede
from tests import world
from tests.people import CASES, VIEW, signed_in

pytestmark = pytest.mark.django_db
FINDINGS, INCIDENTS = "admin:reconciliation_finding_changelist", "admin:reconciliation_incident_changelist"
EVIL = "<script>alert(1)</script>"


def page_of(row: Any, *codenames: str) -> str:
    view = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    answer = signed_in(*VIEW, *CASES, *codenames).get(reverse(view, args=[row.pk]))
    assert answer.status_code == 200
    return str(answer.content.decode())


def listed(view: str, **given: str) -> set[Any]:
    return set(signed_in(*CASES).get(reverse(view), given).context["cl"].result_list)


def wrong(credit: int = 7, **fields: Any) -> Balance:
    balance = world.balance(**fields)
    world.post("@payer", balance, 1000, currency=balance.currency)
    world.drift(balance, credit=credit)
    return balance


def explained(*balances: Balance) -> tuple[Sweep, list[Finding]]:
    """Sweep balances, explain what was found and group it."""
    sweep = world.sweep(drifted=len(balances))
    found = [world.finding(each, sweep) for each in balances]
    explain_findings(sweep.pk)
    group_incidents(sweep.pk)
    return sweep, [Finding.objects.get(pk=each.pk) for each in found]


# --- refused


@pytest.mark.parametrize("what", ["add", "change", "delete"])
@pytest.mark.parametrize("model", ["finding", "incident"])
def test_nobody_writes_findings_or_incidents_by_hand(what: str, model: str) -> None:
    sweep, (found,) = explained(wrong())
    incident = Incident.objects.create(sweep=sweep, cause="rounding", title="t", balances=1)
    row = found if model == "finding" else incident
    client = signed_in(*CASES, f"add_{model}", f"change_{model}", f"delete_{model}")
    url = reverse(f"admin:reconciliation_{model}_{what}", args=() if what == "add" else (row.pk,))
    assert client.post(url, {"title": "another", "post": "yes"}).status_code == 403


@pytest.mark.parametrize("view", [FINDINGS, INCIDENTS])
def test_lists_are_closed_to_those_who_may_not_look(view: str) -> None:
    assert signed_in("view_balance", "propose_plan").get(reverse(view)).status_code == 403


def test_unknown_ids_and_odd_addresses_are_answered() -> None:
    client = signed_in(*CASES)
    for model in ("finding", "incident", "sweep", "plan", "refusal", "step", "seal", "balanceedit", "transactionedit"):
        url = reverse(f"admin:reconciliation_{model}_change", args=["nothing"])
        assert client.get(url).status_code == 404
        assert client.get(f"/admin/reconciliation/{model}/%00/change/").status_code == 400
    for query in (
        "sweep=swp_x",
        "incident=x&ledger=y",
        "cause=nonsense",
        "explained=maybe",
        "drifted__exact=x",
        "q=%27",
    ):
        assert client.get(f"{reverse(FINDINGS)}?{query}").status_code in (200, 302)
    assert client.get(f"{reverse(FINDINGS)}?q=%00").status_code == 400


# --- findings


@pytest.mark.django_db(transaction=True)  # the journal's clock is the transaction's
def test_the_page_shows_both_totals_why_how_sure_and_the_rows() -> None:
    alice = wrong(10**20, indicator="@alice")
    row = world.row("APPLIED", 300, world.balance(), bob := wrong(0))
    _, (first, second) = explained(alice, bob)
    page = page_of(first)
    edited = first.explanations[0]
    for text in (str(10**20 + 1000), ">1000<", CAUSES[edited["cause"]].title, "database user", "Certain", "Evidence"):
        assert text in page
    assert f'explained <span class="money"><span class="money"><span class="money-minor">{10**20}</span>' in page
    page = page_of(second)
    assert reverse("admin:balances_transaction_change", args=[row.pk]) in page
    assert f"unexplained {second.unexplained}" in page


def test_the_page_says_since_when_and_which_rows_were_written_in_between() -> None:
    alice = wrong()
    moments = {"last_right_at": datetime(2020, 1, 31, tzinfo=UTC), "first_wrong_at": datetime(2099, 1, 1, tzinfo=UTC)}
    page = page_of(world.finding(alice, **moments))
    panel = page.split('id="since-when"')[1].split("</section>")[0]
    assert "Right at <strong>2020-01-31 00:00:00</strong>, wrong at <strong>2099-01-01 00:00:00</strong>" in panel
    assert "These are the last rows written in between." in panel
    assert ">1000<" in panel
    moments["first_wrong_at"] = datetime(2020, 2, 1, tzinfo=UTC)
    assert "No row was written in between." in page_of(world.finding(alice, **moments))
    assert "Not explained yet." in page


def test_faults_and_what_could_not_be_proved_are_told_by_the_title_of_the_check() -> None:
    fault = {"check": "negative_side", "detail": f"below {EVIL}", "rows": ["txn_a", "txn_b"]}
    page = page_of(world.finding(wrong(0), faults=[fault], not_proved=[{"check": "gone", "detail": "why", "rows": []}]))
    assert "A side is below zero" in page
    assert EVIL not in page
    assert reverse("admin:balances_transaction_change", args=["txn_b"]) in page
    assert 'id="not-proved"' in page
    assert 'id="why"' not in page


def test_totals_that_are_no_number_are_shown_as_they_are() -> None:
    balance = wrong()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE balances SET credit_balance = 'NaN', balance = 'NaN' WHERE balance_id = %s", [balance.pk]
        )
    finding = world.finding(
        balance, drifted=False, not_proved=[{"check": "unreadable_totals", "detail": "x", "rows": []}]
    )
    assert Decimal(finding.previous_credit_balance).is_nan()
    for page in (page_of(finding), signed_in(*CASES).get(reverse(FINDINGS)).content.decode(), page_of(balance)):
        assert "NaN" in page


@pytest.mark.django_db(transaction=True)  # the journal's clock is the transaction's
def test_the_list_is_of_what_is_open_unless_something_else_is_asked_for() -> None:
    old, (before,) = explained(alice := wrong(indicator="@alice"))
    Sweep.objects.filter(pk=old.pk).update(requested_at=datetime(2020, 1, 1, tzinfo=UTC))
    newest, (now_wrong, other) = explained(alice, wrong(5, currency="EUR"))
    supersede(newest, measured_at=now_wrong.found_at, through=max(now_wrong.balance_id, other.balance_id))
    for given, found in (
        ({}, {now_wrong, other}),
        ({"sweep": old.pk}, {before}),
        ({"sweep": "swp_x"}, set()),
        ({"q": alice.pk}, {before, now_wrong}),
        ({"q": "alice"}, {before, now_wrong}),
        ({"q": before.pk}, {before}),
        ({"currency": "EUR"}, {other}),
        ({"ledger": other.ledger_id}, {other}),
        ({"cause": now_wrong.cause}, {now_wrong, other}),
        ({"cause": "rounding"}, set()),
        ({"explained": "yes"}, {now_wrong, other}),
        ({"explained": "no"}, set()),
        ({"drifted__exact": "0"}, set()),
        ({"incident": "inc_x"}, set()),
    ):
        assert listed(FINDINGS, **given) == found, given


def test_the_list_and_the_page_ask_as_often_for_many_findings_as_for_one() -> None:
    sweep, (found,) = explained(wrong())
    client = signed_in(*VIEW, *CASES, "propose_plan")
    urls = (reverse(FINDINGS), reverse("admin:reconciliation_finding_change", args=[found.pk]))
    counts = []
    for _ in range(2):
        for url in urls:
            client.get(url)
        with CaptureQueriesContext(connection) as captured:
            for url in urls:
                client.get(url)
        counts.append(len(captured))
        for _ in range(4):
            world.finding(wrong(), sweep)
    assert counts[0] == counts[1]


def test_the_list_of_a_sweep_reads_its_index() -> None:
    sweep = world.sweep()
    for _ in range(3):
        world.finding(wrong(), sweep)
    rows = signed_in(*CASES).get(reverse(FINDINGS), {"sweep": sweep.pk}).context["cl"].queryset
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
    plan = rows.values("pk")[:50].explain()
    assert "found_once_a_sweep" in plan
    assert "Sort" not in plan
    assert "Join" not in plan


def test_the_list_of_what_is_open_reads_its_index() -> None:
    for _ in range(3):
        world.finding(wrong())
    rows = signed_in(*CASES).get(reverse(FINDINGS)).context["cl"].queryset
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "findings_open" in rows.values("pk")[:50].explain()


def test_hostile_names_and_evidence_are_shown_as_text() -> None:
    finding = world.finding(
        wrong(indicator=f"@{EVIL}"),
        cause=EVIL,
        explanations=[
            {"cause": EVIL, "sentence": EVIL, "rows": ["a/b?c"], "explains": 7, "certainty": EVIL, "alternatives": 2}
            | {"evidence": {EVIL: EVIL * 500}}
        ],
    )
    Finding.objects.update(ledger_name=EVIL)
    page = page_of(finding)
    assert EVIL not in page
    assert "2 other readings fit the same drift" in page
    assert len(page) < 200_000
    assert EVIL not in signed_in(*CASES).get(reverse(FINDINGS)).content.decode()


# --- incidents


def test_an_incident_shows_what_its_findings_share() -> None:
    _, found = explained(wrong(10**20), wrong(10**20))
    incident = Incident.objects.get()
    page = page_of(incident, "propose_plan")
    for text in (incident.title, CAUSES[incident.cause].description.split("'")[0], str(2 * 10**20), "Propose plan"):
        assert text in page
    for each in found:
        assert reverse("admin:reconciliation_finding_change", args=[each.pk]) in page
    assert f"{reverse(FINDINGS)}?incident={incident.pk}" in page
    assert listed(FINDINGS, incident=incident.pk) == set(found)
    assert listed(INCIDENTS) == listed(INCIDENTS, cause=incident.cause) == {incident}
    assert listed(INCIDENTS, sweep="swp_x") == set()


def test_incidents_ask_as_often_for_many_as_for_one_and_show_some_of_their_findings(monkeypatch: Any) -> None:
    monkeypatch.setattr("reconciliation.backoffice.findings.SHOWN_FINDINGS", 3)
    sweep, _ = explained(wrong(), wrong())
    incident = Incident.objects.get()
    client = signed_in(*VIEW, *CASES)
    urls = (reverse(INCIDENTS), reverse("admin:reconciliation_incident_change", args=[incident.pk]))
    counts = []
    for _ in range(2):
        for url in urls:
            client.get(url)
        with CaptureQueriesContext(connection) as captured:
            answers = [client.get(url) for url in urls]
        counts.append(len(captured))
        drift = {EVIL: 5, "a": 1, "b": 2, "c": 3}
        for _ in range(4):
            Incident.objects.create(sweep=sweep, cause=EVIL, title=EVIL, balances=1, drift=drift)
            world.finding(wrong(), sweep, incident=incident)
    assert counts[0] == counts[1]
    assert len(answers[1].context["findings"]) == 3
    assert EVIL not in answers[0].content.decode()
    assert "and 1 more currencies" in answers[0].content.decode()


# --- the page of a balance


@pytest.mark.django_db(transaction=True)  # the journal's clock is the transaction's
def test_the_page_of_a_balance_says_why_since_when_and_whether_somebody_corrected_it() -> None:
    alice = wrong(-7)
    assert "No sweep has found anything about this balance." in page_of(alice)
    _, (found,) = explained(alice)
    panel = page_of(alice).split('id="newest-finding"')[1].split("</section>")[0]
    assert reverse("admin:reconciliation_finding_change", args=[found.pk]) in panel
    assert "Open: as it was found, a correction would add" in panel
    assert ">+7<" in panel
    assert found.explanations[0]["sentence"][:20] in panel
    type(found).objects.filter(pk=found.pk).update(found_at=datetime(2020, 1, 1, tzinfo=UTC))
    reconstruct(alice.pk, world.request())
    assert "Corrected since." in page_of(alice)


def test_the_page_of_a_balance_shows_its_edits_and_snapshots_to_those_who_may_see_them() -> None:
    from balances.history.snapshots import take_snapshots

    alice = wrong(10**20)
    take_snapshots()
    page = page_of(alice)
    edits = page.split('id="edits"')[1].split("</section>")[0]
    assert f"credit 1000 → {10**20 + 1000}" in edits
    assert "ledger-backoffice" in edits
    snapshots = page.split('id="snapshots"')[1].split("</section>")[0]
    assert str(10**20 + 1000) in snapshots
    url = reverse("admin:balances_balance_change", args=[alice.pk])
    page = signed_in(*VIEW).get(url).content.decode()
    assert not [panel for panel in ("newest-finding", "edits", "snapshots") if f'id="{panel}"' in page]
