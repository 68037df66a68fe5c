"""Answers hot reads before Django makes a request of them: ``ledgerproj.front`` asks here first.

The gate, the rows, the shapes, the refusals and the renderer are those of the views. What is spared is what surrounds
them: environ and request, middleware, resolver, view and response. What ``hot_read`` does not know is for the views.
"""

from __future__ import annotations

from collections.abc import Generator

from balances.api import errors
from balances.api.gate import ApiGate, Knock, caller_at_once, key_question
from balances.api.hot_reads import Found
from balances.api.replies import Header, Reply
from balances.ground import LedgerError, Question, Result, TooMuch

Answer = tuple[int, list[Header], bytes]
Checked = tuple[Reply | None, list[Header]]


def checking(gate: ApiGate, knock: Knock) -> Generator[Question, Result, Checked | None]:
    """Return what ``gate.check`` does, or ``None`` where that would have to wait; yield what it has to ask first."""
    caller = None
    if (key := key_question(knock)) and gate.take(knock) is not None:
        caller = caller_at_once(knock, (yield key))
        if caller is None:
            return None
    return gate.check(knock, caller)


def answering(gate: ApiGate, knock: Knock, found: Found) -> Generator[Question, Result, Answer | None]:
    """Yield what the database has to be asked, one after the other, and return the answer.

    Nothing here waits: what would have to, and what takes long to write out, is for its view, and ``None`` is returned.
    """
    checked = yield from checking(gate, knock)
    if checked is None:
        return None
    refusal, headers = checked
    if refusal:
        return refusal.with_headers(headers)
    read, values = found
    try:
        question = read.question(knock, *values)
    except (LedgerError, TooMuch):
        return None
    result = yield question
    try:
        reply = Reply(200, read.content(result, values))
    except LedgerError as error:
        reply = errors.reply_to(error, knock)
    except TooMuch:
        return None
    return reply.with_headers(headers)
