"""Cron expressions of five fields in UTC: what is accepted, and when something was due."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from croniter import CroniterBadCronError, CroniterBadDateError, croniter
from django.core.exceptions import ValidationError

NAMES = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat"
FIELD = re.compile(rf"(?:[0-9*,/-]|{NAMES})+", re.IGNORECASE)
"""What a field may consist of. Seconds, random times and other extensions of croniter mean other things elsewhere."""


def validate_cron(expression: str) -> None:
    """Raise ``ValidationError``, for people, unless this is a cron expression that matches some date."""
    fields = expression.split()
    if len(fields) != 5:
        raise ValidationError(
            "A cron expression has five fields (minute, hour, day of month, month, day of week), "
            "such as “0 2 * * *” for every night at two; this one has %(count)s.",
            params={"count": len(fields)},
        )
    if not all(map(FIELD.fullmatch, fields)):
        raise ValidationError(
            "“%(cron)s” is no cron expression: only digits, names of months and days and * , - / stand in a field.",
            params={"cron": expression},
        )
    try:
        last_due(expression, datetime.now(UTC))
    except CroniterBadDateError as error:
        raise ValidationError("“%(cron)s” never matches a date.", params={"cron": expression}) from error
    except (CroniterBadCronError, TypeError) as error:  # croniter raises either for nonsense
        raise ValidationError(
            "“%(cron)s” is no cron expression: %(why)s.", params={"cron": expression, "why": str(error).rstrip(".")}
        ) from error


def last_due(expression: str, at: datetime) -> datetime:
    """Return the last minute up to ``at`` that the expression names, in UTC."""
    minute = at.astimezone(UTC).replace(second=0, microsecond=0)
    due: datetime = croniter(expression, minute + timedelta(seconds=1)).get_prev(datetime)  # it looks strictly before
    return due


def next_due(expression: str, at: datetime) -> datetime:
    """Return the first minute after ``at`` that the expression names, in UTC."""
    due: datetime = croniter(expression, at.astimezone(UTC)).get_next(datetime)
    return due
