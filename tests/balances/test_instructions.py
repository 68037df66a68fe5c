"""Money moved by hand: refused without a right, seen first, done once, and not alone where the house says so."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

import ledgerproj.urls  # noqa: F401 - finds the admin pages
from balances.books import Share
from balances.instructing import Amount, NotOpen, Payment, Person, TooMuchByHand, approve, ask, go_on, service
from balances.keys import keyring
from balances.models import Balance, Instruction, Transaction, new_instruction_id, now
from reconciliation.models import AuditEntry
from tests import world
from tests.people import signed_in

pytestmark = pytest.mark.django_db(transaction=True)
ADD = "admin:instructions_instruction_add"
State = Instruction.State


@pytest.fixture
def wallets() -> list[Balance]:
    made = [world.balance() for _ in range(3)]
    world.post("@world", made[0], 10_000)
    return made


def mover(*more: str) -> Client:
    return signed_in("move_money", "view_instruction", "view_transaction", *more)


def payment(source: Balance, target: Balance, **changed: str) -> dict[str, str]:
    fields = {"source": source.pk, "destination": target.pk, "amount": "12.34", "currency": "USD"}
    fields |= {"precision": "100", "description": "rent", "reason": "ticket 7", "instruction_id": new_instruction_id()}
    return fields | {"scheduled_for_0": "", "scheduled_for_1": ""} | changed


def confirmed(client: Client, page: str, fields: dict[str, str]) -> Any:
    """Send a form, look at the preview, and confirm what was seen."""
    seen = client.post(page, fields)
    assert seen.status_code == 200
    assert not Instruction.objects.filter(pk=fields["instruction_id"]).exists()
    return client.post(page, fields | {"confirmed": seen.context["fingerprint"]})


def moved(balance: Balance) -> int:
    balance.refresh_from_db()
    return int(balance.balance)


def test_no_one_moves_money_without_the_right(wallets: list[Balance]) -> None:
    fields = payment(*wallets[:2])
    for client in (signed_in("view_instruction", "view_transaction"), signed_in("approve_instruction"), Client()):
        assert client.post(reverse(ADD), fields).status_code in (302, 403)
        row = Transaction.objects.latest("created_at")
        for kind in ("commit", "void", "refund"):
            page = reverse("admin:instructions_instruction_part", args=[kind, row.pk])
            assert client.post(page, {"reason": "x", "instruction_id": new_instruction_id()}).status_code in (302, 403)
    assert not Instruction.objects.exists()
    assert moved(wallets[1]) == 0


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("amount", "-5", "Write digits"),
        ("amount", "1,250.34", "Write digits"),
        ("amount", "1e3", "Write digits"),
        ("amount", "0", "more than zero"),
        ("amount", "0.001", ""),
        ("destination", "@a\n@b", "One balance alone"),
        ("reason", "", "required"),
        ("instruction_id", "ins_1", "no valid id"),
        ("scheduled_for_0", "2001-01-01", ""),
        ("overdraft_limit", "5", "Tick the overdraft"),
        ("source", "bln_nowhere", ""),
        ("amount", "1000000", ""),
    ],
)
def test_what_cannot_be_is_said_and_moves_nothing(wallets: list[Balance], name: str, value: str, words: str) -> None:
    fields = payment(*wallets[:2]) | {name: value}
    if name == "scheduled_for_0":
        fields["scheduled_for_1"] = "00:00:00"
    client = mover()
    page = client.post(reverse(ADD), fields)
    assert page.status_code == 200
    assert words in page.content.decode()
    client.post(reverse(ADD), fields | {"confirmed": page.context["fingerprint"] or "1"})
    assert not Instruction.objects.exists()
    assert moved(wallets[0]) == 10_000


def test_what_was_changed_after_the_preview_is_previewed_again(wallets: list[Balance]) -> None:
    client, fields = mover(), payment(*wallets[:2])
    seen = client.post(reverse(ADD), fields).context["fingerprint"]
    for forged in ({"amount": "99.99"}, {"destination": wallets[2].pk}, {"source": "@world", "allow_overdraft": "on"}):
        again = client.post(reverse(ADD), fields | forged | {"confirmed": seen})
        assert again.status_code == 200
    assert client.post(reverse(ADD), fields | {"confirmed": "1"}).status_code == 200
    assert not Instruction.objects.exists()


def test_a_payment_is_seen_confirmed_and_done_once_however_often_it_is_sent(wallets: list[Balance]) -> None:
    client, fields = mover(), payment(*wallets[:2])
    page = client.post(reverse(ADD), fields)
    assert "nothing has been moved" in page.content.decode()
    assert moved(wallets[0]) == 10_000
    for _ in range(3):
        answer = client.post(reverse(ADD), fields | {"confirmed": page.context["fingerprint"]})
        assert answer.status_code in (200, 302)
    assert (moved(wallets[0]), moved(wallets[1])) == (10_000 - 1_234, 1_234)
    instruction = Instruction.objects.get()
    assert (instruction.state, instruction.units, instruction.second_person) == (State.DONE, 1_234, "")
    row = Transaction.objects.get(pk=instruction.result)
    assert (row.reference, row.meta_data["instruction_id"]) == (instruction.pk, instruction.pk)
    entry = AuditEntry.objects.get(subject="instruction")
    assert (entry.action, entry.subject_id, json.loads(entry.after)["reason"]) == ("added", instruction.pk, "ticket 7")


def test_splits_holds_and_dates_are_what_the_api_makes_of_them(wallets: list[Balance]) -> None:
    client = mover()
    source, first, second = wallets
    confirmed(
        client, reverse(ADD), payment(source, first, destination=f"{first.pk} 60%\n{second.pk} left", amount="10")
    )
    assert (moved(first), moved(second)) == (600, 400)
    confirmed(client, reverse(ADD), payment(source, first, inflight="on", amount="7"))
    source.refresh_from_db()
    assert source.inflight_debit_balance == 700
    fields = payment(source, first, amount="5", scheduled_for_0="2090-01-01", scheduled_for_1="00:00:00")
    confirmed(client, reverse(ADD), fields)
    scheduled = Instruction.objects.get(pk=fields["instruction_id"])
    assert Transaction.objects.get(pk=scheduled.result).status == Transaction.Status.SCHEDULED
    assert moved(first) == 600


def test_holds_are_committed_in_part_and_voided_and_payments_refunded(wallets: list[Balance]) -> None:
    client = mover()
    source, target, _ = wallets
    hold = world.post(source, target, 500, inflight=True)
    part = reverse("admin:instructions_instruction_part", args=["commit", hold.pk])
    made = {"reason": "r", "instruction_id": new_instruction_id(), "amount": "2"}
    confirmed(client, part, made)
    assert moved(target) == 200
    void = reverse("admin:instructions_instruction_part", args=["void", hold.pk])
    confirmed(client, void, {"reason": "r", "instruction_id": new_instruction_id()})
    target.refresh_from_db()
    assert target.inflight_credit_balance == 0
    assert Instruction.objects.get(kind="void").units == 300
    row = world.post(source, target, 100)
    back = reverse("admin:instructions_instruction_part", args=["refund", row.pk])
    confirmed(client, back, {"reason": "wrong", "instruction_id": new_instruction_id(), "amount": ""})
    assert moved(target) == 200
    assert client.get(void.replace("/void/", "/burn/")).status_code == 404


def test_a_payment_beyond_the_limit_waits_for_another_person_through_every_door(
    wallets: list[Balance], settings: Any
) -> None:
    settings.LEDGER_FOUR_EYES_BY_HAND = {"USD": 1_000}
    client, fields = mover("approve_instruction"), payment(*wallets[:2])
    assert confirmed(client, reverse(ADD), fields).status_code == 302
    instruction = Instruction.objects.get()
    assert (instruction.state, moved(wallets[1])) == (State.WAITING, 0)
    assert "more than 1,000" in instruction.second_person
    for name in ("approve", "go-on", "reject"):
        client.post(reverse(f"admin:instructions_instruction_{name}", args=[instruction.pk]))
    client.get(reverse("admin:instructions_instruction_approve", args=[instruction.pk]))
    signed_in("move_money").post(reverse("admin:instructions_instruction_approve", args=[instruction.pk]))
    instruction.refresh_from_db()
    assert (instruction.state, moved(wallets[1])) == (State.WAITING, 0)
    approver = signed_in("approve_instruction")
    for _ in range(2):
        approver.post(reverse("admin:instructions_instruction_approve", args=[instruction.pk]), {"note": "seen"})
    instruction.refresh_from_db()
    assert (instruction.state, instruction.note, moved(wallets[1])) == (State.DONE, "seen", 1_234)
    assert [each.action for each in AuditEntry.objects.order_by("done_at")] == ["added", "changed"]


@pytest.mark.parametrize(
    ("limits", "needed"), [({}, False), ({"USD": None}, False), ({"EUR": 5}, True), ({"*": 1}, True)]
)
def test_limits_hold_for_currencies_as_documented(settings: Any, limits: dict[str, Any], needed: bool) -> None:
    settings.LEDGER_FOUR_EYES_BY_HAND = limits
    assert bool(service.why_second_person("USD", 2, "alice")) is needed
    assert bool(service.why_second_person("USD", -2, "alice")) is needed


def test_rejected_and_withdrawn_ones_never_move(wallets: list[Balance], settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_BY_HAND = {"*": 0}
    client = mover()
    for name, by in (("reject", signed_in("approve_instruction")), ("withdraw", client)):
        fields = payment(*wallets[:2])
        confirmed(client, reverse(ADD), fields)
        by.post(reverse(f"admin:instructions_instruction_{name}", args=[fields["instruction_id"]]))
        with pytest.raises(NotOpen):
            approve(fields["instruction_id"], note="", by=Person("somebody"))
    assert set(Instruction.objects.values_list("state", flat=True)) == {State.REJECTED, State.WITHDRAWN}
    assert moved(wallets[1]) == 0


def test_one_that_a_killed_process_left_is_not_done_twice(wallets: list[Balance], monkeypatch: Any) -> None:
    order = Payment(
        source=wallets[0].pk,
        destinations=(Share(identifier=wallets[1].pk),),
        amount=Decimal("5.00"),
        precision=100,
        currency="USD",
        description="d",
    )
    amount, by = Amount(units=500, currency="USD", precision=100), Person("alice")
    for dies in ("_finish", "do"):
        before = moved(wallets[1])
        with monkeypatch.context() as patch:
            patch.setattr(service, dies, killed)
            key = new_instruction_id()
            with pytest.raises(KeyboardInterrupt):
                ask(key, order, amount=amount, reason="r", by=by)
        assert Instruction.objects.get(pk=key).state == State.STARTED
        assert go_on(key, by=by).state == State.DONE
        assert moved(wallets[1]) - before == 500
        with pytest.raises(NotOpen):
            go_on(key, by=by)


def killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_two_approvals_at_once_move_it_once(wallets: list[Balance], settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_BY_HAND = {"*": 0}
    fields = payment(*wallets[:2])
    confirmed(mover(), reverse(ADD), fields)

    def decide(number: int) -> str:
        try:
            return approve(fields["instruction_id"], note="", by=Person(f"approver-{number}")).state
        except NotOpen as error:
            return error.message
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(decide, range(4)))
    assert outcomes.count(State.DONE) == 1
    assert moved(wallets[1]) == 1_234


def test_the_page_of_a_transaction_offers_what_can_be_done_with_it(wallets: list[Balance]) -> None:
    hold, paid = world.post(wallets[0], wallets[1], 5, inflight=True), world.post(wallets[0], wallets[1], 5)
    client = mover()
    pages = {row.pk: client.get(reverse("admin:balances_transaction_change", args=[row.pk])) for row in (hold, paid)}
    assert "/commit/of/" in pages[hold.pk].content.decode()
    assert "/refund/of/" in pages[paid.pk].content.decode()
    looking = signed_in("view_transaction").get(reverse("admin:balances_transaction_change", args=[paid.pk]))
    assert "/refund/of/" not in looking.content.decode()
    assert User.objects.count() == 2


def test_one_that_another_process_did_meanwhile_is_done_and_not_refused(
    wallets: list[Balance], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = Payment(
        source=wallets[0].pk,
        destinations=(Share(identifier=wallets[1].pk),),
        amount=Decimal("5.00"),
        precision=100,
        currency="USD",
        description="d",
    )
    key, real = new_instruction_id(), service.do

    def overtaken(given: Any, reference: str) -> Any:
        real(given, reference)
        return real(given, reference)

    monkeypatch.setattr(service, "do", overtaken)
    amount = Amount(units=500, currency="USD", precision=100)
    instruction = ask(key, order, amount=amount, reason="r", by=Person("alice"))
    assert (instruction.state, moved(wallets[1])) == (State.DONE, 500)
    assert Transaction.objects.get(pk=instruction.result).reference == key


def test_a_note_without_meaning_to_the_database_is_kept_without_it(wallets: list[Balance], settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_BY_HAND = {"*": 0}
    fields = payment(*wallets[:2])
    confirmed(mover(), reverse(ADD), fields)
    page = reverse("admin:instructions_instruction_reject", args=[fields["instruction_id"]])
    assert signed_in("approve_instruction").post(page, {"note": "n\0o"}).status_code == 302
    assert Instruction.objects.get().note == "no"


def test_no_one_is_a_second_person_by_another_spelling_of_their_name_or_by_a_key(
    wallets: list[Balance], settings: Any
) -> None:
    settings.LEDGER_FOUR_EYES_BY_HAND = {"*": 0}
    fields = payment(*wallets[:2])
    confirmed(mover(), reverse(ADD), fields)
    asker = Instruction.objects.get().asked_by
    key = keyring.issue(name="own", owner_id=asker.upper(), scopes=["*:*"], expires_at=now() + timedelta(days=1))
    for same in (asker.upper(), f" {asker}", "\uff50" + asker[1:], f"key own ({key.api_key_id})"):
        with pytest.raises(NotOpen):
            approve(fields["instruction_id"], note="", by=Person(same))
    assert moved(wallets[1]) == 0
    assert approve(fields["instruction_id"], note="", by=Person("somebody-else")).state == State.DONE


def test_several_small_ones_of_one_person_within_a_day_are_added_up(wallets: list[Balance], settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_BY_HAND = {"USD": 3_000}
    client, page = mover(), reverse(ADD)
    asked = [payment(*wallets[:2]) for _ in range(3)]
    for fields in asked:
        confirmed(client, page, fields)
    states = [Instruction.objects.get(pk=fields["instruction_id"]).state for fields in asked]
    assert states == [State.DONE, State.DONE, State.WAITING]
    assert "2,468 alone already" in Instruction.objects.get(pk=asked[2]["instruction_id"]).second_person
    assert moved(wallets[1]) == 2_468
    for name in ("ALICE", "bob"):
        Instruction.objects.filter(state=State.DONE).update(asked_by=name)
        assert bool(service.why_second_person("USD", 600, "alice")) is (name == "ALICE")
    Instruction.objects.filter(state=State.DONE).update(asked_by="alice", asked_at=now() - timedelta(hours=24))
    assert service.why_second_person("USD", 3_000, "alice") == ""


def test_two_forms_at_once_count_each_other(wallets: list[Balance], settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_BY_HAND = {"*": 600}
    order = Payment(
        source=wallets[0].pk,
        destinations=(Share(identifier=wallets[1].pk),),
        amount=Decimal("5.00"),
        precision=100,
        currency="USD",
        description="d",
    )

    def asking(_: int) -> str:
        try:
            amount = Amount(units=500, currency="USD", precision=100)
            return ask(new_instruction_id(), order, amount=amount, reason="r", by=Person("alice")).state
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        states = list(pool.map(asking, range(4)))
    assert sorted(states) == [State.DONE, *[State.WAITING] * 3]
    assert moved(wallets[1]) == 500


def test_what_is_beyond_the_bound_no_one_moves_by_hand(wallets: list[Balance], settings: Any) -> None:
    settings.LEDGER_BY_HAND_AT_MOST = {"USD": 1_000, "*": None}
    fields = payment(*wallets[:2])
    seen = mover().post(reverse(ADD), fields)
    assert "no more than 1,000 minor units of USD" in seen.content.decode()
    assert (seen.context["seen"], seen.context["fingerprint"]) == (None, "")
    settings.LEDGER_BY_HAND_AT_MOST = {}
    fingerprint = mover().post(reverse(ADD), fields).context["fingerprint"]
    settings.LEDGER_BY_HAND_AT_MOST = {"USD": 1_000, "*": None}
    mover().post(reverse(ADD), fields | {"confirmed": fingerprint})
    assert not Instruction.objects.exists()
    settings.LEDGER_BY_HAND_AT_MOST, settings.LEDGER_FOUR_EYES_BY_HAND = {}, {"*": 0}
    confirmed(mover(), reverse(ADD), fields)
    settings.LEDGER_BY_HAND_AT_MOST = {"USD": 1_000}
    with pytest.raises(TooMuchByHand):
        approve(fields["instruction_id"], note="", by=Person("bob"))
    assert (Instruction.objects.get().state, moved(wallets[1])) == (State.WAITING, 0)


def test_an_approver_without_a_second_factor_reads_how_to_get_one(wallets: list[Balance], settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_BY_HAND, settings.LEDGER_SECOND_FACTOR = {"*": 0}, "approvers"
    fields = payment(*wallets[:2])
    confirmed(mover(), reverse(ADD), fields)
    page = reverse("admin:instructions_instruction_change", args=[fields["instruction_id"]])
    approver = signed_in("approve_instruction")
    text = approver.get(page).content.decode()
    assert "Approve and do it" not in text
    assert "Set up a second factor" in text
    assert "Reject" in text
    settings.LEDGER_SECOND_FACTOR = "off"
    assert "Approve and do it" in approver.get(page).content.decode()


def test_the_page_of_an_instruction_says_its_state_in_words_alone(wallets: list[Balance], settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_BY_HAND = {"*": 0}
    fields = payment(*wallets[:2])
    client = mover()
    confirmed(client, reverse(ADD), fields)
    text = client.get(
        reverse("admin:instructions_instruction_change", args=[fields["instruction_id"]])
    ).content.decode()
    assert "Waits for a second person" in text
    assert "&#x27;waiting&#x27;" not in text
