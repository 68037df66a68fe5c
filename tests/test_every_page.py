"""Every page and every action of the back-office, asked for what is not there, and in ways that no page offers.

Nothing may end as an error of the server, whoever asks and however. What the ledger refuses is a sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group, Permission, User
from django.test import Client, RequestFactory
from django.urls import URLPattern, reverse
from procrastinate.contrib.django.models import ProcrastinateJob

import ledgerproj.urls  # noqa: F401 - finds the admin pages
from balances.backoffice.pages import EstimatingPaginator
from balances.ground.exceptions import BalanceLocked, BalanceNotFound
from balances.history.snapshots import take_snapshots
from balances.keys import keyring
from balances.models import TOTALS, Balance, Ledger, now
from balances.models.hold_plans import HoldPlan
from balances.models.hooks import Delivery, Hook
from balances.models.instructions import Instruction
from balances.models.keys import ApiKey
from balances.models.lineage import LineageOutbox
from balances.models.people import Account, Identity
from balances.models.queue import Entry
from balances.models.uploads import Upload
from ledgerproj.tasks import forget_finished_jobs
from reconciliation.backoffice import actions, findings, plans
from reconciliation.correcting.applying import apply
from reconciliation.correcting.deciding import approve
from reconciliation.correcting.planning import Choice, Proposal, propose
from reconciliation.correcting.rebuilding import reconstruct
from reconciliation.correcting.undoing import propose_undo
from reconciliation.drill import demo
from reconciliation.measuring.scope import Scope
from reconciliation.models import (
    Acceptance,
    Alert,
    AlertDelivery,
    Archive,
    Assignment,
    AuditEntry,
    Break,
    Disclosure,
    Export,
    Finding,
    Incident,
    Note,
    Origin,
    Plan,
    Reconstruction,
    Refusal,
    Sweep,
    TransactionEdit,
)
from reconciliation.sweeping.service import create_sweep, run_sweep
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)
MISSING = "99999999999999999999_5F x'"
LISTS = (
    "p=-1&o=99.-99.x&all=",
    "p=99999999999999999999&o=99",
    "q=%00",
    f"q=bln_%00{'9' * 2000}&e=1",
    "unknown__exact=1",
    "pk__in=%00",
    "_to_field=nothing",
)
ROWS = ("page=-1&outcome=%00&as_of=broken", "page=%00&as_of=%00&_changelist_filters=%00", "as_of=9999-12-31")
VALUES = ("\0", "99999999999999999999")
DAYS = ("broken\0", "9999-12-31")


@pytest.fixture
def swept() -> Ledger:
    """Return a ledger that was swept as a whole, then in part."""
    ledger = demo.fill()
    for scope in (Scope(everything=True), Scope(indicator="@demo-ivo", currency=demo.CURRENCY)):
        run_sweep(create_sweep(scope, actor="alice", origin=Origin.COMMAND).sweep_id)
    return ledger


@pytest.fixture
def cast(swept: Ledger) -> None:
    """Fill every list: what was swept is planned, corrected and taken back; and what else there is."""
    sweep, why = str(Finding.objects.latest("found_at").sweep_id), "month end"
    propose(Choice(sweep_id=sweep), Proposal(actor="alice", origin=Origin.COMMAND, reason=why))
    taken_back(reconstruct(demo.wallet_to_rebuild(swept).pk, world.request()))
    take_snapshots()
    balance = Balance.objects.latest("created_at")
    holder = Identity.objects.create(first_name="Ada", last_name="Byron", meta_data={})
    rows: dict[Any, dict[str, Any]] = {
        Account: {"balance": balance, "identity": holder, "ledger": swept, "currency": "DEM", "meta_data": {}},
        Acceptance: dict.fromkeys(TOTALS, 7)
        | {"kind": "accepted", "finding_id": "fnd_1", "balance_id": balance.pk, "currency": "DEM", "actor": "alice"}
        | {"origin": "admin", "reason": "x"},
        Alert: {"kind": Alert.Kind.values[0], "title": "Look"},
        Assignment: {"kind": "balance", "object_id": balance.pk, "actor": "alice", "state": "Open"},
        Note: {"kind": "balance", "object_id": balance.pk, "actor": "alice", "text": "look"},
        Archive: {
            "month": "2026-01",
            "manifest": "a" * 64,
            "legs": 2,
            "files": 1,
            "actor": "alice",
            "origin": "command",
        },
        AuditEntry: {"actor": "alice", "action": "changed", "subject": "user", "before": '{"a": "1"}', "after": "{}"},
        Delivery: {"event": "x", "subject": "txn_1", "recipient": "x", "attempt": 1, "outcome": "failed", "job_id": 1},
        Disclosure: {"identity_id": holder.pk, "field_names": "x", "actor": "alice", "door": "admin"},
        Entry: {"action": Entry.Action.APPLY, "transaction_id": "txn_1", "due_at": now()},
        Export: {"actor": "alice", "listed": "balances.ledger", "file_kind": "csv", "rows": 3},
        Group: {"name": "finance"},
        Hook: {"name": "hook", "url": "https://example.org", "type": "POST_TRANSACTION"},
        Incident: {"sweep_id": sweep, "cause": "lost_update", "title": "Two", "balances": 2, "drift": {"DEM": 7}},
        Instruction: {
            "kind": "refund",
            "request": {"order": "RefundOrder", "transaction_id": "txn_1", "units": None, "description": "x"},
            "currency": "USD",
            "units": 1,
            "asked_by": "alice",
        },
        HoldPlan: {
            "action": "void",
            "holds": 1,
            "totals": [{"currency": "USD", "precision": 100, "holds": 1, "units": "1"}],
            "asked_by": "alice",
        },
        LineageOutbox: {"transaction_id": "txn_1", "lineage_type": LineageOutbox.Type.BOTH, "payload": {}},
        Refusal: {"actor": "alice", "door": "admin", "what": "POST", "why": "No permission"},
        Upload: {"ledger_name": "Shop", "uploaded_by": "alice", "fingerprint": "0" * 64},
        TransactionEdit: {
            "operation": "UPDATE",
            "transaction_id": "txn_1",
            "old": {"status": "APPLIED"},
            "new": {},
            "database_user": "root",
            "application_name": "psql",
            "backend_pid": 1,
        },
    }
    for model, fields in rows.items():
        model.objects.create(**fields)
    world.post("@world", balance, 7, currency=balance.currency, inflight=True)
    told = {"channel": "webhook", "event": "opened", "attempt": 1, "recipient": "x", "outcome": "failed"}
    AlertDelivery.objects.create(alert=Alert.objects.get(), **told)
    Break.objects.create(kind=Break.Kind.TRUNCATED, stream=1, position=1, xid=1, committed_at=now())
    keyring.issue(name="key", owner_id="team", scopes=["*:read"], expires_at=now() + timedelta(days=1))
    world.monitor(balance)
    forget_finished_jobs.defer(timestamp=0)


def taken_back(record: Reconstruction) -> None:
    plan = propose_undo([record.pk], Proposal(actor="alice", origin=Origin.COMMAND, reason="wrong balance"))
    apply(approve(plan.pk, "bob", Origin.COMMAND).pk, "alice", Origin.COMMAND)


def signed_in(who: str) -> Client:
    """Return a client of one who may do everything, or look at everything and no more."""
    user = User.objects.create_user(who, password="a long password", is_staff=True, is_superuser=who == "superuser")
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def pages() -> list[tuple[Any, Any]]:
    """Return every model with a page, which must have rows, or this would prove nothing."""
    found = list(admin.site._registry.items())
    assert len(found) > 25
    assert not [model for model, _ in found if not model._default_manager.exists()]
    return found


def list_of(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def addresses(model: Any, model_admin: Any, *missing: str) -> Iterator[str]:
    """Yield every address of a model's pages: the list, what belongs to a row, and to rows that are not there."""
    for pattern in model_admin.get_urls():
        if isinstance(pattern, URLPattern) and pattern.name and len(pattern.pattern.converters) < 2:
            keys = (str(model._default_manager.first().pk), *missing) if pattern.pattern.converters else ()
            yield from (reverse(f"admin:{pattern.name}", args=[key]) for key in keys)
            if not keys:
                yield reverse(f"admin:{pattern.name}")


