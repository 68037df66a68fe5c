"""A case: all evidence about one balance, and what follows from it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from balances.models import Transaction
from reconciliation.explaining.drift import Drift
from reconciliation.explaining.explanation import Explanation
from reconciliation.explaining.observations import (
    ForeignCredits,
    Grain,
    Hold,
    LegacyRows,
    Lot,
    MissingSpan,
    Opened,
    Overwriter,
    Pair,
    Point,
    Repointed,
    Row,
    ScalePeers,
    Side,
    SilentSettlement,
)
from reconciliation.measuring import Measurement
from reconciliation.models import BalanceEdit, Break, Reconstruction, TransactionEdit


@dataclass
class Case:
    """All evidence about one balance. ``rest`` is the drift that is not explained yet."""

    measurement: Measurement
    drift: Drift
    rest: Drift
    edits: list[BalanceEdit] = field(default_factory=list)
    row_edits: list[TransactionEdit] = field(default_factory=list)
    records: list[Reconstruction] = field(default_factory=list)
    breaks: list[Break] = field(default_factory=list)
    """Commits that do not add up and that nothing has taken back, in their order, by the live proof."""
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
    legacy: dict[Side, LegacyRows] = field(default_factory=dict)
    grain: Grain | None = None
    opened: Opened | None = None
    foreign: ForeignCredits | None = None
    overwriters: dict[str, Overwriter] = field(default_factory=dict)
    """For a row: another row of this balance, not of its other one, written within a second of it."""
    after: dict[str, str] = field(default_factory=dict)
    """For a record: the first row after it."""
    peers: dict[str, Drift] = field(default_factory=dict)
    """Drift of the other balances of candidate rows."""
    peer_lags: dict[str, int | None] = field(default_factory=dict)
    """What ``lag`` is on the balances that are explained together."""
    repointed: list[Repointed] = field(default_factory=list)
    """Rows that this balance lacks and another one has in its totals, or the other way round."""
    missing_span: MissingSpan | None = None
    """The span of time that it lacks together with other balances."""
    scale_peers: ScalePeers | None = None
    mirrors: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    """Balances whose drift on the opposite side is the same, by side and units here."""
    gone_with: list[str] = field(default_factory=list)
    """Balances with which it shares a movement that both counted and that no row records any more."""
    odd: set[int] = field(default_factory=set)
    """Amounts of candidate rows that a damaged row, which counts nowhere, has as well: either may be the cause."""
    silent: list[SilentSettlement] = field(default_factory=list)
    """Settlements that moved other totals than their rows say, in an adopted database."""
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
    def shared_excess(self) -> str:
        """Return in words what it shares with those in ``gone_with``."""
        others = " or ".join(self.gone_with[:3])
        return (
            f"balance and {others} have the same excess on opposite sides, and both counted more postings than they "
            "have transactions"
        )

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
