"""How fast a full sweep is: ``uv run python -m tests.benchmarks.sweep [TRANSACTIONS [BALANCES]]``.

A generated ledger of TRANSACTIONS (10,000,000) over BALANCES (100,000) with 100 drifted ones, in a scratch database;
``--holds N`` of the transactions are holds (none); ``--here`` takes the database of the settings as it is, if
generate_ledger has filled it. In alternating rounds:

- by hand: a merge join, one statement that returns the drifted balances. It knows nothing of
  holds, rows without precise amount, or totals that are no number.
- measuring: what a sweep spends on finding drift in all six totals and writing findings and progress down.
- sweep: all of ``run_sweep`` at full pace, as ``manage.py sweep --all`` runs it: measuring, then the checks, the trial
  balance, and why each drifted balance is wrong, which the hand-written statement does not tell.
- screen: the statement with which the sweep finds drift, over all balances at once.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from tests.benchmarks import scratch
from tests.benchmarks.reconstruction import ALL_BY_HAND, run

SIDES = "b.credit_balance - coalesce(c.units, 0), b.debit_balance - coalesce(d.units, 0)"
BY_HAND = ALL_BY_HAND.replace(", " + SIDES, "").replace(
    "ORDER BY b.balance_id\n", f"WHERE ({SIDES}) <> (0, 0) ORDER BY b.balance_id\n"
)
DRIFTED = 100


@contextmanager
def ledger(arguments: argparse.Namespace) -> Iterator[None]:
    """Have a generated ledger, and say how long it took to make."""
    if arguments.here:
        scratch.set_up()
        yield
        return
    with scratch.database():
        from balances.importing.generating import Wish, generate_ledger

        began = time.monotonic()
        generate_ledger(
            Wish(
                balances=arguments.balances,
                transactions=arguments.transactions,
                holds=arguments.holds,
                drift=min(DRIFTED, arguments.balances),
            )
        )
        print(f"generated in {time.monotonic() - began:.0f} s")
        yield


class Memory:
    """The resident memory of this process, in MiB, looked at after every chunk."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def look(self, _: Any = None) -> None:
        self.seen.append(psutil.Process().memory_info().rss / 2**20)


def temporary_bytes() -> int:
    """Return how much the server has written to temporary files in this database."""
    return int(run("SELECT temp_bytes FROM pg_stat_database WHERE datname = current_database()")[0][0])


def main(arguments: argparse.Namespace) -> None:
    with ledger(arguments):
        from reconciliation.measuring.scope import Scope
        from reconciliation.models import Origin
        from reconciliation.sweeping.service import SCREEN, create_sweep, run_sweep

        memory = Memory()
        last: list[Any] = []

        def sweep() -> None:
            planned = create_sweep(Scope(everything=True), actor="benchmark", origin=Origin.COMMAND)
            memory.look()
            last.append(run_sweep(planned.sweep_id, progress=memory.look))

        [(balances, highest)] = run("SELECT count(*), max(balance_id) FROM balances")
        [(rows,)] = run("SELECT count(*) FROM transactions")
        print(f"{rows:,} transactions, {balances:,} balances")
        plan = "\n".join(line for (line,) in run("EXPLAIN " + BY_HAND))
        index_only = plan.count("Index Only Scan using applied_")
        print(f"by hand: {plan.count('Merge Left Join')} merge joins, {index_only} index-only scans")
        spilled = temporary_bytes()
        times = scratch.medians(
            arguments.rounds,
            by_hand=lambda: run(BY_HAND),
            sweep=sweep,
            screen=lambda: run(SCREEN.text, after="", through=highest),
        )
        times["measuring"] = statistics.median(each.worked.total_seconds() * 1000 for each in last)
        scratch.report("Full sweep", times, "measuring", "by_hand", 1.2)
        print(f"  the whole sweep: {times['sweep'] / times['by_hand']:.2f} times by hand")
        found = len(run(BY_HAND))
        print(f"  found by hand {found}, by the sweep {last[-1].drifted}")
        seconds = times["sweep"] / 1000
        print(f"  {balances / seconds:,.0f} balances/s, {rows / seconds:,.0f} transactions/s")
        chunks = len(memory.seen) // arguments.rounds
        print(
            f"  memory: {memory.seen[0]:.1f} MiB before the first sweep, {max(memory.seen):.1f} at most, "
            f"{memory.seen[-1]:.1f} after the last; looked at {chunks} times a sweep; "
            f"{temporary_bytes() - spilled:,} bytes in temporary files"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("transactions", nargs="?", type=int, default=10_000_000)
    parser.add_argument("balances", nargs="?", type=int, default=100_000)
    parser.add_argument("--holds", type=int, default=0)
    parser.add_argument("--here", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    main(parser.parse_args())
