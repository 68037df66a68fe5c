"""What a sweep looks for besides drift: one ``.sql`` file a check, found by being here.

The header of a file gives its ``Purpose`` (the title), its ``Description`` (a plain sentence or two for people),
its ``Verdict`` (``fault``: something is wrong; ``not proved``: the balance cannot be judged; ``remark``: something to
look at, which may be as it should, so that the verdict of a sweep does not follow from it) and when it ``Runs``:
``chunk``, with every chunk of named balances (``balance_ids``), or over all of them at once (NULL); ``once``, over all
when they have been measured (``sweep_id``); ``deep``, over every transaction, only where that is asked for. The
statement returns ``balance_id``, ``detail`` (a sentence) and ``rows`` (transaction ids); it may ask for ``hold_days``,
the age at which an open hold is remarkable.

No check can see the following, because the database looks the same as if it were right: minor units of a row, its
amount and the totals of both its balances changed together, where the hash seals 0 (only ``precise_amount`` was sent),
the journal was silenced, and neither a queued row nor a later snapshot keeps the former values; a change of minor units
beyond the fifteenth digit; and rows deleted with the journal silenced while totals *and* versions of both their
balances were set to fit, unless a row under them, a snapshot or an earlier finding is left. A healthy sweep says
nothing about those.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from balances.ground import Statement, provenance

HEADER = re.compile(r"^-- (Purpose|Description|Verdict|Runs): (.+(?:\n--   .+)*)", re.MULTILINE)
VERDICTS = ("fault", "not proved", "remark")
MAX_ROWS = 20
"""Transaction ids that a fault names at most; its sentence counts them all."""


@dataclass(frozen=True)
class Fault:
    """What one check found on one balance."""

    balance_id: str
    check: str
    detail: str
    rows: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return what a finding keeps."""
        return {"check": self.check, "detail": self.detail, "rows": list(self.rows[:MAX_ROWS])}


@dataclass(frozen=True)
class Check:
    """One check: its name, what people read about it, and its statement."""

    name: str
    title: str
    description: str
    verdict: str
    runs: str
    statement: Statement

    @property
    def asks_for_findings(self) -> bool:
        """Return whether what it finds depends on what the sweep has found so far."""
        return "%(sweep_id)s" in self.statement.text

    def faults(self, *, balance_ids: list[str] | None = None, sweep_id: str = "") -> list[Fault]:
        """Run the statement and return what it found, among balances or among all."""
        rows = self.statement.rows(balance_ids=balance_ids, sweep_id=sweep_id, hold_days=settings.LEDGER_HOLD_DAYS)
        return [Fault(row["balance_id"], self.name, row["detail"], tuple(row["rows"] or ())) for row in rows]


def _read(path: Path) -> Check:
    statement = Statement(path)
    head = {key: re.sub(r"\s*\n--   ", " ", text).strip() for key, text in HEADER.findall(statement.text)}
    if head.get("Verdict") not in VERDICTS or head.get("Runs") not in ("chunk", "once", "deep"):
        raise ValueError(f"{path}: the header must say Purpose, Description, Verdict and Runs; see {__file__}.")
    return Check(
        name=path.stem,
        title=head["Purpose"],
        description=head["Description"],
        verdict=head["Verdict"],
        runs=head["Runs"],
        statement=statement,
    )


CHECKS = {path.stem: _read(path) for path in sorted(Path(__file__).parent.glob("*.sql"))}
"""Every check by its name."""
FOREIGN = CHECKS["foreign_currency"]


def rates_are_gone() -> bool:
    """Return whether credits were converted at rates that a database of Blnk's no longer has.

    Then a difference on a balance that received from another currency is no drift: nothing says what was credited.
    """
    found = provenance()
    return found is not None and found.rates_gone_at is not None


EMPTY_SOURCE = "no_rows"
"""The name in findings for totals without transactions behind them; measuring finds these, not a check."""
UNREADABLE = "unreadable_totals"
"""The name in findings for a total that is no whole number; measuring finds these, not a check."""
