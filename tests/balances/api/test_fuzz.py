"""No body, query or path gives a 500; 20,000 of them are sent by ``tests.benchmarks.fuzz``."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.fuzzing import Fuzzer, populate, send

pytestmark = pytest.mark.django_db


def test_no_body_query_or_path_gives_a_500() -> None:
    client, fuzzer = Client(raise_request_exception=False), Fuzzer(seed=1)
    populate(fuzzer)
    wrong: list[str] = []
    seen: dict[int, int] = {}
    for call in fuzzer.calls(180):
        answer: Any = send(client, call)
        fuzzer.learn(answer)
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        if answer.status_code in (500, 503):
            wrong.append(str(call))
    assert wrong == []
    assert seen[201] >= 3, "too few of the requests get past the first check"
