"""Prints the refusals of the API and its description; ``test_stripped`` runs this under ``-OO`` too."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import get_resolver  # noqa: E402

from balances.ground.exceptions import LedgerError  # noqa: E402

CALLS = (("GET", ""), ("POST", "{"), ("POST", "{}"), ("PUT", "{}"), ("DELETE", ""))


def paths() -> set[str]:
    """Return the paths of the API, with an id that nothing has."""
    patterns = [str(each.pattern) for part in get_resolver().url_patterns for each in getattr(part, "url_patterns", [])]
    api = [each for each in patterns if "^" not in each and "(" not in each and not each.endswith("/")]
    return {"/" + re.sub(r"<\w+:\w+>", "none", each) for each in api}


def answers(key: str) -> dict[str, Any]:
    """Return each answer that refuses, by its call."""
    client = Client(SERVER_NAME="127.0.0.1", headers={"X-Blnk-Key": key} if key else {})
    found = {}
    for path in sorted(paths()):
        for method, body in CALLS:
            answer = client.generic(method, path, body, content_type="application/json")
            if answer.status_code >= 400:
                found[f"{method} {path} {body} {bool(key)}"] = [answer.status_code, answer.content.decode()]
    return found


def texts() -> dict[str, str]:
    """Return the text of each refusal that needs nothing to be made, by its class."""
    kinds, waiting = set[type[LedgerError]](), [LedgerError]
    while waiting:
        kinds.add(kind := waiting.pop())
        waiting += kind.__subclasses__()
    made = {f"{kind.__module__}.{kind.__name__}": kind for kind in kinds}
    return {name: made[name]().message for name in sorted(made) if not _required(made[name])}


def _required(kind: type[LedgerError]) -> list[str]:
    given = inspect.signature(kind).parameters.values()
    return [each.name for each in given if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD]


if __name__ == "__main__":
    said = answers("") | answers(settings.BLNK_SERVER_SECRET_KEY)
    schema = Client(SERVER_NAME="127.0.0.1").get("/schema").content.decode()
    print(json.dumps({"answers": said, "texts": texts(), "schema": schema}))  # noqa: T201
