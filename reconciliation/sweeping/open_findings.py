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

from django.db.models import BooleanField, QuerySet, TextField
from django.db.models.expressions import RawSQL

from balances.ground import Statement
from reconciliation.checks import EMPTY_SOURCE, UNREADABLE
from reconciliation.measuring import Scope
from reconciliation.models import Finding, Reconstruction, Sweep

CORRECTING = (
    Reconstruction.Outcome.CORRECTED,
    Reconstruction.Outcome.REBOOKED,
    Reconstruction.Outcome.UNDONE,  # of an undo
)
SUPERSEDE = Statement.beside(__file__, "supersede.sql")
BY_MEASURING = (EMPTY_SOURCE, UNREADABLE)
"""What measuring itself finds, beside drift. An edit by force beside drift is taken for its cause, and goes with it."""
BEYOND_ALL = "\U0010ffff"
"""A key after every other: a sweep of all looks for balances that are gone as well, wherever their keys lie."""
HAS_FAULT = """
    EXISTS (SELECT FROM jsonb_array_elements(reconciliation_finding.faults || reconciliation_finding.not_proved
                                             || reconciliation_finding.remarks) AS each
            WHERE each ->> 'check' <> ALL(%s)
              AND NOT (reconciliation_finding.drifted AND each ->> 'check' = 'forced_edit'))
"""


def _sql(name: str) -> str:
    """Return an expression without its comments."""
    lines = (Path(__file__).parent / "sql" / f"{name}.sql").read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("--"))


UNBROKEN = f"({_sql('unbroken')})"
"""Whether the row ``found`` of findings goes on with ``first``, an earlier one of its balance."""
STATE = _sql("state").replace("HAS_FAULT", HAS_FAULT).replace("UNBROKEN", UNBROKEN)


class State(StrEnum):
    """What a finding still says of its balance."""

    OPEN = "open"
    PLANNED = "planned"
    """A plan that is proposed, approved or being applied would correct it."""
    TAKEN_BACK = "taken back"
    """It was corrected, and that was undone: the drift is there again."""
    FAULT_OPEN = "fault open"
    """Its drift is gone; a fault that was found besides has not been looked for since."""
    ACCEPTED = "accepted"
    """A person accepted it as it is. The balance is as wrong as before."""
    CORRECTED = "corrected"
    MEASURED_AGAIN = "measured again"
    """A later sweep found something on the balance again."""
    GONE = "gone"
    """Measured right since, without a correction on record."""


OPEN = (State.OPEN, State.PLANNED, State.TAKEN_BACK, State.FAULT_OPEN)
"""States in which somebody has something to do."""
STANDING = (*OPEN, State.ACCEPTED)
"""States in which the balance is not right."""
DRIFTING = (State.OPEN, State.PLANNED, State.TAKEN_BACK, State.ACCEPTED)
"""States in which the drift of a finding that drifted is still there."""


def with_state(findings: QuerySet[Finding]) -> QuerySet[Any]:
    """Annotate ``stands``, a ``State``, and ``has_fault``: a check found something besides drift."""
    names = list(BY_MEASURING)
    state = RawSQL(STATE, (names,) * STATE.count("%s"), output_field=TextField())  # noqa: S611 - a file of ours
    fault: BooleanField[Any, Any] = BooleanField()
    return findings.annotate(stands=state, has_fault=RawSQL(HAS_FAULT, (names,), output_field=fault))  # noqa: S611


def in_state(findings: QuerySet[Any], *states: State) -> QuerySet[Any]:
    """Leave findings, annotated ``with_state``, that are in one of these states."""
    if set(states) <= set(STANDING):
        findings = findings.filter(superseded_by=None)  # an index has these
    elif states == (State.CORRECTED,):
        done = Reconstruction.objects.filter(outcome__in=CORRECTING).order_by()
        findings = findings.filter(balance_id__in=done.values("balance_id"))
    return findings.filter(stands__in=states)


def still_open(findings: QuerySet[Finding]) -> QuerySet[Any]:
    """Leave those that no later measurement has answered, accepted ones included, annotated with their state."""
    return in_state(with_state(findings), *STANDING)


def still_drifting(findings: QuerySet[Finding]) -> QuerySet[Any]:
    """Leave those whose drift no later measurement and no record since has answered, accepted ones included."""
    return in_state(with_state(findings.filter(drifted=True)), *DRIFTING)


def state_of(finding: Any) -> State:
    """Return the state of a finding that was read ``with_state``."""
    return State(finding.stands)


def drift_stays(finding: Any) -> bool:
    """Return whether the drift of a finding that was read ``with_state`` is still there."""
    return finding.drifted and finding.stands in DRIFTING


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
