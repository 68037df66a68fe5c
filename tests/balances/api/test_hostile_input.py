"""What was let in can always be read again, and what cannot be stored is refused in words."""

from __future__ import annotations

import random
import string
import threading
from typing import Any

import pytest
from django.db import connection, transaction

from balances.models import Balance, Transaction
from balances.queueing.draining import drain
from tests import world
from tests.client import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "number",
    [
        *(f"1.{'7' * 980}e-300", "9" * 1001, "9" * 5000, "1e309", "1e-309", f"0.{'1' * 1001}", f"1e{'0' * 1000}1"),
        *("1e2000000000000000000", "-1e2000000000000000000", "1e-2000000000000000000", "0e99999999999999999999"),
    ],
)
def test_a_number_that_could_not_be_read_again_is_not_stored(api: Client, number: str) -> None:
    alice = world.balance()
    answer = api.post(f"/{alice.pk}/metadata", f'{{"meta_data":{{"n":{number}}}}}'.encode())
    assert (answer.status, answer.body["error_detail"]["code"]) == (400, "GEN_MALFORMED_REQUEST")
    assert api.get(f"/balances/{alice.pk}").body["meta_data"] is None


@pytest.mark.parametrize("number", [f"1.{'7' * 600}e-300", "9" * 1000, "1e308", "-1e-308", "0.1", "-0"])
def test_a_number_that_was_stored_is_read_again_everywhere(api: Client, number: str) -> None:
    alice = world.balance()
    assert api.post(f"/{alice.pk}/metadata", f'{{"meta_data":{{"n":{number}}}}}'.encode()).status == 200
    assert api.get(f"/balances/{alice.pk}").status == 200
    assert api.get("/balances").status == 200
    assert api.post(f"/{alice.pk}/metadata", {"meta_data": {"n": None}}).status == 200


def test_what_another_writer_stored_is_read_without_limits(api: Client) -> None:
    alice = world.balance()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE balances SET meta_data = jsonb_build_object('n', repeat('7', 9000)::numeric) WHERE balance_id = %s",
            [alice.pk],
        )
    assert "7" * 9000 in api.get(f"/balances/{alice.pk}").text


@pytest.mark.parametrize(("depth", "status"), [(90, 200), (110, 400), (480, 400), (900, 400), (20_000, 400)])
@pytest.mark.parametrize("escape", ["", "\\u0041"])
def test_nesting_is_let_in_only_as_deep_as_everybody_can_follow(
    api: Client, depth: int, status: int, escape: str
) -> None:
    alice = world.balance()
    body = f'{{"meta_data":{{"d":{"[" * depth}"{escape}"{"]" * depth}}}}}'
    assert api.post(f"/{alice.pk}/metadata", body.encode()).status == status
    assert api.get(f"/balances/{alice.pk}").status == 200


def test_many_brackets_side_by_side_are_not_deep(api: Client) -> None:
    alice = world.balance()
    assert api.post(f"/{alice.pk}/metadata", {"meta_data": {"list": [[]] * 500}}).status == 200


@pytest.mark.parametrize("offset", ["+23:59", "-23:59", "+16:00", "Z"])
def test_every_offset_of_rfc_3339_is_understood(api: Client, offset: str) -> None:
    text = f"2026-01-02T03:04:05{offset}"
    answer = api.post("/transactions", world.POSTING | {"effective_date": text, "scheduled_for": text})
    assert (answer.status, answer.body["effective_date"]) == (201, text)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reference": "r" * 3000}, "reference: cannot be longer than 2000 bytes."),
        ({"destination": "@" + "é" * 3000}, "destination: cannot be longer than 1000 bytes."),
        ({"currency": "X" * 3000}, "currency: cannot be longer than 200 bytes."),
    ],
)
def test_texts_that_no_index_takes_in_are_refused(api: Client, change: dict[str, str], words: str) -> None:
    answer = api.post("/transactions", world.POSTING | change)
    assert (answer.status, answer.body["errors"]) == (400, words)
    assert not Transaction.objects.exists()
    if "currency" in change:
        balance = {"ledger_id": world.ledger().pk, "currency": change["currency"]}
        assert api.post("/balances", balance).body["errors"] == words


NOISE = "".join(random.Random(1).choices(string.ascii_letters, k=12_000))


@pytest.mark.parametrize("name", ["last_name", "organization_name"])
def test_names_of_identities_that_no_index_takes_in_are_refused(api: Client, name: str) -> None:
    identity = api.post("/identities", {"identity_type": "individual", name: NOISE[:1000]}).body
    refused = (400, f"{name}: cannot be longer than 1000 bytes.")
    for answer in (
        api.post("/identities", {"identity_type": "individual", name: NOISE}),
        api.put(f"/identities/{identity['identity_id']}", {name: NOISE}),
    ):
        assert (answer.status, answer.body["errors"]) == refused
    assert api.get(f"/identities/{identity['identity_id']}").body[name] == NOISE[:1000]


def test_a_number_of_an_account_that_no_index_takes_in_is_refused(api: Client) -> None:
    holder = api.post("/identities", {"identity_type": "individual"}).body["identity_id"]
    alice = world.balance(identity_id=holder)
    for number, status in ((NOISE, 400), (NOISE[:1001], 400), (NOISE[:1000], 201)):
        answer = api.post("/accounts", {"balance_id": alice.pk, "number": number, "bank_name": "B"})
        assert answer.status == status, answer.text


