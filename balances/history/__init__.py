"""Past balances: the state at an instant, statements, and the snapshots of each day."""

from balances.history import tasks
from balances.history.history import balance_at
from balances.history.moving import READ_ROWS, Counterparty, Flow, OpenHold, OpenHolds, counterparties, open_holds
from balances.history.snapshots import BATCH_SIZE, take_snapshots
from balances.history.statement import (
    APPLIED,
    HOLDS,
    SIDES,
    Figures,
    Key,
    Line,
    Page,
    Wanted,
    count_lines,
    statement_lines,
    statement_page,
)
from balances.history.tasks import request_snapshots
