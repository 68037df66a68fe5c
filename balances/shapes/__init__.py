"""The answers of the wire, for the API and for webhooks and hooks."""

from balances.shapes import answers, transactions
from balances.shapes.answers import (
    Answer,
    BalanceAnswer,
    ErrorAnswer,
    IdentityAnswer,
    Instant,
    LedgerAnswer,
    Metadata,
    MinorUnits,
    Number,
    in_byte_order,
)
from balances.shapes.rendering import rendered
from balances.shapes.transactions import RecordedTransaction, TransactionAnswer
