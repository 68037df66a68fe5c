"""Work on balances, transactions, findings, incidents and plans: for those who may see them, and on record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from balances.books import Share
from balances.instructing import Amount, Payment, Person, ask, ask_plan, look
from balances.models import new_hold_plan_id, new_instruction_id, now
from reconciliation.casework import Case, board, case_of, mentions_of, move, say
from reconciliation.casework.assigning import LONGEST_NOTE, CannotLook, NothingSaid
from reconciliation.casework.cases import SubjectNotFound, UnknownState
from reconciliation.casework.mentioning import mail_mention
from reconciliation.correcting import ReasonTooLong
from reconciliation.models import Assignment, Incident, Note, Plan
from tests import world
from tests.people import person, signed_in
from tests.reconciliation.test_finding_states import found_by, wrong

pytestmark = pytest.mark.django_db(transaction=True)
BOARD, NOTES = "admin:reconciliation_assignment_changelist", "admin:reconciliation_note_changelist"
YESTERDAY = date(2020, 1, 31)


def incident() -> Incident:
    return Incident.objects.create(sweep_id=world.sweep().pk, cause="lost_update", title="Two", balances=2, drift={})


def plan() -> Plan:
    return Plan.objects.create(
        actor="alice", origin="command", reason="x", drift={}, balances=0, state="proposed", needs_approval=False
    )


SUBJECTS: dict[str, tuple[str, Callable[[], Any]]] = {
    "balance": ("balances_balance", world.balance),
    "transaction": ("balances_transaction", lambda: world.post("@world", world.balance(), 5)),
    "incident": ("reconciliation_incident", incident),
    "plan": ("reconciliation_plan", plan),
}


@pytest.fixture(params=SUBJECTS)
def subject(request: pytest.FixtureRequest) -> tuple[str, str, Any]:
    """Return a kind, the name of its pages, and a row."""
    name, make = SUBJECTS[request.param]
    return request.param, name, make()


def urls(name: str, key: str) -> list[str]:
    return [reverse(f"admin:{name}_{button}", args=[key]) for button in ("work", "say")]


def test_without_the_rights_no_one_assigns_or_writes(subject: tuple[str, str, Any]) -> None:
    kind, name, row = subject
    for client in (signed_in(f"view_{kind}"), signed_in("assign_finding"), Client()):
        for url in urls(name, row.pk):
            assert client.post(url, {"text": "x"}).status_code in (302, 403)
            assert client.get(url).status_code in (302, 403, 405)
    assert not Assignment.objects.exists()
    assert not Note.objects.exists()


def test_work_on_each_kind_is_assigned_moved_and_talked_about(subject: tuple[str, str, Any]) -> None:
    kind, name, row = subject
    client = signed_in(f"view_{kind}", "assign_finding", "view_assignment", "view_note")
    helper = person(f"view_{kind}")
    work, notes = urls(name, row.pk)
    client.post(work, {"assignee": helper.username, "state": "In progress", "due_on": "2020-01-31"})
    client.post(notes, {"text": f"<b>look</b>, @{helper.username}"})
    assert case_of(kind, row.pk) == Case(helper.username, "In progress", YESTERDAY)
    page = client.get(reverse(f"admin:{name}_change", args=[row.pk])).content.decode()
    assert f"{helper.username}, In progress, due 2020-01-31" in page
    assert "&lt;b&gt;look" in page
    assert row.pk in client.get(reverse(BOARD), {"due": "overdue"}).content.decode()
    assert row.pk in client.get(reverse(NOTES)).content.decode()
    client.post(work, {"assignee": helper.username, "state": "Done", "due_on": ""})
    assert row.pk not in client.get(reverse(BOARD)).content.decode()
    assert row.pk in client.get(reverse(BOARD), {"state": "Done"}).content.decode()
    assert Assignment.objects.count() == 2


def test_what_cannot_be_is_refused(subject: tuple[str, str, Any]) -> None:
    kind, name, row = subject
    gone = person(f"view_{kind}")
    type(gone).objects.filter(pk=gone.pk).update(is_active=False)
    for who in ("no one of that name", person("view_ledger").username, gone.username):
        with pytest.raises(CannotLook):
            move(kind, row.pk, "alice", Case(who))
    with pytest.raises(UnknownState):
        move(kind, row.pk, "alice", Case(state="Somewhere"))
    for call in (lambda: move(kind, "gone", "alice", Case()), lambda: say(kind, "gone", "alice", "x")):
        with pytest.raises(SubjectNotFound):
            call()
    for text, refusal in (("", NothingSaid), (" \n", NothingSaid), ("x" * (LONGEST_NOTE + 1), ReasonTooLong)):
        with pytest.raises(refusal):
            say(kind, row.pk, "alice", text)
    client = signed_in(f"view_{kind}", "assign_finding")
    for sent in ({"assignee": gone.username}, {"state": "Somewhere"}, {"due_on": "broken"}):
        answer = client.post(urls(name, row.pk)[0], sent, follow=True)
        assert "Nothing was done" in answer.content.decode()
    assert not Assignment.objects.exists()
    assert not Note.objects.exists()


def test_rows_stay_as_they_were_in_sql_as_well() -> None:
    balance = world.balance()
    say("balance", balance.pk, "alice", "a note")
    move("balance", balance.pk, "alice", Case(state="Open"))
    for statement in (
        "UPDATE reconciliation_note SET mentions = '{bob}'",
        "UPDATE reconciliation_assignment SET state = 'Done'",
        "DELETE FROM reconciliation_note",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_board_and_notes_leave_out_what_may_not_be_seen() -> None:
    balance = world.balance()
    move("balance", balance.pk, "alice", Case(state="Open"))
    say("balance", balance.pk, "alice", "a secret")
    client = signed_in("view_assignment", "view_note", "view_plan")
    for page in (BOARD, NOTES):
        text = client.get(reverse(page)).content.decode()
        assert balance.pk not in text
        assert "a secret" not in text
    asked = reverse("admin:reconciliation_note_change", args=[Note.objects.get().pk])
    assert balance.pk not in client.get(asked, follow=True).content.decode()
    assert signed_in("view_balance").get(asked).status_code == 403
    history = reverse("admin:reconciliation_note_history", args=[Note.objects.get().pk])
    assert signed_in("view_balance").get(history).status_code == 403


def test_a_mention_calls_those_who_may_see_and_waits_for_an_answer(settings: Any) -> None:
    balance, ada, bob = world.balance(), person("view_balance"), person("view_plan")
    note = say("balance", balance.pk, "alice", f"@{ada.username}, @{bob.username}, @none-such, a@{ada.username}.org")
    assert note.mentions == [ada.username]
    assert mentions_of(ada.username, ["balance"]).count() == 1
    assert not mentions_of(ada.username, ["plan"]).exists()
    say("balance", balance.pk, ada.username, "I looked")
    assert not mentions_of(ada.username, ["balance"]).exists()


def test_a_mention_is_mailed_where_there_is_a_server_and_an_address(settings: Any) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    balance, ada = world.balance(), person("view_balance")
    note = say("balance", balance.pk, "alice", f"@{ada.username}: look")
    mail_mention(note_id=note.pk, name=ada.username)
    assert mail.outbox == []
    type(ada).objects.filter(pk=ada.pk).update(email="ada@example.org")
    mail_mention(note_id=note.pk, name=ada.username)
    assert mail.outbox[0].to == ["ada@example.org"]
    assert "alice mentions you on a balance" in mail.outbox[0].subject


def test_a_finding_has_a_state_and_mentions_as_well() -> None:
    finding, ada = found_by(world.sweep(), wrong()), person("view_finding")
    client = signed_in("view_finding", "assign_finding")
    sent = {"assignee": ada.username, "state": "Waiting", "due_on": ""}
    client.post(reverse("admin:reconciliation_finding_assign", args=[finding.pk]), sent)
    client.post(reverse("admin:reconciliation_finding_note", args=[finding.pk]), {"text": f"@{ada.username} why?"})
    assert [(each.object_id, each.state) for each in board(["finding"])] == [(finding.pk, "Waiting")]
    assert mentions_of(ada.username, ["finding"]).count() == 1


def test_the_first_page_has_what_is_ones_own(settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_BY_HAND = {"USD": 0}
    ada = person("view_balance", "view_assignment", "approve_instruction")
    client = Client()
    client.force_login(ada)
    assert "Nothing is assigned to you" in client.get(reverse("admin:index")).content.decode()
    source, target = world.balance(), world.balance()
    world.post("@world", source, 1_000)
    hold = world.post(source, target, 100, inflight=True)
    move("balance", source.pk, "alice", Case(ada.username, "Open", now().date() - timedelta(days=1)))
    say("balance", target.pk, "alice", f"@{ada.username} and this?")
    ask_plan(new_hold_plan_id(), look("void", [hold.pk]), reason="x", by=Person("alice"))
    ask_plan(
        new_hold_plan_id(),
        look("void", [world.post(source, target, 1, inflight=True).pk]),
        reason="x",
        by=Person(ada.username),
    )
    paid = Payment(
        source=source.pk,
        destinations=(Share(identifier=target.pk),),
        amount=1,
        precision=100,  # type: ignore[arg-type]
        currency="USD",
        description="x",
    )
    ask(new_instruction_id(), paid, amount=Amount(100, "USD", 100), reason="x", by=Person("alice"))
    with CaptureQueriesContext(connection) as queries:
        page = client.get(reverse("admin:index"))
    text = page.content.decode()
    assert "1 to do, 1 overdue" in text
    assert "alice mentions you" in text
    assert text.count("Approve or reject: ") == 2
    assert len(queries) < 60
    move("balance", source.pk, ada.username, Case(ada.username, "Done"))
    assert "to do" not in client.get(reverse("admin:index")).content.decode()
