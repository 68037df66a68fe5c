"""The first page: what it says of the whole ledger, and to whom."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import strip_tags

from balances.models import Balance, now
from reconciliation.correcting import Choice, Proposal, apply, approve, propose
from reconciliation.models import Origin, Plan, PostingHour, Proof, Sweep
from reconciliation.overview import Age, count_hours, hours, posting_hours, volumes
from tests import world
from tests.people import CASES, VIEW, person, signed_in

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
EVERYTHING = (*VIEW, *CASES, "view_alert", "view_entry", "view_delivery", "run_sweep", "approve_plan", "apply_plan")


def home(client: Client | None = None) -> str:
    answer = (client or signed_in(*EVERYTHING)).get(reverse("admin:index"))
    assert answer.status_code == 200
    return str(answer.content.decode())


def words(page: str, part: str) -> str:
    """Return the words of one panel."""
    found = re.search(rf'<section[^>]*id="{part}">(.*?)</section>', page, re.DOTALL)
    assert found, part
    return " ".join(strip_tags(found[1]).split())


def proved(*found: Balance) -> Sweep:
    """Write down a finished sweep of everything that found these balances."""
    ended = {"started_at": now(), "finished_at": now(), "measured": 2, "total": 2, "drifted": len(found)}
    sweep = world.sweep(**ended)
    for each in found:
        world.finding(each, sweep, found_at=now() - HOUR, explained_at=now(), cause="unexplained", unexplained=1)
    return sweep


def wrong(units: int = 252_300, **fields: Any) -> Balance:
    balance = world.balance(**fields)
    world.post("@payer", balance, 1000, currency=balance.currency, precision=100)
    world.drift(balance, credit=units)
    return balance


# --- who sees what


def test_whoever_may_see_no_list_sees_no_figure_of_it() -> None:
    proved(wrong())
    page = home(signed_in("view_ledger"))
    for part in ("health", "waiting", "stuck", "sweeps", "drift", "trial-balance", "corrections", "volume"):
        assert f'id="{part}"' not in page


def test_the_sidebar_counts_the_plans_that_wait_for_the_user() -> None:
    asked = Proposal(actor="alice", origin=Origin.ADMIN, reason="x")
    propose(Choice(balance_ids=(wrong().pk,)), asked)
    propose(Choice(balance_ids=(wrong().pk,)), asked)
    badge = re.compile(r"Plans\s*</span>\s*<[^>]*>\s*2\b|Plans.{0,400}?>\s*2\s*<", re.DOTALL)
    assert badge.search(home())
    assert not badge.search(home(signed_in(*VIEW, *CASES)))


def test_a_plan_does_not_wait_for_whoever_proposed_it_or_may_not_decide() -> None:
    alice = person(*EVERYTHING)
    asked = Proposal(actor=alice.username, origin=Origin.ADMIN, reason="month end", ticket="OPS-1")
    plan = propose(Choice(balance_ids=(wrong().pk,)), asked)
    own = Client()
    own.force_login(alice)
    assert "No plan waits for you" in words(home(own), "waiting")
    assert "No plan waits for you" in words(home(signed_in(*VIEW, *CASES)), "waiting")
    said = words(home(), "waiting")
    assert f"asked by {alice.username}" in said
    assert "month end" in said
    approve(plan.pk, "bob", Origin.ADMIN)
    assert words(home(), "waiting").startswith("Waiting for you Apply")
    Plan.objects.update(state=Plan.State.REJECTED)
    assert "No plan waits for you" in words(home(), "waiting")


# --- is the ledger right?


def test_a_ledger_that_was_never_swept_is_not_called_right() -> None:
    world.balance()
    assert words(home(), "health").startswith("Not proved: no sweep of all balances has finished yet.")


def test_a_proof_of_a_part_does_not_make_the_whole_right() -> None:
    balance = world.balance()
    scope = {"balance_ids": [balance.pk]}
    world.sweep(scope=scope, started_at=now(), finished_at=now(), measured=1, total=1)
    assert words(home(), "health").startswith("Not proved")


def test_it_says_that_everything_adds_up_and_since_when() -> None:
    world.post("@payer", world.balance(), 1000)
    proved()
    assert re.match(r"Everything adds up\. Proved ([\d.]+ s ago|just now)\.", words(home(), "health"))


def test_it_says_how_many_are_wrong_by_how_much_and_how_many_unexplained() -> None:
    proved(wrong(currency="DEM"), wrong(100, currency="DEM"))
    count_hours(now())
    assert words(home(), "health").startswith("2 balances are wrong, 2,524.00 DEM, 2 unexplained.")


def test_where_the_precision_is_unknown_amounts_are_called_minor_units() -> None:
    proved(wrong(currency="DEM"))
    assert "252,300 minor units of DEM" in words(home(), "health")


def test_a_correction_takes_a_balance_off_the_page_at_once() -> None:
    balance = wrong()
    proved(balance)
    asked = Proposal(actor="alice", origin=Origin.API, reason="x")
    plan = propose(Choice(balance_ids=(balance.pk,)), asked)
    apply(approve(plan.pk, "bob", Origin.API).pk, "alice", Origin.API)
    page = home()
    assert "wrong" not in words(page, "health")
    assert "-252,300 minor units of USD" in words(page, "corrections")


def test_every_count_opens_the_findings_that_it_counts() -> None:
    old = wrong(5)
    sweep = proved(wrong(), old)
    sweep.findings.filter(balance_id=old.pk).update(first_wrong_at=now() - timedelta(days=9))
    client = signed_in(*EVERYTHING)
    page = home(client)
    links = re.findall(r'href="(/admin/reconciliation/finding/\?age=[^"]+)">(\d+)<', page)
    assert len(links) == 2
    assert {"within a day", "within 30 days"} == {
        age for age in Age if any(age.replace(" ", "%20") in link for link, _ in links)
    }
    for link, count in links:
        answer = client.get(link.replace("&amp;", "&"))
        assert answer.context["cl"].result_count == int(count)


def test_the_count_of_what_waits_for_a_cause_opens_that_alone() -> None:
    waiting, explained = wrong(), wrong(5)
    sweep = proved(waiting, explained)
    sweep.findings.filter(balance_id=waiting.pk).update(explained_at=None, cause="", unexplained=0)
    client = signed_in(*EVERYTHING)
    (link,) = re.findall(r'href="(/admin/reconciliation/finding/\?cause=waits)">1<', home(client))
    assert client.get(link).context["cl"].result_count == 1


def test_the_page_takes_few_queries_however_much_is_wrong() -> None:
    client = signed_in(*EVERYTHING)
    home(client)
    for number in range(12):
        world.finding(wrong(number + 1))
    at = now()
    Proof.objects.update_or_create(
        defaults={"state": Proof.State.PROVED, "full_proof": world.sweep(), "proved_until": at, "seen_at": at}
    )
    with CaptureQueriesContext(connection) as queries:
        assert "12 balances drift since before the full proof" in home(client)
    assert len(queries) <= 20, [each["sql"][:100] for each in queries]


# --- hours


def test_hours_are_counted_once_and_the_newest_again() -> None:
    at = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)
    balance = world.balance(currency="DEM")
    payer = world.balance(currency="DEM")
    world.row("APPLIED", 700, payer, balance, currency="DEM", created_at=at - 30 * HOUR)
    world.row("INFLIGHT", 900, payer, balance, currency="DEM", created_at=at - 30 * HOUR)
    count_hours(at)
    assert len(posting_hours()) == 2 + hours.COUNTED_AT_ONCE
    assert volumes(posting_hours()) == []
    count_hours(at)
    assert [(each.currency, each.postings, each.units, each.precision) for each in volumes(posting_hours())] == [
        ("DEM", 1, 700, 100)
    ]
    world.row("APPLIED", 5, payer, balance, currency="DEM", created_at=at, precision=1000)
    world.row("APPLIED", 40, payer, balance, currency="DEM", created_at=at - 30 * HOUR, precision=1000)
    count_hours(at)
    (found,) = volumes(posting_hours())
    assert (found.postings, found.units, found.precision) == (2, 705, None)
    PostingHour.objects.update(counted_at=at - timedelta(days=2))
    count_hours(at)
    count_hours(at)
    assert volumes(posting_hours())[0].units == 745


def test_a_month_is_kept_and_no_more() -> None:
    at = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)
    PostingHour.objects.create(hour=at - timedelta(days=31), figures={}, counted_at=at)
    for _ in range(40):
        count_hours(at)
    kept = posting_hours()
    assert len(kept) == hours.KEPT_HOURS
    assert kept[0].hour == datetime(2026, 10, 31, 13, tzinfo=UTC)
