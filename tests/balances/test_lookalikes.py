"""Keys that look alike: what cannot be seen in a reference, an indicator or a currency is refused at every door."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from balances.ground import lookalikes
from balances.importing import ImportRefused
from balances.models import GENERAL_LEDGER_ID, Balance
from balances.recording.lineage import PROVIDER
from tests import world
from tests.balances.test_importing import BALANCES, TRANSACTIONS, Files
from tests.client import Client
from tests.wire import body, wallets, written

BLANK = "begins or ends with a blank"
COMPOSED = "is not in Unicode's composed form (NFC), so it looks like another text"
CASES = [
    ("{} ", BLANK),
    (" {}", BLANK),
    ("{}\t", "holds the invisible character U+0009"),
    ("{}\n", "holds the invisible character U+000A"),
    ("{}\x7f", "holds the invisible character U+007F"),
    ("a\u200b{}", "holds the invisible character U+200B"),
    ("{}\u200d", "holds the invisible character U+200D"),
    ("{}\ufeff", "holds the invisible character U+FEFF"),
    ("{}\u00ad", "holds the invisible character U+00AD"),
    ("{}\u202e", "holds the invisible character U+202E"),
    ("{}\u2028x", "holds the invisible character U+2028"),
    ("{}\ufe0f", "holds the invisible character U+FE0F"),
    ("{}\u3164", "holds the invisible character U+3164"),
    ("{}\U000e0061", "holds the invisible character U+E0061"),
    ("{}\u00a0", "holds the blank U+00A0, which looks like another one"),
    ("x\u2003{}", "holds the blank U+2003, which looks like another one"),
    ("cafe\u0301{}", COMPOSED),
    ("\u212b{}", COMPOSED),
    ("\u1100\u1161{}", COMPOSED),
]
"""Ways to write a key that another one looks like, and what is said of it."""


@pytest.mark.parametrize(("pattern", "why"), CASES)
def test_what_cannot_be_seen_in_a_key_is_named(pattern: str, why: str) -> None:
    assert lookalikes.problem(pattern.format("ref")) == why


@pytest.mark.parametrize("key", ["", "ref-1", "café", "№ 7", "@münchen", "订单-1", "заказ 1", "😀", "a b", "ﬁ", "Ω"])
def test_what_can_be_seen_is_a_key(key: str) -> None:
    assert lookalikes.problem(unicodedata.normalize("NFC", key)) is None


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["reference", "currency", "source", "destination", "sources", "destinations"])
def test_no_transaction_is_taken_with_a_key_that_looks_like_another(api: Client, name: str) -> None:
    wallets()
    before = written()
    for number, (pattern, why) in enumerate(CASES):
        key = pattern.format("@x")
        change: dict[str, Any] = {name: key}
        if name.endswith("s"):
            change = {name[:-1]: "", name: [{"identifier": key, "distribution": "left"}]}
            why = f"an identifier {why}"
        sent = body("r") | change
        ways = ({"skip_queue": True}, {"skip_queue": False}, {"inflight": True}, {"dry_run": True})
        for more in ways if number < 2 else ways[:1]:
            answer = api.post("/transactions", sent | more)
            assert (answer.status, answer.body["errors"]) == (400, f"{name}: {why}."), answer.text
        for more in ({"run_async": True}, {"atomic": True}, {"dry_run": True}) if number < 2 else ():
            answer = api.post("/transactions/bulk", {"transactions": [body("a"), sent]} | more)
            assert (answer.status, answer.body["errors"]) == (400, f"transactions[1]: {name}: {why}."), answer.text
    assert written() == before


@pytest.mark.django_db
def test_a_provider_of_funds_is_a_key_too(api: Client) -> None:
    wallets()
    answer = api.post("/transactions", body("r", meta_data={PROVIDER: "stripe "}))
    assert (answer.status, answer.body["errors"]) == (400, f"meta_data: {PROVIDER} {BLANK}.")
    assert api.post("/transactions", body("r", meta_data={PROVIDER: 5, "other": "free "})).status == 201


@pytest.mark.django_db
def test_no_balance_is_opened_with_one(api: Client) -> None:
    count = Balance.objects.count()
    for pattern, why in CASES:
        sent = {"ledger_id": GENERAL_LEDGER_ID, "currency": pattern.format("USD"), "indicator": "@x"}
        answer = api.post("/balances", sent)
        assert (answer.status, answer.body["errors"]) == (400, f"currency: {why}.")
        answer = api.post("/balances", sent | {"currency": "USD", "indicator": pattern.format("@x")})
        assert (answer.status, answer.body["errors"].partition(": ")[0]) == (400, "indicator"), answer.text
    assert Balance.objects.count() == count


@pytest.mark.django_db
@pytest.mark.parametrize("column", ["reference", "currency", "indicator"])
def test_none_is_imported(tmp_path: Path, column: str) -> None:
    files = Files(tmp_path)
    for pattern, _ in CASES:
        written_as = {"reference": ("in-1", "in-1"), "currency": ("CZK", "CZK"), "indicator": ("@till", "@till")}[
            column
        ]
        new = pattern.format(written_as[1])
        if "\n" in new:
            continue
        files.write(BALANCES.replace(written_as[0], new), TRANSACTIONS.replace(written_as[0], new))
        with pytest.raises(ImportRefused, match=rf"line 2, column {column}: "):
            files.load()
    assert not Balance.objects.filter(currency__contains="CZK").exists()
    with pytest.raises(ImportRefused, match=BLANK):
        files.write().load(name="Shop ")


@pytest.mark.django_db
def test_what_is_stored_with_one_already_goes_on(api: Client) -> None:
    """Such rows come from Blnk or from before: they can be read, settled and refunded by their ids."""
    wallets()
    alice, bob = Balance.objects.get(pk="bln_alice"), Balance.objects.get(pk="bln_bob")
    held = world.row("INFLIGHT", 100, alice, bob, reference="ref-1 ", currency="USD ", meta_data={"inflight": True})
    for balance, fields in ((alice, {"hold_debit": 100}), (bob, {"hold_credit": 100})):
        world.drift(balance, **fields)
    assert api.get(f"/transactions/{held.pk}").body["reference"] == "ref-1 "
    assert api.put(f"/transactions/inflight/{held.pk}", {"status": "commit", "skip_queue": True}).status == 200
    assert api.post(f"/refund-transaction/{held.pk}", {"skip_queue": True}).status == 201
