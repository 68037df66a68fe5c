"""Clients that send mixed postings through servers that may end at any moment, and keep what they were answered."""

from __future__ import annotations

import http.client
import random
import threading
import urllib.error
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.outages import posting
from tests.stoppable import Answer, Server

UNITS = 100
PART = 60
"""What a commit takes of a hold. A second one asks for as much, which is more than is left."""
SHARES = (("50%", 50), ("30%", 30), ("left", 20))
GIVES_UP = 0.25
"""How often a client does not send again what had no answer."""
AGAIN = {423, 503}
"""Answers to what is sent again, until it is acknowledged."""


class GivenUp(Exception):
    """The client does not know whether its request was carried out, and does not ask."""


@dataclass
class Expected:
    """What must be there at the end, and what may be."""

    rows: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Status and amount by reference."""
    voided: dict[str, int] = field(default_factory=dict)
    """What was released of a hold, by its id."""
    possible: set[str] = field(default_factory=set)
    """References of requests that a client gave up."""


@dataclass
class Client:
    """One client: it sends what ``chance`` says until it is stopped."""

    name: int
    servers: list[Server]
    ids: list[str]
    stop: threading.Event
    expected: Expected = field(default_factory=Expected)
    answers: Counter[Any] = field(default_factory=Counter)
    failure: Exception | None = None

    def run(self) -> None:
        self.chance, number = random.Random(self.name), 0
        kinds = (self._direct, self._queued, self._split, self._hold, self._hold_queued)
        try:
            while not self.stop.is_set():
                number += 1
                with suppress(GivenUp):
                    self.chance.choice(kinds)(f"k{self.name}-{number}", number)
        except Exception as error:
            self.failure = error

    def _direct(self, reference: str, number: int) -> None:
        self._post(reference, number, {reference: ("APPLIED", UNITS)})

    def _queued(self, reference: str, number: int) -> None:
        rows = {reference: ("QUEUED", UNITS), f"{reference}_q": ("APPLIED", UNITS)}
        self._post(reference, number, rows, skip_queue=False)

    def _split(self, reference: str, number: int) -> None:
        into = self.chance.sample(self.ids[1:], len(SHARES))
        shared = [{"identifier": one, "distribution": share} for one, (share, _) in zip(into, SHARES, strict=True)]
        rows = {f"{reference}-{leg}": ("APPLIED", units) for leg, (_, units) in enumerate(SHARES, start=1)}
        ends = {"source": self.ids[0], "destination": None, "destinations": shared, "atomic": True}
        self._post(reference, number, rows, **ends)

    def _hold(self, reference: str, number: int) -> None:
        hold = self._held(reference, number)
        path = f"/transactions/inflight/{hold}"
        for name, may_be in (("first", {200, 409}), ("more", {400})):
            settled = f"{hold}_commit_{name}-{reference}"
            body = {"status": "commit", "precise_amount": PART, "reference": f"{name}-{reference}", "skip_queue": True}
            self._send("PUT", path, body, may_be, {settled})
            if name == "first":
                self.expected.rows[settled] = ("APPLIED", PART)
        self._send("PUT", path, {"status": "void", "skip_queue": True}, {200, 409}, set())
        self.expected.voided[hold] = UNITS - PART

    def _hold_queued(self, reference: str, number: int) -> None:
        hold = self._held(reference, number)
        settled = f"{hold}_commit_all-{reference}"
        body = {"status": "commit", "reference": f"all-{reference}"}
        self._send("PUT", f"/transactions/inflight/{hold}", body, {200, 409}, {settled})
        self.expected.rows[settled] = ("APPLIED", UNITS)

    def _held(self, reference: str, number: int) -> str:
        """Hold an amount and return the id of the hold, which the answer says, or the reference where it is lost."""
        answer = self._post(reference, number, {reference: ("INFLIGHT", UNITS)}, inflight=True)
        if answer.status == 409:
            answer = self._send("GET", f"/transactions/reference/{reference}", None, {200}, set())
        return str(answer.body["transaction_id"])

    def _post(self, reference: str, number: int, rows: dict[str, tuple[str, int]], **more: Any) -> Answer:
        body = posting(self.ids, number, reference) | {"precise_amount": UNITS, "skip_queue": True} | more
        body = {name: value for name, value in body.items() if value is not None}
        answer = self._send("POST", "/transactions", body, {201, 409}, set(rows))
        self.expected.rows |= rows
        return answer

    def _send(self, method: str, path: str, body: Any, may_be: set[int], references: set[str]) -> Answer:
        """Send until it is acknowledged. A 409 says that it was, by an answer that was lost, so it needs one."""
        unanswered = 0
        while True:
            try:
                answer = self.chance.choice(self.servers).ask(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                refused = isinstance(error, urllib.error.URLError) and isinstance(error.reason, ConnectionRefusedError)
                self.answers["not connected" if refused else "no answer"] += 1
                unanswered += not refused
                if (not refused and self.chance.random() < GIVES_UP) or self.stop.wait(0.02):
                    self.expected.possible |= references
                    raise GivenUp from error
                continue
            self.answers[answer.status] += 1
            if answer.status in AGAIN:
                unanswered += answer.status == 503  # which may say that the outcome is unknown
                continue
            if answer.status not in may_be or (answer.status == 409 and not unanswered):
                raise RuntimeError(f"{method} {path} {body} answered {answer.status}: {answer.text}")
            return answer
