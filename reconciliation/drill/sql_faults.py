"""Faults by hand: SQL on totals and forced changes of rows, all seen by the journal."""

from __future__ import annotations

from django.db.models import F

from balances.models import Balance, Transaction
from reconciliation.correcting import Request, reconstruct
from reconciliation.drill.damage import change_row, delete_rows, shift
from reconciliation.drill.faults import Fault, Places, end, units
from reconciliation.drill.riddles import silenced
from reconciliation.models import Origin


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


def repointed_row(places: Places) -> Fault | None:
    """Let a row name another balance of its ledger, with the journal silenced: its hash still is for the first one."""
    row, other = _to_another(places)
    if row is None or other is None:
        return None
    was, touched = end(row, "debit"), frozenset({end(row, "credit")})
    with silenced():
        Transaction.objects.filter(pk=row.pk).update(source_id=other)
    return Fault("row_repointed", "in silence", places.use(was, other), (row.pk,), touched=touched)


def repointed_in_the_open(places: Places) -> Fault | None:
    """Let a row name another balance of its ledger, seen by the journal."""
    row, other = _to_another(places)
    if row is None or other is None:
        return None
    was, touched = end(row, "debit"), frozenset({end(row, "credit")})
    change_row(row.pk, source_id=other)
    return Fault("edited_row", "pointed to another balance", places.use(was, other), (row.pk,), touched=touched)


def _to_another(places: Places) -> tuple[Transaction | None, str | None]:
    """Draw a row of a wallet, and another wallet of the same ledger."""
    wallets = places.ledger.wallets
    row = places.applied("debit", lambda row: end(row, "debit") in wallets and not row.parent_transaction)
    if row is None:
        return None, None
    was, half = end(row, "debit"), len(wallets) // 2
    same = wallets[:half] if was in wallets[:half] else wallets[half:]
    free = [each for each in same if places.is_free(each) and each not in (was, end(row, "credit"))]
    return row, places.chance.choice(free) if free else None


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
