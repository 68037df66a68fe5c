"""The four-eyes policy as a pure function, and the settings that it comes from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balances.ground.principals import ANYBODY, MASTER
from balances.keys.keyring import issue
from ledgerproj import environment
from ledgerproj.environment import Misconfigured
from reconciliation.correcting.policy import Facts, Policy, second_person_needed, why_not_second
from reconciliation.management.ledger_command import operator
from reconciliation.measuring.measurement import Totals

RELAXED = Policy(amounts={"*": None}, balances=1_000_000, ledgers=frozenset())


def facts(**drift: int) -> Facts:
    found = Facts()
    for currency, gross in drift.items():
        found.add(currency=currency, gross=gross, ledger_id="ldg_1", ledger_name="Wallets")
    return found


@pytest.mark.parametrize(
    ("policy", "needed", "words"),
    [
        ({}, False, "No second person is needed"),
        ({"amounts": {"*": 0}}, True, "1,001 minor units of USD are more than the limit of 0"),
        ({"amounts": {"USD": 1001}}, False, "No second person is needed"),
        ({"amounts": {"USD": 1000}}, True, "1,001 minor units of USD are more than the limit of 1,000"),
        ({"amounts": {"EUR": 5}}, True, "USD are more than the limit of 0"),
        ({"amounts": {"EUR": 5, "*": None}}, False, "No second person is needed"),
        ({"amounts": {}}, True, "USD are more than the limit of 0"),
        ({"balances": 0}, True, "1 balances are more than the limit of 0"),
        ({"ledgers": frozenset({"Wallets"})}, True, "it concerns the ledger Wallets, where two always decide"),
        ({"ledgers": frozenset({"ldg_1"})}, True, "it concerns the ledger Wallets"),
        ({"ledgers": frozenset({"ldg_2", "wallets"})}, False, "No second person is needed"),
    ],
)
def test_the_policy_says_who_is_needed_and_why(policy: dict[str, Any], needed: bool, words: str) -> None:
    given = {"amounts": RELAXED.amounts, "balances": RELAXED.balances, "ledgers": RELAXED.ledgers} | policy
    found, said = second_person_needed(facts(USD=1001), Policy(**given))
    assert (found, words in said) == (needed, True), said


@given(drift=st.dictionaries(st.sampled_from(["USD", "EUR", "ETH"]), st.integers(1, 10**40), min_size=1))
def test_by_default_whatever_moves_money_needs_a_second_person(drift: dict[str, int]) -> None:
    strict = Policy(amounts={"*": 0}, balances=1, ledgers=frozenset())
    assert second_person_needed(facts(**drift), strict)[0]


def test_a_net_that_is_wrong_beside_right_sides_moves_money_as_well() -> None:
    nothing = Totals.net(credit=0, debit=0, inflight_credit=0, inflight_debit=0)
    assert replace(nothing, balance=-(10**9)).moved == 10**9
    assert Totals.net(credit=5, debit=-7, inflight_credit=0, inflight_debit=1).moved == 13


def test_the_default_of_the_settings_is_the_strict_one(settings: Any) -> None:
    assert Policy.of_settings() == Policy(amounts={"*": 0}, balances=1, ledgers=frozenset())


@pytest.mark.parametrize("actor", [ANYBODY.actor, "alice", "Alice"])
def test_neither_the_one_who_asked_nor_an_unknown_caller_is_a_second_person(actor: str) -> None:
    assert why_not_second(actor, "alice")


@pytest.mark.django_db
def test_two_keys_of_one_owner_and_a_staff_member_of_that_name_are_one_person() -> None:
    expires = datetime.now(UTC) + timedelta(days=1)
    keys = [issue(name="ops", owner_id=owner, scopes=(), expires_at=expires) for owner in ("Bob", "bob", "carol")]
    bob, again, carol = (f"key ops ({key.api_key_id})" for key in keys)
    assert why_not_second(again, bob)
    assert why_not_second("bob", bob)
    assert why_not_second(bob, "\uff42\uff4f\uff42")
    assert why_not_second(carol, bob) is None
    assert why_not_second("key ops (api_key_gone)", bob) is None


def test_the_environment_gives_the_operator_no_other_name(monkeypatch: pytest.MonkeyPatch) -> None:
    before = operator()
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(variable, "somebody-else")
    assert operator() == before


def test_somebody_else_is_a_second_person() -> None:
    assert why_not_second("bob", "alice") is None
    assert why_not_second(MASTER.actor, ANYBODY.actor) is None
    assert why_not_second(MASTER.actor, MASTER.actor)


def test_limits_are_read_strictly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMITS", " USD=100000, EUR = none,*=0 ,")
    assert environment.limits("LIMITS", "") == {"USD": 100000, "EUR": None, "*": 0}
    for wrong in ("USD", "USD=", "=5", "USD=-1", "USD=1.5", "USD=1e3", "USD=all", "USD=1,USD=2"):
        monkeypatch.setenv("LIMITS", wrong)
        with pytest.raises(Misconfigured, match="LIMITS"):
            environment.limits("LIMITS", "")
