"""How the ledger stands now: one light, one sentence, and the figures behind them. Never green over a gap."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import Q

from balances.ground import Statement
from reconciliation.correcting import DAMAGE
from reconciliation.models import Finding, Proof, as_lsn
from reconciliation.sweeping import drift_stays, still_open

STANDING = Statement.beside(__file__, "standing.sql")
BEHIND_AFTER = 10.0
"""Seconds behind the present from which "now" would be too much to say."""
MOST_COUNTED = 1_000
"""Balances with drift that are counted: a page that is polled must not read a million findings."""


FORGED = ("forced_edit", *(check.name for check in DAMAGE))
"""Checks of sweeps that find what a commit did to rows; totals that follow it add up all the same."""


class Light(StrEnum):
    """What the state amounts to. Green is the only one that says that the ledger is right now."""

    GREEN = "green"
    """Every commit is proved up to now, and nothing stands that is wrong."""
    RED = "red"
    """Every commit is proved, and something is wrong: a break stands, or a balance drifts."""
    AMBER = "amber"
    """Not proved now: no one reads the log, it is far behind, or a full proof is still awaited."""
    GREY = "grey"
    """Switched off, or something must be set first."""


@dataclass(frozen=True)
class Standing:
    """The state of the live proof at one instant; instants are the database's own."""

    light: Light
    state: str
    """``off``, ``blocked``, ``proving``, ``silent``, ``behind``, ``broken``, ``drifting``, ``faulty``, ``unjudged``,
    ``waiting`` or ``proved``."""
    sentence: str
    at: datetime
    proved_until: datetime | None = None
    seconds_behind: float | None = None
    bytes_behind: int = 0
    bytes_kept: int = 0
    commits: int = 0
    """Since the full proof."""
    full_proof_at: datetime | None = None
    full_proof: str | None = None
    """The id of that sweep."""
    open_breaks: int = 0
    waiting_breaks: int = 0
    settled_breaks: int = 0
    drifting_balances: int = 0
    """Balances that drift by an open finding; no more than a thousand are counted."""
    last_break_at: datetime | None = None
    not_proved_from: datetime | None = None
    not_proved_because: str = ""
    warning: str = ""
    position: str = ""
    """Where in the log it stands, as PostgreSQL writes it."""
    watcher: str = ""

    @property
    def is_green(self) -> bool:
        """Return whether every commit is proved up to now and nothing is wrong."""
        return self.light is Light.GREEN

    def as_json(self) -> dict[str, Any]:
        """Return it for answers and commands, instants in RFC 3339."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()} | {
            "green": self.is_green
        }


def standing() -> Standing:
    """Return how the ledger stands now, by a few short statements however large the ledger is."""
    proof, _ = Proof.objects.get_or_create(proof_id=Proof.ONLY)
    row = STANDING.rows()[0]
    wrong = _wrong() if proof.state == Proof.State.PROVED else Wrong()
    light, state, sentence = _judged(proof, row, wrong)
    return Standing(
        light=light,
        state=state,
        sentence=sentence,
        at=row["at"],
        proved_until=proof.proved_until,
        seconds_behind=row["seconds_behind"],
        bytes_behind=proof.behind,
        bytes_kept=proof.kept,
        commits=proof.commits,
        full_proof_at=row["proved_at"],
        full_proof=proof.full_proof_id,
        open_breaks=row["open"],
        waiting_breaks=row["waiting"],
        settled_breaks=proof.settled,
        drifting_balances=wrong.drifting,
        last_break_at=row["last_break_at"],
        not_proved_from=row["gap_from"],
        not_proved_because=row["gap_reason"] or "",
        warning=proof.warning,
        position=as_lsn(proof.position),
        watcher=proof.watcher,
    )


@dataclass(frozen=True)
class Wrong:
    """Balances with open findings that no commit can take back; of all together a thousand are counted."""

    drifting: int = 0
    faulty: int = 0
    """On which transactions or totals were forged. Other faults, such as holds that an old Blnk settled twice, are the
    sweep's."""
    unjudged: int = 0
    """That cannot be proved right or wrong."""


