"""How fast daily snapshots are: ``uv run python -m tests.benchmarks.snapshots [BALANCES] [TRANSACTIONS]``.

A generated ledger (100,000 balances and 1,000,000 transactions unless given); three days' snapshots, each day's second
run, which finds nothing to do, and the memory of this process before and after.
"""

from __future__ import annotations

import resource
import sys
import time
from datetime import timedelta

from tests.benchmarks import scratch


def memory() -> float:
    """Return the most memory that this process has had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(balances: int, transactions: int) -> None:
    """Fill a scratch database, take the snapshots, print."""
    with scratch.database():
        from unittest import mock

        from balances.history import snapshots
        from balances.importing.generating import Wish, generate_ledger
        from balances.models import now

        generate_ledger(Wish(balances=balances, transactions=transactions))
        before = memory()
        for day in range(3):
            instant = now() + timedelta(days=day)
            for run in ("first run of the day", "second run"):
                started = time.perf_counter()
                with mock.patch.object(snapshots, "now", return_value=instant):
                    written = snapshots.take_snapshots()
                print(f"day {day + 1}, {run:<22}{written:>10,} snapshots {time.perf_counter() - started:>8.2f} s")
        print(f"memory: {before:.0f} MB before, {memory():.0f} MB after")


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:3]]
    main(*given, *(100_000, 1_000_000)[len(given) :])
