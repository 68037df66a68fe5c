"""Faults of the source: openings and imports never booked, archives, rates that are gone, legacy rows, rounding."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from balances.models import Balance, BalanceSnapshot, Transaction, new_balance_id
from reconciliation.drill.damage import shift
from reconciliation.drill.faults import Fault, Places
from reconciliation.drill.ledger import CURRENCY, Status
from reconciliation.measuring import measure


def _born(places: Places, *, credit: int, debit: int, **fields: Any) -> str:
    """Insert a balance that has totals already."""
    given = {"balance_id": new_balance_id(), "ledger": places.ledger.ledgers[0], "currency": CURRENCY} | fields
    totals = {"credit_balance": credit, "debit_balance": debit, "balance": credit - debit}
    return Balance.objects.create(**given, **totals).balance_id


def _trade(places: Places, balance: str, rows: int) -> list[Transaction]:
    """Let a new balance trade with the world for a while, an amount for each row that no other one has."""
    ledger, hub = places.ledger, places.ledger.hubs[0]
    made = []
    for number in range(rows):
        ends = (hub, balance) if number % 3 == 0 else (balance, hub)
        made.append(ledger.post(*ends, ledger.amount(), ledger.instant()))
    return made


def opening_not_booked(places: Places) -> Fault | None:
    """Open a balance with totals, and post to it from then on."""
    opening = places.ledger.amount()
    balance = _born(places, credit=opening, debit=0)
    for _ in range(places.chance.randint(0, 4)):
        places.ledger.post_now(places.ledger.hubs[0], balance, places.ledger.amount())
    return Fault("opening_not_booked", "journaled birth", places.use(balance))


def opening_brought_along(places: Places) -> Fault | None:
    """Import a balance whose totals begin with an opening that no row books, on one side or on both."""
    ledger, hub, balance = places.ledger, places.ledger.hubs[3], new_balance_id()
    opening = places.chance.choice(((1, 0), (0, 1), (1, 1)))
    credit, debit = (ledger.amount() * each for each in opening)
    rows = []
    for number in range(places.chance.randint(1, 8)):
        units, into = ledger.amount(), number % 2 == 0
        rows.append((hub, balance, units) if into else (balance, hub, units))
        credit, debit = credit + units * into, debit + units * (not into)
    born = {"balance_id": balance, "ledger": ledger.ledgers[1], "created_at": ledger.began - timedelta(days=1)}
    _born(places, credit=credit, debit=debit, **born)
    for source, destination, units in rows:
        ledger.row(Status.APPLIED, source, destination, units, ledger.instant())
        ledger.move(hub, **{"credit" if destination == hub else "debit": units}, version=1)
    ledger.flush()
    return Fault("opening_not_booked", f"brought along, {len(rows)} rows", places.use(balance))


def opening_before_snapshots(places: Places) -> Fault | None:
    """Give a balance an opening that nothing booked, known by a snapshot that is older than all its rows."""
    ledger = places.ledger
    [balance] = ledger.add_balances(ledger.ledgers[0], 1)
    opening = ledger.amount()
    _trade(places, balance, 6)
    ledger.flush()
    shift(balance, credit=opening)
    snapshot(places, balance, None, credit=opening)
    return Fault("opening_not_booked", "known by a snapshot", places.use(balance))


def snapshot(places: Places, balance_id: str, last_row: str | None, *, credit: int = 0, debit: int = 0) -> None:
    """Keep totals of the day before the ledger began."""
    when = places.ledger.began - timedelta(minutes=30)
    balance = Balance.objects.get(pk=balance_id)
    BalanceSnapshot.objects.create(
        balance=balance,
        ledger_id=balance.ledger_id,
        currency=balance.currency,
        snapshot_time=when,
        created_at=when,
        last_tx_id=last_row,
        credit_balance=credit,
        debit_balance=debit,
        net_balance=credit - debit,
        inflight_credit_balance=0,
        inflight_debit_balance=0,
        inflight_balance=0,
        meta_data={},
    )


def archived_rows(places: Places) -> Fault | None:
    """Leave of a balance with a long history only the newer rows, and a snapshot of what it was before."""
    ledger = places.ledger
    [balance] = ledger.add_balances(ledger.ledgers[0], 1)
    credit, debit, gone = ledger.amount(), ledger.amount(), places.chance.randint(5, 500)
    named = places.chance.random() < 0.5
    _trade(places, balance, 5)
    ledger.flush()
    shift(balance, credit=credit, debit=debit, version=gone)
    snapshot(places, balance, f"txn_archived_{gone}" if named else None, credit=credit, debit=debit)
    variant = "snapshot names a row" if named else "version counts more rows"
    return Fault("archived_rows", variant, places.use(balance))


def forgotten_rate(places: Places) -> Fault | None:
    """Credit amounts out of another currency at a rate that nothing keeps."""
    ledger = places.ledger
    [euro] = ledger.add_balances(ledger.ledgers[0], 1, currency="EUR")
    [balance] = ledger.add_balances(ledger.ledgers[0], 1)
    _trade(places, balance, 4)
    rate = Decimal(places.chance.randint(10_200, 14_900)) / 10_000
    made, extra = [], 0
    for _ in range(places.chance.randint(2, 6)):
        units = ledger.amount()
        made.append(ledger.post(euro, balance, units, ledger.instant(), currency="EUR"))
        extra += int(units * rate) - units
    ledger.flush()
    shift(balance, credit=extra)
    rows = tuple(row.pk for row in made)
    return Fault("forgotten_rate", f"{len(rows)} rows", places.use(balance), rows, touched=frozenset({euro}))


def legacy_rows(places: Places) -> Fault | None:
    """Write rows without a precise amount that the totals count without their precision."""
    ledger, hub = places.ledger, places.ledger.hubs[1]
    wallet = places.wallet()
    if wallet is None:
        return None
    rows = []
    for _ in range(places.chance.randint(1, 4)):
        amount = places.chance.randint(3, 5_000)
        row = ledger.row(Status.APPLIED, wallet, hub, amount * 100, ledger.instant())
        row.precise_amount = None
        ledger.move(wallet, debit=amount, version=1)
        ledger.move(hub, credit=amount * 100, version=1)
        rows.append(row.pk)
    return Fault("precision_factor", "legacy rows", places.use(wallet), tuple(rows))


def whole_totals(places: Places) -> Fault | None:
    """Multiply both totals of a balance by a hundred."""
    wallet = places.wallet()
    if wallet is None:
        return None
    now = measure([wallet])[0].recalculated
    shift(wallet, credit=99 * now.credit_balance, debit=99 * now.debit_balance)
    return Fault("precision_factor", "whole totals", places.use(wallet))


def lot_total(places: Places) -> Fault | None:
    """Import a lot whose total stands in each of its lines; the totals hold what each payer paid."""
    ledger, hub = places.ledger, places.ledger.hubs[3]
    shares = [ledger.amount() for _ in range(places.chance.randint(2, 5))]
    lot, when = sum(shares), ledger.instant()
    house = _born(places, credit=lot + 777, debit=0)
    payers = [_born(places, credit=0, debit=share) for share in shares]
    ledger.post(hub, house, 777, when - timedelta(days=1))
    rows = [ledger.row(Status.APPLIED, payer, house, lot, when) for payer in payers]
    ledger.move(house, credit=-777)
    return Fault("lot_total", f"{len(rows)} lines", places.use(house, *payers), tuple(row.pk for row in rows))


def rounding(places: Places) -> Fault | None:
    """Cut fractions of minor units off where the rows were rounded up."""
    ledger, hub = places.ledger, places.ledger.hubs[1]
    wallet = places.wallet()
    if wallet is None:
        return None
    rows = []
    for _ in range(places.chance.randint(2, 12)):
        units = ledger.amount()
        row = ledger.row(Status.APPLIED, wallet, hub, units, ledger.instant())
        row.amount = (Decimal(units) - Decimal(places.chance.randint(1, 5)) / 10) / 100
        row.hash = ""
        ledger.move(wallet, debit=units, version=1)
        ledger.move(hub, credit=units, version=1)
        rows.append(row.pk)
    cut = places.chance.randint(1, (len(rows) + 1) // 2)
    ledger.move(wallet, debit=-cut)
    return Fault("rounding", f"{len(rows)} rows", places.use(wallet), tuple(rows))


def cut_off(places: Places) -> Fault | None:
    """Import a balance whose totals were taken before the last one or two rows of its last day."""
    ledger, hub = places.ledger, places.ledger.hubs[2]
    balance = new_balance_id()
    late = places.chance.randint(1, 2)
    last_day = ledger.began + timedelta(days=59)
    last_day = last_day.replace(hour=1, minute=0, second=0, microsecond=0)
    credit = debit = 0
    rows = []
    days = [ledger.began + timedelta(days=number) for number in range(1, 30, 2)]
    for number, when in enumerate([*days, last_day, last_day + timedelta(hours=1), last_day + timedelta(hours=2)]):
        units, into = ledger.amount(), places.chance.random() < 0.5
        rows.append((hub, balance, units, when) if into else (balance, hub, units, when))
        if number < len(days) + 3 - late:
            credit, debit = credit + units * into, debit + units * (not into)
    _born(places, credit=credit, debit=debit, balance_id=balance, ledger=ledger.ledgers[1])
    made = []
    for source, destination, units, when in rows:
        made.append(ledger.row(Status.APPLIED, source, destination, units, when))
        ledger.move(hub, **{"credit" if destination == hub else "debit": units}, version=1)
    ledger.flush()
    return Fault("cut_off", f"{late} rows", places.use(balance), tuple(row.pk for row in made[-late:]))
