"""POST /{entity_id}/metadata, without the reconstruction that it can ask for."""

from __future__ import annotations

import pytest

from balances.models import GENERAL_LEDGER_ID, Transaction
from tests import world
from tests.client import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "EOF"),
        (
            b'{"meta_data":[1]}',
            "json: cannot unmarshal array into Go struct field MetadataRequest.meta_data of type "
            "map[string]interface {}",
        ),
        (
            b"{}",
            "Key: 'MetadataRequest.Metadata' Error:Field validation for 'Metadata' failed on the 'required' tag",
        ),
        (
            b'{"meta_data":null}',
            "Key: 'MetadataRequest.Metadata' Error:Field validation for 'Metadata' failed on the 'required' tag",
        ),
    ],
)
def test_bodies_without_metadata_are_malformed(api: Client, raw: bytes, message: str) -> None:
    answer = api.post("/bln_x/metadata", raw)
    assert (answer.status, answer.body["error"]) == (400, message)
    assert answer.body["error_detail"]["code"] == "GEN_MALFORMED_REQUEST"


def test_numbers_are_written_as_the_original_writes_them(api: Client) -> None:
    """Seen on the original: an exponent in lower case, and none between a millionth and 10 to the power of 20."""
    small = '"a":1e-13,"b":1e-7,"c":0.000001,"d":1.5e-10,"e":-2e-9'
    large = '"g":1e3,"h":1.25E2,"i":12E19'
    answer = api.post("/ledgers", f'{{"name":"n","meta_data":{{{small},{large}}}}}'.encode())
    assert f'"meta_data":{{{small},"g":1000,"h":125,"i":120000000000000000000}}' in answer.text
    kept = api.get(f"/ledgers/{answer.body['ledger_id']}").text
    assert small in kept
    sent = b'"source":"@a","destination":"@b","currency":"USD","reference":"r","description":"d","skip_queue":true'
    made = api.post(
        "/transactions", b'{"amount":1e-13,"precision":1000000000000000000,"allow_overdraft":true,' + sent + b"}"
    )
    assert '"precise_amount":100000,"amount":1e-13,' in made.text
    assert '"amount":1e-13,' in api.get(f"/transactions/{made.body['transaction_id']}").text


@pytest.mark.parametrize("entity", ["acc_x", "mon_1", GENERAL_LEDGER_ID])
def test_ids_of_other_kinds_are_refused(api: Client, entity: str) -> None:
    answer = api.post(f"/{entity}/metadata", {"meta_data": {}})
    assert (answer.status, answer.body["error_detail"]["code"]) == (400, "META_INVALID_ENTITY_ID")
    assert answer.body["error"] == f"invalid entity ID format: {entity}"


@pytest.mark.parametrize("entity", ["bln_x", "ldg_x", "txn_x", "idt_x", "bulk_x"])
def test_entities_that_do_not_exist_are_a_404(api: Client, entity: str) -> None:
    answer = api.post(f"/{entity}/metadata", {"meta_data": {"a": 1}})
    assert answer.status == 404
    assert answer.body == {
        "error": "entity not found",
        "error_detail": {"code": "META_ENTITY_NOT_FOUND", "message": "entity not found"},
    }


@pytest.mark.parametrize("kind", ["ledger", "balance"])
def test_top_level_keys_are_merged_and_the_merged_object_comes_back(api: Client, kind: str) -> None:
    entity = world.ledger() if kind == "ledger" else world.balance()
    path = f"/{entity.pk}/metadata"
    assert api.post(path, {"meta_data": {"b": {"x": 1}, "team": "ops"}}).status == 200
    merged = api.post(path, {"meta_data": {"b": {"y": None}, "a": []}})
    assert merged.text == '{"meta_data":{"a":[],"b":{"y":null},"team":"ops"}}'
    assert api.post(path, {"meta_data": {}}).text == merged.text
    assert api.get(f"/{kind}s/{entity.pk}").body["meta_data"] == merged.body["meta_data"]


def test_a_transaction_answers_with_the_keys_sent_and_passes_them_to_its_children(api: Client) -> None:
    alice, bob = world.balance(), world.balance()
    hold = world.row("INFLIGHT", 100, alice, bob, meta_data={"inflight": True, "old": 1})
    commit = world.row("APPLIED", 100, alice, bob, parent_transaction=hold.pk)
    answer = api.post(f"/{hold.pk}/metadata", {"meta_data": {"note": "checked"}})
    assert answer.text == '{"meta_data":{"note":"checked"}}'
    assert Transaction.objects.get(pk=hold.pk).meta_data == {"inflight": True, "old": 1, "note": "checked"}
    assert Transaction.objects.get(pk=commit.pk).meta_data == {"note": "checked"}
    shown = api.get(f"/transactions/{hold.pk}").body
    assert (shown["inflight"], shown["meta_data"]) == (True, {"old": 1, "note": "checked"})
