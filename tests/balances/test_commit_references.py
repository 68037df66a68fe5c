"""A commit bears a reference of its client's own, so that one that is sent again is not made again."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from balances.models import Transaction
from balances.models.queue import Entry
from tests.balances.api.test_settlement_contract import split
from tests.balances.test_partial_refunds import MODES
from tests.balances.test_refund_references import UNFIT
from tests.client import Answer, Client
from tests.wire import assert_no_drift, body, create, drain, hold, queued, row, settle, sums, wallets, written

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(api: Client) -> str:
    """Return the id of a hold of 10 from Alice to Bob."""
    wallets()
    return hold(api, "h")


def commit(api: Client, transaction_id: str, units: int | None = None, **fields: Any) -> Answer:
    """Commit at once, after a dry run that must say the same."""
    part = {} if units is None else {"precise_amount": units}
    sent = {"status": "commit", "skip_queue": True} | part | fields
    path = f"/transactions/inflight/{transaction_id}"
    preview, answer = api.put(path, sent | {"dry_run": True}), api.put(path, sent)
    if preview.status == 200:
        assert preview.body["would_apply"] is (answer.status == 200), (preview.text, answer.text)
        if answer.status != 200:
            assert preview.body["rejection"]["message"] == answer.body["error"]
    else:
        assert (preview.status, preview.text) == (answer.status, answer.text)
    return answer


def used(answer: Answer) -> dict[str, Any]:
    """Return what is said of a reference that is in use."""
    assert (answer.status, answer.body["error_detail"]["code"]) == (409, "TXN_DUPLICATE_REFERENCE"), answer.text
    details: dict[str, Any] = answer.body["error_detail"]["details"]
    assert list(details) == sorted(details)
    return details


@pytest.mark.parametrize("units", [None, 300, 1000])
def test_a_commit_that_is_sent_again_with_its_reference_is_made_once(api: Client, held: str, units: int | None) -> None:
    answer = commit(api, held, units, reference="part")
    assert answer.status == 200, answer.text
    assert answer.body["reference"] == f"{held}_commit_part" == row(f"{held}_commit_part").reference
    before = written()
    told = {"reference": f"{held}_commit_part", "same_payment": True, "transaction_id": answer.body["transaction_id"]}
    for skip_queue in (True, False):
        assert used(commit(api, held, units, reference="part", skip_queue=skip_queue)) == told
    bulk = {
        "transactions": [{"transaction_id": held, "reference": "part"} | ({"precise_amount": units} if units else {})]
    }
    for skip_queue in (True, False):
        (item,) = api.post("/transactions/inflight/bulk/commit", bulk | {"skip_queue": skip_queue}).body["results"]
        assert (item["status"], item["code"], item["details"]) == ("failed", "DUPLICATE_REFERENCE", told)
    assert written() == before
    assert sums("bln_bob")[1] == (units or 1000)
    assert_no_drift()


def test_without_a_reference_a_part_is_committed_again_as_in_the_original(api: Client, held: str) -> None:
    assert [commit(api, held, 300).status for _ in range(2)] == [200, 200]
    assert sums("bln_bob")[1] == 600


def test_a_queued_commit_that_is_sent_again_is_made_once(api: Client, held: str) -> None:
    assert commit(api, held, 300, reference="part", skip_queue=False).body["queued"] is True
    answer = commit(api, held, 300, reference="part", skip_queue=False)
    assert (answer.status, answer.body["error_detail"]["code"]) == (409, "GEN_CONFLICT")
    assert answer.body["error_detail"]["details"] == {"reference": "part", "same_payment": True, "status": "QUEUED"}
    other = commit(api, held, 301, reference="part", skip_queue=False).body["error_detail"]["details"]
    assert other["same_payment"] is False
    for fields in ({"reference": "another"}, {}):
        assert "details" not in commit(api, held, 300, skip_queue=False, **fields).body["error_detail"]
    drain()
    assert row(f"{held}_commit_part").units == 300
    for skip_queue in (True, False):
        assert used(commit(api, held, 300, reference="part", skip_queue=skip_queue))["same_payment"]
    assert sums("bln_bob")[1] == 300
    assert_no_drift()


def test_a_commit_at_once_overtakes_the_same_one_in_the_queue_and_that_finds_nothing_to_do(
    api: Client, held: str
) -> None:
    assert commit(api, held, 300, reference="part", skip_queue=False).status == 200
    assert commit(api, held, 300, reference="part").status == 200
    drain()
    assert (sums("bln_bob")[1], Entry.objects.count()) == (300, 0)
    assert_no_drift()


def test_a_hold_is_known_by_every_id_that_leads_to_it(api: Client) -> None:
    wallets()
    waiting = create(api, queued("q", inflight=True))
    drain()
    hold_id = row("q_q").pk
    assert commit(api, waiting, 300, reference="part", skip_queue=False).status == 200
    assert commit(api, hold_id, 300, reference="part", skip_queue=False).status == 200
    drain()
    for each in (waiting, hold_id):
        assert used(commit(api, each, 300, reference="part"))["transaction_id"] == row(f"{hold_id}_commit_part").pk
    assert (sums("bln_bob")[1], Entry.objects.count()) == (300, 0)
    assert_no_drift()


@MODES
def test_the_same_reference_for_another_commit_is_told_by_what_differs(
    api: Client, held: str, skip_queue: bool
) -> None:
    assert commit(api, held, 300, reference="part").status == 200
    for units in (301, None, 701, 5000):
        details = used(commit(api, held, units, reference="part", skip_queue=skip_queue))
        assert (details["same_payment"], details["differs"]) == (False, ["amount"])
    assert "differs" not in used(commit(api, held, None, amount=3, reference="part", skip_queue=skip_queue))
    taken = create(api, body(f"{held}_commit_other"))
    details = used(commit(api, held, 1000, reference="other", skip_queue=skip_queue))
    assert (details["transaction_id"], details["differs"]) == (taken, ["parent_transaction"])


def test_a_commit_of_several_holds_names_each_of_them(api: Client) -> None:
    wallets()
    for skip_queue, reference in ((True, "s"), (False, "t")):
        parent = create(api, split(body(reference, inflight=True)))
        assert commit(api, parent, 100, reference="part", skip_queue=skip_queue).status == 200
        drain()
        rows = Transaction.objects.filter(parent_transaction=parent)
        for each in rows:
            assert row(f"{each.pk}_commit_part").units == 100
            assert used(commit(api, each.pk, 100, reference="part"))["same_payment"]
        before = written()
        for mode in (True, False):
            assert used(commit(api, parent, 100, reference="part", skip_queue=mode))["same_payment"]
        assert written() == before
    assert_no_drift()


def test_of_several_holds_those_are_committed_that_were_not(api: Client) -> None:
    wallets()
    parent = create(api, split(body("s", inflight=True)))
    first, second = Transaction.objects.filter(parent_transaction=parent)
    assert commit(api, first.pk, 100, reference="part").status == 200
    sent = {"status": "commit", "precise_amount": 100, "reference": "part"}
    assert api.put(f"/transactions/inflight/{parent}", sent).status == 200
    drain()
    assert row(f"{second.pk}_commit_part").units == 100
    assert Transaction.objects.filter(status="APPLIED", parent_transaction=first.pk).count() == 1
    assert_no_drift()


def test_references_of_two_holds_and_of_one_bulk_stand_side_by_side(api: Client, held: str) -> None:
    other = hold(api, "h2")
    items = [
        {"transaction_id": each, "precise_amount": 100, "reference": name}
        for each, name in ((held, "a"), (held, "b"), (other, "a"), (held, "a"))
    ]
    answer = api.post("/transactions/inflight/bulk/commit", {"transactions": items, "skip_queue": True})
    assert [each["status"] for each in answer.body["results"]] == ["succeeded"] * 3 + ["failed"]
    assert answer.body["results"][3]["details"]["same_payment"]
    assert sums("bln_bob")[1] == 300
    assert_no_drift()


@MODES
@UNFIT
def test_a_reference_of_a_commit_keeps_the_rules_of_every_reference(
    api: Client, held: str, reference: str, why: str, skip_queue: bool
) -> None:
    before = written()
    answer = commit(api, held, 300, reference=reference, skip_queue=skip_queue)
    assert (answer.status, answer.body["error_detail"]["code"]) == (400, "TXN_VALIDATION_ERROR")
    assert why in answer.body["errors"]
    item = {"transaction_id": held, "reference": reference}
    answer = api.post("/transactions/inflight/bulk/commit", {"transactions": [item], "skip_queue": skip_queue})
    assert (answer.status, answer.body["error_detail"]["details"]) == (400, {"index": 0})
    assert answer.body["errors"].startswith("transactions[0]: reference: ")
    assert written() == before


def test_a_void_takes_no_reference_for_it_cannot_be_done_twice(api: Client, held: str) -> None:
    before = written()
    for skip_queue in (True, False):
        answer = settle(api, held, "void", reference="back", skip_queue=skip_queue)
        assert (answer.status, answer.body["error"][:48]) == (400, "reference is not taken here with void, which can")
    assert written() == before
    assert [settle(api, held, "void").status for _ in range(2)] == [200, 409]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ways", [(True,), (False,), (True, False)], ids=["at once", "queued", "both ways"])
def test_many_at_once_with_one_reference_commit_once(api: Client, ways: tuple[bool, ...]) -> None:
    wallets()
    waiting = create(api, queued("q", inflight=True))
    drain()
    ids, answers, gate = (waiting, row("q_q").pk), list[Answer](), threading.Barrier(8)

    def ask(number: int) -> None:
        try:
            gate.wait(20)
            sent = {"status": "commit", "precise_amount": 100, "reference": "part"}
            sent |= {"skip_queue": ways[number % len(ways)]}
            answers.append(Client(way="lane").put(f"/transactions/inflight/{ids[number // 2 % 2]}", sent))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {each.status for each in answers} == {200, 409}, [each.text for each in answers]
    drain()
    assert (sums("bln_bob")[1], Entry.objects.count()) == (100, 0)
    assert_no_drift()
