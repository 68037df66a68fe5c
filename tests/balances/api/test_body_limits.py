"""What a body may hold is bounded before it costs much, on every route."""

from __future__ import annotations

import pytest

from balances.models import Transaction
from tests import world
from tests.client import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("side", ["source", "destination"])
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_split_has_at_most_10_000_legs(api: Client, side: str, dry_run: bool) -> None:
    legs = [{"identifier": f"@leg-{n}", "precise_distribution": "1"} for n in range(10_001)]
    body = {name: value for name, value in world.POSTING.items() if name != side} | {f"{side}s": legs}
    answer = api.post("/transactions", body | {"dry_run": dry_run})
    assert (answer.status, answer.body["errors"]) == (400, f"{side}s: cannot be more than 10000.")
    assert not Transaction.objects.exists()
