"""Requests that no client would mean, made by a seed from what the OpenAPI document says that each route takes."""

from __future__ import annotations

import random
import string
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import simplejson
from django.http import HttpResponse
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from balances.api.filtering.grammar import OPERATORS
from balances.api.filtering.resources import (
    AccountFilters,
    BalanceFilters,
    IdentityFilters,
    LedgerFilters,
    TransactionFilters,
)
from balances.models import now
from balances.models.people import Identity
from tests import world

METHODS = ("get", "post", "put", "delete")
FILTERED = (LedgerFilters, BalanceFilters, TransactionFilters, IdentityFilters, AccountFilters)
FIELDS = sorted({name for filters in FILTERED for name in filters.base_filters})
KEPT_IDS = 200
EXCLUSIVE = (("amount", "precise_amount"), ("source", "sources"), ("destination", "destinations"))
"""Fields of which one body takes one."""


class Raw(str):
    """JSON text that is sent as it stands, whether it is JSON or not."""


NUMBERS = tuple(
    map(
        Raw,
        (
            *("1e2000000000000000000", "-1e2000000000000000000", "1e-2000000000000000000", "0e99999999999999999999"),
            *("1e-400", "1e308", "1e309", "-1e308", "1e-308", "4.9e-324", "1e18", "1e19", "-0", "-0.0", "0", "0.0"),
            *("NaN", "Infinity", "-Infinity", "nan", "+1", "01", ".5", "1.", "0x10", "1_000", "1e", "--1", "١"),
            *(str(2**power + more) for power in (15, 31, 53, 63, 64, 127) for more in (-1, 0, 1)),
            *(str(-(2**63) - 1), "0.1", "0.30000000000000004", "1.005", "33.333333333333336", "1e-9", "-1", "0.5"),
            *("9" * 999, "9" * 1001, "1" + "0" * 5000, f"0.{'1' * 990}", f"1.{'7' * 600}e-300", f"1e{'0' * 900}1"),
        ),
    )
)
TEXTS = (
    *(Raw('"\\ud800"'), Raw('"\\udfff\\ud800"'), Raw('"a\\u0000b"'), Raw('"\\uZZZZ"'), Raw('"open'), Raw('"\\x"')),
    *("", " ", "\t", "\u202eabc", "e\u0301", "\u0301", "\u200b", "\ufeff", "😀" * 300, "null", "NaN", "Infinity"),
    *("0", "-1", "1e999999999", "9" * 400, "10%", "100.0000001%", "-5%", "1e9%", "left", "%", "NaN%", "١٢%", "1e-400"),
    *("0001-01-01T00:00:00Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "10000-01-01T00:00:00Z"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30T25:61:61Z", "2026-01-01", "١٩٩٩-01-01"),
    *("2026-01-01T00:00:00Z", "2500-01-01T00:00:00Z", "' OR 1=1 --", "%", "\\", "_", "{}", "[", "@", "@ ", "@world"),
    *("2026-06-30T00:00:00+24:00", "2026-06-30T00:00:60Z", "../../etc/passwd", "http://", "http://[", "http://\ud83d\ude00"),
)  # fmt: skip
SEGMENTS = (
    "%00",
    "%ff",
    "..",
    ".",
    "%2e%2e",
    "%2F",
    "%0a",
    "%ED%A0%80",
    "😀",
    "e%CC%81",
    "null",
    "-1",
    "*",
    "%25",
    "@world",
    "'",
)
KEYS = (
    "BLNK_RUN_RECONCILIATION",
    "BLNK_LINEAGE_PROVIDER",
    "_shadow_for",
    "inflight",
    "",
    "a.b",
    "\u0000",
    "QUEUED_PARENT",
)
VALID: dict[str, tuple[Any, ...]] = {
    "currency": ("USD", "EUR"),
    "precision": (1, 100, Raw("1000"), Raw("1e2"), 10**18),
    "source": ("@world", "@bank", "@bob"),
    "destination": ("@bob", "@alice", "@shop"),
    "identifier": ("@bob", "@carol", "@dave"),
    "distribution": ("10%", "left", "5", "33.3%"),
    "precise_distribution": ("10", "left", "1"),
    "status": ("commit", "void"),
    "amount": (Raw("10"), Raw("0.01"), Raw("12.5")),
    "precise_amount": (1, 750, 10**30),
    "allow_overdraft": (True,),
    "type": ("PRE_TRANSACTION", "POST_TRANSACTION"),
    "url": ("https://hooks.example/x",),
    "field": (*FIELDS, "meta_data.key", "debit_balance"),
    "operator": (*OPERATORS, "=", ">", "<=", "!="),
    "logical_operator": ("and", "or"),
    "sort_by": (*FIELDS, "nothing"),
    "sort_order": ("asc", "desc"),
    "scopes": (["ledgers:read"], ["*:*"]),
    "expires_at": ("2030-01-01T00:00:00Z",),
    "fields": (["first_name"], ["FirstName", "EmailAddress"]),
    "ledger_id": ("general_ledger_id",),
    "identity_type": ("individual", "organization"),
    "allocation_strategy": ("FIFO", "LIFO", "PROPORTIONAL"),
    "timestamp": ("2026-01-01T00:00:00Z",),
    "threshold": ("2m", "90s", "1e9h", "99999999999999h"),
    "include": ("identity", "ledger"),
    **dict.fromkeys(("scheduled_for", "inflight_expiry_date", "inflight_commit_date"), ("2030-01-01T00:00:00Z",)),
    **dict.fromkeys(("effective_date", "last_run", "dob", "created_at"), ("2026-01-01T00:00:00+02:00",)),
}  # fmt: skip
"""What fields take, by name, where the type alone would never get past the first check."""


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    route: str
    path: str
    body: bytes

    def __str__(self) -> str:
        shown = [part if len(part) < 3000 else f"{part[:1500]}…{part[-200:]}" for part in (self.path, repr(self.body))]
        return f"{self.method} {shown[0]} {shown[1]}"


