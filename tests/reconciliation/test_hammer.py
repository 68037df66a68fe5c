"""Corrections while money moves: real threads on real connections over real HTTP, drift planted meanwhile."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import requests
from django.db import connection

from balances.models import Balance, Transaction
from ledgerproj.hammering import Written, violations
from reconciliation.correcting.rebuilding import reconstruct_many
from reconciliation.models import Reconstruction
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)

SECONDS = 6.0
WRITERS = 4
RECONSTRUCTORS = 3


class Hammer:
    """Threads that post, reconstruct and plant drift until the time is over, and what the clients saw."""

    def __init__(self, base_url: str, balances: list[Balance]) -> None:
        self.base_url = base_url
        self.ids = [balance.pk for balance in balances]
        self.balances = balances
        self.deadline = time.monotonic() + SECONDS
        self.answers: Counter[tuple[str, int]] = Counter()
        self.problems: list[str] = []
        self.posted: dict[str, int] = {}
        self.numbers = itertools.count()

    def run(self) -> None:
        jobs = (
            [self.write] * WRITERS + [self.reconstruct_one] * (RECONSTRUCTORS - 1) + [self.reconstruct_all, self.plant]
        )
        threads = [threading.Thread(target=self.guard, args=(job, seed)) for seed, job in enumerate(jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()

    def guard(self, job: Callable[[random.Random, requests.Session], None], seed: int) -> None:
        chance = random.Random(seed)
        try:
            with requests.Session() as session:
                session.headers["X-Blnk-Key"] = world.MASTER_KEY
                while time.monotonic() < self.deadline:
                    job(chance, session)
        except Exception as error:
            self.problems.append(repr(error))
            raise
        finally:
            connection.close()

    def call(self, session: requests.Session, what: str, path: str, body: Any) -> int:
        answer = session.post(f"{self.base_url}{path}", json=body, timeout=30)
        self.answers[what, answer.status_code] += 1
        if answer.status_code >= 500:
            self.problems.append(answer.text)
        return answer.status_code

    def write(self, chance: random.Random, session: requests.Session) -> None:
        source, destination = chance.sample(self.ids, 2)
        reference = f"hammer-{next(self.numbers)}"
        body = world.POSTING | {
            "precise_amount": chance.randint(1, 10_000),
            "reference": reference,
            "source": source,
            "destination": destination,
        }
        if self.call(session, "posting", "/transactions", body) == 201:
            self.posted[reference] = body["precise_amount"]

    def reconstruct_one(self, chance: random.Random, session: requests.Session) -> None:
        balance_id = chance.choice(self.ids)
        if chance.random() < 0.5:
            self.call(session, "flag", f"/{balance_id}/metadata", {"meta_data": {"BLNK_RUN_RECONCILIATION": "SOURCE"}})
        else:
            self.call(session, "run", f"/balances/{balance_id}/reconstructions", {"reason": "hammer"})

    def reconstruct_all(self, chance: random.Random, session: requests.Session) -> None:
        list(reconstruct_many(sorted(self.ids), world.request(reason="sweep")))

    def plant(self, chance: random.Random, session: requests.Session) -> None:
        world.drift(chance.choice(self.balances), credit=chance.randint(-900, 900), hold_debit=chance.randint(0, 50))
        time.sleep(0.05)


def test_no_drift_stays_no_posting_is_lost_and_no_deadlock_reaches_a_client(live_server: Any) -> None:
    balances = [world.balance() for _ in range(5)]
    hammer = Hammer(live_server.url, balances)

    hammer.run()

    assert hammer.problems == []
    assert {status for _, status in hammer.answers} <= {200, 201}, hammer.answers
    assert hammer.answers["posting", 201] > 50
    assert hammer.answers["flag", 200] > 5
    assert Reconstruction.objects.filter(outcome="corrected").count() > 5
    list(reconstruct_many(sorted(hammer.ids), world.request()))

    told = Written(prefix="hammer-", postings=len(hammer.posted), units=sum(hammer.posted.values()))
    assert violations([told]) == []
    assert set(Transaction.objects.values_list("reference", flat=True)) == hammer.posted.keys()
    print(f"\n{dict(hammer.answers)}, {Reconstruction.objects.filter(outcome='corrected').count()} corrections")  # noqa: T201
