"""Money that people move by hand: asked for, approved by a second person where the policy asks, and then done once."""

from balances.instructing.hold_plans import (
    MOST_HOLDS,
    Line,
    Outlook,
    approve_plan,
    ask_plan,
    look,
    reject_plan,
    withdraw_plan,
)
from balances.instructing.limits import ADDED_UP, TooMuchByHand, require_within_bounds, why_second_person
from balances.instructing.orders import Order, Payment, RefundOrder, SettlementOrder, order_of, preview, request_of
from balances.instructing.service import (
    Amount,
    NotOpen,
    Person,
    approve,
    ask,
    go_on,
    reject,
    withdraw,
)
from balances.instructing.settling_plans import BATCH, end_plans, settle_some
