"""A small ledger to look at: a few people's wallets, most of them drifted, each by another cause.

Postings go through the service; the damage is done behind its back, as the buggy writer or the SQL would have done it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F

from balances.models import Balance, Ledger, Transaction, now
from balances.posting import Posting, open_ledger, post_transaction
from reconciliation.drill.damage import shift
from reconciliation.measuring import measure

LEDGER_NAME = "Demo wallets"
CURRENCY = "DEM"
"""A currency of its own, which keeps the balances of the demo apart from all others."""
BANK = "@demo-bank"


@dataclass(frozen=True)
class Wallet:
    """One balance of the demo: whose, what went wrong, and the damage itself."""

    name: str
    story: str
    damage: Callable[[Balance], object] | None = None
    opening: int = 0
    """Minor units that it was created with, as by an import that books nothing."""
    landlord: str = BANK


def fill() -> Ledger:
    """Make the demo ledger unless it is there, all or nothing, and return it."""
    existing = Ledger.objects.filter(name=LEDGER_NAME, meta_data__demo=True).first()
    if existing is not None:
        return existing
    with transaction.atomic():
        ledger = open_ledger(name=LEDGER_NAME, meta_data={"demo": True})
        opened = [(wallet, _open(ledger, wallet)) for wallet in WALLETS]
        for number, (wallet, balance) in enumerate(opened, start=1):
            _spend_a_week(balance, number, wallet.landlord)
        for wallet, balance in opened:
            if wallet.damage is not None:
                wallet.damage(balance)
    return ledger


def _open(ledger: Ledger, wallet: Wallet) -> Balance:
    return Balance.objects.create(
        ledger=ledger,
        currency=CURRENCY,
        indicator=f"@demo-{wallet.name}",
        credit_balance=wallet.opening,
        balance=wallet.opening,
        meta_data={"what_happened": wallet.story},
    )


def state(ledger: Ledger) -> str:
    """Say how many of its wallets drift now: those that were corrected do not any more."""
    wallets = Balance.objects.filter(ledger=ledger, indicator__in=[f"@demo-{each.name}" for each in WALLETS])
    measured = measure(sorted(wallets.values_list("balance_id", flat=True)))
    drifting = sum(each.has_drift for each in measured)
    if not drifting:
        return f"It has {len(measured)} wallets, and all of them agree with their transactions."
    return f"It has {len(measured)} wallets; {drifting} of them {'drifts' if drifting == 1 else 'drift'}."


def wallet_to_rebuild(ledger: Ledger) -> Balance:
    """Return the balance that quickstart rebuilds."""
    return Balance.objects.get(ledger=ledger, indicator=f"@demo-{WALLETS[0].name}", currency=CURRENCY)


def _post(source: str, destination: str, units: int, reference: str, description: str) -> Transaction:
    return post_transaction(
        Posting(
            source=source,
            destination=destination,
            precise_amount=units,
            precision=100,
            currency=CURRENCY,
            reference=reference,
            description=description,
            allow_overdraft=source == BANK,
        )
    )


def _spend_a_week(balance: Balance, number: int, landlord: str) -> None:
    """Post a salary and a few payments; amounts differ from wallet to wallet."""
    name = balance.indicator
    _post(BANK, balance.pk, 250_000 + number * 1_150, f"{name}-salary", "Salary")
    for day, (units, what) in enumerate(((4_250, "Groceries"), (1_999, "Books"), (87_500, "Rent"), (3_300, "Tram"))):
        payee = landlord if what == "Rent" else BANK
        _post(balance.pk, payee, units + number * 7, f"{name}-{day}", what)


def _lose_an_update(balance: Balance) -> None:
    shift(balance.pk, debit=-_units_of(balance, "-2"))  # the writers of both payments counted theirs


def _apply_half(balance: Balance) -> None:
    shift(balance.pk, credit=-_units_of(balance, "-salary"), version=-1)


def _count_twice(balance: Balance) -> None:
    shift(balance.pk, debit=_units_of(balance, "-0"), version=1)


def _edit_by_hand(balance: Balance) -> None:
    credit, net = F("credit_balance") + 100_000, F("balance") + 100_000
    Balance.objects.filter(pk=balance.pk).update(credit_balance=credit, balance=net)


def _keep_what_was_deleted(balance: Balance) -> None:
    shift(balance.pk, debit=12_000, version=1)


def _forget_the_precision(balance: Balance) -> None:
    _post(balance.pk, BANK, 2_000, f"{balance.indicator}-shoes", "Shoes")
    shift(balance.pk, debit=20 - 2_000)


def _release_a_hold_twice(balance: Balance) -> None:
    """Leave a hold of 90.00 that was voided once in the rows and twice in the totals."""
    bank = Balance.objects.by_indicator(BANK, CURRENCY).get()
    hold = {"source": balance, "destination": bank, "precise_amount": 9_000, "amount": 90, "precision": 100}
    common: dict[str, Any] = hold | {"currency": CURRENCY, "effective_date": now(), "meta_data": {}}
    parent = Transaction.objects.create(
        reference=f"{balance.indicator}-hold", status="INFLIGHT", description="Hotel deposit", **common
    )
    Transaction.objects.create(
        reference=f"{balance.indicator}-hold-void",
        status="VOID",
        description="Hotel deposit released",
        parent_transaction=parent.pk,
        **common,
    )
    shift(balance.pk, inflight_debit=-9_000, version=3)


def _units_of(balance: Balance, suffix: str) -> int:
    row = Transaction.objects.get(reference=f"{balance.indicator}{suffix}")
    return int(row.precise_amount or 0)


WALLETS = (
    Wallet(
        "ada",
        "Lost update: two payments at once, the rent is missing from the debits.",
        _lose_an_update,
        landlord="@demo-ivo",
    ),
    Wallet("ben", "Half applied: the salary left the bank and never reached this wallet.", _apply_half),
    Wallet("cleo", "Retried payment: one transaction, counted twice.", _count_twice),
    Wallet("dora", "Edited by hand: somebody added 1,000.00 in SQL.", _edit_by_hand),
    Wallet("eli", "Deleted transaction: the row is gone, its 120.00 are still in the debits.", _keep_what_was_deleted),
    Wallet("finn", "Opening balance of 500.00 that was never booked.", opening=50_000),
    Wallet("gus", "Precision forgotten: 20.00 counted as 0.20.", _forget_the_precision),
    Wallet("hana", "Hold released twice: the inflight debits are 90.00 below zero.", _release_a_hold_twice),
    Wallet("ivo", "Nothing: this wallet is right."),
)
"""Causes of drift as they happen in the wild, one a wallet."""