def hostile(model_admin: Any, turn: int) -> Iterator[str]:
    """Yield queries that no page offers: a third of those for any list, and nonsense for all its filters at once."""
    yield from LISTS[turn % 3 :: 3]
    filters, days = [], []
    for each in model_admin.list_filter:
        name = each[0] if isinstance(each, tuple) else getattr(each, "parameter_name", each)
        (days if isinstance(each, tuple) and "Days" in each[1].__name__ else filters).append(name)
    yield from (urlencode({f"{name}{ends}": value for name in filters}) for value in VALUES for ends in ("", "__exact"))
    yield from (urlencode({f"{name}{ends}": value for name in days for ends in ("_from", "_to")}) for value in DAYS)


def errors(answers: Iterable[tuple[str, Any]]) -> list[str]:
    found, count = [], 0
    for what, answer in answers:
        count += 1
        if answer.streaming:
            assert b"".join(answer.streaming_content), what
            answer.close()
        if answer.status_code >= 500:
            found.append(f"{what}: {answer.status_code} {getattr(answer, 'exc_info', ('', ''))[1]!r}"[:400])
    assert count > 50
    return found


@pytest.mark.parametrize("who", ["superuser", "looking"])
def test_no_page_ends_as_an_error_of_the_server(cast: None, who: str) -> None:
    client = signed_in(who)

    def walk() -> Iterator[tuple[str, Any]]:
        for model, model_admin in pages():
            for address in addresses(model, model_admin, *([MISSING] if who == "superuser" else [])):
                yield f"GET {address}", client.get(address)
            for address in addresses(model, model_admin) if who == "superuser" else ():
                yield f"POST {address}", client.post(address)

    assert errors(walk()) == []


