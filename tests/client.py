"""A client of the API that sends bytes and keeps the text of the answer, for tests of the wire."""

from __future__ import annotations

import copy
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import simplejson
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client as DjangoClient
from django.test import RequestFactory

from balances.api import hot_lane
from balances.api.gate import ApiGate, Knock, gate_of
from balances.api.hot_reads import Found, hot_read
from balances.ground.exact_json import loads
from balances.ground.rate_limit import RateLimiter, bucket_of
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
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Answer by the lane, as if that had happened in place of the other way, and undo what that ``writes``."""
    _, counted = gate.limiter._buckets[hash(bucket_of(request))]
    beside = copy.copy(gate)
    limits = {name: getattr(gate.limiter, name) for name in ("rate", "burst", "idle_seconds")}
    beside.limiter = RateLimiter(**limits, clock=lambda: counted)
    beside.limiter._buckets = buckets
    knock = Knock(request.method or "", request.path, request.META)
    logged, connection.force_debug_cursor = connection.force_debug_cursor, False
    try:
        if not writes:
            return hot_lane.answer(beside, knock, found)
        with transaction.atomic():
            answer = hot_lane.answer(beside, knock, found)
            transaction.set_rollback(True)
            return answer
    finally:
        connection.force_debug_cursor = logged


class Client:
    """Sends the master key unless told otherwise. Each hot read goes down the lane as well, with the same answer."""

    def __init__(self, key: str | None = MASTER_KEY) -> None:
        self.django = DjangoClient()
        self.headers = {} if key is None else {"X-Blnk-Key": key}

    def send(self, method: str, path: str, body: Any = b"", **headers: str) -> Answer:
        raw = body if isinstance(body, bytes) else simplejson.dumps(body).encode()
        given: Any = {"content_type": "application/json", "headers": self.headers | headers}
        request = RequestFactory().generic(method, path, raw, **given)
        found = None if raw else hot_read(request.method or "", request.path, request.META["QUERY_STRING"])
        if found is None:
            return Answer(self.django.generic(method, path, raw, **given))
        gate = self._gate()
        before = OrderedDict(gate.limiter._buckets)
        answer = Answer(self.django.generic(method, path, raw, **given))
        assert by_lane(gate, before, request, found, writes=answer.status in (401, 403)) == answer.all
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
