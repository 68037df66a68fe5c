"""Writes down what was found with how far the log was read, in one commit; closes what later commits take back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F

from balances.ground import Statement, adoption
from balances.models import TOTALS, Balance
from reconciliation.models import ROWS_NAMED, Break, Proof, Sweep, from_lsn
from reconciliation.proving.commits import Broken
from reconciliation.proving.ground import asked

CONFIRM = Statement.beside(__file__, "confirm.sql")
RUNNING = Statement.beside(__file__, "running.sql")
ROWS_OF_COMMIT = Statement.beside(__file__, "rows_of_commit.sql")
Kind, State = Break.Kind, Break.State
AT_ONCE = {Kind.ROW_CHANGED, Kind.ROW_DELETED, Kind.BALANCE_DELETED, Kind.UNREADABLE, Kind.TRUNCATED}
"""Kinds for which there is no time of grace: no writer does that in two steps. Nor does any other commit take them
back, whatever it adds up to: the row stays changed, the balance gone (close_measured.sql)."""
WRITTEN_AT_ONCE = 500
NOTHING = (0,) * len(TOTALS)


class NoLongerOurs(Exception):
    """Another process reads the log now, or what the stream rests on was changed; nothing was written."""


@dataclass(frozen=True)
class Mark:
    """An instant, and an end of the log before which everything stands that was committed by then."""

    at: datetime
    end: int


def confirm(
    proof: Proof, found: Sequence[Broken], *, position: int, commits: int, proved_until: datetime | None
) -> Mark:
    """Write down breaks with the position up to which the log was read, or nothing. Raises ``NoLongerOurs``."""
    words = asked()
    given = {name: words[name] for name in ("schema", "publications", "tables", "columns")}
    given |= {"stream": proof.stream, "watcher": proof.watcher, "position": position, "commits": commits}
    if not found:
        rows = CONFIRM.rows(**given, proved_until=proved_until)
    else:
        with transaction.atomic(durable=True):
            rows = CONFIRM.rows(**given, proved_until=proved_until)
            if rows:
                _write_down(proof, found)
    if not rows:
        raise NoLongerOurs
    return Mark(rows[0]["at"], from_lsn(rows[0]["end"]))


def running_drift(balance_ids: Iterable[str]) -> dict[str, tuple[int | Decimal, ...]]:
    """Return the drift of balances up to where the log was read: the full proof's, and what commits added since.

    Amounts are in the order of ``TOTALS``, in minor units.
    """
    proof = Proof.objects.filter(pk=Proof.ONLY).first()
    if proof is None:
        return {}
    rows = RUNNING.rows(stream=proof.stream, sweep=proof.full_proof_id, balance_ids=sorted(set(balance_ids)))
    return {row["balance_id"]: tuple(row[total] for total in TOTALS) for row in rows}


def _write_down(proof: Proof, found: Sequence[Broken]) -> None:
    ids = sorted({each.balance_id.decode(errors="replace") for each in found})
    known = {each.pk: each for each in Balance.objects.filter(pk__in=ids).only("indicator", "currency", "ledger_id")}
    breaks = [_break(proof, each, known) for each in found]
    Break.objects.bulk_create(breaks, batch_size=WRITTEN_AT_ONCE)
    by_balance: dict[str, list[Break]] = defaultdict(list)
    for each in breaks:
        by_balance[each.balance_id].append(each)
    running = running_drift(by_balance)
    standing: dict[str, list[Break]] = defaultdict(list)
    if proof.full_proof_id:
        _reopen([each for each in breaks if any(running.get(each.balance_id, NOTHING))])
    rows = Break.objects.filter(balance_id__in=by_balance, closed_at=None, state__in=Break.STANDING)
    for each in rows.order_by("position", "break_id"):
        standing[each.balance_id].append(each)
    closed = [
        each
        for balance_id, fresh in by_balance.items()
        for each in _close(standing[balance_id], fresh, is_right=not any(running.get(balance_id, NOTHING)))
    ]
    Break.objects.bulk_update(closed, ["state", "closed_at", "closed_by"])
    if settled := sum(each.state == State.SETTLED for each in closed):
        Proof.objects.filter(pk=Proof.ONLY).update(settled=F("settled") + settled)


def _reopen(breaks: list[Break]) -> None:
    """Leave corrections open whose balance is wrong after them: undoing one makes it so, and no finding says that."""
    wrong = [each for each in breaks if each.kind == Kind.CORRECTION]
    for each in wrong:
        each.state, each.closed_at = State.OPEN, None
    Break.objects.bulk_update(wrong, ["state", "closed_at"])


def _break(proof: Proof, broken: Broken, known: dict[str, Balance]) -> Break:
    balance_id = broken.balance_id.decode(errors="replace")
    balance = known.get(balance_id)
    held = broken.held
    state = State.OPEN if broken.kind in AT_ONCE else State.WAITING
    return Break(
        kind=broken.kind,
        state=State.ON_RECORD if broken.kind == Kind.CORRECTION else state,
        stream=proof.stream,
        position=broken.commit.position,
        xid=broken.commit.xid,
        committed_at=broken.commit.at,
        closed_at=broken.commit.at if broken.kind == Kind.CORRECTION else None,
        balance_id=balance_id,
        indicator=balance.indicator if balance else None,
        currency=balance.currency if balance else "",
        ledger_id=balance.ledger_id if balance else "",
        rows=_rows(broken, balance_id),
        row_count=held.rows if held else 0,
        details=_details(broken),
        author=broken.author,
        record_id=broken.record_id,
        **dict(zip(TOTALS, map(_stored, broken.amounts), strict=True)),
    )


def _details(broken: Broken) -> dict[str, Any]:
    """Return what is known besides; of an emptied table, how many balances there were when all was swept last."""
    details = broken.details or (broken.held.details if broken.held else None) or {}
    if broken.kind == Kind.TRUNCATED:
        swept = Sweep.objects.filter(scope__everything=True, started_at__lte=broken.commit.at).order_by("-started_at")
        details |= {"balances": swept.values_list("total", flat=True).first() or 0}
    return details


def _stored(amount: int | Decimal) -> int | Decimal:
    """Return what a column can hold: of what is no number, the details say more."""
    return amount if isinstance(amount, int) or amount.is_finite() else 0


def _rows(broken: Broken, balance_id: str) -> list[dict[str, str]]:
    held = broken.held
    if held is None or held.names or not held.rows or adoption() is not None:
        return held.names if held else []
    xid = str(broken.commit.xid & 0xFFFFFFFF)
    rows = ROWS_OF_COMMIT.rows(balance_id=balance_id, xid=xid, most=ROWS_NAMED)
    return [{"transaction_id": row["transaction_id"], "change": "added"} for row in rows]


def _close(standing: list[Break], fresh: list[Break], *, is_right: bool) -> list[Break]:
    """Close those breaks of a balance that fresh ones take back, and return them."""
    last = fresh[-1]
    if is_right:
        taken = [each for each in standing if any(_amounts(each)) and each.kind not in AT_ONCE]
        return _closed(taken, last, State.CORRECTED if last.kind == Kind.CORRECTION else None)
    closed: list[Break] = []
    for each in fresh:
        if each.kind != Kind.CORRECTION and (taken := _taken_back(standing, each)):
            closed += _closed(taken, each, None)
            standing = [other for other in standing if other not in taken]
    return closed


def _taken_back(standing: list[Break], by: Break) -> list[Break]:
    """Return the breaks that add up to nothing with one: a single earlier one, or the last ones before it."""
    amounts = _amounts(by)
    earlier = [each for each in standing if each.position < by.position and each.kind not in AT_ONCE]
    if not any(amounts) or by not in standing or by.kind in AT_ONCE:
        return []
    for each in reversed(earlier):
        if not any(map(sum, zip(_amounts(each), amounts, strict=True))):
            return [each, by]
    total, taken = amounts, [by]
    for each in reversed(earlier):
        total, taken = tuple(map(sum, zip(total, _amounts(each), strict=True))), [each, *taken]
        if not any(total):
            return taken
    return []


def _closed(taken: list[Break], by: Break, state: Break.State | None) -> list[Break]:
    """Close breaks that one takes back, that one included: as settled, where all of it was done in time."""
    grace: timedelta = settings.LEDGER_WATCH_GRACE
    waited = all(each.state == State.WAITING for each in taken)
    in_time = len(taken) > 1 and waited and by.committed_at - taken[0].committed_at <= grace
    for each in taken:
        each.state = state or (State.SETTLED if in_time else State.TAKEN_BACK)
        each.closed_at, each.closed_by = by.committed_at, by.break_id
    return taken


def _amounts(each: Break) -> tuple[Any, ...]:
    return tuple(getattr(each, total) for total in TOTALS)