def test_no_page_ends_as_an_error_of_the_server_whatever_it_is_asked(cast: None) -> None:
    client = signed_in("superuser")

    def walk() -> Iterator[tuple[str, Any]]:
        for turn, (model, model_admin) in enumerate(pages()):
            page = f"{list_of(model)}{quote(model._default_manager.first().pk)}/change/"
            asked = [f"{list_of(model)}?{query}" for query in hostile(model_admin, turn)]
            for address in [*asked, *(f"{page}?{query}" for query in ROWS)]:
                yield address, client.get(address)

    assert errors(walk()) == []


@pytest.mark.parametrize(
    ("model", "query"),
    [
        (Ledger, "created_at__year=0"),
        (User, "date_joined__year=99999999999999999999999"),
        (ApiKey, "scopes=none"),
        (Sweep, "worked='"),
        (Balance, "indicator__regex=("),
        (ProcrastinateJob, "scheduled_at__year=-1"),
    ],
)
def test_a_list_that_is_compared_with_what_cannot_be_says_so(model: Any, query: str) -> None:
    answer = signed_in("superuser").get(f"{list_of(model)}?{query}", follow=True)
    assert answer.status_code == 200
    assert answer.redirect_chain == [(f"{list_of(model)}?e=1", 302)]


def test_a_list_that_was_asked_nothing_does_not_hide_what_is_wrong_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ValueError("ours")

    monkeypatch.setattr(EstimatingPaginator, "_estimate", broken)
    monkeypatch.setattr("balances.backoffice.lists.EstimatingPaginator.counted", -1)
    assert signed_in("superuser").get(list_of(Ledger)).status_code == 500


