"""Answers hot reads before Django makes a request of them: ``ledgerproj.front`` asks here first.

The gate, the rows, the shapes, the refusals and the renderer are those of the views. What is spared is what surrounds
them: environ and request, middleware, resolver, view and response. What ``hot_read`` does not know is for the views.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from balances.api import errors
from balances.api.gate import ApiGate, Knock
from balances.api.hot_reads import Found
from balances.api.replies import JSON, Header, Reply
from balances.shapes import rendered


def answer(gate: ApiGate, knock: Knock, found: Found) -> tuple[int, list[Header], bytes]:
    """Return status, headers and content of the answer to a hot read."""
    refusal, headers = gate.check(knock)
    reply = refusal or _read(knock, found)
    length = ("Content-Length", str(len(reply.content)))
    return reply.status, [*reply.headers, *headers, length], reply.content


def _read(knock: Knock, found: Found) -> Reply:
    read, key = found
    try:
        return Reply(200, rendered(read.body(*key)))
    except Exception as error:  # what a view does not catch either is answered in the same way
        response: Any = errors.answer(error, {"request": SimpleNamespace(method=knock.method, _request=knock)})
        kept = [(name, value) for name, value in response.items() if name != "Content-Type"]
        return Reply(response.status_code, rendered(response.data), (JSON, *kept))
