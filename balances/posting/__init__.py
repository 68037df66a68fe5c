"""The one writer of ledgers, balances and transactions, apart from the bulk loads in ``importing``.

Every function checks first and raises a ``LedgerError`` with nothing written, then writes in one atomic block.
docs/design/posting.md states the rules.
"""

from balances.books import Posting, Share
from balances.posting.batches import LARGEST, Batch, new_batch_id, post_batch
from balances.posting.direct import Failure, Item, item_of, post, post_each, post_transaction, refusals
from balances.posting.enqueuing import CALL, at_once, enqueue, enqueue_items
from balances.posting.metadata import merge_metadata, require_correction
from balances.posting.opening import open_balance, open_ledger, rename_ledger
from balances.posting.previewing import preview_batch, preview_posting, preview_refund
from balances.posting.previewing_holds import preview_settlement, preview_settlements
from balances.posting.refunding import Refund, refund
from balances.posting.restating import Correction, restate_balances
from balances.posting.restoring import restore_rows
from balances.posting.settling import Outcome, request, request_each, settle, settle_each, settle_together
from balances.posting.tasks import request_batch
