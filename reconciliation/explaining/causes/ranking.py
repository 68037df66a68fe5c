"""Which cause beats which: the one table that ranks the readings of a drift.

Of the readings that fit exactly, those of the whole drift come before those of a part of it; among these the table
decides. Equals stand on one line, and make each other less sure.
"""

from __future__ import annotations

from enum import IntEnum, auto
from typing import Any


class Rank(IntEnum):
    """Every reading of a drift, the best first; a cause has one for each kind of evidence it may rest on.

    The words below each give the reason why it beats the next. ``A = B`` makes A the equal of B. *Never competes*:
    no drift fits both, for one reads too little and the other too much, or applied sides and inflight ones.
    """

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[Any]) -> int:
        """Count down, so that what stands first is the highest."""
        return 1_000 - count

    # Whole totals: one rule reproduces every side that it names.

    CORRECTION_OVERWRITTEN = auto()
    """A record corrected exactly this drift, on every side; no snapshot was taken because of it."""
    BEFORE_ALL_ROWS = auto()
    """A stored snapshot holds exactly the drift; a factor is computed."""
    TOTALS_SCALED = auto()
    """One factor, a usual precision, for sums of several rows; exchanged sides are two numbers that agree."""
    SIDES_SWAPPED = auto()
    """Two sides at once; a turned sign may be on one alone."""
    TOTALS_NEGATED = auto()
    """Exact; a quotient is right within its rounding."""
    TOTALS_DIVIDED = auto()
    """One rule for all sides; a span of rows is searched for among many."""

    # Several balances agree.

    EARLIER_TOTALS = auto()
    """Many rows of several balances; a lot is one amount of one moment."""
    LOT_TOTAL = auto()
    """The rows of the lot are there, and add up on both ends; of a row that is gone nothing is left."""
    GONE_ON_BOTH = auto()
    """The first of all hints: no row that is there may be blamed for one that both balances counted and is gone."""
    HASH_OF_ANOTHER_BALANCE = auto()
    """A hash proves for which balance a row was made; everything below rests on amounts."""

    # Commits: they move two sides, and a reading that fits both beats any that fits one.

    COMMIT_RECORDED_TWICE = auto()
    """Two references of one payment besides the amount."""
    COMMIT_WITHOUT_EFFECT = auto()
    """Both balances lack it; one that was written over is missing on one."""
    COMMIT_LOST = auto()
    """Never competes with the next."""
    COMMITTED_WITHOUT_ROW = auto()
    """It settles all of a hold; a commit counted twice would have to be as large as the rest by chance."""
    COMMIT_TWICE_ON_BOTH = auto()
    """Never competes with the next."""
    COMMIT_HALF_APPLIED = auto()
    """Never competes with the next."""
    COMMIT_TWICE = auto()
    """It fits on the applied and the inflight side of a commit; the next is about applied sides alone."""
    ROW_ON_OTHER_SIDE = auto()
    """One row explains both applied sides; the next is about an applied and an inflight side."""
    SIDES_SWAPPED_OR_ONE_ROW = ROW_ON_OTHER_SIDE
    """Exchanged sides that one row on the wrong side explains as well."""
    PART_COMMITTED_WITHOUT_ROW = auto()
    """Any part of a hold fits; the next is contradicted, by ``version`` or by another row."""
    COMMIT_IN_DOUBT = auto()
    """A hint of two sides; those that follow fit one."""

    # Single rows: one side, and a row or hold of that amount. The more special the evidence, the higher.

    LAST_ROW_CUT_OFF = auto()
    """A row of the last day of imported totals: rather that than an older one of the same amount."""
    RECORDED_TWICE = auto()
    """Two references of one payment besides the amount."""
    HOLD_SETTLED_TWICE_IN_ROWS = RECORDED_TWICE
    """The rows alone show that more was settled than held."""
    HOLD_RELEASED_TWICE = auto()
    """Never competes with the next: it reads too little held."""
    REJECTED_BUT_APPLIED = HOLD_RELEASED_TWICE
    """A rejected row should never count; one that waits may merely be early."""
    HOLD_NOT_RELEASED = auto()
    """Settlements of a hold rather than any row of that amount."""
    QUEUED_BUT_APPLIED = HOLD_NOT_RELEASED
    """It waits in the queue and counts; never competes with the next."""
    ROW_WITHOUT_EFFECT = auto()
    """Both balances lack it; one that was written over is missing on one."""
    LOST_UPDATE = auto()
    """A row beside it that wrote over it, and the version counted it; legacy rows have neither."""
    LEGACY_WITHOUT_PRECISION = auto()
    """Never competes with the next."""
    TWICE_ON_BOTH = auto()
    """The amount fits on both balances for a row between them; below, it fits for a row that names only one."""
    REPOINTED_BY_VERSION = auto()
    """Two balances, and both versions, agree; a row that never arrived is missing on one."""
    HALF_APPLIED = auto()
    """A row of exactly the amount; roundings fit anything within their bound."""
    ROUNDING = auto()
    """So little that all of it may be rounding: no row is blamed for counting twice."""
    HOLD_RELEASED_WITHOUT_ROW = ROUNDING
    """All that a hold still holds, and the version counted one more posting."""
    TWICE = auto()
    """Never competes with the next."""
    COMMIT_RELEASED_TWICE = auto()
    """Never competes with the next."""
    ROW_SCALED = auto()
    """Its own precision is the factor; any even drift is twice some amount."""
    ROW_TAKEN_OFF = auto()
    """One row; two of a day can be chosen in many ways."""

    # Sets of rows, and rests: the more there is to choose from, the lower.

    LAST_TWO_CUT_OFF = auto()
    """Exact; the next leaves a rest to rounding."""
    LAST_ROW_CUT_OFF_ROUNDED = auto()
    """One row and a rest; three rows can be chosen in many more ways."""
    LAST_THREE_CUT_OFF = auto()
    """All of the last day; two neighbours may be of any day."""
    TWO_LOST = auto()
    """Close in time, or counted by the version; the span of the next is searched for among many."""
    MOVED_WITHOUT_ROW = TWO_LOST
    """A hint: another balance is off by the same on its other side, and no row is left."""
    EARLIER_TOTALS_IMPORTED = auto()
    """Exact, and shared with others; the next leaves a rest to rounding."""
    LAST_TWO_CUT_OFF_ROUNDED = auto()
    """Two rows are named; a quotient of one side names none."""
    TOTAL_DIVIDED = auto()
    """Nothing contradicts it; the next is contradicted, by ``version`` or by another row."""
    ROW_IN_DOUBT = auto()
    """A hint with a row of the amount; a rate fits any amount."""
    HOLD_IN_DOUBT = ROW_IN_DOUBT

    # What fits any amount, and the weakest hints.

    RATE_FORGOTTEN = auto()
    """Credits out of other currencies are there; an opening leaves no row."""
    BROUGHT_ALONG = auto()
    """It may count; what follows never does."""
    REPOINTED_IN_DOUBT = auto()
    """A hint of two balances; the next is of one."""
    ROW_WRONG_IN_DOUBT = auto()
    """A sign or a factor, of one row; the next needs two."""
    TWO_LOST_IN_DOUBT = auto()
    """Any two neighbours whose sum fits."""


OF_COMMIT = {
    Rank.RECORDED_TWICE: Rank.COMMIT_RECORDED_TWICE,
    Rank.ROW_WITHOUT_EFFECT: Rank.COMMIT_WITHOUT_EFFECT,
    Rank.LOST_UPDATE: Rank.COMMIT_LOST,
    Rank.HALF_APPLIED: Rank.COMMIT_HALF_APPLIED,
    Rank.TWICE_ON_BOTH: Rank.COMMIT_TWICE_ON_BOTH,
    Rank.TWICE: Rank.COMMIT_TWICE,
    Rank.ROW_IN_DOUBT: Rank.COMMIT_IN_DOUBT,
}
"""What a reading of a row ranks as where the row is a commit."""


def rank_of(reading: Rank, *, is_commit: bool) -> Rank:
    """Return how a reading ranks for a row that is a commit, or is none."""
    return OF_COMMIT[reading] if is_commit else reading
