"""Archive and hot rows against stored totals: what was archived, and PostgreSQL's rows since, are the six totals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from django.db import transaction

from balances.ground import ONE_SNAPSHOT, Statement
from balances.models import TOTALS
from reconciliation.archiving.months import Month
from reconciliation.archiving.proving import CHECKPOINT_SUMS, Damage, Proof
from reconciliation.archiving.reading import streamed
from reconciliation.archiving.writing import figures_in_postgres
from reconciliation.measuring import LEG_SUMS, Sums, Totals, duck, measure_all, read_sums, units

STORED = Statement.beside(__file__, "stored.sql")


def compare(proof: Proof) -> Iterator[Damage]:
    """Yield balances whose archived legs and rows since are not what is stored; ``proof`` has a proved checkpoint.

    Drift that PostgreSQL shows alike is ``drift``, and anything else a difference between archive and database.
    """
    if proof.checkpoint is None or proof.last is None:
        return
    off = dict(_differences(proof.checkpoint, Month.read(proof.last.month)))
    differing = []
    for measured in measure_all(sorted(off)):
        if measured.difference == off.pop(measured.balance_id):
            yield Damage("drift", "", "", measured.drift_in_words, measured.balance_id)
        else:
            differing.append(measured.balance_id)
    for balance_id in off:
        yield Damage("balance_missing", "", "", "The archive has it, PostgreSQL has not.", balance_id)
    if differing:
        yield from _differing(proof, differing)


def _differences(checkpoint: Path, month: Month) -> Iterator[tuple[str, Totals]]:
    """Yield balances whose archived and hot sums are not what is stored, with recalculated less stored."""
    with transaction.atomic(durable=True), duck() as session:
        ONE_SNAPSHOT.execute()
        rows = streamed(LEG_SUMS, balance_ids=None, since=month.end, until=None)
        hot = _Ordered(map(read_sums, rows))
        cold = _Ordered(map(read_sums, session.rows(CHECKPOINT_SUMS, file=str(checkpoint))))
        for row in streamed(STORED):
            balance_id = row["balance_id"]
            yield from cold.passed(balance_id)
            yield from hot.passed(balance_id)
            expected = (cold.take(balance_id) + hot.take(balance_id)).totals
            if difference := expected - Totals(**{total: units(row[total]) for total in TOTALS}):
                yield balance_id, difference
        yield from cold.passed(None)
        yield from hot.passed(None)


class _Ordered:
    """Sums in key order, beside balances in key order."""

    def __init__(self, sums: Iterator[Sums]) -> None:
        self._sums = sums
        self._next = next(sums, None)

    def passed(self, balance_id: str | None) -> Iterator[tuple[str, Totals]]:
        """Yield those before a balance: no balance has them. ``None`` stands for the end."""
        while self._next is not None and (balance_id is None or self._next.balance_id < balance_id):
            yield self._next.balance_id, self._next.totals
            self._next = next(self._sums, None)

    def take(self, balance_id: str) -> Sums:
        """Return the sums of a balance, which are zero where there is none."""
        if self._next is None or self._next.balance_id != balance_id:
            return Sums(balance_id)
        found, self._next = self._next, next(self._sums, None)
        return found


def _differing(proof: Proof, balance_ids: Iterable[str]) -> Iterator[Damage]:
    """Name the months in which PostgreSQL has other rows than were archived, and the balances."""
    for month, manifest in proof.manifests.items():
        archived, stored = manifest.figures(), figures_in_postgres(Month.read(month))
        if archived != stored:
            sides = [
                f"{side} {currency}".rstrip()
                for currency, side in sorted(archived.keys() | stored.keys())
                if archived.get((currency, side)) != stored.get((currency, side))
            ]
            detail = f"PostgreSQL now has other rows of that month than were archived ({', '.join(sides)})."
            yield Damage("other_rows", month, "", detail)
    for balance_id in balance_ids:
        yield Damage("differs", "", "", "Archive and rows since give other totals than PostgreSQL's rows.", balance_id)
