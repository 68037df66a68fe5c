"""Which findings are open by the newest measurement of each balance, whatever was swept last.

A sweep closes what earlier ones found on the balances that it measures. Records of reconstructions are read along with
findings, so a correction closes them in the commit that makes it, and undoing it opens them again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL

from balances.ground import Statement
from reconciliation.checks import EMPTY_SOURCE, UNREADABLE
from reconciliation.measuring import Scope
from reconciliation.models import Finding, Sweep

SUPERSEDE = Statement.beside(__file__, "supersede.sql")
BY_MEASURING = (EMPTY_SOURCE, UNREADABLE)
"""What measuring itself finds, beside drift. An edit by force beside drift is taken for its cause, and goes with it."""
BEYOND_ALL = "\U0010ffff"
"""A key after every other: a sweep of all looks for balances that are gone as well, wherever their keys lie."""
DRIFT_STAYS = Q(remeasured_by=None, settled=False)
"""Of findings that are annotated ``with_state``."""
IS_SETTLED = (Path(__file__).parent / "sql" / "is_settled.sql").read_text()
HAS_FAULT = """
    EXISTS (SELECT FROM jsonb_array_elements(reconciliation_finding.faults || reconciliation_finding.not_proved
                                             || reconciliation_finding.remarks) AS each
            WHERE each ->> 'check' <> ALL(%s)
              AND NOT (reconciliation_finding.drifted AND each ->> 'check' = 'forced_edit'))
"""


class State(StrEnum):
    """What a finding still says of its balance."""

    OPEN = "open"
    FAULT_OPEN = "fault open"
    """Its drift is gone; a fault that was found besides has not been looked for since."""
    GONE = "gone"
    """Corrected since, or measured without drift."""
    MEASURED_AGAIN = "measured again"
    """A later sweep says how the balance is."""


def with_state(findings: QuerySet[Finding]) -> QuerySet[Any]:
    """Annotate ``settled``: its drift is gone by the records since; ``has_fault``: a check found something besides."""
    flag: BooleanField[Any, Any] = BooleanField()
    settled = RawSQL(IS_SETTLED, (), output_field=flag)  # noqa: S611 - a file of ours
    return findings.annotate(settled=settled, has_fault=RawSQL(HAS_FAULT, (list(BY_MEASURING),), output_field=flag))  # noqa: S611


def still_open(findings: QuerySet[Finding]) -> QuerySet[Any]:
    """Leave those that no later measurement has answered, annotated with their state."""
    return with_state(findings).filter(DRIFT_STAYS | Q(has_fault=True), superseded_by=None)


def still_drifting(findings: QuerySet[Finding]) -> QuerySet[Any]:
    """Leave those whose drift no later measurement and no record since has answered."""
    return still_open(findings).filter(DRIFT_STAYS, drifted=True)


def state_of(finding: Any) -> State:
    """Return the state of a finding that was read ``with_state``."""
    if finding.superseded_by:
        return State.MEASURED_AGAIN
    drift_gone = finding.remeasured_by is not None or finding.settled
    if not drift_gone or (finding.has_fault and not finding.drifted):
        return State.OPEN
    return State.FAULT_OPEN if finding.has_fault else State.GONE


def supersede(
    sweep: Sweep,
    *,
    measured_at: datetime,
    after: str = "",
    through: str,
    balance_ids: Iterable[str] | None = None,
    checks: Iterable[str] = (),
) -> None:
    """Note that this sweep has measured balances on which earlier ones found something, in the transaction of that.

    ``checks`` are those that have looked at these balances; a fault of any other check stays open.
    """
    SUPERSEDE.execute(
        sweep_id=sweep.pk,
        after=after,
        through=through,
        balance_ids=None if balance_ids is None else list(balance_ids),
        measured_at=measured_at,
        checks=[*BY_MEASURING, *checks],
    )


def supersede_faults(sweep: Sweep) -> None:
    """Close what earlier sweeps found and this one, at its end, has looked for with every check that it runs."""
    scope = Scope.from_json(sweep.scope)
    through = BEYOND_ALL if scope.everything else sweep.cursor
    earlier = Finding.objects.filter(superseded_by=None, balance_id__lte=through, found_at__lt=sweep.started_at)
    ids = earlier.exclude(sweep=sweep.pk).order_by().values("balance_id")
    in_scope = None if scope.everything else scope.remaining().filter(pk__in=ids).values_list("balance_id", flat=True)
    supersede(
        sweep,
        measured_at=sweep.started_at or sweep.requested_at,
        through=through,
        balance_ids=in_scope,
        checks=[entry["check"] for entry in sweep.checks if entry["done"]],
    )
