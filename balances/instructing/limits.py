"""What one person may move by hand alone, and what no instruction may exceed."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models import Sum

from balances.ground import LedgerError, Statement, limit_of
from balances.keys import is_same_person
from balances.models import HoldPlan, Instruction, now

State = Instruction.State
ADDED_UP = timedelta(hours=24)
"""How far back what one person moved alone counts together. It rolls, so midnight is no way around the limit."""
SERIALISE_ASKING = Statement.beside(__file__, "serialise_asking.sql")


class TooMuchByHand(LedgerError):
    """An amount that the house moves by hand for no one, even with a second person."""

    code = "GEN_VALIDATION_ERROR"


def require_within_bounds(currency: str, units: int) -> None:
    """Raise ``TooMuchByHand`` for more minor units than one instruction may have. Without any bound it never does."""
    bounds = settings.LEDGER_BY_HAND_AT_MOST
    bound = limit_of(bounds, currency) if bounds else None
    if bound is not None and abs(units) > bound:
        raise TooMuchByHand(
            f"By hand, no more than {bound:,} minor units of {currency} are moved at once, even with a second person. "
            "Post it over the API, or ask for less."
        )


def why_second_person(currency: str, units: int, actor: str) -> str:
    """Return why the house wants a second person for an amount in minor units, or nothing where it does not.

    What the same person moved alone in that currency within the last 24 hours counts with it, so that several small
    ones are no way around the limit. Without any limit it never does.
    """
    limits = settings.LEDGER_FOUR_EYES_BY_HAND
    limit = limit_of(limits, currency) if limits else None
    if limit is None:
        return ""
    if abs(units) > limit:
        return f"By hand, more than {limit:,} minor units of {currency} need a second person."
    before = moved_alone(currency, actor)
    if abs(units) + before <= limit:
        return ""
    return (
        f"By hand, more than {limit:,} minor units of {currency} within 24 hours need a second person, and {actor} "
        f"moved {before:,} alone already."
    )


def moved_alone(currency: str, actor: str) -> int:
    """Return how many minor units one person moved by hand in 24 hours without a second person, whatever the kind.

    A hold and its commit count each, and a plan of many holds with all of them. What the ledger refused, and what was
    rejected or withdrawn, moved nothing.
    """
    alone = Instruction.objects.filter(
        asked_at__gt=now() - ADDED_UP,
        currency=currency,
        second_person="",
        state__in=(State.STARTED, State.DONE),
    )
    by_name = list(alone.order_by().values_list("asked_by").annotate(Sum("units")))
    plans = HoldPlan.objects.filter(asked_at__gt=now() - ADDED_UP, second_person="").order_by()
    for name, totals in plans.values_list("asked_by", "totals"):
        by_name += [(name, each["units"]) for each in totals if each["currency"] == currency]
    return sum(int(units) for name, units in by_name if is_same_person(name, actor))


def serialise_asking() -> None:
    """Have others who ask wait until the end of the transaction, so that two at once count each other."""
    SERIALISE_ASKING.rows()
