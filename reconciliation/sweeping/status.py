"""The status of a sweep: how far it is, what it found, and what it did not prove."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from balances.ground import Statement, provenance
from reconciliation.checks import CHECKS, EMPTY_SOURCE, UNREADABLE
from reconciliation.explaining import NOT_YET, UNEXPLAINED, summary
from reconciliation.measuring import SIDES, Scope
from reconciliation.models import Finding, Sweep
from reconciliation.records import COLUMNS, NUMBERS, WHOSE, Report, compared, figures

CHECKS_FOUND = Statement.beside(__file__, "checks_found.sql")
MEASURED = {
    EMPTY_SOURCE: ("Totals without any transactions", "There is nothing to recalculate such a balance from."),
    UNREADABLE: (
        "A total is no whole number",
        "Totals or sums that are missing, NaN, infinite or a fraction of a minor unit cannot be judged.",
    ),
}
"""What measuring itself finds, beside the checks: title and description."""


def verdict(sweep: Sweep) -> str:
    """Return ``healthy``, ``findings``, ``not proved`` (nothing found, but not everything judged) or ``unfinished``."""
    if sweep.state != Sweep.State.FINISHED:
        return "unfinished"
    if sweep.drifted or sweep.faulty or out_of_balance(sweep):
        return "findings"
    return "not proved" if unproved(sweep) else "healthy"


def out_of_balance(sweep: Sweep) -> list[str]:
    """Return in sentences where the stored sums of a sweep of all balances contradict each other, by currency.

    Where a sum is no number, a balance is not proved, and nothing contradicts anything. Nor does it where credits at
    exchange rates enter other currencies than those that they left.
    """
    if _has_rates():
        return []
    return [_sides(line) for line in _disagreeing(sweep)] if sweep.scope.get("everything") else []


def _has_rates() -> bool:
    found = provenance()
    return found is not None and (found.has_rates or found.rates_gone_at is not None)


def _disagreeing(sweep: Sweep) -> list[dict[str, Any]]:
    stored = ((line, line["stored"]) for line in sweep.trial_balance)
    return [
        line for line, sums in stored if not sums["agrees"] and not any(isinstance(sums[side], str) for side in SIDES)
    ]


def _sides(line: dict[str, Any]) -> str:
    sums = line["stored"]
    pairs = [
        (what, sums[credit], sums[debit])
        for what, credit, debit in (("", "credit", "debit"), ("inflight ", "inflight_credit", "inflight_debit"))
        if sums[credit] != sums[debit]
    ]
    sides = " and ".join(f"{what}credits are {credit}, {what}debits {debit}" for what, credit, debit in pairs)
    return f"The trial balance does not agree in {_named(line)}: {sides}."


def _named(line: dict[str, Any]) -> str:
    return line["currency"].strip() or "balances without a currency"


def unproved(sweep: Sweep) -> list[str]:
    """Return what the sweep did not prove, in sentences; empty only if it looked at everything in every way."""
    sentences = []
    if sweep.state != Sweep.State.FINISHED:
        sentences.append(
            f"The sweep is {sweep.state}: {sweep.measured:,} of {sweep.total:,} balances have been measured."
        )
    elif sweep.measured < sweep.total:
        missed = sweep.total - sweep.measured
        sentences.append(
            f"{balances(missed)} {'was' if missed == 1 else 'were'} not measured: it came in behind the sweep under an "
            "earlier date, or was gone before the sweep reached it."
        )
    if sweep.not_proved:
        sentences.append(f"{balances(sweep.not_proved)} could not be judged; the findings say why.")
    if _has_rates():
        sentences.append(
            "Trial balance not judged: credits at exchange rates enter other currencies than those that they left."
        )
    if sweep.out_of_scope:
        sentences.append(f"{balances(sweep.out_of_scope)} not in scope.")
    if not (sweep.scope.get("everything") or _has_rates()) and (apart := _disagreeing(sweep)):
        named = ", ".join(_named(line) for line in apart)
        sentences.append(f"The trial balance of all balances does not agree in {named}: a sweep of all says more.")
    if left_out := _left_out(sweep):
        sentences.append(f"Not looked for: {'; '.join(left_out)}.")
    return sentences


def is_deep(sweep: Sweep) -> bool:
    """Return whether a sweep ran every check from which a verdict follows."""
    return not _left_out(sweep)


def _left_out(sweep: Sweep) -> list[str]:
    ran = {entry["check"] for entry in sweep.checks}
    return [check.title for name, check in CHECKS.items() if name not in ran and check.verdict != "remark"]


def proved(sweep: Sweep) -> str:
    """Return in a sentence what a sweep proved of the balances in its scope, empty where it proved nothing of all.

    That totals are what transactions say is proved without the deep checks; which were left out stays unproved.
    """
    found = sweep.drifted or sweep.faulty or sweep.not_proved or out_of_balance(sweep)
    if sweep.state != Sweep.State.FINISHED or found or not sweep.measured or sweep.measured < sweep.total:
        return ""
    scope = str(Scope.from_json(sweep.scope))
    what = "its total is" if sweep.measured == 1 else "all totals are"
    return f"{scope[:1].upper()}{scope[1:]} ({balances(sweep.measured)}): {what} what the transactions say."


def balances(count: int) -> str:
    """Return a number of balances in words."""
    return "1 balance" if count == 1 else f"{count:,} balances"


def progress(sweep: Sweep) -> dict[str, Any]:
    """Return how far it is: a share in per cent, balances a second of work, and the seconds that measuring still takes.

    The time left counts work only: a sweep at a gentle pace takes longer.
    """
    rate = sweep.measured / (sweep.worked / timedelta(seconds=1)) if sweep.worked else None
    left = max(sweep.total - sweep.measured, 0)
    return {
        "total": sweep.total,
        "measured": sweep.measured,
        "percent": min(100 * sweep.measured // sweep.total, 100) if sweep.total else 100,
        "balances_per_second": round(rate) if rate else None,
        "seconds_left": round(left / rate) if rate and sweep.state not in _OVER else None,
    }


_OVER = (Sweep.State.FINISHED, Sweep.State.CANCELLED)


def checks(sweep: Sweep) -> list[dict[str, Any]]:
    """Return every check: what it looks for, whether this sweep ran it, and the number of balances it reported."""
    found = {row["check_name"]: row["balances"] for row in CHECKS_FOUND.rows(sweep_id=sweep.sweep_id)}
    ran = {entry["check"]: entry["done"] for entry in sweep.checks}
    measured = [
        {
            "check": name,
            "title": title,
            "description": text,
            "verdict": "not proved",
            "ran": sweep.measured_all,
            "found": found.get(name, 0),
        }
        for name, (title, text) in MEASURED.items()
    ]
    return measured + [
        {
            "check": name,
            "title": check.title,
            "description": check.description,
            "verdict": check.verdict,
            "ran": ran.get(name, False),
            "found": found.get(name, 0),
        }
        for name, check in CHECKS.items()
    ]


def why(finding: Finding) -> str:
    """Return why a balance drifted, in a sentence or two, or that no cause fits, or that none was looked for yet."""
    if not finding.drifted:
        return ""
    if waits(finding):
        return NOT_YET
    return summary(finding.cause or UNEXPLAINED.slug, finding.explanations, int(finding.unexplained))


def waits(finding: Finding) -> bool:
    """Return whether the drift has not been explained yet."""
    return finding.drifted and finding.explained_at is None and not finding.cause


TEXTS = ("faults", "not_proved", "remarks")
FINDINGS = Report(
    fields=(
        *("finding_id", *WHOSE, *figures("previous", "recalculated")),
        *("cause", "explained", "unexplained", "explanation", *TEXTS),
    ),
    columns=COLUMNS | {"What is wrong": "words"},
    numbers=NUMBERS,
)
"""The report of a sweep: one row a finding."""


def as_row(finding: Finding) -> dict[str, Any]:
    """Return one finding; amounts are texts of minor units, ``words`` is all of it for people."""
    row = compared(finding, previous=finding.previous, recalculated=finding.recalculated)
    row |= {name: getattr(finding, name) for name in ("finding_id", "cause", *TEXTS)}
    row |= {name: str(getattr(finding, name)) for name in ("explained", "unexplained")}
    row["explanation"] = why(finding)
    sentences = [entry["detail"] for entry in [*finding.faults, *finding.not_proved]]
    sentences += [f"Remark: {entry['detail']}" for entry in finding.remarks]
    row["words"] = " ".join([row["explanation"], *sentences]).strip()
    return row
