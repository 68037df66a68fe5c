"""The findings of a sweep: from measurements and faults to rows."""

from __future__ import annotations

from collections import defaultdict

from balances.models import TOTALS, now
from reconciliation.checks import CHECKS, EMPTY_SOURCE, FOREIGN, UNREADABLE, Fault, rates_are_gone
from reconciliation.measuring import Measurement, Totals, measure_all
from reconciliation.models import Finding, Sweep


def findings_of(sweep: Sweep, measurements: list[Measurement], faults: list[Fault]) -> list[Finding]:
    """Return an unsaved finding for each balance that drifted, has a fault or could not be judged, in key order."""
    by_balance = defaultdict(list)
    for fault in faults:
        by_balance[fault.balance_id].append(fault)
    measured = {each.balance_id: each for each in measurements}
    missing = sorted(by_balance.keys() - measured.keys())
    measured |= {each.balance_id: each for each in measure_all(missing)}
    measured |= {balance_id: _gone(balance_id) for balance_id in missing if balance_id not in measured}
    return [
        _finding(sweep, measurement, by_balance[balance_id])
        for balance_id, measurement in sorted(measured.items())
        if measurement.has_drift or not measurement.is_whole or by_balance[balance_id]
    ]


def add_faults(sweep: Sweep, faults: list[Fault]) -> None:
    """Add faults to the findings of their balances, and make findings for balances that have none yet."""
    existing = {
        finding.balance_id: finding
        for finding in sweep.findings.filter(balance_id__in={fault.balance_id for fault in faults})
    }
    for fault in faults:
        if fault.balance_id in existing:
            _put(existing[fault.balance_id], [fault])
    Finding.objects.bulk_update(existing.values(), ["faults", "not_proved", "remarks", "drifted"], batch_size=500)
    fresh = [fault for fault in faults if fault.balance_id not in existing]
    Finding.objects.bulk_create(findings_of(sweep, [], fresh), batch_size=500)


def _gone(balance_id: str) -> Measurement:
    """Return what is left to say of a balance that transactions name and that is not there: nothing but its name."""
    at = now()
    nothing = Totals.net(credit=0, debit=0, inflight_credit=0, inflight_debit=0)
    return Measurement(balance_id, None, "", "", "", 0, nothing, nothing, 0, 0, 0, at, at.isoformat())


def _finding(sweep: Sweep, measurement: Measurement, faults: list[Fault]) -> Finding:
    finding = Finding(
        sweep=sweep,
        found_at=measurement.executed_at,
        version=measurement.version,
        credit_rows=measurement.credit_rows,
        debit_rows=measurement.debit_rows,
        hold_rows=measurement.hold_rows,
        drifted=measurement.is_readable and measurement.has_drift,
        snapshot=measurement.snapshot,
        **Finding.copied(measurement),
    )
    if not measurement.is_whole:
        finding.not_proved.append({"check": UNREADABLE, "detail": _unreadable(measurement), "rows": []})
    elif measurement.is_empty:
        detail = "It has totals but no transactions that they could come from."
        finding.not_proved.append({"check": EMPTY_SOURCE, "detail": detail, "rows": []})
    _put(finding, faults)
    return finding


def _unreadable(measurement: Measurement) -> str:
    """Say in which totals there is no whole number of minor units."""
    stored, summed = (
        ", ".join(total.replace("_", " ") for total in TOTALS if not isinstance(getattr(totals, total), int))
        for totals in (measurement.stored, measurement.recalculated)
    )
    sentences = [
        f"Stored totals that are missing or no whole number: {stored}." if stored else "",
        f"Transactions do not add up to whole numbers: {summed}." if summed else "",
    ]
    return " ".join(filter(None, sentences))


def _put(finding: Finding, faults: list[Fault]) -> None:
    for fault in faults:
        kept = {"fault": finding.faults, "not proved": finding.not_proved, "remark": finding.remarks}
        kept[CHECKS[fault.check].verdict].append(fault.as_json())
        if fault.check == FOREIGN.name and rates_are_gone():
            finding.drifted = False
