"""Corrections by plan, and postings meanwhile: ``uv run python -m tests.benchmarks.apply [CORRECTIONS] [--seconds N]``.

CORRECTIONS (10,000) balances of twice as many have drifted. A sweep finds them, a plan is made of it, a second person
approves it, it is applied; meanwhile somebody posts between these balances. Then writers post for N seconds (60), in
alternating phases without and beside a sweep at the pace of the settings.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.benchmarks import scratch

SECONDS = 20
"""What applying 10,000 corrections may take."""
POSTINGS_KEPT = 0.9
QUIET_SECONDS = 3
WRITERS = 8


def took(what: str, work: Callable[[], Any]) -> Any:
    """Do a piece of work and print how long it took."""
    began = time.perf_counter()
    result = work()
    print(f"  {what:<40}{time.perf_counter() - began:>9.2f} s")
    return result


class Poster(threading.Thread):
    """Posts between random balances until told to stop, and keeps how long each posting took, in milliseconds."""

    def __init__(self, ids: list[str], prefix: str) -> None:
        super().__init__()
        self.ids, self.prefix = ids, prefix
        self.told = threading.Event()
        self.milliseconds: list[float] = []

    def run(self) -> None:
        from django.db import connection

        from balances.posting import Posting, post_transaction

        while not self.told.is_set():
            number = len(self.milliseconds)
            source, destination = (self.ids[(number * step + step) % len(self.ids)] for step in (7, 11))
            if source == destination:
                destination = self.ids[(number * 7 + 8) % len(self.ids)]
            posting = Posting(
                source=source,
                destination=destination,
                currency="USD",
                reference=f"{self.prefix}-{number}",
                description="benchmark",
                precise_amount=100,
                precision=100,
                allow_overdraft=True,
            )
            began = time.perf_counter()
            post_transaction(posting)
            self.milliseconds.append((time.perf_counter() - began) * 1000)
        connection.close()

    def report(self, when: str) -> None:
        self.told.set()
        self.join()
        print(
            f"  a posting {when}: {statistics.median(self.milliseconds):.1f} ms in the middle, "
            f"{max(self.milliseconds):.0f} ms at most, of {len(self.milliseconds):,}"
        )


class Locks:
    """How long rows of balances are locked by applying: from the statement that locks them to the commit."""

    def __init__(self) -> None:
        self.began = 0.0
        self.milliseconds: list[float] = []

    def watch(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "FOR NO KEY UPDATE" in sql and '"balances"' in sql:
            self.began = time.perf_counter()
        return execute(sql, params, many, context)

    def committed(self, _: int) -> None:
        self.milliseconds.append((time.perf_counter() - self.began) * 1000)


def correct(corrections: int) -> None:
    """Sweep, plan, approve and apply, and print how long each took."""
    from django.db import connection

    from reconciliation.correcting.applying import apply, outcomes
    from reconciliation.correcting.deciding import approve
    from reconciliation.correcting.planning import Choice, Proposal, propose
    from reconciliation.measuring.scope import Scope
    from reconciliation.models import Origin, Plan, Sweep
    from reconciliation.sweeping.service import create_sweep, run_sweep

    print(f"\n{corrections:,} corrections")
    sweep = create_sweep(Scope(everything=True), actor="benchmark", origin=Origin.COMMAND)
    found: Sweep = took("sweep and explain", lambda: run_sweep(sweep.sweep_id))
    proposal = Proposal(actor="alice", origin=Origin.COMMAND, reason="benchmark")
    plan: Plan = took("propose", lambda: propose(Choice(sweep_id=found.sweep_id), proposal))
    if plan.state == Plan.State.PROPOSED:
        took("approve", lambda: approve(plan.plan_id, "bob", Origin.COMMAND))
    ids = list(plan.items.values_list("balance_id", flat=True))
    quiet = Poster(ids, "quiet")
    quiet.start()
    time.sleep(QUIET_SECONDS)
    quiet.report("before")
    locks, busy = Locks(), Poster(ids, "busy")
    busy.start()
    began = time.perf_counter()
    with connection.execute_wrapper(locks.watch):
        applied = apply(plan.plan_id, "alice", Origin.COMMAND, progress=locks.committed)
    seconds = time.perf_counter() - began
    busy.report("meanwhile")
    counted = {outcome: count for outcome, count in outcomes(applied).items() if count}
    print(f"  apply, beside the postings: {seconds:.2f} s for {counted}")
    print(
        f"  rows of a chunk locked for {statistics.median(locks.milliseconds):.0f} ms in the middle, "
        f"{max(locks.milliseconds):.0f} ms at most"
    )
    print(
        f"  target at most {SECONDS} s for 10,000: {'met' if seconds * 10_000 / corrections <= SECONDS else 'MISSED'}"
    )


def post_beside_a_sweep(environment: dict[str, str], seconds: float) -> None:
    """Print postings a second without and beside a sweep."""
    from django.conf import settings

    from ledgerproj.hammering import Rhythm, hammer

    pace = settings.LEDGER_SWEEP_PACE
    outcome = hammer(environment, Rhythm(seconds=seconds, pairs=6), writers=WRITERS, reconstructors=0, pace=pace)
    print(f"\nPostings of {WRITERS} writers, and a sweep at a pace of {pace} %")
    for figure, value in outcome.figures.items():
        print(f"  {figure:<40}{value:>12,}")
    ratio = outcome.figures["ratio"]
    print(f"  target at least {POSTINGS_KEPT}: {'met' if ratio >= POSTINGS_KEPT else 'MISSED'}")
    for violation in outcome.violations:
        print(f"  VIOLATED: {violation}")


def main(arguments: argparse.Namespace) -> None:
    with scratch.database() as made:
        from balances.importing.generating import Wish, generate_ledger

        count = arguments.corrections
        generate_ledger(Wish(balances=2 * count, transactions=40 * count, drift=count))
        correct(count)
        post_beside_a_sweep(made.environment, arguments.seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("corrections", nargs="?", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    main(parser.parse_args())
