"""The one writer of ledgers, balances and transactions (architecture D6), beside the bulk loads.

Those are ``importing`` and ``generating``. Every function refuses first, with a ``LedgerError`` and nothing written,
then writes in one atomic block.
"""

from balances.posting.direct import post, post_transaction
from balances.posting.metadata import merge_metadata
from balances.posting.opening import open_balance, open_ledger, rename_ledger
from balances.posting.orders import Posting, Share
from balances.posting.restating import Correction, restate_balances
from balances.posting.restoring import restore_rows

__all__ = [
    "Correction",
    "Posting",
    "Share",
    "merge_metadata",
    "open_balance",
    "open_ledger",
    "post",
    "post_transaction",
    "rename_ledger",
    "restate_balances",
    "restore_rows",
]
