"""Makes valid bodies wrong: a field gone, of another type, empty, negative, huge, said twice, or text cut off."""

from __future__ import annotations

import json
import random
from typing import Any

ODD: list[Any] = [
    None, 0, 1, -1, 0.5, 1.5, 5, 10**20, -(10**20), True, False, "", " ", "x", "5", "ü", [], {}, [1], ["x"], {"a": 1},
    [None], [{}], "2026-01-01T00:00:00Z", "2026-01-01", "bln_none", "@x",
]  # fmt: skip
RAW = [
    "", " ", "{", "[]", "null", "5", '"x"', "true", "xyz", "{bad", "[{}]", "{}", '{"name":"a"', "{}{}", "[1,2", "nul",
    '{"a":1}}', '{"a" 1}', "\x00",
]  # fmt: skip


def mutated(rng: random.Random, body: dict[str, Any]) -> Any:
    """Return a body with one thing changed, or a text that is none."""
    way = rng.random()
    if way < 0.12:
        return rng.choice(RAW)
    if way < 0.2:
        text = json.dumps(body)
        return text[: rng.randrange(len(text))]
    target, field = _place(rng, body)
    if field is None:
        return body
    if way < 0.35:
        del target[field]
    elif way < 0.42:
        target[field.upper() if isinstance(field, str) else field] = target.pop(field)
    elif way < 0.46 and isinstance(field, str):
        return json.dumps(body)[:-1] + f", {json.dumps(field)}: {json.dumps(rng.choice(ODD))}}}"
    elif way < 0.5:
        target[f"{field}_x"] = rng.choice(ODD)
    else:
        target[field] = rng.choice(ODD)
    return body


def _place(rng: random.Random, body: Any) -> tuple[Any, Any]:
    """Return some object in a body and one of its keys."""
    places: list[tuple[Any, Any]] = []
    waiting = [body]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            places += [(each, key) for key in each]
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
    return rng.choice(places) if places else (body, None)
