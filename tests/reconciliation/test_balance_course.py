"""The course of a balance: stored beside recalculated over time, drawn by the server in whole numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse

from balances.ground import ReadTimedOut
from balances.history.snapshots import take_snapshots
from balances.models import Balance, now
from reconciliation.backoffice.balance_course import HEIGHT, WIDTH, Scale
from reconciliation.correcting.rebuilding import reconstruct
from reconciliation.overview import Source, course
from tests import world
from tests.people import CASES, VIEW, signed_in

pytestmark = pytest.mark.django_db(transaction=True)
PART = {"HX-Request": "true"}
ALL = {"findings": True, "edits": True, "snapshots": True}
LONG = int("1234567890" * 4)


def url(balance: Balance) -> str:
    return reverse("admin:balances_balance_course", args=[balance.pk])


def shown(balance: Balance, *codenames: str) -> str:
    answer = signed_in(*VIEW, *codenames).get(url(balance), headers=PART)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.fixture
def alice() -> Balance:
    """Return a balance that had a snapshot, then drifted, was found, and was corrected."""
    owner = world.ledger()
    alice = world.balance(owner, indicator="@alice")
    world.row("APPLIED", 70_000, world.balance(owner), alice, created_at=now() - timedelta(days=2))
    world.drift(alice, credit=70_000)
    take_snapshots()
    world.drift(alice, credit=4_200)
    world.finding(alice)
    reconstruct(alice.pk, world.request())
    return alice


# --- refused


def test_the_course_is_closed_to_who_may_not_see_balances_and_transactions(alice: Balance) -> None:
    for codenames in ((), ("view_balance",), ("view_transaction",), CASES):
        assert signed_in(*codenames).get(url(alice)).status_code == 403


def test_what_somebody_may_not_see_elsewhere_is_not_in_it(alice: Balance) -> None:
    sources = {each.source for each in course(alice.pk, findings=False, edits=False, snapshots=False).moments}
    assert sources == {Source.RECORD, Source.CORRECTION, Source.NOW}
    page = shown(alice)
    assert "Finding of a sweep" not in page
    assert "Daily snapshot" not in page
    assert "edit past the posting path" not in page
    everything = shown(alice, *CASES)
    assert "Finding of a sweep" in everything
    assert "Daily snapshot" in everything
    assert "edit past the posting path" in everything


def test_a_balance_too_large_to_be_summed_up_is_drawn_without_its_snapshots(
    alice: Balance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*given: Any) -> Any:
        raise ReadTimedOut(2)

    monkeypatch.setattr("reconciliation.overview.over_time.measure", slow)
    page = shown(alice, *CASES)
    assert "summing them up took too long" in page
    assert "Correction" in page


# --- shown


def test_stored_and_recalculated_part_where_they_first_differ(alice: Balance) -> None:
    found = course(alice.pk, **ALL)
    assert [(each.source, each.stored, each.recalculated) for each in found.moments] == [
        (Source.SNAPSHOT, 70_000, 70_000),
        (Source.FINDING, 74_200, 70_000),
        (Source.RECORD, 74_200, 70_000),
        (Source.CORRECTION, 70_000, 70_000),
        (Source.NOW, 70_000, 70_000),
    ]
    snapshot, finding = found.moments[:2]
    assert found.partings == [(snapshot.at, finding.at)]
    assert len(found.edits) == 2  # world.drift() is an edit past the posting path
    page = shown(alice, *CASES)
    assert f"part at {finding.at:%Y-%m-%d %H:%M:%S} UTC" in page
    assert "They agree now." in page
    assert page.count('class="ledger-course-parting"') == 1
    assert page.count('class="ledger-course-snapshot"') == 1
    assert page.count('class="ledger-course-correction"') == 1


def test_the_picture_says_in_words_and_as_a_table_what_it_shows(alice: Balance) -> None:
    page = shown(alice, *CASES)
    assert 'role="img" aria-label="Stored and recalculated part at' in page
    assert "The newest 5 moments as a table" in page
    assert 'title="4200 minor units">42.00<' in page
    assert "<style" not in page
    assert " style=" not in page


def test_a_balance_without_a_past_says_what_keeps_one() -> None:
    alice = world.balance()
    page = shown(alice, *CASES)
    assert "agree at each of these moments" in page
    assert "<svg" not in page


def test_forty_digits_are_placed_exactly() -> None:
    first = datetime(2026, 1, 1, tzinfo=UTC)
    scale = Scale(first, first + timedelta(days=2), LONG, LONG + 10)
    assert (scale.x(first), scale.x(first + timedelta(days=1)), scale.x(first + timedelta(days=2))) == (
        0,
        WIDTH // 2,
        WIDTH,
    )
    assert scale.y(LONG + 5) == HEIGHT // 2
    flat = Scale(first, first, LONG, LONG)
    assert isinstance(flat.x(first), int)
    assert isinstance(flat.y(LONG), int)