def _wrong() -> Wrong:
    """Count balances by what is open of each, by its newest measurement."""
    wanted = Q(drifted=True) | ~Q(not_proved=[])
    for check in FORGED:
        wanted |= Q(faults__contains=[{"check": check}])
    open_now = still_open(Finding.objects.filter(wanted)).order_by().only("drifted", "faults", "not_proved")
    found = list(open_now[:MOST_COUNTED])
    return Wrong(
        drifting=sum(drift_stays(each) for each in found),
        faulty=sum(any(fault["check"] in FORGED for fault in each.faults) for each in found),
        unjudged=sum(bool(each.not_proved) for each in found),
    )


def _judged(proof: Proof, row: dict[str, Any], wrong: Wrong) -> tuple[Light, str, str]:
    if proof.state in (Proof.State.OFF, Proof.State.BLOCKED):
        return Light.GREY, str(proof.state), proof.reason or "Live proof is off."
    since = _ago(row["seconds_behind"])
    until = f"proved until {_clock(proof.proved_until)}{since}" if proof.proved_until else ""
    silent = not _is_fresh(row["seconds_silent"], Proof.SILENT_AFTER.total_seconds())
    gap = f"Not proved from {_day(row['gap_from'])} on: {row['gap_reason']}" if row["gap_from"] else ""
    if proof.state == Proof.State.PROVING:
        words = gap or f"Commits are read since {_day(proof.since)}"
        ends = "No one reads the log now." if silent else proof.reason or "A full proof is under way."
        return Light.AMBER, "silent" if silent else "proving", f"{words.rstrip('.')}. {ends}"
    if silent:
        return (
            Light.AMBER,
            "silent",
            f"{_capital(until)}. No one has read the log since; start manage.py watch or work.",
        )
    counted = f"{proof.commits:,} commits since the full proof of {_day(row['proved_at'])}"
    stands = _plural(row["open"], "open break")
    if row["open"]:
        where = _plural(row["broken_balances"], "balance")
        return Light.RED, "broken", f"Broken: {stands} on {where}; {until}, {counted}."
    if wrong.drifting:
        many = f"{wrong.drifting:,}{'+' if wrong.drifting == MOST_COUNTED else ''}"
        words = f"{many} {'balance drifts' if wrong.drifting == 1 else 'balances drift'} since before the full proof"
        return Light.RED, "drifting", f"{words}; {until}, {counted}, {stands}."
    if wrong.faulty:
        words = f"{_plural(wrong.faulty, 'balance')} whose rows or totals were edited by force, as a sweep has found"
        return Light.RED, "faulty", f"{words}; {until}, {counted}, {stands}."
    if wrong.unjudged:
        words = f"{_plural(wrong.unjudged, 'balance')} that cannot be proved right or wrong, as the findings say"
        return Light.AMBER, "unjudged", f"{words}; {until}, {counted}, {stands}."
    if row["waiting"]:
        waits = f"{_plural(row['waiting'], 'commit')} that {'does' if row['waiting'] == 1 else 'do'} not add up"
        return Light.AMBER, "waiting", f"{waits} may be taken back within seconds; {until}, {counted}, {stands}."
    if not _is_fresh(row["seconds_behind"], BEHIND_AFTER):
        return (
            Light.AMBER,
            "behind",
            f"Behind: {until}, {proof.behind:,} bytes of the log to read; {counted}, {stands}.",
        )
    return Light.GREEN, "proved", f"{_capital(until)}, {counted}, {stands}."


def _is_fresh(seconds: float | None, most: float) -> bool:
    """Return whether something is of now: what comes after now was written before the clock went back."""
    return seconds is not None and 0 <= seconds <= most


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _ago(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 0:
        return ", which is still to come: the clock of the database went back"
    return f" ({seconds:.1f} s ago)" if seconds < 600 else ""


def _clock(instant: datetime | None) -> str:
    """Return an instant to the millisecond, its day where that is not today's."""
    if instant is None:
        return ""
    day = "" if instant.date() == datetime.now(instant.tzinfo).date() else f"{instant:%Y-%m-%d} "
    return f"{day}{instant:%H:%M:%S}.{instant.microsecond // 1000:03d}"


def _day(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC" if instant else "the beginning"
