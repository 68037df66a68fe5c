"""Ways around the limits and the four eyes that an attack has found, each of which is shut."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from balances.books import Share
from balances.instructing import Amount, NotOpen, Person, TooMuchByHand, approve_plan, ask, ask_plan, look
from balances.instructing.orders import Payment
from balances.keys import is_same_person
from balances.models import HoldPlan, Transaction, Upload
from reconciliation.models import AuditEntry
from tests import world
from tests.balances.test_import_pages import press, upload, words
from tests.people import person, signed_in

pytestmark = pytest.mark.django_db
BY = Person(actor="olga", address="")
ROW = "reference,source,destination,precise_amount,precision,currency,effective_date,description\n"


@pytest.mark.parametrize("spelling", ["{}", "%2B{}", "%20{}", "{}%0A", "00000000000000000000{}"])
def test_however_an_id_is_spelled_more_rights_than_ones_own_keep_a_password(spelling: str) -> None:
    victim, browser = person("approve_plan"), signed_in("change_user", "view_user")
    new = {"password1": "another pass-word", "password2": "another pass-word", "usable_password": "true"}
    answer = browser.post(f"/admin/auth/user/{spelling.format(victim.pk)}/password/", new)
    assert answer.status_code in (403, 404)
    victim.refresh_from_db()
    assert victim.check_password("a long password")


def test_a_payment_is_counted_in_the_currency_of_the_balances_that_are_named(settings: Any) -> None:
    settings.LEDGER_BY_HAND_AT_MOST = {"DEM": 100, "*": None}
    source, target = world.balance(currency="DEM"), world.balance(currency="DEM")
    for currency, refusal in (("XX1", NotOpen), ("DEM", TooMuchByHand)):
        payment = Payment(
            source=source.pk,
            destinations=(Share(identifier=target.pk),),
            amount=Decimal(5),
            precision=100,
            currency=currency,
            description="",
            allow_overdraft=True,
        )
        with pytest.raises(refusal):
            ask("ins_1", payment, amount=Amount(500, currency, 100), reason="x", by=BY)
    assert not Transaction.objects.exists()


def test_a_plan_of_holds_is_held_to_the_bound_that_one_hold_is(settings: Any) -> None:
    source, target = world.balance(), world.balance()
    world.post(world.balance(), source, 1_000)
    holds = [world.post(source, target, 60, inflight=True).pk for _ in range(2)]
    outlook = look("commit", holds)
    settings.LEDGER_FOUR_EYES_BY_HAND = {"*": 0}
    waiting = ask_plan("hpl_1", outlook, reason="x", by=BY)
    settings.LEDGER_BY_HAND_AT_MOST = {"*": 100}
    with pytest.raises(TooMuchByHand):
        ask_plan("hpl_2", outlook, reason="x", by=BY)
    with pytest.raises(TooMuchByHand):
        approve_plan("hpl_1", note="", by=Person(actor="anna", address=""))
    waiting.refresh_from_db()
    assert waiting.state == HoldPlan.State.WAITING


def imported(browser: Client, reference: str, source: str, target: str) -> str:
    """Upload one row of 5.00 USD into a ledger that is there, confirm it, and return what is said."""
    text = f"{ROW}{reference},{source},{target},500,100,USD,2026-11-30T00:00:00Z,hi\n"
    answer = upload(browser, ledger="books", append="on", totals="from-rows", transactions=text)
    found = Upload.objects.filter(state="previewed").first()
    assert found is not None, words(answer)
    return words(press(browser, "confirm", found))


def test_an_import_into_a_ledger_in_use_moves_no_more_than_one_person_may_and_is_on_record(settings: Any) -> None:
    ledger = world.ledger(name="books")
    source, target = world.balance(ledger), world.balance(ledger)
    browser = signed_in("import_ledger", "view_upload")
    settings.LEDGER_FOUR_EYES_BY_HAND = {"*": 900}
    assert "Imported into ledger books." in imported(browser, "r1", source.pk, target.pk)
    assert AuditEntry.objects.filter(subject="import", action="acted").count() == 1
    said = imported(browser, "r2", source.pk, target.pk)  # the second 500 of a day
    assert "more than 900 minor units of USD need a second person" in said
    settings.LEDGER_FOUR_EYES_BY_HAND, settings.LEDGER_BY_HAND_AT_MOST = {}, {"*": 900}
    assert "no more than 900 minor units of USD" in imported(browser, "r3", source.pk, target.pk)
    assert Transaction.objects.count() == 1


def test_no_one_but_a_superuser_deletes_a_group_of_their_own() -> None:
    user = person("change_group", "delete_group", "view_group")
    own, other = Group.objects.create(name="own"), Group.objects.create(name="other")
    user.groups.add(own)
    browser = Client()
    browser.force_login(user)
    for group in (own, other):
        browser.post(reverse("admin:auth_group_delete", args=[group.pk]), {"post": "yes"})
    browser.post(
        reverse("admin:auth_group_changelist"),
        {"action": "delete_selected", "_selected_action": own.pk, "post": "yes"},
    )
    assert set(Group.objects.filter(name__in=("own", "other")).values_list("name", flat=True)) == {"own"}
    assert User.objects.get(pk=user.pk).groups.exists()


@pytest.mark.parametrize("seen", ["olga\u200b", "\u2060olga", "ol\u00adga", " OLGA ", "ｏlga", "olga\x07"])
def test_a_name_that_is_seen_as_another_one_is_the_same_person(seen: str) -> None:
    assert is_same_person(seen, "olga")
