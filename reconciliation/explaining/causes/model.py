"""What causes work with: explanations, rows as one balance sees them, all evidence about one balance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import TextChoices

from balances.models import Transaction
from reconciliation.explaining.causes.drift import Drift
from reconciliation.measuring import Measurement
from reconciliation.models import BalanceEdit, Reconstruction, TransactionEdit

Status = Transaction.Status
SECOND = timedelta(seconds=1)


class Certainty(TextChoices):
    """How sure an explanation is, the surest first."""

    CERTAIN = "certain"
    STRONG = "strong"
    LIKELY = "likely"
    POSSIBLE = "possible"


COUNTING = (Certainty.CERTAIN, Certainty.STRONG, Certainty.LIKELY)
"""How sure an explanation must be to count as explained; the others are hints."""


@dataclass(frozen=True)
class Cause:
    """A known cause of drift, in words for people.

    ``blocks``: transactions are missing or damaged, and only the totals still hold them; rebuilding would drop them.
    """

    slug: str
    title: str
    description: str
    blocks: bool = False


@dataclass(frozen=True)
class Explanation:
    """One reason for a drift, or a part of it: which rows, how much, how sure, on what evidence.

    ``alternatives`` is the number of other readings of the same drift. ``rank`` orders proposals among themselves.
    """

    cause: str
    sentence: str
    drift: Drift
    certainty: Certainty
    rows: tuple[str, ...] = ()
    alternatives: int = 0
    evidence: dict[str, Any] = field(default_factory=dict)
    rank: int = 0
    since: datetime | None = None
    """The instant at which the balance went wrong, where the evidence has it."""

    @property
    def counts(self) -> bool:
        """Return whether it is sure enough to count as explained."""
        return self.certainty in COUNTING

    def as_hint(self) -> Explanation:
        """Return it as a hint, which counts for nothing."""
        return replace(self, certainty=Certainty.POSSIBLE)

    def as_json(self) -> dict[str, Any]:
        """Return the form in which findings, REST and commands show it."""
        return {
            "cause": self.cause,
            "sentence": self.sentence,
            "rows": list(self.rows),
            **asdict(self.drift),
            "explains": self.drift.gross,
            "certainty": self.certainty.value,
            "alternatives": self.alternatives,
            "evidence": self.evidence,
        }


@dataclass(frozen=True)
class Row:
    """A transaction as one of its two balances sees it: ``side`` is its side there, ``other`` the other balance."""

    balance_id: str
    side: str
    transaction_id: str
    status: str
    units: int
    legacy: bool
    precision: int
    amount: Any
    reference: str
    description: str
    other: str | None
    created_at: datetime
    effective_date: datetime | None
    is_commit: bool = False
    """Whether it settles a hold."""
    has_children: bool = False
    twins: int = 1
    """Rows of this balance, side and status with the same amount, itself included."""
    is_last_of_both: bool = False
    """Whether it is of the last day of both its balances, whose totals were imported."""

    @property
    def effect(self) -> Drift:
        """Return what it adds to the totals of this balance."""
        match self.status:
            case Status.APPLIED:
                taken = {f"inflight_{self.side}": -self.units} if self.is_commit else {}
                return Drift(**{self.side: self.units} | taken)
            case Status.INFLIGHT:
                return Drift(**{f"inflight_{self.side}": self.units})
            case Status.VOID:
                return Drift(**{f"inflight_{self.side}": -self.units})
            case _:
                return Drift()

    @property
    def name(self) -> str:
        """Return how sentences name it."""
        return f"{self.transaction_id} ({self.reference}, {self.created_at:%Y-%m-%d %H:%M:%S} UTC)"


def mirrored(effect: Drift) -> Drift:
    """Return what a row adds to the balance on its other side."""
    return Drift(effect.debit, effect.credit, effect.inflight_debit, effect.inflight_credit)


@dataclass(frozen=True)
class Hold:
    """A hold with what settled it; ``commits`` and ``voids`` are pairs of transaction id and units."""

    balance_id: str
    side: str
    transaction_id: str
    units: int
    created_at: datetime
    commits: tuple[tuple[str, int], ...]
    voids: tuple[tuple[str, int], ...]

    @property
    def open_units(self) -> int:
        """Return what is still held; negative where more was settled than held."""
        return self.units - sum(units for _, units in self.commits + self.voids)


@dataclass(frozen=True)
class Pair:
    """Two rows of one side of a balance, one right after the other, and their sum."""

    side: str
    units: int
    first_id: str
    second_id: str
    first_reference: str | None
    second_reference: str | None
    first_at: datetime
    second_at: datetime


@dataclass(frozen=True)
class Lot:
    """Rows of one amount and moment on one side of ``hub``, each with another balance at its other end."""

    hub: str
    hub_side: str
    units: int
    rows: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def drift(self) -> int:
        """What each end is off by if the totals have the lot once, and every row has all of it."""
        return -(len(self.rows) - 1) * self.units


@dataclass(frozen=True)
class Point:
    """A moment at which the drift of a balance is known, and from where."""

    at: datetime
    drift: Drift
    source: str
    stored: Drift | None = None
    """The totals as they were then stored, where the source kept them."""
    rows: int = 0
    """Rows that existed by then."""
    last_row: str | None = None


@dataclass(frozen=True)
class Repointed:
    """A row that ``into_id`` lacks and ``former_id`` has in its totals, and for which of them its hash was made."""

    into_id: str
    former_id: str
    side: str
    transaction_id: str
    reference: str
    created_at: datetime
    fits_former: bool
    fits_now: bool
    fits_exchanged: bool = False
    """Whether it was made for the row with source and destination exchanged."""


@dataclass(frozen=True)
class Earlier:
    """A span of time that several balances lack: when it may have begun and ended, and the rows that one lacks."""

    moment_from: datetime | None
    moment_until: datetime
    back_from: datetime
    back_until: datetime | None
    """``None`` where no row came after it."""
    balances: int
    row_count: int
    rows: tuple[str, ...]
    """Up to twenty of the rows."""
    outside: int
    """Balances on the other side of rows in the span that lack nothing."""
    alternatives: int
    """Other spans that as many balances lack."""


@dataclass
class Case:
    """All evidence about one balance. ``rest`` is the drift that is not explained yet."""

    measurement: Measurement
    drift: Drift
    rest: Drift
    edits: list[BalanceEdit] = field(default_factory=list)
    row_edits: list[TransactionEdit] = field(default_factory=list)
    records: list[Reconstruction] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    family: dict[str, Transaction] = field(default_factory=dict)
    """Parents and children of rows that were edited, by id."""
    rows: list[Row] = field(default_factory=list)
    """Rows whose amount fits a hypothesis."""
    holds: list[Hold] = field(default_factory=list)
    recent: list[Row] = field(default_factory=list)
    """Rows of the last day."""
    pairs: list[Pair] = field(default_factory=list)
    """Two rows of one side, one after the other, whose sum fits."""
    lots: list[Lot] = field(default_factory=list)
    """Lots of which this balance has one line, or all."""
    legacy: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By side: rows without precise amount, with and without their precision."""
    grain: dict[str, int] = field(default_factory=dict)
    """How finely amounts are written: numbers of rows."""
    grain_rows: list[str] = field(default_factory=list)
    """Rows whose amount has a fraction of a minor unit."""
    began: tuple[datetime, datetime] | None = None
    """When an imported balance was opened, and its first row, where that came later."""
    foreign: dict[str, Any] = field(default_factory=dict)
    """Credits out of balances in other currencies."""
    overwriters: dict[str, tuple[str, timedelta]] = field(default_factory=dict)
    """For a row: another row of this balance, not of its other one, written within a second of it."""
    after: dict[str, str] = field(default_factory=dict)
    """For a record: the first row after it."""
    peers: dict[str, Drift] = field(default_factory=dict)
    """Drift of the other balances of candidate rows."""
    peer_lags: dict[str, int | None] = field(default_factory=dict)
    """What ``lag`` is on the balances that are explained together."""
    repointed: list[Repointed] = field(default_factory=list)
    """Rows that this balance lacks and another one has in its totals, or the other way round."""
    earlier: Earlier | None = None
    """The span of time that it lacks together with other balances."""
    scale_peers: dict[str, int] | None = None
    """How many balances of its ledger and currency are off by the same factor, and how many are right."""
    mirrors: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    """Balances whose drift on the opposite side is the same, by side and units here."""
    gone_with: list[str] = field(default_factory=list)
    """Balances with which it shares a movement that both counted and that no row records any more."""
    odd: set[int] = field(default_factory=set)
    """Amounts of candidate rows that a damaged row, which counts nowhere, has as well: either may be the cause."""
    net_only: bool = False
    """Whether its ledger came from a source that kept only nets, so that either side may show the difference."""

    @property
    def balance_id(self) -> str:
        """Return the id of the balance."""
        return self.measurement.balance_id

    @property
    def last_right(self) -> Point | None:
        """Return the last moment at which stored and recalculated totals are known to have agreed."""
        return next((point for point in reversed(self.points) if not point.drift), None)

    @property
    def corrected(self) -> list[Reconstruction]:
        """Return the corrections that were not undone, newest first."""
        undone = {record.undoes for record in self.records}
        return [
            record
            for record in self.records
            if record.outcome == Reconstruction.Outcome.CORRECTED and record.reconstruction_id not in undone
        ]

    @property
    def rows_seen(self) -> int:
        """Return how many rows move this balance."""
        return self.measurement.credit_rows + self.measurement.debit_rows + self.measurement.hold_rows

    @property
    def birth(self) -> Point | None:
        """Return the moment at which the balance was imported with rows and totals, if it was."""
        return next((point for point in self.points if point.source == "birth" and point.rows), None)

    @property
    def lag(self) -> int | None:
        """Return by how much ``version`` is behind the rows, or ``None`` where that proves nothing.

        Every posting raises it by one, every correction by what its record shows. It is counted from the birth of an
        imported balance. A writer that does not count is far off; only a small lag, or a small lead, is evidence.
        """
        if self.imported or (self.birth is None and self.measurement.version == 1):
            return None
        lag = self._behind
        return lag if abs(lag) <= KEPT_IN_STEP else None

    @property
    def counted_more(self) -> bool:
        """Return whether ``version`` counted more postings than there are rows, by any number: some may be gone."""
        return not self.imported and self._behind < 0

    @property
    def _behind(self) -> int:
        rows = self.rows_seen - (self.birth.rows if self.birth else 0)
        raised = sum(record.version_after - record.version_before for record in self.records)
        return 1 + rows + raised - self.measurement.version

    def lags_of(self, row: Row, *, both: bool) -> set[int]:
        """Return the known ``lag`` here, or on both balances of a row, so that its two ends come to the same result."""
        there = self.peer_lags.get(row.other or "") if both else None
        return {lag for lag in (self.lag, there) if lag is not None}

    @property
    def imported(self) -> bool:
        """Return whether the totals were imported with this drift, and not kept by postings."""
        if self.birth is not None:
            return self.birth.drift == self.drift
        return self.measurement.version == 1 and self.rows_seen > 1

    def elsewhere(self, row: Row, side: str) -> bool:
        """Return whether balances that ``row`` does not name drift by the same amount on the opposite side.

        Then a movement between one of them and this balance, whose row is gone or was changed, fits as well; unless
        the other balance of ``row`` is among them, which confirms the row.
        """
        mirrors = self.mirrors.get((side, getattr(self.rest, side)), set())
        return bool(mirrors) and row.other not in mirrors


KEPT_IN_STEP = 3
"""How far ``version`` may be off and still be taken as counting postings."""
Proposer = Callable[[Case], Iterable[Explanation]]
