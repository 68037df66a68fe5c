"""Faults without drift, which the checks of a sweep must find."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from balances.models import Transaction, new_transaction_id
from reconciliation.drill.damage import delete_balance
from reconciliation.drill.faults import Fault, Places, end
from reconciliation.drill.ledger import Status
from reconciliation.drill.source_faults import snapshot


def fault(check: str, *about: str | Transaction) -> Fault:
    """Return a fault that a check must find on some balances, or on both balances of a row."""
    ends = ((each,) if isinstance(each, str) else (end(each, "debit"), end(each, "credit")) for each in about)
    return Fault(f"check {check}", "no drift", tuple(balance for pair in ends for balance in pair), check=check)


def settled_beyond(places: Places) -> Fault | None:
    """Settle a hold for more than it held, in rows and totals alike."""
    first, second = places.two_wallets()
    when, units = places.ledger.instant(), places.ledger.amount()
    hold = places.ledger.hold(first, second, units, when)
    places.ledger.settle(hold, Status.APPLIED, units, when + timedelta(hours=1))
    places.ledger.settle(hold, Status.APPLIED, units // 2, when + timedelta(hours=2))
    return fault("hold_settled_beyond", *places.use(first, second))


def void_without_hold(places: Places) -> Fault | None:
    """Void a hold that never was, in rows and totals alike."""
    first, second = places.two_wallets()
    units = places.ledger.amount()
    places.ledger.row(
        Status.VOID, first, second, units, places.ledger.instant(), parent_transaction=new_transaction_id()
    )
    places.ledger.move(first, inflight_debit=-units, version=1)
    places.ledger.move(second, inflight_credit=-units, version=1)
    return fault("void_without_hold", *places.use(first, second))


def child_without_parent(places: Places) -> Fault | None:
    """Post a row that names a parent which never was."""
    first, second = places.two_wallets()
    parent = new_transaction_id()
    places.ledger.post(first, second, places.ledger.amount(), places.ledger.instant(), parent_transaction=parent)
    return fault("child_without_parent", *places.use(first, second))


def wrong_hash(places: Places) -> Fault | None:
    """Post a row that does not match its hash."""
    first, second = places.two_wallets()
    other = f"{places.chance.getrandbits(255) + 1:064x}"
    places.ledger.post(first, second, places.ledger.amount(), places.ledger.instant(), hash=other)
    return fault("hash_disagrees", *places.use(first, second))


def wrong_hash_of_a_child(places: Places) -> Fault | None:
    """Settle a hold with a row that does not match its hash, in rows and totals alike."""
    first, second = places.two_wallets()
    when, units = places.ledger.instant(), places.ledger.amount()
    hold = places.ledger.hold(first, second, units, when)
    status = places.chance.choice((Status.APPLIED, Status.VOID))
    child = places.ledger.settle(hold, status, units, when + timedelta(hours=1))
    child.reference = f"{child.reference}-other"
    return fault("hash_disagrees", *places.use(first, second))


def row_without_amount(places: Places) -> Fault | None:
    """Write a row that has no amount at all."""
    first, second = places.two_wallets()
    row = places.ledger.row(Status.APPLIED, first, second, 1, places.ledger.instant())
    row.amount, row.precise_amount = None, None
    return fault("row_without_amount", *places.use(end(row, "debit"), end(row, "credit")))


def wrong_snapshot(places: Places) -> Fault | None:
    """Keep a snapshot of totals that never were, beside a balance that is right."""
    wallet = places.wallet()
    if wallet is None:
        return None
    snapshot(places, wallet, None, credit=places.ledger.amount())
    return fault("snapshot_disagrees", *places.use(wallet))


def end_missing(places: Places) -> Fault | None:
    """Delete a balance that has a history."""
    wallet = places.wallet()
    if wallet is None:
        return None
    delete_balance(wallet)
    return fault("end_missing", *places.use(wallet))


def unknown_status(places: Places) -> Fault | None:
    """Write a row with a status that nothing counts."""
    first, second = places.two_wallets()
    places.ledger.row("SETTLED", first, second, places.ledger.amount(), places.ledger.instant())
    return fault("unknown_status", *places.use(first, second))


def columns_contradict(places: Places) -> Fault | None:
    """Post a row whose amount is not its precise amount."""
    first, second = places.two_wallets()
    row = places.ledger.post(first, second, places.ledger.amount(), places.ledger.instant(), hash="")
    row.amount = (row.amount or Decimal(0)) + places.chance.randint(1, 500)
    return fault("columns_contradict", *places.use(first, second))
