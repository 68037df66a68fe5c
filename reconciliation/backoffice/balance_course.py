"""The course of a balance as a picture: stored beside recalculated, and what happened to it. Drawn by the server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest

from balances.backoffice import known_precision, last_transactions
from balances.models import Balance
from balances.templatetags.money import amount, instant, listed
from reconciliation.backoffice.columns import row_link
from reconciliation.overview import Course, Moment, Source, course

WIDTH, HEIGHT, MARGIN = 1000, 200, 10
"""The picture, in units of its own; the browser stretches it to the width of the page."""
PAGES = {
    Source.FINDING: "finding",
    Source.RECORD: "reconstruction",
    Source.CORRECTION: "reconstruction",
    Source.UNDO: "reconstruction",
}
MOST_IN_TABLE = 60
"""Moments of the table, the newest."""


@dataclass(frozen=True)
class Scale:
    """Turns instants and minor units into places of the picture, in whole numbers: no amount becomes a float."""

    first: datetime
    last: datetime
    lowest: int
    highest: int

    def x(self, at: datetime) -> int:
        """Return how far to the right an instant is."""
        return (at - self.first) * WIDTH // max(self.last - self.first, timedelta(microseconds=1))

    def y(self, units: int) -> int:
        """Return how far down an amount is."""
        return HEIGHT - MARGIN - (units - self.lowest) * (HEIGHT - 2 * MARGIN) // max(self.highest - self.lowest, 1)


def shown(request: HttpRequest, balance: Balance) -> dict[str, Any]:
    """Return the picture and the same as a table, of what this user may see."""
    may = request.user.has_perm
    found = course(
        balance.pk,
        findings=may("reconciliation.view_finding"),
        edits=may("reconciliation.view_balanceedit"),
        snapshots=may("balances.view_balancesnapshot"),
    )
    precision = known_precision(last_transactions(balance.pk)) if found.moments and not found.is_partial else None
    context = {"is_partial": found.is_partial, "moments": _table(found, precision), "sentence": _sentence(found)}
    if len(found.moments) > 1:
        context["picture"] = _picture(found, precision, balance.currency)
    return context


def _sentence(found: Course) -> str:
    """Say in words what the picture shows."""
    if not found.partings:
        return "Stored and recalculated agree at each of these moments."
    agreed, parted = found.partings[-1]
    since = f"They agreed last at {instant(agreed)} UTC." if agreed else "They are not known to have agreed before."
    ended = "" if found.moments[-1].difference else " They agree now."
    return f"Stored and recalculated part at {instant(parted)} UTC. {since}{ended}"


def _table(found: Course, precision: int | None) -> list[dict[str, Any]]:
    return [
        {
            "at": moment.at,
            "source": row_link(PAGES[moment.source], moment.key, moment.source.value)
            if moment.source in PAGES
            else moment.source.value,
            "stored": listed(moment.stored, precision),
            "recalculated": listed(moment.recalculated, precision),
            "difference": moment.difference,
            "shown_difference": listed(moment.difference, precision),
        }
        for moment in reversed(found.moments[-MOST_IN_TABLE:])
    ]


def _picture(found: Course, precision: int | None, currency: str) -> dict[str, Any]:
    amounts = [units for moment in found.moments for units in (moment.stored, moment.recalculated) if units is not None]
    first, last = found.moments[0].at, found.moments[-1].at
    scale = Scale(first, last, min(amounts), max(amounts))
    edits = [each for each in found.edits if first <= each.edited_at <= last]
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "stored": _path((scale.x(each.at), scale.y(each.stored)) for each in found.moments),
        "recalculated": _path(
            (scale.x(each.at), scale.y(each.recalculated)) for each in found.moments if each.recalculated is not None
        ),
        "partings": [scale.x(at) for _, at in found.partings],
        "snapshots": list(_dots(found.moments, scale, Source.SNAPSHOT)),
        "corrections": list(_dots(found.moments, scale, Source.CORRECTION, Source.UNDO)),
        "edits": [scale.x(each.edited_at) for each in edits],
        "highest": amount(scale.highest, precision, currency),
        "lowest": amount(scale.lowest, precision, currency),
        "first": first,
        "last": last,
    }


def _path(places: Iterable[tuple[int, int]]) -> str:
    """Return a line through places, which stays on the height of one until the next: totals change at once."""
    steps = [f"{'H' if number else 'M'}{x}{f' V{y}' if number else f' {y}'}" for number, (x, y) in enumerate(places)]
    return " ".join(steps)


def _dots(moments: Iterable[Moment], scale: Scale, *sources: Source) -> Iterator[tuple[int, int]]:
    for moment in moments:
        if moment.source in sources:
            yield scale.x(moment.at), scale.y(moment.stored)
