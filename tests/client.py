"""A client of the API that sends bytes and keeps the text of the answer, for tests of the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import simplejson
from django.http import HttpResponse
from django.test import Client as DjangoClient

from balances.ground.exact_json import loads
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
    def headers(self) -> Any:
        return self.response.headers


class Client:
    """Sends the master key unless told otherwise."""

    def __init__(self, key: str | None = MASTER_KEY) -> None:
        self.django = DjangoClient()
        self.headers = {} if key is None else {"X-Blnk-Key": key}

    def send(self, method: str, path: str, body: Any = b"", **headers: str) -> Answer:
        raw = body if isinstance(body, bytes) else simplejson.dumps(body).encode()
        return Answer(
            self.django.generic(method, path, raw, content_type="application/json", headers=self.headers | headers)
        )

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def post(self, path: str, body: Any = b"") -> Answer:
        return self.send("POST", path, body)

    def put(self, path: str, body: Any = b"") -> Answer:
        return self.send("PUT", path, body)
