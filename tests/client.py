"""A client of the API that sends bytes and keeps the text of the answer, for tests of the wire."""

from __future__ import annotations

import copy
import re
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import simplejson
from django.db import OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client as DjangoClient
from django.test import RequestFactory
from psycopg.adapt import Transformer
from psycopg.errors import QueryCanceled
from psycopg.pq import DiagnosticField, ExecStatus

from balances.api import hot_lane, posting_lane
from balances.api.gate import ApiGate, Knock, gate_of
from balances.api.hot_reads import LARGEST_FILTER, Found, hot_read
from balances.ground.exact_json import loads
from balances.ground.prepared import Question, Result
from balances.ground.rate_limit import RateLimiter, bucket_of
from balances.recording.storing import NAMES, STORE_ROW
from tests.world import MASTER_KEY


@dataclass(frozen=True)
class Answer:
    response: HttpResponse

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def text(self) -> str:
        return self.response.content.decode()

    @property
    def body(self) -> Any:
        return simplejson.loads(self.text)

    @property
    def exact(self) -> Any:
        """Return the body with its numbers as they were written, not as floats."""
        return loads(self.text)

    @property
    def all(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """Return status, headers in their order, and content."""
        return self.status, list(self.response.items()), self.response.content

    @property
    def headers(self) -> Any:
        return self.response.headers


def by_lane(
    gate: ApiGate, buckets: OrderedDict[int, tuple[float, float]], request: HttpRequest, found: Found, *, writes: bool
) -> hot_lane.Answer | None:
    """Answer by the lane, as if that had happened in place of the other way, and undo what that ``writes``."""
    _, counted = gate.limiter._buckets[hash(bucket_of(request))]
    beside = copy.copy(gate)
    limits = {name: getattr(gate.limiter, name) for name in ("rate", "burst", "idle_seconds")}
    beside.limiter = RateLimiter(**limits, clock=lambda: counted)
    beside.limiter._buckets = buckets
    knock = Knock(request.method or "", request.path, request.META)
    knock._body = request.body
    if writes:
        return cast("hot_lane.Answer | None", taken_back(answered, beside, knock, found))
    with unlogged():
        return answered(beside, knock, found)


def answered(gate: ApiGate, knock: Knock, found: Found) -> hot_lane.Answer | None:
    """Return the answer of the lane to a hot read, by the connection of the test; ``None`` where it is for its view."""
    return by_connection(hot_lane.answering(gate, knock, found))


def by_connection(steps: Generator[Question, Result, hot_lane.Answer | None]) -> hot_lane.Answer | None:
    """Return the answer that steps make whose questions the connection of the test asks."""
    result = None
    while True:
        try:
            prepared, parameters = steps.send(cast("Result", result))
        except StopIteration as end:
            return cast("hot_lane.Answer | None", end.value)
        try:
            with connection.cursor() as cursor:
                line = cursor.connection.pgconn
                cursor.execute("SET statement_timeout = 250")  # which begins what is taken back
                rows = line.exec_params(prepared.text, parameters, prepared.types or None)
                line.exec_(b"RESET statement_timeout")
                if rows.error_field(DiagnosticField.SQLSTATE) == QueryCanceled.sqlstate.encode():
                    return None  # as where a line is given up
                if rows.status != ExecStatus.TUPLES_OK:
                    assert prepared is STORE_ROW._posed[NAMES], rows.get_error_message()
                    return None  # as where a group is undone
                transformer = Transformer(cursor.connection)
                transformer.set_pgresult(rows)
                result = Result(rows, transformer)
        except OperationalError:
            return None


OWN = re.compile(
    r"(txn|bulk|balance|bln|ref)_[0-9a-f-]{36}|\d{4}-\d\d-\d\dT[\d:.]+Z|[0-9a-f]{64}"
    r"|(RateLimit-Remaining|Content-Length)', '\d+"
)


def masked(part: object) -> str:
    """Return a part of an answer without what differs each time."""
    return OWN.sub("…", str(part))


def recorded_by_lane(gate: ApiGate, request: HttpRequest) -> Any:
    """Return the answer of the lane to a request alone in its group; ``None`` where it is left to the view."""
    knock = Knock(request.method or "", request.path, dict(request.META))
    knock._body = request.body
    (answer,) = posting_lane.answer(gate, [knock])
    return answer


def stored_by_lane(gate: ApiGate, request: HttpRequest) -> Any:
    """Return the answer of the lane that only stores; ``None`` where it hands a request on."""
    knock = Knock(request.method or "", request.path, dict(request.META))
    knock._body = request.body
    return by_connection(posting_lane.answering(gate, knock))


@contextmanager
def unlogged() -> Iterator[None]:
    """Hide statements from those who count them."""
    logged, connection.force_debug_cursor = connection.force_debug_cursor, False
    try:
        yield
    finally:
        connection.force_debug_cursor = logged


def taken_back(do: Callable[..., Any], *given: Any) -> Any:
    """Return what a function returns, having undone what it wrote and hidden its statements."""
    with unlogged(), transaction.atomic():
        result = do(*given)
        transaction.set_rollback(True)
        return result


class Client:
    """Sends the master key unless told otherwise.

    Whatever has a lane goes down that as well, with the same answer; of what writes, the lane's is taken back. ``way``
    leaves only the "view" or only the "lane" to what is recorded, as where several record at once.
    """

    def __init__(self, key: str | None = MASTER_KEY, *, way: str = "both") -> None:
        self.way = way
        self.django = DjangoClient()
        self.headers = {} if key is None else {"X-Blnk-Key": key}

    def send(self, method: str, path: str, body: Any = b"", **headers: str) -> Answer:
        raw = body if isinstance(body, bytes) else simplejson.dumps(body).encode()
        given: Any = {"content_type": "application/json", "headers": self.headers | headers}
        request = RequestFactory().generic(method, path, raw, **given)
        found = hot_read(request.method or "", request.path, request.META["QUERY_STRING"])
        if len(raw) > (LARGEST_FILTER if method == "POST" else 0):
            found = None
        if posting_lane.is_for(request.method or "", request.path, request.META["QUERY_STRING"]):
            return self._record(request, lambda: Answer(self.django.generic(method, path, raw, **given)))
        if found is None:
            return Answer(self.django.generic(method, path, raw, **given))
        gate = self._gate()
        before = OrderedDict(gate.limiter._buckets)
        answer = Answer(self.django.generic(method, path, raw, **given))
        by_the_lane = by_lane(gate, before, request, found, writes=answer.status in (401, 403))
        assert by_the_lane in (None, answer.all)
        return answer

    def _record(self, request: HttpRequest, by_view: Callable[[], Answer]) -> Answer:
        gate = self._gate()
        if self.way == "lane":
            lane = recorded_by_lane(gate, request)
            return Answer(HttpResponse(lane[2], status=lane[0], headers=dict(lane[1]))) if lane else by_view()
        lanes = []
        for lane in (stored_by_lane, recorded_by_lane) if self.way == "both" else ():
            before = OrderedDict(gate.limiter._buckets)
            lanes.append(taken_back(lane, gate, request))
            gate.limiter._buckets = before
        answer = by_view()
        for way in filter(None, lanes):
            ways = [[masked(part) for part in each] for each in (way, answer.all)]
            assert ways[0] == ways[1], ways
        return answer

    def _gate(self) -> ApiGate:
        if self.django.handler._middleware_chain is None:
            self.django.handler.load_middleware()
        return gate_of(self.django.handler)

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def post(self, path: str, body: Any = b"") -> Answer:
        return self.send("POST", path, body)

    def put(self, path: str, body: Any = b"") -> Answer:
        return self.send("PUT", path, body)
