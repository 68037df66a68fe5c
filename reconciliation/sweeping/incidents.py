"""Incidents: findings of one sweep that share a cause are one case, to be explained, planned and corrected as one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from balances.ground import Statement
from balances.models import Balance
from reconciliation.explaining import CAUSES, UNEXPLAINED, Drift
from reconciliation.measuring import chunks
from reconciliation.models import Finding, Incident, Sweep

LINK_INCIDENTS = Statement.beside(__file__, "link_incidents.sql")
READ_AT_ONCE = 2_000
LINKED_AT_ONCE = 5_000
Key = tuple[str, str, tuple[Any, ...]]
"""A cause, what kind of thing is shared, and what that is."""


@dataclass
class Group:
    """Findings that share something, as they are read."""

    finding_ids: list[str] = field(default_factory=list)
    drift: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    ledger_name: str = ""

    def add(self, finding: Finding) -> None:
        """Add a finding to the group and to its sums."""
        self.finding_ids.append(finding.finding_id)
        self.drift[finding.currency] += int(finding.explained + finding.unexplained)
        self.ledger_name = finding.ledger_name


def group_incidents(sweep_id: str) -> int:
    """Group the findings of a sweep that are in no incident yet, in one commit, and return how many incidents came.

    A finding is grouped by the most specific trait that it shares with another one: the same edit by the same user,
    the same factor, the same difference, the same hour, the same ledger. One that shares nothing stays alone. When a
    sweep is resumed here nothing is added twice: findings that are in an incident stay there.
    """
    with transaction.atomic():
        sweep = Sweep.objects.select_for_update(no_key=True).get(pk=sweep_id)
        groups = _groups(sweep)
        incidents = {key: _incident(sweep, key, group) for key, group in groups.items()}
        Incident.objects.bulk_create(incidents.values(), batch_size=1_000)
        links = [(finding_id, incidents[key].pk) for key, group in groups.items() for finding_id in group.finding_ids]
        for portion in chunks(links, LINKED_AT_ONCE):
            finding_ids, incident_ids = zip(*portion, strict=True)
            LINK_INCIDENTS.rows(finding_ids=list(finding_ids), incident_ids=list(incident_ids))
    return len(incidents)


def _groups(sweep: Sweep) -> dict[Key, Group]:
    """Group findings by shared traits, in two passes: first count the traits, then assign each finding to its best."""
    count: dict[Key, int] = defaultdict(int)
    for _, keys in _with_keys(sweep):
        for key in keys:
            count[key] += 1
    groups: dict[Key, Group] = defaultdict(Group)
    for finding, keys in _with_keys(sweep):
        shared = next((key for key in keys if count[key] > 1), None)
        if shared is not None:
            groups[shared].add(finding)
    return {key: group for key, group in groups.items() if len(group.finding_ids) > 1}


def _with_keys(sweep: Sweep) -> Iterable[tuple[Finding, list[Key]]]:
    """Yield findings with the traits that they could share, the most specific first."""
    waiting = Finding.objects.filter(sweep=sweep, incident=None, drifted=True).exclude(cause="")
    for portion in chunks(waiting.order_by("balance_id").iterator(chunk_size=READ_AT_ONCE), READ_AT_ONCE):
        yield from _keyed(portion)


def _keyed(findings: list[Finding]) -> Iterable[tuple[Finding, list[Key]]]:
    born = dict(
        Balance.objects.filter(pk__in=[finding.balance_id for finding in findings]).values_list("pk", "created_at")
    )
    for finding in findings:
        yield finding, _keys(finding, born.get(finding.balance_id))


def _keys(finding: Finding, born: datetime | None) -> list[Key]:
    """Return the traits that a finding could share with others, the most specific first."""
    cause = finding.cause
    evidence = finding.explanations[0]["evidence"] if finding.explanations and cause != UNEXPLAINED.slug else {}
    vector = tuple(Drift.of(finding.recalculated, finding.previous).sides.items())
    shared: list[tuple[str, tuple[Any, ...] | None]] = []
    if cause != UNEXPLAINED.slug:
        edit = (evidence.get("edits") or [evidence])[-1]
        hand = (edit.get("database_user"), edit.get("client_address"), edit.get("application_name"))
        shared += [
            ("moment", (*evidence["moment"],) if evidence.get("moment") else None),
            ("rows", tuple(sorted(finding.explanations[0]["rows"])) or None),
            ("edit", (*hand, edit["edited_at"][:13]) if edit.get("edited_at") else None),
            ("factor", (evidence["factor"],) if evidence.get("factor") else None),
            ("rate", (evidence["rate"],) if evidence.get("rate") else None),
        ]
    shared.append(("difference", (finding.currency, *vector)))
    if cause == UNEXPLAINED.slug:
        shared.append(("creation hour", (finding.ledger_id, _hour(born)) if born else None))
    else:
        began = finding.first_wrong_at if finding.last_right_at or evidence else None
        known = began is not None and began < finding.found_at
        shared += [
            ("hour", (finding.ledger_id, _hour(began)) if known and began else None),
            ("ledger", (finding.ledger_id,)),
        ]
    return [(cause, kind, what) for kind, what in shared if what is not None]


def _hour(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:00 UTC")


def _incident(sweep: Sweep, key: Key, group: Group) -> Incident:
    cause, kind, what = key
    return Incident(
        sweep=sweep,
        cause=cause,
        title=_title(key, group),
        shared={"kind": kind, "what": [list(part) if isinstance(part, tuple) else part for part in what]},
        balances=len(group.finding_ids),
        drift=dict(group.drift),
    )


def _title(key: Key, group: Group) -> str:
    """Say in a sentence what happened to how many balances and what they share."""
    cause, kind, what = key
    words = f"{CAUSES[cause].title}: {len(group.finding_ids):,} balances"
    match kind:
        case "moment":
            return f"{words}, all at what they were between {what[0]} and {what[1]}."
        case "rows":
            return f"{words}, all because of {', '.join(what[:3])}."
        case "edit":
            return f"{words}, all by database user {what[0]} in the hour of {what[-1].replace('T', ' ')}:00 UTC."
        case "factor":
            return f"{words}, all by a factor of {what[0]}."
        case "rate":
            return f"{words}, all at a rate of about {what[0]}."
        case "difference":
            sides = ", ".join(f"{side.replace('_', ' ')} {units:+}" for side, units in what[1:])
            return f"{words}, all off by {sides} minor units of {what[0]}."
        case "creation hour":
            return f"{words} of ledger {group.ledger_name}, all created in the hour of {what[1]}."
        case "hour":
            return f"{words} of ledger {group.ledger_name}, all since the hour of {what[1]}."
        case _:
            return f"{words} of ledger {group.ledger_name}."
