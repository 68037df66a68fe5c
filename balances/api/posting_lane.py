"""Records what several clients ask for in one commit, past Django's and DRF's machinery.

That is ``POST /transactions`` and ``PUT /transactions/inflight/{id}``. Gate, decoder, checks, shapes and refusals are
those of the views. They run for each request of a group, in the order of arrival. What a group cannot do is left to the
view, before anything is written.

``answering`` comes first, in an event loop: it stores what only has to be stored, and hands on whatever takes more,
decoded, to ``answer``, in a thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

from balances.api import errors, hot_lane, transaction_shapes, transaction_views
from balances.api.gate import ApiGate, Knock
from balances.api.replies import Header, Reply
from balances.books import Place, Settlement
from balances.ground import LedgerError, Mode, Question, Result, Undone, may, outage_of
from balances.models import Transaction, new_transaction_id
from balances.posting import Failure, Item, at_once, enqueue_items, item_of, post_each, refusals, settle_together
from balances.shapes import rendered

logger = logging.getLogger(__name__)

RECORD, SETTLE = "/transactions", "/transactions/inflight/"
MOST_LEGS = 50
"""Legs of a posting, or holds under an id, that are recorded with others; more would keep those waiting."""
SHORT_LOCK_WAIT = "200ms"
"""How long a group waits for a lock. Then each request waits by itself, so that none waits for the lock of another."""
SETTING = f"SET lock_timeout = '{SHORT_LOCK_WAIT}'; SET plan_cache_mode = force_generic_plan"
"""For a connection that asks what ``answering`` yields, and whose statements find rows by their keys."""
Outcomes = Sequence[Any]
"""For each that was asked for, what its answer shows, or the refusal."""


@dataclass(frozen=True)
class Kind:
    """What is recorded together.

    ``record`` takes what was asked for and raises with nothing written; ``outcomes`` takes that and what ``record``
    returned; ``body`` takes an outcome that is no refusal, whose answer has this ``status``.
    """

    record: Callable[[Sequence[Any]], Any]
    outcomes: Callable[[Sequence[Any], Any], Outcomes]
    body: Callable[[Any], dict[str, Any]]
    status: int


def _recorded(items: Sequence[Item], failures: Sequence[Failure]) -> Outcomes:
    outcomes: list[Any] = list(items)
    try:
        reasons: Sequence[Exception] = refusals(items, failures)
    except Exception as error:  # to say why takes the database as well; it says nothing against the others
        reasons = [error] * len(failures)
    for failure, reason in zip(failures, reasons, strict=True):
        outcomes[failure.item] = reason
    return outcomes


def _settled(_: Sequence[Settlement], results: Sequence[Transaction | LedgerError]) -> Outcomes:
    return results


APPLIED = Kind(partial(post_each, lock_wait=SHORT_LOCK_WAIT), _recorded, transaction_shapes.created, 201)
QUEUED = Kind(partial(enqueue_items, lock_wait=SHORT_LOCK_WAIT), _recorded, transaction_shapes.created, 201)
SETTLED = Kind(
    partial(settle_together, lock_wait=SHORT_LOCK_WAIT, most=MOST_LEGS), _settled, transaction_shapes.recorded, 200
)


@dataclass(slots=True)
class Caller:
    """A request of a group: what the gate said about it, what it asks for, and its answer."""

    knock: Knock
    headers: list[Header] = field(default_factory=list)
    kind: Kind | None = None
    asked: Any = None
    reply: Reply | None = None

    def ask(self) -> None:
        """Decode what it asks for, or refuse."""
        try:
            self.kind, self.asked = _asked(self.knock)
        except Exception as error:
            self.refuse(error)

    def whole(self) -> hot_lane.Answer | None:
        """Return the answer with the headers of the gate, if there is one."""
        return self.reply.with_headers(self.headers) if self.reply else None

    def refuse(self, error: Exception) -> None:
        """Answer as the view does, which logs what is no refusal and answers it with status 500."""
        self.reply = errors.reply_to(error, self.knock)

    def answer(self, kind: Kind, outcome: Any) -> None:
        """Answer with what was recorded, or refuse."""
        if isinstance(outcome, Exception):
            self.refuse(outcome)
            return
        try:
            self.reply = Reply(kind.status, rendered(kind.body(outcome)))
        except Exception as error:
            self.refuse(error)


def is_for(method: str, path: str, query: str) -> bool:
    """Return whether a request may be answered here."""
    if query:
        return False
    hold = path.removeprefix(SETTLE)
    return (method == "POST" and path == RECORD) or (method == "PUT" and hold not in ("", path) and "/" not in hold)


def answering(gate: ApiGate, knock: Knock) -> Generator[Question, Result, hot_lane.Answer | None]:
    """Yield what the database, whose tables are our own, has to be asked, and return the answer.

    ``None`` is returned where ``answer`` goes on. The caller throws ``Undone`` where nothing was written, and a
    ``LedgerError`` where that is unknown.
    """
    checked = yield from hot_lane.checking(gate, knock)
    if checked is None:
        return None
    caller = knock.begun = Caller(knock)
    caller.reply, caller.headers = checked
    if caller.reply is None:
        caller.ask()
        if caller.kind is not QUEUED or (question := at_once(caller.asked)) is None:
            return caller.whole()
        try:
            if not (yield question).count:
                return None
            caller.answer(QUEUED, caller.asked)
        except Undone:
            return None
        except LedgerError as error:
            caller.refuse(error)
    return caller.whole()


def answer(gate: ApiGate, knocks: Iterable[Knock]) -> list[tuple[int, list[Header], bytes] | None]:
    """Return status, headers and content of the answer to each request; ``None`` where it is left to the view."""
    if not may(Mode.SERVE):
        return [None for _ in knocks]  # the view says why
    callers = [_admitted(gate, knock) for knock in knocks]
    for kind in (APPLIED, QUEUED, SETTLED):
        if together := [caller for caller in callers if caller.kind is kind]:
            _record(kind, together)
    return [caller.whole() for caller in callers]


def _admitted(gate: ApiGate, knock: Knock) -> Caller:
    """Return a request with what it asks for, or with its refusal."""
    if knock.begun:
        begun: Caller = knock.begun
        return begun
    caller = Caller(knock)
    caller.reply, caller.headers = gate.check(knock)
    if caller.reply is None:
        caller.ask()
    return caller


def _asked(knock: Knock) -> tuple[Kind | None, Any]:
    request: Any = SimpleNamespace(_request=knock, method=knock.method)
    if knock.method == "PUT":
        settling = transaction_views.settlement_of(request, knock.path.removeprefix(SETTLE))
        return (SETTLED, settling.asked) if settling.skip_queue and not settling.dry_run else (None, None)
    recording = transaction_views.posting_of(request)
    if recording.dry_run or len(recording.asked.shares) > MOST_LEGS:
        return None, None
    place = Place(transaction_id=new_transaction_id(), queued=not recording.skip_queue)
    return (QUEUED if place.queued else APPLIED), item_of(recording.asked, place)


def _record(kind: Kind, callers: Sequence[Caller]) -> None:
    """Record what callers ask for in one commit, and answer them.

    Where the commit fails none is answered: each is tried by itself, so that none fails with another. After an outage
    each is refused, because the commit may have been carried out; so is each after it, whatever goes wrong.
    """
    asked = [caller.asked for caller in callers]
    try:
        result = kind.record(asked)
    except Exception as error:
        if not outage_of(error):
            logger.info("Requests are recorded one by one, because together they could not be: %r", error)
            return
        for caller in callers:
            caller.refuse(error)
        return
    for caller, outcome in zip(callers, kind.outcomes(asked, result), strict=True):
        caller.answer(kind, outcome)
