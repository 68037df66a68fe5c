"""What can be asked for by hand, as it is kept, previewed and done: by the same functions as over the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from balances.books import Part, Posting, Preview, Settlement, Share
from balances.models import Instruction, Transaction
from balances.posting import (
    Refund,
    enqueue,
    post_transaction,
    preview_posting,
    preview_refund,
    preview_settlement,
    refund,
    settle,
)

Kind = Instruction.Kind


@dataclass(frozen=True, kw_only=True)
class Payment:
    """A movement from one balance to one or several; with ``scheduled_for`` a worker applies it then."""

    source: str
    destinations: tuple[Share, ...]
    """One without a distribution, or several with."""
    amount: Decimal
    precision: int
    currency: str
    description: str
    inflight: bool = False
    allow_overdraft: bool = False
    overdraft_limit: Decimal = Decimal(0)
    scheduled_for: datetime | None = None

    def posting(self, reference: str) -> Posting:
        """Return it as the books take it."""
        is_split = len(self.destinations) > 1
        return Posting(
            source=self.source,
            destination="" if is_split else self.destinations[0].identifier,
            destinations=self.destinations if is_split else (),
            currency=self.currency,
            reference=reference,
            description=self.description,
            amount=self.amount,
            precision=self.precision,
            allow_overdraft=self.allow_overdraft,
            overdraft_limit=self.overdraft_limit,
            inflight=self.inflight,
            atomic=is_split,
            scheduled_for=self.scheduled_for,
            meta_data={"instruction_id": reference},
        )


@dataclass(frozen=True, kw_only=True)
class SettlementOrder:
    """A commit or a void of what a transaction holds; a commit of ``units`` minor units, or of all that remains."""

    transaction_id: str
    action: Literal["commit", "void"]
    units: int | None

    def settlement(self, reference: str) -> Settlement:
        """Return it as the books take it; its own reference keeps a commit from being made twice."""
        own = reference if self.action == "commit" else ""
        part = Part(precise_amount=self.units)
        return Settlement(transaction_id=self.transaction_id, action=self.action, part=part, reference=own)


@dataclass(frozen=True, kw_only=True)
class RefundOrder:
    """A refund of ``units`` minor units of a transaction, or of all that was not refunded yet."""

    transaction_id: str
    units: int | None
    description: str

    def refund(self, reference: str) -> Refund:
        """Return it as the books take it."""
        return Refund(
            transaction_id=self.transaction_id,
            part=Part(precise_amount=self.units),
            queued=False,
            reference=reference,
            description=self.description,
        )


Order = Payment | SettlementOrder | RefundOrder


def request_of(order: Order) -> dict[str, Any]:
    """Return an order as JSON; amounts and instants are texts."""
    fields = {name: _plain(value) for name, value in vars(order).items()}
    return {"order": type(order).__name__, **fields}


def order_of(instruction: Instruction) -> Order:
    """Return the order that an instruction keeps."""
    fields = dict(instruction.request)
    kind = fields.pop("order")
    if kind == Payment.__name__:
        fields["destinations"] = tuple(Share(**each) for each in fields["destinations"])
        for name in ("amount", "overdraft_limit"):
            fields[name] = Decimal(fields[name])
        fields["precision"] = int(fields["precision"])
        at = fields["scheduled_for"]
        return Payment(**fields | {"scheduled_for": datetime.fromisoformat(at) if at else None})
    fields["units"] = None if fields["units"] is None else int(fields["units"])
    return SettlementOrder(**fields) if kind == SettlementOrder.__name__ else RefundOrder(**fields)


def preview(order: Order, reference: str) -> Preview:
    """Return what an order would do now, with nothing written. Raises ``LedgerError`` where that cannot be said."""
    match order:
        case Payment():
            return preview_posting(order.posting(reference), skip_queue=order.scheduled_for is None)
        case SettlementOrder():
            return preview_settlement(order.settlement(reference), skip_queue=True)
        case RefundOrder():
            return preview_refund(order.refund(reference))


def do(order: Order, reference: str) -> Transaction:
    """Do it at once, or store it for its date, and return the row. Raises ``LedgerError``."""
    match order:
        case Payment():
            posting = order.posting(reference)
            return enqueue(posting).rows[0] if order.scheduled_for else post_transaction(posting)
        case SettlementOrder():
            return settle(order.settlement(reference))
        case RefundOrder():
            return refund(order.refund(reference))


def done_before(order: Order, reference: str) -> Transaction | None:
    """Return the row that an order has led to already, by its reference or, of a void, by its hold."""
    match order:
        case SettlementOrder(action="void"):
            rows = Transaction.objects.filter(parent_transaction=order.transaction_id, status=Transaction.Status.VOID)
        case SettlementOrder():
            rows = Transaction.objects.filter(
                parent_transaction=order.transaction_id, parent_transaction__gt="", reference__endswith=reference
            )
        case _:
            rows = Transaction.objects.filter(reference=reference)
    return rows.first()


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [vars(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | str) else str(value)
