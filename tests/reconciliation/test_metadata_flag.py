"""The flag in the metadata, as Blnk's clients use it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from balances.models import GENERAL_LEDGER_ID, Balance
from reconciliation.models import Reconstruction
from tests import world
from tests.client import Answer, Client

pytestmark = pytest.mark.django_db

FLAG = {"meta_data": {"BLNK_RUN_RECONCILIATION": "SOURCE"}}


@pytest.fixture
def call(
    api: Client, django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[Any]]
) -> Iterator[Callable[..., Answer]]:
    """Return a way to post metadata that commits, as a request of its own would."""

    def post(balance: Balance, body: Any) -> Answer:
        with django_capture_on_commit_callbacks(execute=True):
            return api.post(f"/{balance.pk}/metadata", body)

    return post


@pytest.fixture
def alice() -> Balance:
    """Return a balance as in the contract's example: 800 stored where the rows say 1075."""
    alice = world.balance(meta_data={"team": "ops"})
    world.post("@world", alice, 1725)
    world.post(alice, "@world", 650)
    world.drift(alice, credit=-225, debit=50)
    return alice


@pytest.mark.parametrize("value", ["source", "TXN", True, 1, ["SOURCE"], None])
def test_any_other_value_of_the_flag_is_an_ordinary_key(
    call: Callable[..., Answer], alice: Balance, value: Any
) -> None:
    before = world.totals(alice)
    answer = call(alice, {"meta_data": {"BLNK_RUN_RECONCILIATION": value}})
    assert answer.body["meta_data"] == {"BLNK_RUN_RECONCILIATION": value, "team": "ops"}
    assert world.totals(alice) == before
    assert Balance.objects.get(pk=alice.pk).meta_data == {"BLNK_RUN_RECONCILIATION": value, "team": "ops"}
    assert not Reconstruction.objects.exists()


def test_a_flag_nested_deeper_or_on_a_ledger_does_nothing(api: Client, alice: Balance) -> None:
    nested = {"meta_data": {"x": FLAG["meta_data"]}}
    api.post(f"/{alice.pk}/metadata", nested)
    api.post(f"/{alice.ledger_id}/metadata", FLAG)
    assert api.get(f"/ledgers/{alice.ledger_id}").body["meta_data"] == FLAG["meta_data"]
    assert not Reconstruction.objects.exists()


def test_the_contracts_example_comes_out_to_the_letter(
    api: Client, call: Callable[..., Answer], alice: Balance
) -> None:
    answer = call(alice, FLAG)
    assert answer.text == '{"meta_data":{"BLNK_RUN_RECONCILIATION":"SOURCE","team":"ops"}}'

    read = api.get(f"/balances/{alice.pk}").body
    assert [read[total] for total in ("balance", "credit_balance", "debit_balance")] == [1075, 1725, 650]
    result = read["meta_data"].pop("BLNK_RECONCILIATION_RESULT")
    assert read["meta_data"] == {"team": "ops"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?\+00", result.pop("executed_at"))
    assert list(result.items()) == [
        ("difference", "275"),
        ("previous_balance", "800"),
        ("previous_credit", "1500"),
        ("previous_debit", "700"),
        ("recalculated_balance", "1075"),
        ("recalculated_credit", "1725"),
        ("recalculated_debit", "650"),
    ]
    record = Reconstruction.objects.get()
    assert (record.origin, record.actor, record.outcome) == ("metadata", "master key", "corrected")


def test_a_second_run_replaces_the_result_and_its_answer_still_shows_the_first(
    api: Client, call: Callable[..., Answer], alice: Balance
) -> None:
    call(alice, FLAG)
    first = api.get(f"/balances/{alice.pk}").body
    echoed = call(alice, FLAG).body["meta_data"]
    second = api.get(f"/balances/{alice.pk}").body
    assert echoed == first["meta_data"] | FLAG["meta_data"]
    result = second["meta_data"]["BLNK_RECONCILIATION_RESULT"]
    assert (result["difference"], result["previous_balance"], result["recalculated_balance"]) == ("0", "1075", "1075")
    assert second["version"] == first["version"]
    assert set(Reconstruction.objects.values_list("outcome", flat=True)) == {"no_drift", "corrected"}


def test_a_result_sent_along_is_overwritten_and_other_keys_are_kept(
    api: Client, call: Callable[..., Answer], alice: Balance
) -> None:
    forged = {"BLNK_RECONCILIATION_RESULT": "all fine", "note": 1}
    assert call(alice, {"meta_data": FLAG["meta_data"] | forged}).body["meta_data"]["note"] == 1
    stored = api.get(f"/balances/{alice.pk}").body["meta_data"]
    assert stored["BLNK_RECONCILIATION_RESULT"]["difference"] == "275"
    assert stored["note"] == 1


def test_a_balance_without_rows_becomes_zero_as_in_the_original_with_a_record_to_undo_it(
    call: Callable[..., Answer],
) -> None:
    alice = world.balance()
    world.drift(alice, credit=500)
    assert call(alice, FLAG).status == 200
    assert set(world.totals(alice).values()) == {0}
    assert Reconstruction.objects.get().previous.credit_balance == 500


def test_an_indicator_balance_is_rebuilt_through_its_id(call: Callable[..., Answer], alice: Balance) -> None:
    source = Balance.objects.get(indicator="@world")
    world.drift(source, debit=9)
    assert call(source, FLAG).status == 200
    assert world.totals(source)["debit_balance"] == 1725


def test_the_flag_on_a_new_balance_is_never_stored(api: Client) -> None:
    body = {"ledger_id": GENERAL_LEDGER_ID, "currency": "USD", "meta_data": FLAG["meta_data"] | {"a": 1}}
    created = api.post("/balances", body)
    assert created.body["meta_data"] == {"a": 1}
    assert api.get(f"/balances/{created.body['balance_id']}").body["meta_data"] == {"a": 1}
    assert not Reconstruction.objects.exists()


def test_any_script_that_saves_the_model_reaches_the_service(
    alice: Balance, django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[Any]]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        balance = Balance.objects.get(pk=alice.pk)
        balance.meta_data = balance.meta_data | FLAG["meta_data"]
        balance.save()
    assert world.totals(alice)["balance"] == 1075
    assert Reconstruction.objects.get().origin == "script"


def test_saving_an_old_copy_of_a_balance_does_not_bring_back_its_old_totals(alice: Balance) -> None:
    old = Balance.objects.get(pk=alice.pk)
    world.post("@world", alice, 1)
    before = world.totals(alice)
    old.save()
    assert world.totals(alice) == before
    with pytest.raises(ValueError, match="Totals change by posting or restating only"):
        old.save(update_fields=["balance"])
