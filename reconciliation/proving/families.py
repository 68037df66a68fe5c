"""Holds and waiting rows as their children see them: from the stream, from memory, or looked up many at once."""

from __future__ import annotations

import time
from collections.abc import Iterable

from balances.ground import Statement
from reconciliation.measuring import chunks
from reconciliation.proving.commits import Altered, Child, Commit
from reconciliation.proving.rules import APPLIED, INFLIGHT, WAITING, Number, Parent, Row, number, settles

PARENTS = Statement.beside(__file__, "parents.sql")
CHILDREN = Statement.beside(__file__, "children.sql")
IS_VISIBLE = Statement.beside(__file__, "is_visible.sql")
EARLY, EARLY_OF_EACH = 2_000, 100
"""Parents whose rows are kept in memory because the hold that these may settle was not there yet, and rows of each."""
REMEMBERED = 100_000
"""Holds and waiting rows that are kept in memory, the newest ones."""
LOOKED_UP_AT_ONCE = 5_000
VISIBLE_WITHIN = 60.0
"""Seconds that a commit of which the log shows may take to be seen: it waits for standbys."""
ABSENT = Parent(None, None, False)


class Families:
    """Knows the parents of rows."""

    def __init__(self) -> None:
        self._known: dict[bytes, Parent] = {}
        self._early: dict[bytes, list[Row]] = {}

    def learn(self, row: Row, commit: Commit) -> None:
        """Remember a row that can be settled, and that a hold came from its parent.

        Blnk commits a queued hold before it is there: what was such a row's plain movement settles it from now on.
        """
        if row.status == INFLIGHT:
            self._remember(row.transaction_id, Parent(row.status, row.reference, False))
            waiting = self._known.get(row.parent) if row.parent else None
            if waiting is not None and waiting.status in WAITING:
                self._known[row.parent] = waiting._replace(has_hold=True)
            if self._early:
                commit.heads += [each for each in (row.transaction_id, row.parent) if each in self._early]
        elif row.status in WAITING:
            self._remember(row.transaction_id, Parent(row.status, row.reference, False))

    def forget(self, transaction_id: bytes) -> None:
        """Forget a row that was changed or deleted."""
        self._known.pop(transaction_id, None)

    def resolve(self, commit: Commit) -> bool:
        """Settle those children of a commit whose parents are in memory; return whether that was all of them."""
        left = []
        for child in commit.children:
            parent = commit.before.get(child.row.parent) if child.sign < 0 else None
            parent = parent or self._known.get(child.row.parent)
            if parent is None:
                left.append(child)
            else:
                self._settle_child(commit, child, parent)
        commit.children = left
        commit.heads = [each for each in commit.heads if not self._settle_early(commit, each, self._known.get(each))]
        return not (left or commit.heads or commit.altered or commit.holds_gone)

    def look_up(self, commits: Iterable[Commit], xid: int) -> None:
        """Settle what is left of commits, by a few statements for all of them; ``xid`` is that of the last one.

        Raises ``TimeoutError`` where that one does not become visible.
        """
        waiting = list(commits)
        parents = {child.row.parent for commit in waiting for child in commit.children}
        parents |= {parent for commit in waiting for parent in (*commit.holds_gone, *commit.heads)}
        found = self._parents(parents, xid) if parents else {}
        for commit in waiting:
            self._settle(commit, found)
            for parent_id in commit.heads:
                self._settle_early(commit, parent_id, found.get(parent_id))
            for parent_id in commit.holds_gone:
                parent = found.get(parent_id, ABSENT)
                if parent.status in WAITING and not parent.has_hold:
                    commit.altered.append(Altered(parent_id, parent._replace(has_hold=True), parent, True))
            if commit.altered:
                _resettle(commit)

    def look_up_children(self, commit: Commit) -> None:
        """Settle what is left of the children of a large commit so far, so that they need not be kept."""
        found = self._parents({child.row.parent for child in commit.children}, commit.xid) if commit.children else {}
        self._settle(commit, found)

    def _settle(self, commit: Commit, found: dict[bytes, Parent]) -> None:
        for child in commit.children:
            parent = commit.before.get(child.row.parent) if child.sign < 0 else None
            self._settle_child(commit, child, parent or found.get(child.row.parent, ABSENT))
        commit.children = []

    def _settle_child(self, commit: Commit, child: Child, parent: Parent) -> None:
        if settles(child.row.reference, parent):
            commit.settle(child.row, child.sign)
        elif child.sign > 0 and (parent.status is None or settles(child.row.reference, parent._replace(has_hold=True))):
            if len(self._early) >= EARLY:
                self._early.pop(next(iter(self._early)))
            rows = self._early.setdefault(child.row.parent, [])
            if len(rows) < EARLY_OF_EACH:
                rows.append(child.row)

    def _settle_early(self, commit: Commit, parent_id: bytes, parent: Parent | None) -> bool:
        """Count what was there before a hold as settling it, now that it is there; return whether that is known."""
        if parent is None:
            return False
        for row in self._early.pop(parent_id, ()):
            if settles(row.reference, parent._replace(has_hold=True)):
                commit.settle(row)
        return True

    def _parents(self, ids: set[bytes], xid: int) -> dict[bytes, Parent]:
        """Look up parents once the last commit that may have written one is visible, and remember those that count."""
        _wait_for(xid)
        found = {}
        for portion in chunks((each.decode(errors="replace") for each in ids), LOOKED_UP_AT_ONCE):
            for row in PARENTS.rows(ids=portion):
                status, reference = (
                    None if row[name] is None else row[name].encode() for name in ("status", "reference")
                )
                found[row["transaction_id"].encode()] = Parent(status, reference, bool(row["has_hold"]))
        for transaction_id, parent in found.items():
            if parent.status == INFLIGHT or parent.status in WAITING:
                self._remember(transaction_id, parent)
        return found

    def _remember(self, transaction_id: bytes, parent: Parent) -> None:
        if len(self._known) >= REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[transaction_id] = parent


