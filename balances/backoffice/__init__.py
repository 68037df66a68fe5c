"""The pages of the ledger in the admin."""

from balances.backoffice import (
    hold_plans,
    hooks,
    identities,
    instructions,
    keys,
    ledger,
    lineage,
    monitors,
    queue,
    queue_warning,
    uploads,
)
from balances.backoffice.balance_panels import known_precision, last_transactions
from balances.backoffice.ledger import BalanceAdmin, LedgerAdmin, TransactionAdmin
from balances.backoffice.lists import COUNTED
from balances.backoffice.pages import (
    CarefulActions,
    CurrencyFilter,
    DaysFilter,
    EstimatingPaginator,
    Exporting,
    LedgerModelAdmin,
    action,
    allowed,
    column,
    display,
    link,
    moment,
    url_of,
)
