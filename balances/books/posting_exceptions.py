"""Every refusal about transactions; like those in ``balances.ground.exceptions``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from balances.ground import BalanceNotFound, LedgerError, NotFound


class TransactionNotFound(NotFound):
    """Transaction not found."""

    code, details = "TXN_NOT_FOUND", {}


class NothingToRefund(NotFound):
    text = "no transaction to refund"
    code = "TXN_NOT_FOUND"


class UnknownPostingBalance(BalanceNotFound):
    """A posting names a balance that does not exist; the contract answers with the code of a missing transaction."""

    code = "TXN_NOT_FOUND"


class DuplicateReference(LedgerError):
    """The reference is in use. ``books.duplicates`` adds to ``details`` which transaction has it."""

    code = "TXN_DUPLICATE_REFERENCE"

    def __init__(self, reference: str) -> None:
        self.reference = reference
        super().__init__(f"transaction validation failed: reference {reference} has already been used")


class InsufficientFunds(LedgerError):
    text = "failed to apply transaction to balances: insufficient funds in source balance"
    code = "TXN_INSUFFICIENT_FUNDS"


class OverdraftLimitExceeded(LedgerError):
    text = "failed to apply transaction to balances: transaction exceeds overdraft limit"
    code = "TXN_VALIDATION_ERROR"


class NegativeLimit(LedgerError):
    text = "overdraft_limit cannot be negative"
    code = "TXN_VALIDATION_ERROR"


class NonPositiveAmount(LedgerError):
    text = "failed to apply transaction to balances: transaction precise amount must be positive"
    code = "TXN_VALIDATION_ERROR"


class InvalidDistribution(LedgerError):
    """An amount cannot be shared out as asked."""

    code = "TXN_VALIDATION_ERROR"

    def __init__(self, why: str) -> None:
        super().__init__(f"failed to split transaction: {why}")


class SplitLegRefused(LedgerError):
    """A leg of a posting was refused, and with it the whole posting."""

    @classmethod
    def of(cls, leg: int, error: LedgerError) -> LedgerError:
        """Return the refusal of a leg, counted from 0; the contract names it only where the reason has no type."""
        if isinstance(error, (UnknownPostingBalance, SameBalance)):
            return error
        refusal = cls(f"failed to record split transaction {leg}: {error.message}")
        refusal.code, refusal.details = error.code, error.details
        return refusal


class InsufficientInflight(LedgerError):
    """The balances hold less than the hold says, because their totals have drifted."""

    def __init__(self, action: str, side: str, have: int, need: int) -> None:
        super().__init__(
            f"saving transaction to db error: failed to apply transaction to balances: {action} inflight {side} "
            f"failed: insufficient inflight {side} balance: have {have}, need {need}"
        )


class TooManyBatches(LedgerError):
    text = "too many async bulk operations in progress, try again later"
    code = "GEN_RATE_LIMITED"


class BatchRefused(LedgerError):
    """A posting of a batch was refused."""

    KEPT = frozenset({"TXN_NOT_FOUND", "TXN_INSUFFICIENT_FUNDS", "TXN_DUPLICATE_REFERENCE", "GEN_RESOURCE_LOCKED"})
    """Codes that the original recognizes in the text of a batch's refusal."""

    def __init__(self, batch_id: str, message: str, error: LedgerError, left_out: dict[str, Any]) -> None:
        """Keep the batch, the postings it left out before, and the code of the refusal where the contract does."""
        super().__init__(message)
        self.batch_id, self.details = batch_id, {"batch_id": batch_id} | (error.details or {}) | left_out
        self.code = error.code if error.code in self.KEPT else LedgerError.code


class NotInflight(LedgerError):
    text = "transaction is not in inflight status"
    code = "TXN_NOT_INFLIGHT"


class RemainderChanged(LedgerError):
    """Less is held than when somebody decided to settle it."""

    code = "GEN_CONFLICT"

    def __init__(self, seen: int, remaining: int) -> None:
        super().__init__(f"of the {seen:,} minor units that were seen, {remaining:,} are still held; look again")


class AlreadyVoided(LedgerError):
    text = "transaction has already been voided"
    code = "TXN_ALREADY_VOIDED"


class AlreadyCommitted(LedgerError):
    """Nothing of the hold remains."""

    code = "TXN_ALREADY_COMMITTED"

    def __init__(self, action: str) -> None:
        super().__init__(f"cannot {action}. Transaction already committed")


class CommitExceeds(LedgerError):
    """A commit asks for more than the hold has."""

    code = "TXN_COMMIT_AMOUNT_EXCEEDED"

    def __init__(self, what: str, most: str, requested: str) -> None:
        """Name both amounts; ``what`` is ``original`` or ``remaining``."""
        if what == "original":
            text = f"the original transaction amount. Original: {most}"
        else:
            text = f"the remaining amount. Available: {most}"
        super().__init__(f"cannot commit more than {text}, Requested: {requested}")


class NegativeCommit(LedgerError):
    text = "commit amount cannot be negative"