@dataclass
class Fuzzer:
    """Makes requests by a seed; ids out of answers are used in later ones."""

    seed: int
    ids: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        """Read what the routes take."""
        self.random = random.Random(self.seed)
        document: Any = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
        self.shapes = document["components"]["schemas"]
        self.routes = [
            (method, path, operation)
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
            if method in METHODS
        ]
        self.weights = [4 if "requestBody" in operation else 1 for _, _, operation in self.routes]
        self.number = 0

    def calls(self, count: int) -> Iterator[Call]:
        """Make requests: each route once, then routes that take a body four times as often as others."""
        for number in range(count):
            if number < len(self.routes):
                chosen = self.routes[number]
            else:
                chosen = self.random.choices(self.routes, self.weights)[0]
            yield self._call(*chosen)

    def learn(self, answer: HttpResponse) -> None:
        """Keep the ids of an answer."""
        if answer.status_code >= 300 or not answer.get("Content-Type", "").startswith("application/json"):
            return
        try:
            found = simplejson.loads(answer.content)
        except ValueError:
            return
        for row in found[:5] if isinstance(found, list) else [found]:
            for name, value in row.items() if isinstance(row, dict) else ():
                if name.endswith("id") and isinstance(value, str) and 0 < len(value) < 200:
                    self._keep(name, value)

    def _keep(self, name: str, value: str) -> None:
        kept = self.ids[name]
        kept.append(value)
        del kept[:-KEPT_IDS]

    def _call(self, method: str, route: str, operation: Any) -> Call:
        path = "/".join(self._segment(part) for part in route.split("/"))
        path += self._query(operation)
        shape = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        body = self._body(shape) if shape or self._one_in(10) else b""
        return Call(method.upper(), route, path, body)

    def _segment(self, part: str) -> str:
        if not part.startswith("{"):
            return part
        if self._one_in(8):
            return self.random.choice((*SEGMENTS, quote(self._noise(3000)), "x" * 9000, quote("é" * 400)))
        return quote(self._id(part[1:-1]), safe="@")

    def _id(self, name: str) -> str:
        some = self.ids.get(name) or [each for kept in self.ids.values() for each in kept] or ["none"]
        return self.random.choice(some)

    def _query(self, operation: Any) -> str:
        given: list[tuple[str, str]] = []
        for parameter in operation.get("parameters", ()):
            if parameter["in"] != "query" or not self._one_in(3):
                continue
            if parameter["name"] == "filters":
                for _ in range(self.random.randint(1, 3)):
                    name = self.random.choice((*FIELDS, "meta_data.a"))
                    given.append((f"{name}_{self.random.choice(OPERATORS)}", self._word()))
            else:
                name = parameter["name"]
                given.append((name, self._word(str(self._valid(name, parameter["schema"])))))
        if self._one_in(20):
            given.append((self.random.choice(("limit", "offset", "sort", "amount", "%00", "x", "")), self._word()))
        pairs = (f"{quote(name, safe='%')}={value}" for name, value in given)
        return "?" + "&".join(pairs) if given else ""

    def _word(self, valid: str = "") -> str:
        """Return a value of a query, quoted."""
        kind = self.random.randrange(5)
        if kind == 0:
            return self.random.choice(SEGMENTS)
        if kind == 1:
            return quote(self.random.choice(NUMBERS))
        if kind == 2:
            joined = self.random.choice((",", "|", ""))
            return quote(joined.join(self._text().encode(errors="replace").decode() for _ in range(2)))
        return quote(valid or self._id("balance_id"))

    def _body(self, shape: Any) -> bytes:
        if self._one_in(60):
            return self.random.choice(
                (b"", b"null", b"[]", b"{", b"\xff\xfe", b"\xef\xbb\xbf{}", b'"x"', b"{}{}", b"1e999")
            )
        value = self._valid("", shape or {"type": "object"})
        for _ in range(self.random.choice((0, 0, 1, 1, 1, 2))):
            value = self._mutated(value)
        text = self._json(value)
        return text.encode(errors="surrogatepass")

    def _valid(self, name: str, shape: Any) -> Any:
        """Return a value that a shape of the document takes."""
        if "$ref" in shape:
            return self._valid(name, self.shapes[shape["$ref"].rpartition("/")[2]])
        for several in ("oneOf", "anyOf", "allOf"):
            if several in shape:
                return self._valid(name, self.random.choice(shape[several]))
        if name == "reference":
            self.number += 1
            return f"fuzz-{self.seed}-{self.number}"
        if name in VALID and not self._one_in(12):
            return self.random.choice(VALID[name])
        if name.endswith("id") and not self._one_in(12):
            return self._id(name)
        if "enum" in shape:
            return self.random.choice(shape["enum"])
        return self._typed(name, shape)

    def _typed(self, name: str, shape: Any) -> Any:
        match shape.get("type"):
            case "object":
                named, required = shape.get("properties", {}), shape.get("required", ())
                chosen = [each for each in named if each in required or self._one_in(2)]
                if not self._one_in(20):
                    left_out = {self.random.choice(pair) for pair in EXCLUSIVE if {*pair} <= named.keys()}
                    chosen = [each for each in chosen if each not in left_out]
                    chosen += [
                        each for pair in EXCLUSIVE for each in pair if left_out & {*pair} and each not in left_out
                    ]
                made = {each: self._valid(each, named[each]) for each in chosen}
                return made if named else {self.random.choice((*KEYS[:4], "key")): self._text()}
            case "array":
                few = self.random.choice((1, 1, 2, 3, 12))
                return [self._valid(name.removesuffix("s"), shape["items"]) for _ in range(few)]
            case "integer" | "number":
                return self.random.choice((1, 7, 100, Raw("0.5")))
            case "boolean":
                return self._one_in(2)
        return self.random.choice(("text", self._id(name)))

    def _mutated(self, value: Any) -> Any:
        """Return a value with one place of it, at any depth, made extreme."""
        if isinstance(value, dict) and value and not self._one_in(12):
            key = self.random.choice(list(value))
            return value | {key: self._mutated(value[key])}
        if isinstance(value, list) and value and not self._one_in(6):
            place = self.random.randrange(len(value))
            return [*value[:place], self._mutated(value[place]), *value[place + 1 :]]
        return self._extreme(value)

    def _extreme(self, value: Any) -> Any:
        choices: list[Callable[[], Any]] = [
            lambda: self.random.choice(NUMBERS),
            lambda: self.random.choice(NUMBERS),
            self._text,
            self._text,
            lambda: Raw(f"{self.random.random() * 10 ** self.random.randint(-20, 20)!r}"),
            lambda: self.random.choice((None, True, False, [], {}, [None], [[]], {"": {}}, [{}], [value])),
            lambda: value | {self.random.choice(KEYS): self._text()} if isinstance(value, dict) else {"x": value},
            lambda: self._twice(value),
            lambda: [value] * self.random.choice((2, 65, 101)),
            lambda: self._nested(self.random.choice((99, 101, 3000))),
        ]
        return self.random.choice(choices)()

    def _twice(self, value: Any) -> Any:
        """Return an object with a key of it twice, in two spellings at times."""
        if not isinstance(value, dict) or not value:
            return [value, value]
        key = self.random.choice(list(value))
        spelled = self.random.choice((key, key.upper(), key.title()))
        return Raw(f"{self._json(value)[:-1]},{self._json(spelled)}:{self._json(self._text())}}}")

    def _nested(self, depth: int) -> Raw:
        opening, closing = self.random.choice((("[", "]"), ('{"a":', "}")))
        return Raw(opening * depth + "1" + closing * depth)

    def _text(self) -> str:
        if self._one_in(150):
            return self.random.choice(("x" * 1_000_000, self._noise(300_000)))
        if self._one_in(5):
            return self._noise(self.random.choice((199, 201, 999, 1001, 1999, 2001, 2700, 9000)))
        return self.random.choice(TEXTS)

    def _noise(self, length: int) -> str:
        """Return a text that no compression makes short enough for an index."""
        return "".join(self.random.choices(string.ascii_letters + string.digits, k=length))

    def _json(self, value: Any) -> str:
        if isinstance(value, Raw):
            return str(value)
        if isinstance(value, dict):
            return "{" + ",".join(f"{simplejson.dumps(name)}:{self._json(item)}" for name, item in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ",".join(map(self._json, value)) + "]"
        return simplejson.dumps(value)

    def _one_in(self, number: int) -> bool:
        return self.random.randrange(number) == 0


def populate(fuzzer: Fuzzer) -> None:
    """Write a small ledger with something of every kind to read, settle and refund."""
    identity = Identity.objects.create(identity_type="individual", first_name="Ada")
    alice, bob = world.balance(identity_id=identity.pk), world.balance()
    fuzzer.ids["identity_id"].append(identity.pk)
    fuzzer.ids["balance_id"] += [alice.pk, bob.pk]
    fuzzer.ids["ledger_id"] += [alice.ledger_id, bob.ledger_id]
    for number in range(20):
        posted = world.post(
            "@world", alice, 10_000, inflight=number % 2 == 0, effective_date=now() - timedelta(days=number)
        )
        fuzzer.ids["transaction_id"].append(posted.pk)
    fuzzer.ids["sweep_id"].append(str(world.finding(bob).sweep_id))


def send(client: Client, call: Call) -> Any:
    """Send a request with the master key of the settings."""
    from django.conf import settings

    headers = {"X-Blnk-Key": settings.BLNK_SERVER_SECRET_KEY}
    return client.generic(call.method, call.path, call.body, content_type="application/json", headers=headers)
