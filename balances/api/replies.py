"""Answers as plain values: a status, headers in their order, and the bytes of the body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpResponse

from balances.ground import dumps

Header = tuple[str, str]
JSON: Header = ("Content-Type", "application/json; charset=utf-8")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that needs no response object of Django."""

    status: int
    content: bytes
    headers: tuple[Header, ...] = (JSON,)

    def with_headers(self, headers: Sequence[Header]) -> tuple[int, list[Header], bytes]:
        """Return status, headers with those of the gate, and content."""
        length = ("Content-Length", str(len(self.content)))
        return self.status, [*self.headers, *headers, length], self.content

    def response(self) -> HttpResponse:
        """Return the same as a response of Django."""
        return HttpResponse(self.content, status=self.status, headers=dict(self.headers))


NOT_FOUND = Reply(404, b"404 page not found", (("Content-Type", "text/plain"),))
"""The answer to an unknown path or a wrong method."""


def json_reply(status: int, body: object, headers: dict[str, str]) -> Reply:
    """Return an answer whose texts need no escaping, because they are ours."""
    return Reply(status, dumps(body).encode(), (JSON, *headers.items()))