def _wait_for(xid: int) -> None:
    """Wait until a commit is visible to others. Raises ``TimeoutError``."""
    deadline = time.monotonic() + VISIBLE_WITHIN
    while not IS_VISIBLE.rows(xid=xid)[0]["is_visible"]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"Transaction {xid} is in the log, and not visible after {VISIBLE_WITHIN:.0f} s.")
        time.sleep(0.005)


def _resettle(commit: Commit) -> None:
    """Count commits of holds that were changed or deleted as they count now, and no more as they did before."""
    altered = {each.transaction_id: each for each in commit.altered}
    for portion in chunks((each.decode(errors="replace") for each in altered), LOOKED_UP_AT_ONCE):
        rows = CHILDREN.rows(ids=portion)
        with_hold = {row["parent_transaction"] for row in rows if row["status"] == "INFLIGHT"}
        for row in rows:
            if row["status"] == "APPLIED" and row["transaction_id"].encode() not in commit.fresh:
                change = altered[row["parent_transaction"].encode()]
                _recount(commit, change, _child(row), has_hold=row["parent_transaction"] in with_hold)
    commit.altered = []


def _recount(commit: Commit, change: Altered, child: Row, *, has_hold: bool) -> None:
    parents = (change.before, change.after)
    if not change.is_known:
        parents = tuple(parent._replace(has_hold=has_hold) for parent in parents)  # type: ignore[assignment]
    was, became = (settles(child.reference, parent) for parent in parents)
    if was != became:
        commit.settle(child, 1 if became else -1)


def _child(row: dict[str, object]) -> Row:
    texts = [
        str(value).encode() if (value := row[name]) is not None else None
        for name in ("transaction_id", "parent_transaction", "source", "destination", "reference")
    ]
    moved: Number = 0 if row["units"] is None else number(str(row["units"]).encode())
    return Row(texts[0] or b"", texts[1] or b"", texts[2], texts[3], texts[4], APPLIED, moved, moved)
