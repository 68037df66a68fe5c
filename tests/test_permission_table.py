"""Role × address × method × action: one table says what each needs, and every address of the back-office is walked.

Addresses and actions are found where Django finds them. One that is not in the table fails the test, so whatever is
added is refused until somebody has said here who may use it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from balances.backoffice import error_pages
from balances.models.instructions import Instruction
from ledgerproj import sessions
from ledgerproj.models import Factor, SignIn
from ledgerproj.roles import ROLES, ensure_roles
from reconciliation.models import Plan, SavedView
from tests.test_every_page import cast, list_of, pages, swept  # noqa: F401 - rows for every list

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("cast")]

STAFF = ""
"""No permission: every member of staff may."""
NEVER = "never"
"""No one may, not even a superuser."""
WRONG = "wrong method"
"""Answered 405, whatever the permissions."""

# What it needs to add, to change and to delete a row by its pages. To see it always needs the permission to view.
ROWS: dict[str, tuple[str, str, str]] = {
    "auth.group": ("auth.add_group", "auth.change_group", "auth.delete_group"),
    "auth.user": ("auth.add_user & auth.change_user", "auth.change_user", NEVER),  # records know users by name
    "balances.account": (NEVER, NEVER, NEVER),
    "balances.apikey": ("balances.add_apikey", NEVER, NEVER),
    "balances.balance": (NEVER, "balances.change_balance", NEVER),
    "balances.balancemonitor": (
        "balances.add_balancemonitor",
        "balances.change_balancemonitor",
        "balances.delete_balancemonitor",
    ),
    "balances.balancesnapshot": (NEVER, NEVER, NEVER),
    "balances.identity": (NEVER, NEVER, NEVER),
    "balances.ledger": ("balances.add_ledger", "balances.change_ledger", NEVER),
    "balances.lineageoutbox": (NEVER, NEVER, NEVER),
    "balances.transaction": (NEVER, NEVER, NEVER),
    "hooks.delivery": (NEVER, NEVER, NEVER),
    "hooks.hook": ("hooks.add_hook", "hooks.change_hook", "hooks.delete_hook"),
    "instructions.holdplan": (NEVER, NEVER, NEVER),
    "instructions.instruction": ("instructions.move_money", NEVER, NEVER),
    "instructions.openhold": (NEVER, NEVER, NEVER),
    "procrastinate.procrastinatejob": (NEVER, NEVER, NEVER),
    "queueing.entry": (NEVER, NEVER, NEVER),
    "reconciliation.acceptance": (NEVER, NEVER, NEVER),
    "reconciliation.alert": (NEVER, NEVER, NEVER),
    "reconciliation.alertdelivery": (NEVER, NEVER, NEVER),
    "reconciliation.archive": (NEVER, NEVER, NEVER),
    "reconciliation.assignment": (NEVER, NEVER, NEVER),
    "reconciliation.auditentry": (NEVER, NEVER, NEVER),
    "reconciliation.balanceedit": (NEVER, NEVER, NEVER),
    "reconciliation.break": (NEVER, NEVER, NEVER),
    "reconciliation.disclosure": (NEVER, NEVER, NEVER),
    "reconciliation.export": (NEVER, NEVER, NEVER),
    "reconciliation.finding": (NEVER, NEVER, NEVER),
    "reconciliation.incident": (NEVER, NEVER, NEVER),
    "reconciliation.note": (NEVER, NEVER, NEVER),
    "reconciliation.plan": (NEVER, NEVER, NEVER),
    "reconciliation.reconstruction": (NEVER, NEVER, NEVER),
    "reconciliation.refusal": (NEVER, NEVER, NEVER),
    "reconciliation.schedule": (NEVER, "reconciliation.change_schedule", NEVER),
    "reconciliation.seal": (NEVER, NEVER, NEVER),
    "reconciliation.step": (NEVER, NEVER, NEVER),
    "reconciliation.sweep": ("reconciliation.run_sweep", NEVER, NEVER),
    "reconciliation.transactionedit": (NEVER, NEVER, NEVER),
    "uploads.upload": ("uploads.import_ledger", NEVER, NEVER),
}
SEEN_BY: dict[str, str] = {
    "instructions.holdplan": "instructions.view_holdplan | instructions.move_money | instructions.approve_instruction",
    "instructions.instruction": "instructions.view_instruction | instructions.move_money"
    " | instructions.approve_instruction",
    "uploads.upload": "uploads.view_upload | uploads.import_ledger",
}
"""Lists that those see, too, who work with them."""

# Addresses beside those: what GET needs, and what POST needs.
STATEMENT = "balances.view_balance & balances.view_transaction"
APPROVING = "reconciliation.view_plan & reconciliation.approve_plan"
OTHERS: dict[str, tuple[str, str]] = {
    "": (STAFF, STAFF),
    "<app>/": (STAFF, STAFF),
    "autocomplete/": (NEVER, WRONG),  # no page has such a field
    "guide/": (STAFF, STAFF),
    "jsi18n/": (STAFF, WRONG),
    "password_change/": (STAFF, STAFF),
    "password_change/done/": (STAFF, WRONG),
    "r/<content_type_id>/<object_id>/": (STAFF, STAFF),
    "saved-views/": (WRONG, STAFF),  # of lists that one sees
    "search/": (STAFF, STAFF),  # finds what one may see
    "second-factor/": (STAFF, STAFF),
    "second-factor/<factor_id>/remove/": (STAFF, STAFF),
    "second-factor/app/": (STAFF, STAFF),
    "second-factor/passkey/": (STAFF, STAFF),
    "second-factor/recovery-codes/": (STAFF, STAFF),
    "sessions/": (STAFF, STAFF),
    "sessions/<sign_in_id>/end/": (WRONG, STAFF),
    "auth/group/who-may-do-what/": ("auth.view_group", "auth.view_group"),
    "auth/user/<id>/password/": ("auth.change_user", "auth.change_user"),
    "balances/apikey/<object_id>/rotate/": (
        "balances.add_apikey & balances.revoke_api_key",
        "balances.add_apikey & balances.revoke_api_key",
    ),
    "balances/balance/<balance_id>/course/": (STATEMENT, STATEMENT),
    "balances/balance/<balance_id>/flows/": (STATEMENT, STATEMENT),
    "balances/balance/<balance_id>/holds/": (STATEMENT, STATEMENT),
    "balances/balance/<balance_id>/statement/": (STATEMENT, WRONG),
    "balances/balance/<balance_id>/statement/export.csv": (STATEMENT, WRONG),
    "balances/balance/<balance_id>/statement/export.xlsx": (STATEMENT, WRONG),
    "instructions/holdplan/ask/": (WRONG, "instructions.move_money"),
    "instructions/holdplan/<plan_id>/approve/": (WRONG, "instructions.approve_instruction"),
    "instructions/holdplan/<plan_id>/reject/": (WRONG, "instructions.approve_instruction"),
    "instructions/holdplan/<plan_id>/withdraw/": (WRONG, "instructions.move_money"),
    "instructions/instruction/<kind>/of/<transaction_id>/": ("instructions.move_money", "instructions.move_money"),
    "instructions/instruction/<instruction_id>/approve/": (WRONG, "instructions.approve_instruction"),
    "instructions/instruction/<instruction_id>/reject/": (WRONG, "instructions.approve_instruction"),
    "instructions/instruction/<instruction_id>/withdraw/": (WRONG, "instructions.move_money"),
    "instructions/instruction/<instruction_id>/go-on/": (WRONG, "instructions.move_money"),
    "reconciliation/break/live/": ("reconciliation.view_finding", "reconciliation.view_finding"),
    "reconciliation/finding/<object_id>/accept/": (
        WRONG,
        "reconciliation.view_finding & reconciliation.accept_finding",
    ),
    "reconciliation/finding/<object_id>/withdraw/": (
        WRONG,
        "reconciliation.view_finding & reconciliation.accept_finding",
    ),
    "reconciliation/finding/<object_id>/assign/": (
        WRONG,
        "reconciliation.view_finding & reconciliation.assign_finding",
    ),
    "reconciliation/finding/<object_id>/note/": (
        WRONG,
        "reconciliation.view_finding & reconciliation.assign_finding",
    ),
    "balances/balance/<object_id>/work/": (WRONG, "balances.view_balance & reconciliation.assign_finding"),
    "balances/balance/<object_id>/say/": (WRONG, "balances.view_balance & reconciliation.assign_finding"),
    "balances/transaction/<object_id>/work/": (WRONG, "balances.view_transaction & reconciliation.assign_finding"),
    "balances/transaction/<object_id>/say/": (WRONG, "balances.view_transaction & reconciliation.assign_finding"),
    "reconciliation/incident/<object_id>/work/": (
        WRONG,
        "reconciliation.view_incident & reconciliation.assign_finding",
    ),
    "reconciliation/incident/<object_id>/say/": (WRONG, "reconciliation.view_incident & reconciliation.assign_finding"),
    "reconciliation/plan/<object_id>/work/": (WRONG, "reconciliation.view_plan & reconciliation.assign_finding"),
    "reconciliation/plan/<object_id>/say/": (WRONG, "reconciliation.view_plan & reconciliation.assign_finding"),
    "reconciliation/plan/<object_id>/approve/": (WRONG, APPROVING),
    "reconciliation/plan/<object_id>/reject/": (WRONG, APPROVING),
    "reconciliation/plan/<object_id>/cancel/": (WRONG, APPROVING),  # one's own without that
    "reconciliation/plan/<object_id>/apply/": (WRONG, "reconciliation.view_plan & reconciliation.apply_plan"),
    "reconciliation/sweep/<object_id>/pause/": (WRONG, "reconciliation.view_sweep & reconciliation.run_sweep"),
    "reconciliation/sweep/<object_id>/resume/": (WRONG, "reconciliation.view_sweep & reconciliation.run_sweep"),
    "reconciliation/sweep/<object_id>/cancel/": (WRONG, "reconciliation.view_sweep & reconciliation.run_sweep"),
    "uploads/upload/<upload_id>/confirm/": (WRONG, "uploads.import_ledger"),
    "uploads/upload/<upload_id>/discard/": (WRONG, "uploads.import_ledger"),
}
OPEN = {"login/", "logout/", "second-factor/check/", "<url>"}
"""Open to strangers: ways in and out, and the page for what does not exist."""

# What can be done with ticked rows of a list that one sees.
ACTIONS: dict[str, str] = {
    "auth.group delete_selected": "auth.delete_group",
    "auth.user end_sessions": "auth.change_user",
    "auth.user reset_second_factor": "auth.change_user",
    "balances.apikey revoke_keys": "balances.revoke_api_key",
    "balances.balance preview_reconstruction": "balances.preview_reconstruction",
    "balances.balance propose_plan_for_chosen": "reconciliation.propose_plan",
    "balances.balance reconstruct_balances": "balances.reconstruct_balance",
    "balances.balancemonitor delete_selected": "balances.delete_balancemonitor",
    "balances.identity show_originals": "balances.detokenize_identity",
    "balances.lineageoutbox trace_again": "balances.retry_lineageoutbox",
    "hooks.delivery try_again": "hooks.retry_delivery",
    "hooks.hook delete_selected": "hooks.delete_hook",
    "instructions.openhold commit_holds": "instructions.move_money",
    "instructions.openhold void_holds": "instructions.move_money",
    "procrastinate.procrastinatejob abort": "procrastinate.change_procrastinatejob",
    "procrastinate.procrastinatejob cancel": "procrastinate.change_procrastinatejob",
    "procrastinate.procrastinatejob retry": "procrastinate.change_procrastinatejob",
    "queueing.entry apply_now": "queueing.apply_entry",
    "reconciliation.finding book_again": "reconciliation.propose_plan",
    "reconciliation.finding propose_plan": "reconciliation.propose_plan",
    "reconciliation.incident propose_plan_for_incident": "reconciliation.propose_plan",
    "reconciliation.reconstruction take_back": "reconciliation.undo_reconstruction",
    "reconciliation.sweep propose_plan_for_sweep": "reconciliation.propose_plan",
    "reconciliation.transactionedit book_again": "reconciliation.propose_plan",
}

Needs = tuple[str, str]
GIVEN = {"kind": "refund", "factor_id": 1, "sign_in_id": 1, "content_type_id": "1", "url": "nowhere/"}


def table() -> dict[str, Needs]:
    """Return what GET and POST need, of every address: those beside the rows, and those of every row."""
    found = dict(OTHERS)
    for name, (add, change, delete) in ROWS.items():
        app, model = name.split(".")
        see, page = SEEN_BY.get(name, f"{app}.view_{model}"), f"{app}/{model}/"
        found |= {f"{page}{each}": (see, see) for each in ("", "<object_id>/history/")}  # POST alone shows them as well
        found |= {f"{page}export.{kind}": (see, WRONG) for kind in ("csv", "xlsx")}
        found[f"{page}<object_id>/"] = (STAFF, STAFF)  # leads to the page
        found[f"{page}<object_id>/change/"] = (see, change)
        found[f"{page}<object_id>/delete/"] = (delete, delete)
        found[f"{page}add/"] = (add, add)
    return found


def addresses() -> dict[str, str]:
    """Return every address below ``/admin/`` as the table calls it, with one that can be asked for."""
    return dict(_walk(get_resolver().url_patterns, ""))


def _walk(patterns: Iterable[Any], before: str) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        text = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, text)
        elif isinstance(pattern, URLPattern) and text.startswith("admin/"):
            name = re.sub(r"<\w+:", "<", text.removeprefix("admin/"))
            name = re.sub(r"^\^\(\?P<app_label>.*", "<app>/", name)
            name = re.sub(r"^\(\?P<url>.*", "<url>", name)
            yield name, "/admin/" + re.sub(r"<(\w+)>", lambda found, of=name: _value(of, found[1]), name)


def _value(name: str, parameter: str) -> str:
    if parameter in GIVEN:
        return str(GIVEN[parameter])
    if parameter == "app":
        return "balances"
    app, model = (*name.split("/"), "")[:2]
    kind = "balances.transaction" if parameter == "transaction_id" else f"{app}.{model}"
    row = User.objects.get(username="somebody") if kind == "auth.user" else first(kind)
    return str(row.pk) if row else "1"


def first(name: str) -> Any:
    """Return the newest row of a list, which stands for all of them."""
    models = {model._meta.label_lower: model for model in admin.site._registry}
    return models[name]._default_manager.first() if name in models else None


def may(user: Any, needed: str) -> bool:
    """Return whether a user has what an entry of the table needs: one of several, each perhaps of several parts."""
    return needed == STAFF or any(user.has_perms(each.split(" & ")) for each in needed.split(" | "))


def expected(user: Any, needed: str) -> str:
    if needed == WRONG:
        return "405"
    return "refused" if needed == NEVER or not may(user, needed) else "let in"


def said(answer: Any) -> str:
    """Return what an answer comes to."""
    if answer.status_code == 302 and answer.headers["Location"].startswith("/admin/login/"):
        return "sign in"
    return {403: "refused", 405: "405"}.get(answer.status_code, "let in" if answer.status_code < 500 else "error")


@contextmanager
def taken_back() -> Iterator[None]:
    """Undo all that a request wrote; what is written in a commit of its own goes with it."""
    block: Any = transaction.atomic()
    block._from_testcase = True  # so that commits of their own are let in
    with block:
        yield
        transaction.set_rollback(True)


class Asking:
    """A browser whose every request is taken back, the session included."""

    def __init__(self, user: User | None, **options: Any) -> None:
        self.client = Client(raise_request_exception=False, **options)
        if user:
            self.client.force_login(user)
        self.cookies = self.client.cookies.output(header="")

    def ask(self, method: str, address: str, **fields: Any) -> Any:
        with taken_back():
            answer = getattr(self.client, method.lower())(address, fields)
            answer.close()
        self.client.cookies.clear()
        self.client.cookies.load(self.cookies)
        return answer


@pytest.fixture(autouse=True)
def _unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what a page would look like: tests/test_every_page.py looks at that, and it takes most of the time."""
    monkeypatch.setattr(TemplateResponse, "render", lambda response: _empty(response))
    monkeypatch.setattr(admin.site, "each_context", lambda request: {"available_apps": []})
    monkeypatch.setattr(error_pages, "forbidden", lambda request, why: HttpResponse(status=403))


