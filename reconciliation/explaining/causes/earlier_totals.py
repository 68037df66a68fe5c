"""Totals of an earlier moment: several balances lack the same span of time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from reconciliation.explaining.case import Case
from reconciliation.explaining.causes.ranking import Rank
from reconciliation.explaining.explanation import Cause, Certainty, Explanation
from reconciliation.explaining.observations import MissingSpan

CAUSES = (
    Cause(
        "earlier_totals",
        "Totals of an earlier moment",
        "The stored totals of several balances are those of an earlier moment: a backup of the balances was restored, "
        "or older totals were written back. They lack all transactions of one span of time.",
    ),
)


def propose(case: Case) -> Iterator[Explanation]:
    """Propose the span that this balance lacks together with others, by the rule of ``evidence.missing_spans``.

    Totals that were imported may have been taken before the last rows of a day: that ranks above this.
    """
    found = case.missing_span
    if found is None:
        return
    others = found.balances - 1
    yield Explanation(
        "earlier_totals",
        f"The stored totals are those of an earlier moment, {_between(found.moment_from, found.moment_until)}: they "
        f"lack all {found.row_count:,} transactions from then until {_back(found)}. {others:,} other "
        f"{'balance lacks' if others == 1 else 'balances lack'} the same span.",
        case.rest,
        Certainty.LIKELY if found.outside or found.alternatives or case.imported else Certainty.STRONG,
        rows=found.rows,
        alternatives=found.alternatives,
        evidence=_evidence(found),
        rank=Rank.EARLIER_TOTALS_IMPORTED if case.imported else Rank.EARLIER_TOTALS,
    )


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S.%f} UTC"


def _between(start: datetime | None, end: datetime) -> str:
    return f"after {_text(start)} and before {_text(end)}" if start else f"before {_text(end)}"


def _back(found: MissingSpan) -> str:
    if found.back_until is None:
        return f"{_text(found.back_from)}, the last transaction of all"
    return f"a moment after {_text(found.back_from)} and before {_text(found.back_until)}"


def _evidence(found: MissingSpan) -> dict[str, object]:
    return {
        "moment": [_text(found.moment_from) if found.moment_from else "the beginning", _text(found.moment_until)],
        "back": [_text(found.back_from), _text(found.back_until) if found.back_until else "now"],
        "balances": found.balances,
        "rows": found.row_count,
        "other_ends_that_lack_nothing": found.outside,
    }