class AmountsDiffer(LedgerError):
    """The major and minor units sent contradict each other; the original takes the minor ones."""

    code = "TXN_INVALID_AMOUNT"

    def __init__(self, amount: str, precision: int, precise_amount: int) -> None:
        super().__init__(f"amount {amount} at precision {precision} contradicts precise_amount {precise_amount}")


class MixedPrecisions(LedgerError):
    """The holds under one id have several precisions, so major units are ambiguous."""

    code = "TXN_INVALID_AMOUNT"

    def __init__(self, transaction_id: str) -> None:
        super().__init__(f"the holds under {transaction_id} have several precisions: send precise_amount, not amount")


class AlreadyQueued(LedgerError):
    text = "a commit or void is already queued for this transaction"
    code = "GEN_CONFLICT"


class AlreadyRefunded(LedgerError):
    """The transaction was refunded before."""

    code = "GEN_CONFLICT"

    def __init__(self, transaction_id: str) -> None:
        super().__init__(f"transaction {transaction_id} has already been refunded")


class RefundExceeds(LedgerError):
    """A refund asks for more than is left of a payment."""

    code = "TXN_INVALID_AMOUNT"

    def __init__(self, transaction_id: str, left: str, requested: str) -> None:
        super().__init__(
            f"cannot refund more than is left of transaction {transaction_id}. Left: {left}, Requested: {requested}"
        )


def _some(rows: Sequence[str]) -> str:
    return ", ".join(rows[:5]) + (", …" if len(rows) > 5 else "")


class PartOfSeveral(LedgerError):
    """A partial refund names an id that stands for several payments."""

    code = "TXN_INVALID_AMOUNT"

    def __init__(self, transaction_id: str, rows: Sequence[str]) -> None:
        super().__init__(
            "a part can be refunded of one transaction only, and "
            f"{transaction_id} stands for {len(rows)}: {_some(rows)}"
        )


class ReferenceOfSeveral(LedgerError):
    """A refund with a reference names an id that stands for several payments."""

    code = "TXN_VALIDATION_ERROR"

    def __init__(self, transaction_id: str, rows: Sequence[str]) -> None:
        super().__init__(
            "a reference can be given to the refund of one transaction only, and "
            f"{transaction_id} stands for {len(rows)}: {_some(rows)}"
        )


class ReleasedInPart(LedgerError):
    """A partial refund names a released hold, which can only come back whole, as a hold."""

    code = "TXN_INVALID_AMOUNT"

    def __init__(self, transaction_id: str) -> None:
        super().__init__(f"transaction {transaction_id} released a hold: it can be refunded as a whole only")


class ProcessingFailed(LedgerError):
    """Some of the rows under an id were refused; the others went through."""

    PRECEDENCE = (
        "TXN_NOT_FOUND",
        "TXN_NOT_INFLIGHT",
        "TXN_ALREADY_COMMITTED",
        "TXN_ALREADY_VOIDED",
        "GEN_CONFLICT",
        "TXN_DUPLICATE_REFERENCE",
        "TXN_COMMIT_AMOUNT_EXCEEDED",
        "TXN_INSUFFICIENT_FUNDS",
        "TXN_INVALID_AMOUNT",
        "GEN_RESOURCE_LOCKED",
    )
    """Of several codes, the first one listed here is reported."""

    def __init__(self, errors: Sequence[LedgerError]) -> None:
        """List the messages as the original does."""
        super().__init__(f"error occurred during processing: [{' '.join(error.message for error in errors)}]")
        codes = {error.code for error in errors}
        self.code = next((code for code in self.PRECEDENCE if code in codes), LedgerError.code)


def together(errors: Sequence[LedgerError]) -> LedgerError:
    """Return one refusal for several: the first, with its details, where all are for references in use."""
    return errors[0] if all(isinstance(each, DuplicateReference) for each in errors) else ProcessingFailed(errors)


class SameBalance(LedgerError):
    """Source and destination resolve to one balance."""

    code = "GEN_CONFLICT"

    def __init__(self, balance_id: str) -> None:
        """Use the original's words, which speak of its optimistic lock."""
        super().__init__(
            f"Optimistic locking failure: balance with ID '{balance_id}' "
            "may have been updated or deleted by another transaction"
        )


class BulkEmpty(LedgerError):
    """A bulk request has no items."""

    code = "TXN_BULK_EMPTY"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} cannot be empty")


class BulkTooLarge(LedgerError):
    """A bulk request has too many items."""

    code = "TXN_BULK_LIMIT_EXCEEDED"

    def __init__(self, name: str, most: int) -> None:
        super().__init__(f"too many {name}; max is {most}")


class InvalidSettlement(LedgerError):
    text = "status not supported. use either commit or void"
    code = "TXN_INVALID_STATUS_ACTION"


class NonPositivePart(LedgerError):
    """A part is zero or less."""

    code = "TXN_INVALID_AMOUNT"

    def __init__(self, name: str = "precise_amount") -> None:
        super().__init__(f"{name} must be positive")
