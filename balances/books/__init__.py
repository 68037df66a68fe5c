"""What a posting means, decided without the database: orders, movements, shares, standings, holds.

docs/design/posting.md states the rules.
"""

from balances.books import duplicates, posting_exceptions
from balances.books.book import Book, Standing, standing_of
from balances.books.holds import ALL, Action, Found, Hold, Holds, Part, Settlement, holds_of, row_of, settle_hold
from balances.books.movements import (
    ALLOW_OVERDRAFT,
    ATOMIC,
    EFFECTS,
    INFLIGHT,
    QUEUED_PARENT,
    WAITING,
    Effect,
    Movement,
    Place,
    Sent,
    movements_of,
)
from balances.books.orders import Posting, Share
from balances.books.posting_exceptions import (
    BatchRefused,
    BulkEmpty,
    BulkTooLarge,
    DuplicateReference,
    InvalidSettlement,
    NegativeLimit,
    NonPositivePart,
    SplitLegRefused,
    TooManyBatches,
    TransactionNotFound,
)
from balances.books.projecting import BulkPreview, Leg, Preview, Projection, Projections, Rejection, leg_of, sum_of
