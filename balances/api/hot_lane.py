"""Answers hot reads before Django makes a request of them: ``ledgerproj.front`` asks here first.

The gate, the rows, the shapes, the refusals and the renderer are those of the views. What is spared is what surrounds
them: environ and request, middleware, resolver, view and response. What ``hot_read`` does not know is for the views.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import DatabaseError

from balances.api import errors
from balances.api.gate import ApiGate, Knock
from balances.api.hot_reads import Found, HotList, HotRead
from balances.api.replies import Header, Reply
from balances.ground import Lookup, TookLong, in_a_hurry
from balances.shapes import rendered

PATIENCE_SECONDS = 0.25
"""How long the database may take for what takes it no time, unless a table is locked."""


def answers(gate: ApiGate, asked: Sequence[tuple[Knock, Found]]) -> list[tuple[int, list[Header], bytes]]:
    """Answer several hot reads, whose rows are fetched in one trip, each as if it had come alone.

    Raises ``TookLong`` where the database has to wait for something else: then all are for their views, one by one.
    """
    with in_a_hurry(PATIENCE_SECONDS):
        return _answers(gate, asked)


def _answers(gate: ApiGate, asked: Sequence[tuple[Knock, Found]]) -> list[tuple[int, list[Header], bytes]]:
    checked = [gate.check(knock) for knock, _ in asked]
    let_in = [found for (_, found), (refusal, _) in zip(asked, checked, strict=True) if refusal is None]
    rows = iter(_rows(let_in))
    given = []
    for (knock, found), (refusal, headers) in zip(asked, checked, strict=True):
        given.append((refusal or _read(knock, found, next(rows))).with_headers(headers))
    return given


def _rows(found: Sequence[Found]) -> list[list[dict[str, Any]] | None]:
    """Return the rows for each read; ``None`` where it has to look by itself, as a single one does."""
    together = [(read.lookup, key) for read, key in found if isinstance(read, HotRead)]
    if len(together) < 2:
        return [None] * len(found)
    try:
        rows = iter(Lookup.values_of_each(together))
    except DatabaseError:  # each reports it in its own answer
        return [None] * len(found)
    return [next(rows) if isinstance(read, HotRead) else None for read, _ in found]


def _read(knock: Knock, found: Found, rows: list[dict[str, Any]] | None) -> Reply:
    read, key = found
    try:
        if rows is None or isinstance(read, HotList):
            return Reply(200, read.content(*key))
        return Reply(200, rendered(read.body_of(next(iter(rows), None), key)))
    except TookLong:
        raise
    except Exception as error:  # what a view does not catch either is answered in the same way
        return errors.reply_to(error, knock)
