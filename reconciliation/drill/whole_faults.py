"""Faults of whole totals: scaled, divided, swapped, negated."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from reconciliation.drill.damage import shift
from reconciliation.drill.faults import Fault, Places, end
from reconciliation.explaining import HISTORY, SIDES
from reconciliation.measuring import measure

Rule = Callable[[int, int], tuple[int, int]]
"""Gives a credit and a debit total from the right ones."""


def scaled_half_way(places: Places) -> Fault | None:
    """Change the scale of some balances, of the first one on one side only, and leave the others as they are."""
    rules: tuple[Rule, ...] = (
        lambda credit, debit: (10 * credit, debit),
        *(lambda credit, debit: (10 * credit, 10 * debit),) * 2,
    )
    planted = [_rewritten(places, "precision_factor", "one side", rule) for rule in rules]
    balances = tuple(balance for fault in planted if fault for balance in fault.balances)
    return Fault("precision_factor", "scaled half-way", balances) if balances else None


def divided_and_rounded(places: Places) -> Fault | None:
    """Divide both totals of a balance by a hundred, and round them to the nearest, up or down."""
    half = places.chance.choice((0, 50, 99))
    return _rewritten(
        places, "precision_factor", "divided", lambda credit, debit: ((credit + half) // 100, (debit + half) // 100)
    )


def sides_swapped(places: Places) -> Fault | None:
    """Exchange the two totals of a balance."""
    return _rewritten(places, "sides_swapped", "totals", lambda credit, debit: (debit, credit))


def totals_negated(places: Places) -> Fault | None:
    """Turn the sign of one total of a balance, or of both."""
    first, second = places.chance.choice(((-1, -1), (-1, 1), (1, -1)))
    return _rewritten(places, "totals_negated", "totals", lambda credit, debit: (first * credit, second * debit))


def restored_backup(places: Places) -> Fault | None:
    """Write totals of an earlier moment back over those of several balances; all went on from there, or nothing came.

    The balances are those whose rows of the span are three or more, so that each of them is evidence.
    """
    ledger = places.ledger
    moment = ledger.began + timedelta(days=5 + 18 * places.restored + places.chance.randint(0, 2))
    back = moment + timedelta(days=10 if places.restored < 2 else 60)
    places.restored += 1

    def in_span(wallet: str) -> int:
        return sum(moment < row.created_at <= back for row in places.by_balance[wallet])

    wallets = [each for each in ledger.wallets if places.is_free(each) and in_span(each) > 2]
    chosen = places.chance.sample(wallets, min(len(wallets), places.chance.randint(2, 6)))
    if len(chosen) < 2:
        return None
    given = [(wallet, at) for wallet in chosen for at in (moment, back)]
    known = HISTORY.rows(balance_ids=chosen, given_ids=[each for each, _ in given], given_at=[at for _, at in given])
    sums = {(row["balance_id"], row["at"]): row for row in known if not row["is_snapshot"]}
    for wallet in chosen:
        then, later = sums[wallet, moment], sums[wallet, back]
        shift(wallet, **{side: int(then[side] - later[side]) for side in SIDES})
    return Fault("earlier_totals", f"{len(chosen)} balances", places.use(*chosen))


def _rewritten(places: Places, cause: str, variant: str, rule: Rule) -> Fault | None:
    """Give a balance with two rows or more on each side other totals."""
    free = [each for each in places.ledger.wallets if _is_place(places, each)]
    if not free:
        return None
    wallet = places.chance.choice(free)
    now = measure([wallet])[0].recalculated
    credit, debit = rule(now.credit_balance, now.debit_balance)
    shift(wallet, credit=credit - now.credit_balance, debit=debit - now.debit_balance)
    return Fault(cause, variant, places.use(wallet))


def _is_place(places: Places, wallet: str) -> bool:
    into = sum(end(row, "credit") == wallet for row in places.by_balance[wallet])
    return places.is_free(wallet) and 2 <= into <= len(places.by_balance[wallet]) - 2


PLANTERS = (scaled_half_way, divided_and_rounded, sides_swapped, totals_negated, restored_backup)
