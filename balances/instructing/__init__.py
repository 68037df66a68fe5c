"""Money that people move by hand: asked for, approved by a second person where the policy asks, and then done once."""

from balances.instructing.orders import Order, Payment, RefundOrder, SettlementOrder, order_of, preview, request_of
from balances.instructing.service import (
    Amount,
    NotOpen,
    Person,
    approve,
    ask,
    go_on,
    reject,
    why_second_person,
    withdraw,
)