def test_a_provider_that_no_index_takes_in_is_refused_before_its_money_is_traced(api: Client) -> None:
    for provider, status in ((NOISE[:1001], 400), (NOISE[:1000], 201)):
        body = world.POSTING | {"meta_data": {"BLNK_LINEAGE_PROVIDER": provider}}
        assert api.post("/transactions", body).status == status


def test_metadata_under_the_names_of_the_ledger_takes_a_text_of_any_length(api: Client) -> None:
    given = {"meta_data": {"_shadow_for": NOISE, "QUEUED_PARENT_TRANSACTION": NOISE}}
    posted = api.post("/transactions", world.POSTING | given)
    assert (posted.status, posted.body["meta_data"]["_shadow_for"]) == (201, NOISE)
    transaction_id = posted.body["transaction_id"]
    items = [world.POSTING | given | {"reference": f"item-{number}"} for number in range(2)]
    assert api.post("/transactions", world.POSTING | given | {"reference": "q", "skip_queue": False}).status == 201
    assert api.post("/transactions/bulk", {"transactions": items}).status == 201
    assert api.post(f"/refund-transaction/{transaction_id}", given | {"skip_queue": True}).status == 201
    assert api.post(f"/{transaction_id}/metadata", {"meta_data": {"_shadow_for": NOISE[::-1]}}).status == 200
    while drain():
        pass
    assert api.get(f"/transactions/{transaction_id}/lineage").status == 200


@pytest.mark.parametrize("skip_queue", [True, False])
def test_the_longest_reference_leaves_room_for_what_the_ledger_adds_to_it(api: Client, skip_queue: bool) -> None:
    split = {name: value for name, value in world.POSTING.items() if name != "destination"} | {
        "destinations": [{"identifier": "@x", "distribution": "50%"}, {"identifier": "@y", "distribution": "left"}]
    }
    bodies = (world.POSTING | {"reference": NOISE[:2000]}, split | {"reference": NOISE[2000:4000]})
    for body in bodies:
        posted = api.post("/transactions", body | {"skip_queue": skip_queue})
        assert posted.status == 201, posted.text
        while drain():
            pass
        refunded = api.post(f"/refund-transaction/{posted.body['transaction_id']}", {"skip_queue": skip_queue})
        assert refunded.status == 201, refunded.text
    for atomic in (True, False):
        items = [body | {"reference": f"{body['reference']}+"} for body in bodies]
        answer = api.post("/transactions/bulk", {"transactions": items, "skip_queue": skip_queue, "atomic": atomic})
        assert (answer.status, answer.body["error_detail"]["code"]) == (400, "TXN_VALIDATION_ERROR")


def test_a_reason_that_no_record_keeps_is_refused(api: Client) -> None:
    alice = world.balance()
    answer = api.post(f"/balances/{alice.pk}/reconstructions", {"reason": "x" * 1001})
    assert (answer.status, answer.body["error"]) == (400, "A reason has at most 1,000 characters")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/{id}/metadata", "/balances/{id}/reconstructions"])
def test_a_balance_held_too_long_is_423_on_every_route_that_writes(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("balances.ground.locks.atomic_with_lock_limit.__wrapped__.__defaults__", ("100ms",))
    alice = world.balance()
    world.post("@world", alice, 100)
    world.drift(alice, credit=5)
    answers: list[int] = []

    def call() -> None:
        try:
            body = {"meta_data": {"a": 1}} if "metadata" in path else {}
            answers.append(Client().post(path.format(id=alice.pk), body).status)
        finally:
            connection.close()

    with transaction.atomic():
        list(Balance.objects.locked([alice.pk]))
        caller = threading.Thread(target=call)
        caller.start()
        caller.join(20)
    assert answers == [423]


def test_a_query_of_a_thousand_parameters_is_refused_in_words(api: Client) -> None:
    query = "&".join(f"p{n}=1" for n in range(1001))
    answer = api.get(f"/balances?{query}")
    assert (answer.status, answer.body["error"]) == (400, "The query has too many parameters.")


def test_a_surprise_outside_of_a_view_is_answered_like_one_inside(
    api: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("balances.shapes.rendering.dumps", broken)
    api.django.raise_request_exception = False
    answer = api.get("/balance-monitors")
    assert (answer.status, answer.headers["Content-Type"]) == (500, "application/json; charset=utf-8")
    assert answer.body["error_detail"] == {"code": "GEN_INTERNAL", "message": "internal server error"}
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "secret detail" in caplog.text


@pytest.mark.django_db
def test_an_offset_that_the_database_does_not_know_is_no_surprise(api: Client) -> None:
    body = {"name": "k", "owner": "o", "scopes": [], "expires_at": "2031-01-29T04:22:36+18:40"}
    answer = api.post("/api-keys", body)
    assert (answer.status, answer.body["expires_at"]) == (201, body["expires_at"])
    assert api.get("/api-keys?owner=o").body[0]["expires_at"] == "2031-01-28T09:42:36Z"


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_an_instant_outside_of_the_calendar_in_utc_is_no_scope(api: Client, text: str) -> None:
    for name in ("created_from", "created_until"):
        answer = api.post("/sweeps", {"currency": "USD", name: text})
        assert (answer.status, answer.body["error_detail"]["code"]) == (400, "GEN_VALIDATION_ERROR")
