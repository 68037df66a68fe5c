"""Who looks at a finding and until when, and what is said of it: it stays with the case from sweep to sweep."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from balances.models import now
from reconciliation.casework import assign, with_assignment, write_note
from reconciliation.casework.accepting import FindingNotFound
from reconciliation.casework.assigning import LONGEST_NOTE, CannotLook, NothingSaid
from reconciliation.correcting import ReasonTooLong
from reconciliation.correcting.rebuilding import reconstruct
from reconciliation.models import Assignment, Finding, Note
from reconciliation.sweeping.open_findings import supersede
from tests import world
from tests.people import CASES, VIEW, person, signed_in
from tests.reconciliation.test_finding_states import found_by, wrong

pytestmark = pytest.mark.django_db(transaction=True)
FINDINGS = "admin:reconciliation_finding_changelist"
YESTERDAY = date(2020, 1, 31)


def held(finding: Finding) -> tuple[str | None, date | None]:
    found: tuple[str | None, date | None] = (
        with_assignment(Finding.objects.filter(pk=finding.pk)).values_list("assignee", "due_on").get()
    )
    return found


# --- refused


def test_a_finding_is_assigned_only_to_staff_who_may_see_it() -> None:
    finding = found_by(world.sweep(), wrong())
    gone = person("view_finding")
    type(gone).objects.filter(pk=gone.pk).update(is_active=False)
    for name in ("no one of that name", person("view_ledger").username, gone.username):
        with pytest.raises(CannotLook):
            assign(finding.pk, "alice", name)
    with pytest.raises(FindingNotFound):
        assign("fnd_nothing", "alice", "")
    assert not Assignment.objects.exists()


@pytest.mark.parametrize(
    ("text", "refusal"), [("", NothingSaid), (" \n", NothingSaid), ("x" * (LONGEST_NOTE + 1), ReasonTooLong)]
)
def test_a_note_says_something_and_not_too_much(text: str, refusal: type[Exception]) -> None:
    finding = found_by(world.sweep(), wrong())
    with pytest.raises(refusal):
        write_note(finding.pk, "alice", text)
    with pytest.raises(FindingNotFound):
        write_note("fnd_nothing", "alice", "why")


def test_without_the_permission_no_one_assigns_or_writes() -> None:
    finding = found_by(world.sweep(), wrong())
    looking = signed_in(*VIEW, *CASES, "accept_finding", "propose_plan")
    for name, sent in (("assign", {"assignee": ""}), ("note", {"text": "x"})):
        url = reverse(f"admin:reconciliation_finding_{name}", args=[finding.pk])
        assert looking.post(url, sent).status_code == 403
        assert looking.get(url).status_code == 405
    assert not Assignment.objects.exists()
    assert not Note.objects.exists()


def test_what_was_said_stays_as_it_was_in_sql_as_well() -> None:
    finding = found_by(world.sweep(), wrong())
    write_note(finding.pk, "alice", "a note")
    assign(finding.pk, "alice", "")
    for table, column in (("note", "text"), ("assignment", "assignee")):
        for statement in (
            f"UPDATE reconciliation_{table} SET {column} = 'x'",
            f"DELETE FROM reconciliation_{table}",
        ):
            with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
                connection.cursor().execute(statement)


# --- assigned


def test_an_assignment_goes_on_with_the_case_and_ends_with_it() -> None:
    alice, ann = wrong(), person("view_finding")
    first = found_by(world.sweep(), alice)
    assign(first.pk, "bob", ann.username, YESTERDAY)
    world.drift(alice, credit=5)
    second = found_by(world.sweep(), alice)
    assert held(first) == held(second) == (ann.username, YESTERDAY)
    assign(second.pk, "bob", "")
    assert held(second) == ("", None)
    assign(second.pk, "bob", ann.username)
    supersede(world.sweep(), measured_at=now(), through=alice.pk, balance_ids=[alice.pk])  # found nothing
    third = found_by(world.sweep(), alice)
    assert held(third) == (None, None)
    assign(third.pk, "bob", ann.username)
    reconstruct(alice.pk, world.request())
    world.drift(alice, credit=9)
    assert held(found_by(world.sweep(), alice)) == (None, None)


def listed(client: Client, **given: str) -> set[str]:
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(reverse(FINDINGS), given)
    assert len(queries) <= 20
    return {each.pk for each in answer.context["cl"].result_list}


def test_the_list_shows_what_is_mine_overdue_or_no_ones() -> None:
    swept, ann = world.sweep(), person(*VIEW, *CASES)
    mine, late, theirs, free = (found_by(swept, wrong(number)).pk for number in (1, 2, 3, 4))
    assign(mine, "bob", ann.username, (now() + timedelta(days=2)).date())
    assign(late, "bob", ann.username, YESTERDAY)
    assign(theirs, "bob", person("view_finding").username, YESTERDAY)
    client = Client()
    client.force_login(ann)
    assert listed(client) == {mine, late, theirs, free}
    assert listed(client, assigned="me") == {mine, late}
    assert listed(client, assigned="none") == {free}
    assert listed(client, due="overdue") == {late, theirs}
    assert listed(client, assigned="me", due="overdue") == {late}
    assert listed(client, assigned="nonsense", due="nonsense") == {mine, late, theirs, free}
    home = client.get(reverse("admin:index")).content.decode()
    assert '?assigned=me">2 open findings</a>' in home
    assert ">1 overdue</a>" in home


def test_a_finding_is_assigned_and_talked_about_on_its_page() -> None:
    alice = wrong()
    finding = found_by(world.sweep(), alice)
    ann = person(*VIEW, *CASES, "assign_finding")
    client = Client()
    client.force_login(ann)

    def press(name: str, **sent: Any) -> str:
        url = reverse(f"admin:reconciliation_finding_{name}", args=[finding.pk])
        return str(client.post(url, sent, follow=True).content.decode())

    assert "Due: Enter a valid date" in press("assign", assignee=ann.username, due_on="soon")
    assert "Select a valid choice" in press("assign", assignee="no one at all")
    assert "A note says something" in press("note", text=" ")
    assert not Assignment.objects.exists()
    page = press("assign", assignee=ann.username, due_on="2030-02-01")
    assert f"{ann.username} looks at it now." in page
    assert f"<span>{ann.username}, due 2030-02-01</span>" in page
    page = press("note", text="asked the <bank>")
    assert "asked the &lt;bank&gt;" in page
    later = found_by(world.sweep(), alice)
    with CaptureQueriesContext(connection) as queries:
        page = client.get(reverse("admin:reconciliation_finding_change", args=[later.pk])).content.decode()
    assert len(queries) <= 20
    assert "asked the &lt;bank&gt;" in page
    assert f"<span>{ann.username}, due 2030-02-01</span>" in page
    assert "No one is assigned now." in press("assign", assignee="", due_on="")