@pytest.fixture
def doors(people: dict[str, User], monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what lies behind the door, too: rows of lists, and what a form shows; and know people by sight."""
    known = {user.pk: user for user in people.values()}
    monkeypatch.setattr(ModelBackend, "get_user", lambda _, key: known[int(key)])

    def no_rows(*_: Any) -> None:
        raise IncorrectLookupParameters

    for page in admin.site._registry.values():
        monkeypatch.setattr(page, "get_changelist_instance", no_rows)
        monkeypatch.setattr(page, "render_change_form", lambda *_, **__: HttpResponse())


def _empty(response: Any) -> HttpResponse:
    response.content = b""
    answer: HttpResponse = response
    return answer


@pytest.fixture
def people() -> dict[str, User]:
    """Return a member of each role, one of staff who may nothing, one who may all; and make somebody to work on."""
    ensure_roles()
    User.objects.create_user("somebody", password="a long password", is_staff=True)
    made = {name: User.objects.create_user(name, password="x", is_staff=True) for name in [*ROLES, "newcomer"]}
    for name in ROLES:
        made[name].groups.add(Group.objects.get(name=name))
    return made | {"superuser": User.objects.create_superuser("superuser", password="x")}


def test_every_address_and_every_action_stands_in_the_table() -> None:
    User.objects.create_user("somebody")
    walked = set(addresses())
    assert walked - set(table()) == OPEN
    assert set(table()) - walked == set()
    assert set(actions()) == set(ACTIONS)


def actions() -> Iterator[str]:
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_active=True)
    for model, page in admin.site._registry.items():
        yield from (f"{model._meta.label_lower} {name}" for name in page.get_actions(request))


@pytest.mark.usefixtures("doors")
def test_each_role_is_let_in_where_the_table_says_and_refused_elsewhere(people: dict[str, User]) -> None:
    wrong, asked = [], 0
    where = addresses()
    for who, user in people.items():
        browser = Asking(user)
        for name, method, needed in each_method():
            if needed in (NEVER, WRONG) and not user.is_superuser:
                continue  # what one who has every permission is refused, no one gets
            found = said(browser.ask(method, where[name]))
            asked += 1
            if found != expected(user, needed):
                wrong.append(f"{who}: {method} {name} is {found}, and should be {expected(user, needed)}")
    assert wrong == []
    assert asked > 3000


def each_method() -> Iterator[tuple[str, str, str]]:
    for name, (getting, posting) in table().items():
        yield from ((name, "GET", getting), (name, "POST", posting))


def test_each_role_acts_on_ticked_rows_where_the_table_says(people: dict[str, User]) -> None:
    wrong = []
    models = {model._meta.label_lower: model for model, _ in pages()}
    for who, user in people.items():
        browser = Asking(user)
        for act, needed in ACTIONS.items():
            name, action = act.split()
            sees = may(user, SEEN_BY.get(name, name.replace(".", ".view_")))
            ticked = {ACTION_CHECKBOX_NAME: [str(first(name).pk)], "action": action, "index": "0"}
            found = said(browser.ask("POST", list_of(models[name]), **ticked))
            if found != ("let in" if sees and may(user, needed) else "refused"):
                wrong.append(f"{who}: {act} is {found}")
    assert wrong == []


def test_a_stranger_and_one_who_is_no_staff_and_a_session_that_is_over_are_asked_to_sign_in(
    people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = User.objects.create_user("customer", password="x")
    over = Asking(people["superuser"])
    session = over.client.session
    session[sessions.SINCE] = session[sessions.SEEN] = 1
    session.save()
    browsers = {"stranger": Asking(None), "customer": Asking(customer), "session that is over": over}
    where = addresses()
    wrong = [
        f"{who}: {method} {name} is {found}"
        for who, browser in browsers.items()
        for name in table()
        for method in ("GET", "POST")
        if (found := said(browser.ask(method, where[name]))) != "sign in"
    ]
    assert wrong == []


@pytest.mark.parametrize("token", [None, "a" * 64])
def test_a_form_without_the_right_token_does_nothing_whoever_sends_it(
    people: dict[str, User], token: str | None
) -> None:
    browser = Asking(people["superuser"], enforce_csrf_checks=True)
    sent = {"csrfmiddlewaretoken": token} if token else {}
    where = addresses()
    wrong = [name for name in {**table(), "login/": 0} if said(browser.ask("POST", where[name], **sent)) != "refused"]
    assert wrong == []


def test_what_belongs_to_somebody_else_is_out_of_reach(people: dict[str, User]) -> None:
    owner, other = people["Operator"], Asking(people["Approver"])
    Asking(owner)
    sign_in = SignIn.objects.get(user=owner)
    factor = Factor.objects.create(user=owner, kind=Factor.Kind.CODES, name="Phone")
    view = SavedView.objects.create(listed="reconciliation.sweep", owner=owner.username, name="Mine", query="")
    plan = Plan.objects.get(state=Plan.State.PROPOSED)
    Plan.objects.filter(pk=plan.pk).update(actor=owner.username)
    waiting = Instruction.objects.get()
    Instruction.objects.filter(pk=waiting.pk).update(asked_by=owner.username)
    assert other.ask("POST", reverse("session_end", args=[sign_in.pk])).status_code == 404
    assert other.ask("POST", reverse("second_factor_remove", args=[factor.pk]), password="x").status_code == 404
    gone = {"listed": "reconciliation.sweep", "view_id": view.pk}
    other.client.post(reverse("saved_views"), gone)
    assert SavedView.objects.filter(pk=view.pk).exists()
    for name, who in (("withdraw", "superuser"), ("approve", "Operator"), ("reject", "Operator")):
        address = reverse(f"admin:instructions_instruction_{name}", args=[waiting.pk])
        Asking(people[who]).client.post(address)
        assert Instruction.objects.get().state == Instruction.State.WAITING, name
    address = reverse("admin:reconciliation_plan_cancel", args=[plan.pk])
    assert Asking(people["Analyst"]).ask("POST", address).status_code == 403
    assert Asking(owner).ask("POST", address).status_code == 302
    both = User.objects.create_superuser("both", password="x")
    Plan.objects.filter(pk=plan.pk).update(actor="Both")
    Asking(both).client.post(reverse("admin:reconciliation_plan_approve", args=[plan.pk]))
    assert Plan.objects.get(pk=plan.pk).state == Plan.State.PROPOSED
