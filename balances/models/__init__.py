"""Every table of the ledger, under Blnk's name where Blnk has it."""

from balances.models.blnk_imports import BlnkImport
from balances.models.core import (
    GENERAL_LEDGER_ID,
    RUN_FLAG,
    RUN_VALUE,
    TOTALS,
    Balance,
    BalanceSnapshot,
    Ledger,
    Transaction,
    hashed,
    new_balance_id,
    new_ledger_id,
    new_transaction_id,
    now,
)
from balances.models.hold_plans import HoldPlan, OpenHold, PlannedHold, new_hold_plan_id
from balances.models.hooks import Delivery, Hook, new_hook_id
from balances.models.instructions import Instruction, new_instruction_id
from balances.models.keys import NEVER_USED, PREFIX_LENGTH, ApiKey, allows, covers
from balances.models.lineage import LineageMapping, LineageOutbox
from balances.models.monitors import BalanceMonitor, Operator, Watched
from balances.models.people import NO_DATE, Account, Identity
from balances.models.queue import Entry
from balances.models.uploads import Content, Upload
