"""Reads a stream of changes and keeps the commits that do not add up. It reads the database for parents alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from balances.models import TOTALS
from reconciliation.proving.commits import (
    ADDED,
    BORN,
    CHANGED,
    DELETED,
    GONE,
    MOVED,
    UNREADABLE,
    Altered,
    Broken,
    Child,
    Commit,
    Held,
    Record,
)
from reconciliation.proving.families import ABSENT, Families
from reconciliation.proving.rules import (
    APPLIED,
    INFLIGHT,
    NAN,
    WAITING,
    Parent,
    Row,
    moved_by,
    number,
    row_of,
)
from reconciliation.proving.tables import (
    BALANCES,
    RECORD_COLUMNS,
    RECORDS,
    ROW_EDIT_COLUMNS,
    ROW_EDITS,
    TOTAL_EDIT_COLUMNS,
    TOTAL_EDITS,
    TRANSACTIONS,
    WATCHED,
    WHO,
    ColumnsChanged,
    IdentityLost,
    Published,
    are_same,
)
from reconciliation.proving.wire import FULL_IDENTITY, UNCHANGED, Handler, Relation, StreamUnreadable, Value

FREE = {"meta_data", "chain_seq", "chain_prev_hash", "chain_hash"}
"""Columns of a transaction that may change: nothing about money is in them."""
CORRECTING = {b"corrected", b"undone", b"rebooked"}
CHILDREN_KEPT = 20_000
"""Applied rows with a parent that are kept while a large commit is read."""
CHANGES_SHOWN = 20
"""Changed rows of a commit of which a break shows what was changed."""
AUTHORS_KEPT = 10_000


class Prover:
    """Takes in messages by way of its ``handler``, and holds what was found until it is taken."""

    def __init__(self, families: Families, full_xid: Callable[[int], int], published: Mapping[int, Published]) -> None:
        """Keep what knows the parents of rows, what adds the epoch to a transaction id, and tables by their oid."""
        self.families, self._full_xid, self._published = families, full_xid, published
        self.handler = Handler(self._begin, self._commit, self._relation, self._change, self._truncate)
        self.position = 0
        """Up to where the log has been read."""
        self.commits = 0
        self.last_xid = 0
        self.last_at: datetime | None = None
        """When the last commit was made."""
        self._commit_at: Commit | None = None
        self._found: list[Broken] = []
        self._waiting: list[Commit] = []
        """Commits of which some rows have parents that must be looked up."""
        self._roles: dict[int, Callable[[Relation, list[Value] | None, list[Value] | None], None]] = {}
        self._places: dict[int, tuple[int, ...]] = {}

    @property
    def is_between_commits(self) -> bool:
        """Return whether what was read ends with a whole commit."""
        return self._commit_at is None

    @property
    def has_found(self) -> bool:
        """Return whether there is something to look up or to write down."""
        return bool(self._found or self._waiting)

    def take(self) -> list[Broken]:
        """Return what does not add up in the commits that were read since the last time, in their order."""
        if self._waiting:
            self.families.look_up(self._waiting, self.last_xid)
            for commit in self._waiting:
                self._found += commit.breaks()
            self._waiting = []
        found, self._found = self._found, []
        return sorted(found, key=lambda broken: broken.commit.position)

    def _begin(self, position: int, at: datetime, xid: int) -> None:
        self._commit_at = Commit(position, at, self._full_xid(xid))

    def _commit(self, end: int) -> None:
        commit, self._commit_at = self._commit_at, None
        self.position, self.commits = end, self.commits + 1
        if commit is None:
            return
        commit.position, self.last_xid, self.last_at = end, commit.xid, commit.at
        if self.families.resolve(commit):
            self._found += commit.breaks()
        else:
            self._waiting.append(commit)

    def _relation(self, relation: Relation) -> None:
        """Take a table for what it is by its oid: in the middle of a commit it may have another name."""
        roles = {
            BALANCES: (self._balance, WATCHED[BALANCES]),
            TRANSACTIONS: (self._transaction, WATCHED[TRANSACTIONS]),
            RECORDS: (self._record, RECORD_COLUMNS),
            TOTAL_EDITS: (self._edit, TOTAL_EDIT_COLUMNS[1:]),
            ROW_EDITS: (self._edit, ROW_EDIT_COLUMNS[1:]),
        }
        known = self._published.get(relation.relation_id)
        if known is None or known.name not in roles:
            raise StreamUnreadable(f"Table {relation.schema}.{relation.name} is in the log, and is none that is read.")
        if known.name in WATCHED and relation.identity != FULL_IDENTITY:
            raise IdentityLost(known.name)
        role, columns = roles[known.name]
        if not are_same(relation.columns, known.columns, columns):
            raise ColumnsChanged(known.name)
        self._roles[relation.relation_id] = role
        self._places[relation.relation_id] = relation.places(columns)

    def _change(self, relation: Relation, old: list[Value] | None, new: list[Value] | None) -> None:
        role = self._roles.get(relation.relation_id)
        if role is not None and self._commit_at is not None:
            role(relation, old, new)

    def _truncate(self, relations: list[Relation]) -> None:
        if self._commit_at is not None:
            names = [self._published[relation.relation_id].name for relation in relations]
            self._commit_at.truncated += [name for name in names if name in WATCHED]

    def _balance(self, relation: Relation, old: list[Value] | None, new: list[Value] | None) -> None:
        key, *totals = self._places[relation.relation_id]
        if old is None or new is None:
            self._born_or_gone(old, new, key, totals)
            return
        if old[key] != new[key] and new[key] is not UNCHANGED:
            self._born_or_gone(old, None, key, totals)
            self._born_or_gone(None, new, key, totals)
            return
        held = None
        for place, total in enumerate(totals):
            was, became = old[total], new[total]
            if was != became and became is not UNCHANGED:
                held = held or self._at().held(old[key] or b"")
                held.marks |= MOVED
                self._move(held, place, was, became)

    @staticmethod
    def _move(held: Held, place: int, was: Value, became: Value) -> None:
        try:
            held.off[place] += int(became) - int(was)  # type: ignore[arg-type, operator]  # nearly always
            return
        except (TypeError, ValueError):
            held.off[place] += moved_by(was, became)
        if was is None or became is None or not (isinstance(number(was), int) and isinstance(number(became), int)):
            held.marks |= UNREADABLE
            before, after = (None if text is None else text.decode() for text in (was, became))
            held.details = {"total": TOTALS[place], "before": before, "after": after}

    def _born_or_gone(self, old: list[Value] | None, new: list[Value] | None, key: int, totals: list[int]) -> None:
        row = new or old or []
        held = self._at().held(row[key] or b"")
        held.marks |= BORN if new else GONE
        for place, total in enumerate(totals):
            if row[total] is None and new:
                held.marks |= UNREADABLE
                held.details = {"total": TOTALS[place], "before": None, "after": None}
            if row[total] not in (b"0", None):
                held.marks |= MOVED
                moved = moved_by(None, row[total])
                held.off[place] += moved if new else -moved
                if not isinstance(moved, int):
                    held.marks |= UNREADABLE

    def _transaction(self, relation: Relation, old: list[Value] | None, new: list[Value] | None) -> None:
        places = self._places[relation.relation_id]
        commit = self._at()
        if old is None and new is not None:
            row = row_of(new, places)
            self._add(commit, row)
            commit.take(row, ADDED, "added")
            return
        if old is None:
            raise IdentityLost(relation.name)
        changes = {} if new is None else _changes(relation, old, new)
        if new is None or changes:
            self._altered(commit, row_of(old, places), None if new is None else row_of(new, places), changes)

    def _add(self, commit: Commit, row: Row, sign: int = 1) -> None:
        self.families.learn(row, commit)
        if row.parent:
            if row.status == APPLIED:
                commit.children.append(Child(row, sign))
                if len(commit.children) >= CHILDREN_KEPT:
                    self.families.resolve(commit)
                    self.families.look_up_children(commit)
            if len(commit.fresh) < CHILDREN_KEPT:
                commit.fresh.add(row.transaction_id)

    def _altered(self, commit: Commit, old: Row, new: Row | None, changes: dict[str, list[str | None]]) -> None:
        """Give back what a row did, and take what it does now; its commits may count otherwise."""
        word, mark = ("deleted", DELETED) if new is None else ("changed", CHANGED)
        self.families.forget(old.transaction_id)
        commit.take(old, mark, word, sign=-1)
        if old.status == APPLIED and old.parent:
            commit.children.append(Child(old, -1))
        if new is not None:
            commit.take(new, mark, word)
            self._add(commit, new)
        is_parent = [row is not None and (row.status == INFLIGHT or row.status in WAITING) for row in (old, new)]
        if any(is_parent) and len(commit.altered) < CHILDREN_KEPT:
            before, after = (_as_parent(row) for row in (old, new))
            commit.before.setdefault(old.transaction_id, before)
            commit.altered.append(Altered(old.transaction_id, before, after))
        if old.status == INFLIGHT and old.parent:
            commit.holds_gone.add(old.parent)
            self.families.forget(old.parent)
        for balance_id in {end for row in (old, new) if row for end in (row.source, row.destination) if end}:
            held = commit.held(balance_id)
            held.details = held.details or {}
            shown = held.details.setdefault("rows", {})
            if changes and len(shown) < CHANGES_SHOWN:
                shown[old.transaction_id.decode(errors="replace")] = changes

    def _record(self, relation: Relation, old: list[Value] | None, new: list[Value] | None) -> None:
        if new is None:
            return
        record_id, balance_id, outcome, row_id, *totals = (
            new[place] if place >= 0 else None for place in self._places[relation.relation_id]
        )
        if outcome in CORRECTING and balance_id:
            numbers = [number(each) if each is not None else NAN for each in totals]
            half = len(TOTALS)
            amounts = tuple(after - was for was, after in zip(numbers[:half], numbers[half:], strict=True))
            record = Record((record_id or b"").decode(), amounts, (row_id or b"").decode())
            self._at().records.setdefault(balance_id, []).append(record)

    def _edit(self, relation: Relation, old: list[Value] | None, new: list[Value] | None) -> None:
        authors = self._at().authors
        if new is None or len(authors) >= AUTHORS_KEPT:
            return
        key, *who = (new[place] if place >= 0 else None for place in self._places[relation.relation_id])
        authors[key or b""] = {
            name: None if value is None else value.decode(errors="replace")
            for name, value in zip(WHO, who, strict=True)
        }

    def _at(self) -> Commit:
        if self._commit_at is None:
            raise RuntimeError("a change outside of a commit")
        return self._commit_at


def _changes(relation: Relation, old: list[Value], new: list[Value]) -> dict[str, list[str | None]]:
    """Return what changed in a row, before and after, and fill in what was not sent because it did not."""
    changed: dict[str, list[str | None]] = {}
    for place, name in enumerate(relation.columns):
        if new[place] is UNCHANGED:
            new[place] = old[place]
        elif old[place] != new[place] and name not in FREE:
            changed[name] = [
                None if value is None else value.decode(errors="replace") for value in (old[place], new[place])
            ]
    return changed


def _as_parent(row: Row | None) -> Parent:
    """Return a row as its children see it; whether a hold came from a waiting row is looked up where it matters."""
    return ABSENT if row is None else Parent(row.status, row.reference, row.status in WAITING)
