"""Plans: the corrections that follow from a new measurement, stored with a reason, waiting for approval.

Balances without drift are left out. Where transactions are known to be incomplete or damaged the plan refuses the
item, unless that is explicitly allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from balances.ground import LedgerError, Mode, NotFound, Statement, atomic_with_lock_limit, dumps, require_mode
from balances.models import TOTALS, BalanceMonitor, now
from reconciliation.correcting.deciding import ReasonRequired, take_step
from reconciliation.correcting.incomplete import RATES_GONE, followed, left, sources
from reconciliation.correcting.notifying import request_notification
from reconciliation.correcting.policy import Facts, Policy, second_person_needed
from reconciliation.correcting.rebuilding import MAX_REASON, PATIENCE, ReasonTooLong
from reconciliation.measuring import MEASURED_AT_ONCE, Scope, Totals, chunks, corrected, judged, measure, stored_sums
from reconciliation.models import Finding, Incident, Origin, Plan, PlanItem, Reconstruction, Step, Sweep

WRONG_SNAPSHOTS = Statement.beside(__file__, "wrong_snapshots.sql")
NAMED = 3
"""Balances named, each with the reason, when all of them are refused."""
MAX_TICKET = 200
"""Longest reference to a ticket, in characters."""


class NothingToCorrect(LedgerError):
    """None of the chosen balances drifts."""

    text = "None of these balances drifts any more: there is nothing to correct"
    code = "GEN_CONFLICT"


class ChoiceRefused(LedgerError):
    """No choice of what to correct, or more than one."""

    text = "Say what to correct: balances, findings, a sweep, an incident or deleted rows, exactly one of them"
    code = "GEN_VALIDATION_ERROR"


class TicketTooLong(LedgerError):
    """The reference to a ticket is longer than ``MAX_TICKET``."""

    text = "A reference to a ticket has at most 200 characters"
    code = "GEN_VALIDATION_ERROR"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What to correct, in exactly one of four ways; ``cause`` narrows a sweep or an incident."""

    balance_ids: tuple[str, ...] = ()
    finding_ids: tuple[str, ...] = ()
    sweep_id: str = ""
    incident_id: str = ""
    cause: str = ""

    def ids(self) -> Iterable[str]:
        """Return the balances in key order, read in portions.

        Raises ``ChoiceRefused``, ``NotFound``, or ``BalanceNotFound`` for what does not exist.
        """
        if sum(map(bool, (self.balance_ids, self.finding_ids, self.sweep_id, self.incident_id))) != 1:
            raise ChoiceRefused
        if self.cause and not (self.sweep_id or self.incident_id):
            raise ChoiceRefused("A cause narrows a sweep or an incident; it does not go with balances or findings.")
        if self.balance_ids:
            return Scope(balance_ids=self.balance_ids).ids()
        findings = Finding.objects.filter(drifted=True)
        if self.cause:
            findings = findings.filter(cause=self.cause)
        if self.finding_ids:
            self._require(Finding, self.finding_ids, "finding")
            findings = findings.filter(pk__in=self.finding_ids)
        elif self.sweep_id:
            self._require(Sweep, [self.sweep_id], "sweep")
            findings = findings.filter(sweep=self.sweep_id)
        else:
            self._require(Incident, [self.incident_id], "incident")
            findings = findings.filter(incident=self.incident_id)
        ids = findings.order_by("balance_id").values_list("balance_id", flat=True).distinct()
        return ids.iterator(chunk_size=MEASURED_AT_ONCE)

    def _require(self, model: Any, ids: Iterable[str], what: str) -> None:
        known = set(model.objects.filter(pk__in=ids).values_list("pk", flat=True))
        for each in ids:
            if each not in known:
                raise NotFound(f"There is no {what} with ID '{each}'.")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Who proposes a plan, from where, and why."""

    actor: str
    origin: Origin
    reason: str
    ticket: str = ""
    allow_incomplete: bool = False

    def __post_init__(self) -> None:
        """Refuse what no plan would keep. Raises ``ReasonRequired``, ``ReasonTooLong`` or ``TicketTooLong``."""
        if not self.reason.strip():
            raise ReasonRequired
        if len(self.reason) > MAX_REASON:
            raise ReasonTooLong
        if len(self.ticket) > MAX_TICKET:
            raise TicketTooLong


@dataclass(frozen=True)
class Planned:
    """One item of a new plan, and since when its balance has been wrong, or ``None`` where unknown."""

    item: PlanItem
    since: datetime | None
    gross: int | None = None
    """Gross drift, in minor units, that it removes without moving a total; ``None`` where totals move."""


def propose(choice: Choice, proposal: Proposal) -> Plan:
    """Store a plan that corrects the drift of the chosen balances, measured again.

    It is approved at once where the policy requires no second person. Raises what ``Choice.ids`` raises, and
    ``NothingToCorrect``, or ``ModeForbids``, with nothing written.
    """
    require_mode(Mode.REPAIR)
    with atomic_with_lock_limit(PATIENCE, durable=True):
        incident = Incident.objects.filter(pk=choice.incident_id).first()
        sweep_id = choice.sweep_id or (incident and incident.sweep_id)
        plan = plan_for(proposal, incident=incident, sweep_id=sweep_id or None)
        portions = (
            corrections(ids, allow_incomplete=proposal.allow_incomplete)
            for ids in chunks(choice.ids(), MEASURED_AT_ONCE)
        )
        return write_down(plan, portions)


def plan_for(proposal: Proposal, **about: Any) -> Plan:
    """Return an unsaved plan for a proposal."""
    return Plan(
        **about,
        **{name: getattr(proposal, name) for name in ("actor", "origin", "reason", "ticket", "allow_incomplete")},
    )


def corrections(balance_ids: list[str], *, allow_incomplete: bool) -> list[Planned]:
    """Measure balances in one snapshot and return unsaved items for those that drift."""
    drifted = [each for each in measure(balance_ids) if each.has_drift]
    known = sources(drifted)
    planned = []
    for measured in drifted:
        source = known[measured.balance_id]
        item = PlanItem(**PlanItem.copied(measured))
        if source.gap and allow_incomplete and measured.is_readable and source.gap != RATES_GONE:
            item.note = followed(source.gap)
        elif source.gap:
            item.outcome, item.note = PlanItem.Outcome.REFUSED, left(source.gap)
        planned.append(Planned(item, source.last_right_at))
    return planned


def write_down(plan: Plan, portions: Iterable[list[Planned]]) -> Plan:
    """Store a plan with its items; decide by the policy whether it needs a second person, and record that.

    Must run in a transaction. Raises ``NothingToCorrect``.
    """
    facts, following, count = Facts(), 0, 0
    refused: list[PlanItem] = []
    differences: dict[str, Totals] = {}
    for portion in portions:
        for planned in portion:
            planned.item.plan = plan
        wanted = [planned for planned in portion if planned.item.outcome is None]
        refused += [planned.item for planned in portion if planned.item.outcome is not None][:NAMED]
        count += len(portion) - len(wanted)
        following += sum(bool(planned.item.note) for planned in wanted if planned.item.by_transactions)
        for planned in wanted:
            item = planned.item
            facts.add(
                currency=item.currency,
                gross=item.difference.moved if planned.gross is None else planned.gross,
                ledger_id=item.ledger_id,
                ledger_name=item.ledger_name,
            )
            differences[item.currency] = differences.get(item.currency, NOTHING) + item.difference
        plan.snapshots += _wrong_snapshots([each for each in wanted if each.gross is None])
        plan.monitors += BalanceMonitor.objects.filter(balance__in=[each.item.balance_id for each in wanted]).count()
        PlanItem.objects.bulk_create((planned.item for planned in portion), batch_size=1_000)
    if not facts.balances:
        raise NothingToCorrect(_refused_all(count, refused) if refused else None)
    plan.balances, plan.drift = facts.balances, facts.drift
    plan.trial_balance = _trial_balance(differences)
    plan.fingerprint = fingerprint(plan)
    plan.needs_approval, plan.policy = second_person_needed(facts, Policy.of_settings())
    if following:
        plan.policy += f" {_following(following)}"
    plan.state = Plan.State.PROPOSED if plan.needs_approval else Plan.State.APPROVED
    plan.decided_at = None if plan.needs_approval else now()
    plan.save(force_insert=True)
    note = f"Fingerprint {plan.fingerprint}. {plan.policy}"
    take_step(plan.plan_id, Step.Kind.PROPOSED, plan.actor, Origin(plan.origin), note)
    if not plan.needs_approval:
        take_step(plan.plan_id, Step.Kind.APPROVED, BY_POLICY, Origin(plan.origin), note)
    else:
        request_notification(plan)
    return plan


NOTHING = Totals.net(credit=0, debit=0, inflight_credit=0, inflight_debit=0)
BY_POLICY = "policy"
"""The actor of the approving step where no second person was needed."""


def fingerprint(plan: Plan) -> str:
    """Return SHA-256 over what was measured: each balance, the record to undo, and the six differences."""
    seen = sha256()
    items = PlanItem.objects.filter(plan=plan.plan_id).order_by("balance_id", "undoes", "rebooks")
    for item in items.iterator(chunk_size=2_000):
        difference = item.difference
        line = [item.balance_id, item.undoes, *(str(getattr(difference, total)) for total in TOTALS)]
        line += [item.rebooks] if item.rebooks else []
        seen.update(f"{dumps(line)}\n".encode())
    return seen.hexdigest()


def undone(record_ids: Sequence[str]) -> dict[str, str]:
    """Return, for records that were taken back, the record that did it."""
    rows = Reconstruction.objects.filter(undoes__in=record_ids).values_list("undoes", "reconstruction_id")
    return {str(record_id): by for record_id, by in rows}


def _wrong_snapshots(planned: list[Planned]) -> int:
    if not planned:
        return 0
    ids, since = zip(*((each.item.balance_id, each.since) for each in planned), strict=True)
    return int(WRONG_SNAPSHOTS.rows(balance_ids=list(ids), since=list(since))[0]["snapshots"])


def _trial_balance(differences: dict[str, Totals]) -> dict[str, Any]:
    """Return the stored sums by currency as they are, and as they are once the plan is applied."""
    before = stored_sums()
    sides = {"before": before, "after": corrected(before, differences.items())}
    return {when: {currency: judged(sums[currency]) for currency in sums} for when, sums in sides.items()}


def _following(count: int) -> str:
    of = "1 balance" if count == 1 else f"{count:,} balances"
    return f"It follows transactions of {of} that are known to be incomplete or damaged; the notes say which."


def _refused_all(count: int, items: list[PlanItem]) -> str:
    named = " ".join(f"{item.indicator or item.balance_id}: {item.note}" for item in items[:NAMED])
    return (
        f"Nothing was planned: {count:,} of these balances drift, and the transactions of each are known to be "
        f"incomplete or damaged. {named} To correct them even so, allow it explicitly (allow_incomplete)."
    )
