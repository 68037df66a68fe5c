"""The first line of the page of a balance: measured as the page opens, without leaving a record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from balances.ground import ReadTimedOut, deadline
from balances.templatetags.money import amount, instant
from reconciliation.backoffice.columns import title_of
from reconciliation.correcting import NO_NUMBER, NO_ROWS, why_not_proved
from reconciliation.measuring import Measurement, measure
from reconciliation.models import Finding
from reconciliation.records import Comparison
from reconciliation.sweeping import waits

MEASURED_SECONDS = 0.5
"""How long a page waits for a balance to be measured; one with millions of transactions takes longer."""


@dataclass(frozen=True)
class Verdict:
    """What the page says of a balance, in the colour of the same verdict of a sweep."""

    tone: str
    """``healthy``, ``findings`` or ``not-proved``."""
    sentence: SafeString | str
    is_wrong: bool = False


def verdict(balance_id: str, precision: int | None, finding: Finding | None) -> Verdict:
    """Measure a balance and say whether it is right; ``finding`` is the newest on it, and gives the cause.

    A finding speaks of the drift only where it saw the same one.
    """
    try:
        with deadline(MEASURED_SECONDS, f"the verdict on {balance_id}"):
            measured = measure([balance_id])
            unprovable = why_not_proved(measured)
    except ReadTimedOut:
        return Verdict(
            "not-proved",
            "Not checked: it has so many transactions that measuring it would hold up this page. The preview does.",
        )
    if not measured:
        return Verdict("not-proved", "Not checked: the balance was deleted meanwhile.")
    found = measured[0]
    if why := unprovable.get(balance_id) or _unreadable(found):
        return Verdict("not-proved", f"Cannot be proved: {why}.")
    if not found.has_drift:
        return Verdict("healthy", "Right, checked now.")
    return Verdict("findings", format_html("Wrong: {}. {}", _by_how_much(found, precision), _why(found, finding)), True)


def _unreadable(found: Measurement) -> str:
    if not found.is_readable:
        return NO_NUMBER
    return NO_ROWS if found.is_empty else ""


def _by_how_much(found: Measurement, precision: int | None) -> SafeString:
    """Show by how much the balance is off, else which of its other totals are."""
    return format_html_join(", ", "{}{} {}", _amounts(found, precision))


def _amounts(found: Measurement, precision: int | None) -> Iterator[tuple[str, SafeString, str]]:
    net = found.stored.balance - found.recalculated.balance
    if net:
        yield "", amount(abs(net), precision, found.currency), "too high" if net > 0 else "too low"
    compared = Comparison.of(found)
    for line in compared.besides or ([] if net else compared.differing):
        shown = amount(abs(line.difference), precision, found.currency)
        yield f"{line.label.lower()} ", shown, "too low" if line.difference > 0 else "too high"


def _why(found: Measurement, finding: Finding | None) -> str:
    if finding is None or not finding.drifted or finding.difference != found.difference or waits(finding):
        return "The next sweep looks for the cause."
    since = f", since {instant(finding.first_wrong_at)} UTC" if finding.first_wrong_at else ""
    return f"{title_of(finding.cause)}{since}."
