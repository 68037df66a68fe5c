"""Compares two answers, with ids by their names and without what differs by the hour; a difference has a kind."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

ID = re.compile(
    r"(?<![A-Za-z0-9])(ldg|bln|txn|idt|mon|acc|bulk|ref|act|hook|api_key)_[0-9a-f]{8}-[0-9a-f-]{27}(?![0-9a-f])"
)
LEG = re.compile(r"^(X\w+-\d+|2026-01-01(?:T00:00:00Z)?)[_-]\d+(_q)?$")
TOKEN = re.compile(r"FPT:[^:]*:[A-Za-z0-9+/=]+")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
CHANCE = ("hash", "key", "number_generated")
"""Keys whose values are computed from ids, or drawn."""
LANES = ("queue_lane", "queue_pair_key")
RANKING = (
    "reference",
    "role",
    "balance_id",
    "identifier",
    "precise_amount",
    "status",
    "transaction_id",
    "name",
    "identity_id",
)
MOST_SHOWN = 160


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    content_type: str
    text: str

    @property
    def is_success(self) -> bool:
        return self.status < 300

    @property
    def body(self) -> Any:
        """Return the JSON with its numbers as they are written; a text that is none as it is."""
        try:
            return json.loads(self.text, parse_int=Written, parse_float=Written)
        except ValueError:
            return self.text


class Written(str):
    """A number as it is written."""


UNORDERED = ("", "data", "legs", "balances", "sources", "destinations", "shadow_transactions", "tokenized_fields")
"""Keys of lists whose order is a matter of chance in the original; the whole body has none."""


def plain(value: Any, names: dict[str, str], key: str = "") -> Any:
    """Return a value without ids and instants of now."""
    if isinstance(value, dict):
        if "Severity" in value and "Routine" in value:  # the driver's own words
            return {}
        kept = {name: plain(item, names, name) for name, item in value.items() if name not in LANES}
        return kept | {name: f"<{name}>" for name in CHANCE if kept.get(name)}
    if isinstance(value, list):
        items = [plain(item, names, "-") for item in value]
        return sorted(items, key=_rank) if key in UNORDERED else items
    if isinstance(value, str) and not isinstance(value, Written):
        value = LEG.sub(r"\1_leg\2", value)  # which leg has which number is a matter of chance in the original
        value = TOKEN.sub("<token>", value)
        return INSTANT.sub(_instant, ID.sub(lambda found: names.get(found[0], f"<{found[1]}?>"), value))
    return value


def _rank(value: Any) -> str:
    """Return what such a list is ordered by: what should not differ."""
    told = [value[key] for key in RANKING if key in value] if isinstance(value, dict) else []
    return json.dumps([told, value], sort_keys=True)


def _instant(found: re.Match[str]) -> str:
    at = datetime.fromisoformat(found[0][:19]).replace(tzinfo=UTC)
    return "<now>" if abs(at - datetime.now(UTC)) < timedelta(days=1) else found[0]


def differences(blnk: Answer, ours: Answer, names: dict[str, dict[str, str]]) -> Iterator[str]:
    """Yield in what two answers differ, in words without ids, references and amounts."""
    shown = [plain(blnk.body, names["blnk"]), plain(ours.body, names["ours"])]
    if blnk.status != ours.status:
        yield " / ".join(
            f"{answer.status} {_refusal(body)}".strip() for answer, body in zip((blnk, ours), shown, strict=True)
        )
        return
    if list(_keys(blnk.body)) != list(_keys(ours.body)) and sorted(_keys(blnk.body)) == sorted(_keys(ours.body)):
        yield f"{blnk.status} order of keys"
    if len({_refusal(body) for body in shown}) > 1:
        yield f"{blnk.status} {' / '.join(map(_refusal, shown))}"
        return
    if blnk.content_type != ours.content_type:
        yield f"{blnk.status} content type: {blnk.content_type} / {ours.content_type}"
    for path, one, other in _paths(shown[0], shown[1], ""):
        yield f"{blnk.status} {path or 'body'}: {_short(one)} / {_short(other)}"


def _refusal(body: Any) -> str:
    if isinstance(body, dict) and isinstance(body.get("error_detail"), dict):
        return f"{body['error_detail'].get('code')} {_short(body['error_detail'].get('message'))}"
    return "" if isinstance(body, (dict, list)) else _short(body)


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in LANES:
                yield key
                yield from _keys(item)


MISSING = object()


def apart(blnk: list[Any], ours: list[Any], names: dict[str, dict[str, str]]) -> str:
    """Return what rows only one of the two has, each by its status, and by what makes it special."""
    found = [
        Counter((str(row["reference"]), _standing(row)) for row in plain(rows, names[name]))
        for name, rows in (("blnk", blnk), ("ours", ours))
    ]
    only = [sorted({standing for _, standing in one - other}) for one, other in (found, reversed(found))]
    return " / ".join(", ".join(each) or "-" for each in only)


def _standing(row: dict[str, Any]) -> str:
    """Return the status of a row, whether it is a refund or of one balance, and why it was rejected."""
    marks = [str(row["status"])]
    if "_refund" in str(row["reference"]):
        marks.append("refund")
    if row["source"] == row["destination"]:
        marks.append("of one balance")
    if reason := (row.get("meta_data") or {}).get("blnk_rejection_reason"):
        marks.append(_short(reason))
    return " ".join(marks)


def _paths(one: Any, other: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            where = f"{path}.{key}" if path else key
            yield from _paths(one.get(key, MISSING), other.get(key, MISSING), where)
    elif isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            yield f"{path}[] length", str(len(one)), str(len(other))
        else:
            for left, right in zip(one, other, strict=True):
                yield from _paths(left, right, f"{path}[]")
    elif isinstance(one, Written) and isinstance(other, Written) and one != other and float(one) == float(other):
        yield f"{path} as a float", one, other
    elif type(one) is not type(other) or one != other:
        yield path, one, other


def _short(value: Any) -> str:
    if value is MISSING:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value)
    text = re.sub(r"X[0-9a-z]+-\d+", "<reference>", text)
    text = re.sub(r"X[0-9a-f]{4}\d+", "<currency>", text)
    text = re.sub(r"<([a-z]+)(\d+|\?)>", r"<\1>", text)
    text = re.sub(r"(?<![\w<])-?\d[\d.e+-]*", lambda found: found[0] if found[0] == "0" else "#", text)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
