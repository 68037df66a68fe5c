"""Postings and volume of each hour, counted once and kept: no page reads a month of transactions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from balances.ground import Statement, adoption
from reconciliation.models import PostingHour

POSTING_HOURS = Statement.beside(__file__, "posting_hours.sql")
HOUR = timedelta(hours=1)
KEPT_HOURS = 30 * 24
"""Hours that are shown; older ones are forgotten."""
RECOUNTED = 2
"""Newest hours that are counted each time: a commit may land after the hour in which it began."""
STALE = timedelta(days=1)
"""After which an hour is counted again: an import may have dated rows back into it."""
COUNTED_AT_ONCE = 24
"""Older hours that one run counts at most, so that a large ledger is not read all at once."""


@dataclass(frozen=True)
class Volume:
    """What was applied in one currency: postings, minor units, and the precision where all share one."""

    currency: str
    postings: int
    units: int
    precision: int | None


def count_hours(at: datetime) -> None:
    """Count the newest hours again, and up to a day of those that have not been counted of late.

    Not in an adopted database: old ones have no index on ``created_at``, and would be read as a whole each minute.
    """
    if adoption() is not None:
        return
    newest = at.replace(minute=0, second=0, microsecond=0)
    _count(newest - HOUR * (RECOUNTED - 1), newest + HOUR, at)
    first = newest - HOUR * (KEPT_HOURS - 1)
    PostingHour.objects.filter(hour__lt=first).delete()
    counted = set(PostingHour.objects.filter(counted_at__gt=at - STALE).values_list("hour", flat=True))
    due = [hour for age in range(KEPT_HOURS) if (hour := newest - HOUR * age) not in counted]
    if due:
        span = [hour for age, hour in enumerate(due[:COUNTED_AT_ONCE]) if hour == due[0] - HOUR * age]
        _count(span[-1], span[0] + HOUR, at)


def _count(since: datetime, until: datetime, at: datetime) -> None:
    counted: dict[datetime, dict[str, Any]] = {since + HOUR * age: {} for age in range((until - since) // HOUR)}
    for row in POSTING_HOURS.rows(since=since, until=until):
        precisions = [row["least_precision"], row["most_precision"]]
        counted[row["hour"]][row["currency"]] = [row["postings"], int(row["units"]), *precisions]
    PostingHour.objects.bulk_create(
        [PostingHour(hour=hour, figures=figures, counted_at=at) for hour, figures in counted.items()],
        update_conflicts=True,
        unique_fields=("hour",),
        update_fields=("figures", "counted_at"),
    )


def posting_hours() -> list[PostingHour]:
    """Return the hours that have been counted, oldest first."""
    return list(PostingHour.objects.order_by("hour"))


def volumes(hours: list[PostingHour]) -> list[Volume]:
    """Return what these hours add up to in each currency, most postings first."""
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    precisions: dict[str, set[int]] = defaultdict(set)
    for currency, (postings, units, least, most) in _figures(hours):
        totals[currency][0] += postings
        totals[currency][1] += units
        precisions[currency] |= {least, most}
    found = [
        Volume(currency, postings, units, _only(precisions[currency])) for currency, (postings, units) in totals.items()
    ]
    return sorted(found, key=lambda each: (-each.postings, each.currency))


def precisions() -> dict[str, int | None]:
    """Return the precision of each currency, ``None`` where its postings of the last 30 days do not share one."""
    return {each.currency: each.precision for each in volumes(posting_hours())}


def _figures(hours: list[PostingHour]) -> Iterator[tuple[str, list[int]]]:
    for hour in hours:
        yield from hour.figures.items()


def _only(precisions: set[int]) -> int | None:
    return precisions.pop() if len(precisions) == 1 else None
