"""Faults in rows with which the totals agree: payments, refunds, holds and dates that cannot be, or may not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from django.db import connection

from balances.ground import major_units
from balances.models import Balance, Transaction
from reconciliation.drill.check_faults import fault
from reconciliation.drill.damage import change_row, forced, shift
from reconciliation.drill.faults import Fault, Places, end, units
from reconciliation.drill.ledger import Status
from reconciliation.drill.riddles import silenced

MINUTE = timedelta(minutes=1)


def _pay(places: Places) -> Transaction:
    """Post a payment between two balances without a fault, and take them for one."""
    first, second = places.two_wallets()
    places.use(first, second)
    return places.ledger.post(first, second, places.ledger.amount(), places.ledger.instant())


def _back(places: Places, row: Transaction, suffix: str) -> Transaction:
    """Give a payment back."""
    when = row.created_at + timedelta(hours=1)
    source, destination, units = str(row.destination_id), str(row.source_id), int(row.precise_amount or 0)
    reference = f"{row.pk}_{suffix}"
    return places.ledger.post(source, destination, units, when, parent_transaction=row.pk, reference=reference)


def several_precisions(places: Places) -> Fault | None:
    """Post a row whose major unit has another number of minor units."""
    row = _pay(places)
    row.precision, row.amount = 1_000, major_units(int(row.precise_amount or 0), 1_000)
    row.hash = ""
    return fault("several_precisions", row)


def refunded_beyond(places: Places) -> Fault | None:
    """Refund a payment twice."""
    paid = _pay(places)
    _back(places, paid, "refund")
    _back(places, paid, "refund_2")
    return fault("refunded_beyond", paid)


def refunded_refund(places: Places) -> Fault | None:
    """Refund a refund."""
    paid = _pay(places)
    _back(places, _back(places, paid, "refund"), "refund")
    return fault("refunded_refund", paid)


def settled_without_hold(places: Places) -> Fault | None:
    """Commit a queued hold that was rejected."""
    ledger, (first, second) = places.ledger, places.two_wallets()
    places.use(first, second)
    units, when = ledger.amount(), ledger.instant()
    queued = ledger.row(Status.QUEUED, first, second, units, when)
    outcome = f"{queued.reference}_q"
    ledger.row(Status.REJECTED, first, second, units, when, parent_transaction=queued.pk, reference=outcome)
    return fault("settled_without_hold", ledger.post(first, second, units, when, parent_transaction=queued.pk))


def hold_without_end(places: Places) -> Fault | None:
    """Hold something for a third of a year."""
    first, second = places.two_wallets()
    places.use(first, second)
    long_ago = datetime.now(UTC) - timedelta(days=120)
    return fault("hold_without_end", places.ledger.hold(first, second, places.ledger.amount(), long_ago))


def stuck(places: Places) -> Fault | None:
    """Queue a payment, or schedule it, and leave it at that."""
    first, second = places.two_wallets()
    places.use(first, second)
    status = places.chance.choice((Status.QUEUED, Status.SCHEDULED))
    when = datetime.now(UTC) - timedelta(hours=places.chance.randint(2, 900))
    row = places.ledger.row(status, first, second, places.ledger.amount(), when)
    row.scheduled_for = when + MINUTE if status == Status.SCHEDULED else None
    return fault("stuck", row)


def impossible_row(places: Places) -> Fault | None:
    """Post less than nothing."""
    first, second = places.two_wallets()
    places.use(first, second)
    return fault("impossible_row", places.ledger.post(first, second, -places.ledger.amount(), places.ledger.instant()))


def far_dated(places: Places) -> Fault | None:
    """Date a row years ahead, or years before the ledger began."""
    row = _pay(places)
    row.effective_date = row.created_at + timedelta(days=places.chance.choice((1_000, -1_000)))
    return fault("far_dated", row)


def paid_twice(places: Places) -> Fault | None:
    """Send a payment once more, under a reference that nearly is the same."""
    paid = _pay(places)
    suffix = places.chance.choice(("-retry", "_2", "-duplicate", " (2)"))
    source, destination, units = str(paid.source_id), str(paid.destination_id), int(paid.precise_amount or 0)
    again = paid.created_at + places.chance.randint(1, 9) * MINUTE
    places.ledger.post(source, destination, units, again, reference=f"{paid.reference}{suffix}")
    return fault("paid_twice", paid)


def reference_twice(places: Places) -> Fault | None:
    """Record a payment twice under one reference, as a database lets happen whose index came later."""
    paid = _pay(places)
    source, destination, units = str(paid.source_id), str(paid.destination_id), int(paid.precise_amount or 0)
    again = paid.created_at + timedelta(hours=1)
    places.ledger.post(source, destination, units, again, reference=str(paid.reference))
    with _references_unchecked():
        places.ledger.flush()
    return fault("reference_twice", paid)


@contextmanager
def _references_unchecked() -> Iterator[None]:
    """Let rows in whose reference is in use, as a superuser of a scratch database can."""
    mark = "UPDATE pg_index SET indisunique = {} WHERE indexrelid = 'unique_reference'::regclass"
    with connection.schema_editor() as editor:
        editor.execute(mark.format("false"))
    try:
        yield
    finally:
        with connection.schema_editor() as editor:
            editor.execute(mark.format("true"))


def forced_edit(places: Places) -> Fault | None:
    """Change by force what moves no money."""
    row = places.applied("debit", lambda row: places.is_free(end(row, "credit")))
    if row is None:
        return None
    places.use(end(row, "debit"), end(row, "credit"))
    change_row(row.pk, description="something else")
    return fault("forced_edit", row)


def currency_blank(places: Places) -> Fault | None:
    """Open a balance without a currency."""
    [balance] = places.ledger.add_balances(places.ledger.ledgers[0], 1, currency=places.chance.choice(("", " ")))
    return fault("currency_blank", *places.use(balance))


def ledger_missing(places: Places) -> Fault | None:
    """Open a balance whose ledger is gone, or that names none."""
    [balance] = places.ledger.add_balances(places.ledger.ledgers[0], 1)
    with forced():
        Balance.objects.filter(pk=balance).update(ledger_id=places.chance.choice(("", "ldg_gone")))
    return fault("ledger_missing", *places.use(balance))


def counted_beyond_rows(places: Places) -> Fault | None:
    """Delete a row in silence, and take it off both totals."""
    row = _pay(places)
    places.ledger.flush()
    with silenced():
        rows = Transaction.objects.filter(pk=row.pk)
        rows._raw_delete(rows.db)
    shift(end(row, "debit"), debit=-units(row))
    shift(end(row, "credit"), credit=-units(row))
    return fault("counted_beyond_rows", row)


def currency_look_alike(places: Places) -> Fault | None:
    """Open a balance in a currency that only looks like the others'."""
    alike = places.chance.choice(("usd", "USD ", "U\u0405D", "Usd"))
    [balance] = places.ledger.add_balances(places.ledger.ledgers[0], 1, currency=alike)
    return fault("currency_look_alike", *places.use(balance))


PLANTERS = (
    several_precisions,
    refunded_beyond,
    refunded_refund,
    settled_without_hold,
    hold_without_end,
    stuck,
    impossible_row,
    far_dated,
    paid_twice,
    reference_twice,
    forced_edit,
    currency_blank,
    currency_look_alike,
    ledger_missing,
    counted_beyond_rows,
)