def selections(model: Any) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return what can be chosen on a list: query of the list, and what its form sends."""
    there = [str(each) for each in model._default_manager.values_list("pk", flat=True)[:3]]
    hidden = "?currency=XXX&q=nothing&sweep=swp_gone&state__exact=nothing"
    return {
        "nothing": ("", {}),
        "gone": ("", {ACTION_CHECKBOX_NAME: ["99999999"]}),
        "no key": ("", {ACTION_CHECKBOX_NAME: ["x", "99999999999999999999"]}),
        "a zero byte": ("", {ACTION_CHECKBOX_NAME: ["\0"]}),
        "some gone": ("", {ACTION_CHECKBOX_NAME: [*there, "99999998"]}),
        "hidden": (hidden, {ACTION_CHECKBOX_NAME: there}),
        "all of an empty list": (hidden, {"select_across": "1", ACTION_CHECKBOX_NAME: ["99999999"]}),
        "an empty form": ("", {ACTION_CHECKBOX_NAME: there, "post": "yes"}),
        "answered": (hidden, {ACTION_CHECKBOX_NAME: there, "post": "yes", "reason": "why", "ticket": "T"}),
        "answered, and gone": ("", {ACTION_CHECKBOX_NAME: ["99999999"], "post": "yes", "reason": "why"}),
    }


@pytest.mark.parametrize("who", ["superuser", "looking"])
def test_no_action_ends_as_an_error_of_the_server_whatever_is_chosen(cast: None, who: str) -> None:
    client = signed_in(who)
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_active=True)
    walked = set()

    def walk() -> Iterator[tuple[str, Any]]:
        for model, model_admin in pages():
            for name in model_admin.get_actions(request):
                walked.add(name)
                for chosen_is, (query, chosen) in selections(model).items():
                    if who == "looking" and chosen_is not in {"nothing", "hidden", "answered"}:
                        continue  # refused whatever is chosen
                    if name == "delete_selected" and "post" in chosen:
                        continue  # it would delete who asks
                    answer = client.post(f"{list_of(model)}{query}", chosen | {"action": name, "index": "0"})
                    yield f"{name} of {model.__name__}, {chosen_is}", answer

    assert errors(walk()) == []
    assert walked >= {"propose_plan", "propose_plan_for_sweep", "take_back", "reconstruct_balances", "apply_now"}
    others = ("actions_list", "actions_row", "actions_detail", "actions_submit_line")
    # unfold has actions of four other kinds; whoever adds one has to walk it here
    assert not any(getattr(model_admin, name, ()) for model_admin in admin.site._registry.values() for name in others)


def ask(client: Client, model: Any, action: str, *keys: str, query: str = "", **more: Any) -> Any:
    sent = {"action": action, "index": "0", ACTION_CHECKBOX_NAME: list(keys)} | more
    return client.post(f"{list_of(model)}{query}", sent, follow=True)


def test_a_plan_is_proposed_for_a_finding_that_is_not_of_the_newest_sweep(swept: Ledger) -> None:
    client = signed_in("superuser")
    finding = Finding.objects.get(indicator="@demo-ben")
    assert finding.sweep_id != Sweep.objects.latest("requested_at").pk
    page = ask(client, Finding, "propose_plan", finding.pk)
    assert "A plan for 1 balance" in page.content.decode()
    ask(client, Finding, "propose_plan", finding.pk, post="yes", reason="half of it is missing")
    assert Plan.objects.get(reason="half of it is missing").items.get().balance_id == finding.balance_id


def test_what_is_gone_or_chosen_out_of_an_empty_list_is_said(swept: Ledger) -> None:
    client = signed_in("superuser")
    gone = "Nothing was done: the selected rows no longer exist."
    assert gone in ask(client, Finding, "propose_plan", "fnd_gone").content.decode()
    empty = ask(client, Finding, "propose_plan", "fnd_gone", query="?q=fnd_gone", select_across="1")
    assert "Nothing was done: the list is empty." in empty.content.decode()
    there = Finding.objects.get(indicator="@demo-ben").pk
    some = ask(client, Finding, "propose_plan", there, "fnd_gone").content.decode()
    assert "1 of the selected rows no longer exist." in some
    assert "A plan for 1 balance" in some


@pytest.mark.parametrize(("refusal", "status"), [(BalanceLocked(), 409), (BalanceNotFound("bln_x"), 404)])
def test_what_the_ledger_refuses_while_a_page_is_made_is_a_page_that_says_so(
    swept: Ledger, monkeypatch: pytest.MonkeyPatch, refusal: Exception, status: int
) -> None:
    def refuse(*_: Any) -> None:
        raise refusal

    monkeypatch.setattr(findings, "known_precision", refuse)
    finding = Finding.objects.latest("found_at")
    answer = signed_in("superuser").get(reverse("admin:reconciliation_finding_change", args=[finding.pk]))
    assert (answer.status_code, answer.context["sentences"]) == (status, [str(refusal)])


def test_what_the_ledger_refuses_of_a_form_is_said_on_the_page_that_sent_it(
    cast: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise BalanceLocked

    monkeypatch.setattr(actions, "measure", refuse)
    monkeypatch.setattr(plans, "cancel", refuse)
    client = signed_in("superuser")
    listed = ask(client, Balance, "reconstruct_balances", Balance.objects.first().pk)
    plan = Plan.objects.get(state=Plan.State.PROPOSED).pk
    pressed = client.post(reverse("admin:reconciliation_plan_cancel", args=[plan]), follow=True)
    assert [last for answer in (listed, pressed) for last, _ in answer.redirect_chain] == [
        list_of(Balance),
        reverse("admin:reconciliation_plan_change", args=[plan]),
    ]
    assert all("failed to acquire lock" in answer.content.decode() for answer in (listed, pressed))


def test_jobs_are_retried_and_cancelled_by_those_who_may_change_them(cast: None) -> None:
    job = ProcrastinateJob.objects.first()
    assert ask(signed_in("looking"), ProcrastinateJob, "cancel", str(job.pk)).status_code == 403
    assert ask(signed_in("superuser"), ProcrastinateJob, "cancel", str(job.pk)).status_code == 200
    job.refresh_from_db()
    assert job.status == "cancelled"
