"""Every refusal has a class here.

``code`` is the contract's word for it, stable for programs; ``text`` is what people read, and what
the contract says to the byte. Texts are attributes: ``python -OO`` drops docstrings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class LedgerError(Exception):
    """The base of all refusals."""

    code = "GEN_BAD_REQUEST"
    text = "The ledger refused"
    details: Any = None

    def __init__(self, message: str | None = None) -> None:
        """Take the class's text as the message unless one is given."""
        self.message = message or self.text
        super().__init__(self.message)


class NotFound(LedgerError):
    """What a request names does not exist; the code is for kinds of objects that have none of their own."""

    code = "GEN_NOT_FOUND"


class FractionOfUnit(LedgerError, ValueError):
    """An amount is no whole number of minor units; the original rounds it."""

    code = "TXN_INVALID_AMOUNT"

    def __init__(self, amount: str, precision: int, neighbours: Sequence[str]) -> None:
        super().__init__(
            f"{amount} at precision {precision} is no whole number of minor units; {' or '.join(neighbours)} would be"
        )


class LedgerNotFound(NotFound):
    text = "Ledger not found"
    code, details = "LGR_NOT_FOUND", {}


class BalanceNotFound(NotFound):
    code, details = "BAL_NOT_FOUND", {}

    def __init__(self, balance_id: str) -> None:
        super().__init__(f"Balance with ID '{balance_id}' not found")


class IndicatorNotFound(NotFound):
    """No balance has this indicator in this currency."""

    code = "BAL_NOT_FOUND"

    def __init__(self, indicator: str) -> None:
        super().__init__(f"balance with indicator '{indicator}' not found")


class EntityNotFound(NotFound):
    text = "entity not found"
    code = "META_ENTITY_NOT_FOUND"


class InvalidEntityId(LedgerError):
    """invalid entity ID format."""

    code = "META_INVALID_ENTITY_ID"


class UnknownLedger(LedgerError):
    text = "Invalid ledger ID"
    code, details = "GEN_BAD_REQUEST", {}


class IndicatorTaken(LedgerError):
    """A balance with this indicator and currency exists."""

    code, details = "GEN_CONFLICT", {}


class BalanceLocked(LedgerError):
    text = "failed to acquire lock: failed to acquire all locks within the wait timeout"
    code = "GEN_RESOURCE_LOCKED"


class Deadlocked(BalanceLocked):
    text = "failed to acquire lock: two writers waited for each other, and this one had to give way"


class NotYetSupported(LedgerError):
    """The contract has this request, but this server does not serve it yet."""

    code = "GEN_NOT_IMPLEMENTED"


class EmptySource(LedgerError):
    """The balance has totals but no transactions to rebuild them from."""

    code = "GEN_CONFLICT"

    def __init__(self, balance_id: str) -> None:
        super().__init__(
            f"Balance {balance_id} has totals but no transactions: reconstruction would set them to zero, "
            "as if an opening balance had never been. Nothing was changed; allow it explicitly (allow_empty) "
            "or book the opening balance as a transaction first."
        )


class MissingApiKey(LedgerError):
    text = "Authentication required. Use X-Blnk-Key header"
    code = "AUTH_MISSING_API_KEY"


class InvalidApiKey(LedgerError):
    text = "Invalid API key"
    code = "AUTH_INVALID_API_KEY"


class ExpiredApiKey(LedgerError):
    text = "API key is expired or revoked"
    code = "AUTH_EXPIRED_API_KEY"


class UnknownResource(LedgerError):
    text = "Unknown resource type"
    code = "AUTH_UNKNOWN_RESOURCE"


class InsufficientPermissions(LedgerError):
    """No scope of the key allows the request."""

    code = "AUTH_INSUFFICIENT_PERMISSIONS"

    def __init__(self, resource: str, action: str) -> None:
        super().__init__(f"Insufficient permissions for {resource}:{action}")


class MissingPrincipal(LedgerError):
    text = "authenticated API key principal missing"
    code = "AUTH_MISSING_PRINCIPAL"


class KeyOwnerRequired(LedgerError):
    text = "owner is required"
    code = "APIKEY_OWNER_REQUIRED"


class ForeignKeyOwner(LedgerError):
    text = "cannot manage API keys for another owner"
    code = "AUTH_CROSS_OWNER_ACCESS"


class ScopeEscalation(LedgerError):
    text = "cannot grant scopes broader than caller"
    code = "AUTH_SCOPE_ESCALATION"


class ApiKeyNotFound(NotFound):
    text = "API key not found"
    code = "APIKEY_NOT_FOUND"


class UnreadableTotals(LedgerError):
    """A total is no number, or the transactions do not add up to whole minor units."""

    code = "GEN_CONFLICT"

    def __init__(self, balance_id: str) -> None:
        super().__init__(
            f"Balance {balance_id} has a total that is no number (missing, NaN or infinite), or transactions that do "
            "not add up to a whole number of minor units: no difference can be computed. Nothing was changed; mend "
            "that value in the database first."
        )


TOO_LONG = "payload string too long"
"""What PostgreSQL says of a notification beyond 8,000 bytes."""


class NoRoomToNotify(LedgerError):
    """Blnk's own notification of a new row, or of a balance that changes, would be too long."""

    code = "GEN_CONFLICT"
    text = (
        "This was not recorded: Blnk's triggers send each new transaction, balance and ledger, and a changed balance, "
        "as a notification, which holds 8,000 bytes, and the metadata or description of one leaves no room. Shorten it."
    )


class TooMuchMetadata(LedgerError):
    """The metadata of a balance leaves Blnk's own notification no room, so that no change of it can be committed."""

    code = "GEN_CONFLICT"

    def __init__(self, balance_id: str) -> None:
        """Say what would help."""
        super().__init__(
            f"Balance {balance_id} was not changed: its metadata is near 8,000 bytes, and the notification that Blnk's "
            "trigger sends of each change fails, as it does for a posting. Shorten its metadata first."
        )
