"""Run a drill: build a clean ledger, plant faults in it, sweep it, and count what was found and explained."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from reconciliation.drill import (
    check_faults,
    hold_faults,
    riddles,
    row_faults,
    source_faults,
    sql_faults,
    whole_faults,
    writer_faults,
)
from reconciliation.drill.faults import Fault, Places, Planter
from reconciliation.drill.ledger import DrillLedger, build
from reconciliation.explaining import UNEXPLAINED
from reconciliation.measuring import Scope
from reconciliation.models import Finding, Origin
from reconciliation.sweeping import create_sweep, run_sweep

PLANTERS: tuple[Planter, ...] = (
    writer_faults.lost_update,
    writer_faults.two_lost_updates,
    writer_faults.half_applied,
    writer_faults.half_committed,
    writer_faults.row_without_effect,
    writer_faults.duplicate_payment,
    writer_faults.counted_twice,
    writer_faults.counted_twice_on_both,
    writer_faults.rejected_but_applied,
    writer_faults.queued_but_applied,
    writer_faults.wrong_side,
    writer_faults.wrong_sign,
    writer_faults.scaled_once_more,
    writer_faults.not_scaled,
    hold_faults.released_twice,
    hold_faults.voided_twice,
    hold_faults.not_released,
    hold_faults.committed_without_row,
    hold_faults.voided_without_row,
    sql_faults.edited_total,
    sql_faults.edited_row,
    sql_faults.deleted_row,
    sql_faults.deleted_hold,
    sql_faults.overwritten_correction,
    source_faults.opening_not_booked,
    source_faults.opening_before_snapshots,
    source_faults.archived_rows,
    source_faults.forgotten_rate,
    source_faults.legacy_rows,
    source_faults.whole_totals,
    source_faults.lot_total,
    source_faults.rounding,
    source_faults.cut_off,
    check_faults.settled_beyond,
    check_faults.void_without_hold,
    check_faults.child_without_parent,
    check_faults.wrong_hash,
    check_faults.wrong_hash_of_a_child,
    check_faults.row_without_amount,
    check_faults.wrong_snapshot,
    check_faults.end_missing,
    check_faults.unknown_status,
    check_faults.columns_contradict,
    *row_faults.PLANTERS,
    riddles.odd_amount,
    riddles.round_amount,
    riddles.deleted_in_silence,
    riddles.edited_in_silence,
    riddles.raised_in_silence,
    riddles.two_alike_lost,
    *whole_faults.PLANTERS,
    source_faults.opening_brought_along,
    sql_faults.repointed_row,
    sql_faults.repointed_in_the_open,
)
"""Every fault that a drill plants."""
REQUIRED = 0.9
"""The share of provable faults whose explanation must name the right cause and row."""


@dataclass
class Line:
    """The numbers of faults of one cause, by result."""

    cause: str
    provable: bool = True
    planted: int = 0
    found: int = 0
    right: int = 0
    wrong: int = 0
    unexplained: int = 0


@dataclass
class DrillResult:
    """The result of a drill. ``wrong`` has a sentence for each explanation that named another cause or row."""

    seed: int
    lines: dict[str, Line] = field(default_factory=dict)
    false_alarms: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    build_seconds: float = 0.0
    sweep_seconds: float = 0.0

    def total(self, name: str, *, provable: bool | None = None) -> int:
        """Sum a column, of all faults or of those that left evidence, or none."""
        return sum(getattr(line, name) for line in self.lines.values() if provable in (None, line.provable))

    @property
    def right_share(self) -> float:
        """Return the share of provable faults that were explained right."""
        return self.total("right", provable=True) / max(self.total("planted", provable=True), 1)

    @property
    def violations(self) -> list[str]:
        """Return in sentences what a drill must not show."""
        missed = self.total("planted") - self.total("found")
        blamed = self.total("wrong", provable=False)
        return [
            sentence
            for is_so, sentence in (
                (missed, f"{missed} planted faults were not found."),
                (self.false_alarms, f"{len(self.false_alarms)} false alarms."),
                (self.right_share < REQUIRED, f"Only {self.right_share:.0%} of the faults are explained right."),
                (blamed, f"{blamed} faults without evidence were given a cause."),
            )
            if is_so
        ]


def drill(
    seed: int, *, wallets: int = 600, postings: int = 4_000, each: int = 2, planters: Iterable[Planter] = PLANTERS
) -> DrillResult:
    """Run a drill in the current database, which must be empty, and return its result.

    Each fault is planted ``each`` times, with places and amounts drawn from the seed. The database is not cleaned up:
    use a scratch database.
    """
    result = DrillResult(seed)
    began = time.monotonic()
    ledger = build(seed, wallets=wallets, postings=postings)
    faults = _plant(ledger, planters, each)
    planted = time.monotonic()
    sweep = create_sweep(Scope(everything=True), actor="drill", origin=Origin.COMMAND, deep=True)
    run_sweep(sweep.sweep_id)
    result.build_seconds, result.sweep_seconds = planted - began, time.monotonic() - planted
    findings = {finding.balance_id: finding for finding in sweep.findings.all()}
    for fault in faults:
        _judge(result, fault, [findings.get(balance_id) for balance_id in fault.balances])
    expected = {balance_id for fault in faults for balance_id in (*fault.balances, *fault.touched)}
    result.false_alarms = sorted(findings.keys() - expected)
    return result


def _plant(ledger: DrillLedger, planters: Iterable[Planter], each: int) -> list[Fault]:
    """Plant every fault ``each`` times; one for which the ledger has no place left is skipped."""
    places, faults = Places(ledger), []
    for planter in planters:
        for _ in range(each):
            fault = planter(places)
            ledger.flush()
            if fault is not None:
                faults.append(fault)
    return faults


def _judge(result: DrillResult, fault: Fault, rows: list[Finding | None]) -> None:
    """Count one fault: right only if the findings of all its balances name the right cause and the right row."""
    line = result.lines.setdefault(fault.cause, Line(fault.cause, fault.provable))
    line.planted += 1
    findings = [finding for finding in rows if finding is not None]
    if len(findings) < len(fault.balances):
        return
    if fault.check:
        spoken = all(fault.check in _checks(finding) for finding in findings)
        line.found += spoken
        line.right += spoken
        return
    if not all(finding.drifted for finding in findings):
        return
    line.found += 1
    if all(_is_right(fault, finding) for finding in findings):
        line.right += 1
    elif any(finding.cause != UNEXPLAINED.slug and not _is_right(fault, finding) for finding in findings):
        line.wrong += 1
        result.wrong += [_mistake(fault, finding) for finding in findings if not _is_right(fault, finding)]
    else:
        line.unexplained += 1


def _checks(finding: Finding) -> set[str]:
    return {entry["check"] for entry in [*finding.faults, *finding.not_proved, *finding.remarks]}


def _is_right(fault: Fault, finding: Finding) -> bool:
    if finding.cause != fault.cause:
        return False
    named = {row for each in finding.explanations if each["cause"] == fault.cause for row in each["rows"]}
    return not fault.rows or bool(named & set(fault.rows))


def _mistake(fault: Fault, finding: Finding) -> str:
    first = finding.explanations[0]["sentence"] if finding.explanations else "nothing"
    return f"{fault.cause} ({fault.variant}) on {finding.balance_id} was called {finding.cause}: {first}"
