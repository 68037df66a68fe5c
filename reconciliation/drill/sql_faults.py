"""Faults by hand: SQL on totals and forced changes of rows, all seen by the journal."""

from __future__ import annotations

from django.db.models import F

from balances.models import Balance
from reconciliation.drill.damage import change_row, delete_rows, shift
from reconciliation.drill.faults import Fault, Places, end, units
from reconciliation.models import Origin
from reconciliation.runs import Request, reconstruct


def _edit(balance_id: str, *, credit: int = 0, debit: int = 0) -> None:
    Balance.objects.filter(pk=balance_id).update(
        credit_balance=F("credit_balance") + credit,
        debit_balance=F("debit_balance") + debit,
        balance=F("balance") + credit - debit,
    )


def edited_total(places: Places) -> Fault | None:
    """Change a total once or several times, by a round amount or by that of a row."""
    wallet = places.wallet()
    if wallet is None:
        return None
    times = places.chance.randint(1, 3)
    row = places.chance.choice(places.by_balance[wallet])
    for _ in range(times):
        _edit(wallet, **{places.chance.choice(("credit", "debit")): places.chance.choice((100_000, 5_000, units(row)))})
    return Fault("edited_total", f"{times} times", places.use(wallet))


def edited_row(places: Places) -> Fault | None:
    """Change the amount of a row."""
    row = places.applied("debit", lambda row: places.is_free(end(row, "credit")))
    if row is None:
        return None
    change_row(row.pk, precise_amount=units(row) + places.chance.choice((-100, 1, 100, 10_000, units(row))))
    ends = places.use(end(row, "debit"), end(row, "credit"))
    return Fault("edited_row", "amount", ends, (row.pk,))


def deleted_row(places: Places) -> Fault | None:
    """Delete an applied row."""
    row = places.applied("debit", lambda row: places.is_free(end(row, "credit")) and not places.children[row.pk])
    if row is None:
        return None
    delete_rows([row.pk])
    return Fault("deleted_row", "applied", places.use(end(row, "debit"), end(row, "credit")), (row.pk,))


def deleted_hold(places: Places) -> Fault | None:
    """Delete a hold, and leave what settled it."""
    hold = places.draw(
        places.holds(),
        lambda hold: places.is_free(end(hold, "debit"), end(hold, "credit")) and bool(places.open_units(hold)),
    )
    if hold is None:
        return None
    delete_rows([hold.pk])
    return Fault("deleted_row", "hold", places.use(end(hold, "debit"), end(hold, "credit")), (hold.pk,))


def overwritten_correction(places: Places) -> Fault | None:
    """Lose a row, correct that, and let a posting write over the correction with what it had read before."""
    side = places.chance.choice(("debit", "credit"))
    row = places.applied(side)
    if row is None:
        return None
    balance = end(row, side)
    shift(balance, **{side: -units(row)}, version=-1)
    reconstruct(balance, Request(actor="drill", origin=Origin.COMMAND, reason="drill"))
    hub = places.ledger.hubs[0]
    late = places.ledger.post_now(hub, balance, places.ledger.amount())
    shift(balance, **{side: -units(row)})
    return Fault("rebuild_overwritten", side, places.use(balance), (late.pk,))
