"""How fast months are archived and proved: ``uv run python -m tests.benchmarks.archive [TRANSACTIONS [BALANCES]]``.

A generated ledger of TRANSACTIONS (1,000,000) over BALANCES (100,000), a hundredth of them holds, in a scratch database
whose closed months are archived into a temporary directory. Then:

- archive: writing, reading back and sealing; bytes of a leg.
- proving: ``sweep --archive``, that is files, checkpoints, and archive and rows since against totals.
- sums: the archived legs of all balances, by DuckDB, and the same rows in PostgreSQL by the statement that screens.
- with ``--legs N`` no ledger is made: DuckDB writes N legs over BALANCES in our layout, twelve months, and sums them.
- memory: the most that this process had resident, DuckDB included. ``LEDGER_ARCHIVE_MEMORY`` bounds DuckDB.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.benchmarks import scratch


def timed(what: str, work: Callable[[], object]) -> object:
    began = time.monotonic()
    result = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:<34}{time.monotonic() - began:>8.2f} s   {peak:,.0f} MiB at most so far", flush=True)
    return result


MADE = """
CREATE OR REPLACE TEMP TABLE month_legs AS
SELECT 'bln_' || md5((hash(n) % $balances)::VARCHAR) AS balance,
       CASE n % 2 WHEN 0 THEN 'debit' ELSE 'credit' END AS side,
       'applied' AS kind, (hash(n, 1) % 1_000_000 + 1)::DECIMAL(38, 0) AS applied, 0::DECIMAL(38, 0) AS inflight,
       'USD' AS currency, TIMESTAMP '2025-01-01' + to_microseconds(n * 1_000) AS instant,
       'txn_' || uuid() AS transaction_id, unhex(md5(n::VARCHAR)) AS reference, left(md5(balance), 1) AS hash_range
FROM range($first, $until) AS made(n)
"""


def by_duckdb_alone(arguments: argparse.Namespace) -> None:
    """Measure the sums of legs that DuckDB makes: how they grow with their number, without a database."""
    scratch.set_up()
    from reconciliation.archiving.writing import RANGES, WRITE_RANGE
    from reconciliation.measuring import ParquetMeasure, Scope, duck

    with tempfile.TemporaryDirectory() as directory, duck() as session:

        def write() -> None:
            share = arguments.legs // 12
            for month in range(12):
                session.run(MADE, balances=arguments.balances, first=month * share, until=(month + 1) * share)
                for row in list(session.rows(RANGES)):
                    file = Path(directory) / f"{month:02}-{row['hash_range']}.parquet"
                    session.run(WRITE_RANGE, file=str(file), hash_range=row["hash_range"])

        timed("write", write)
        files = tuple(Path(directory).glob("*.parquet"))
        size = sum(file.stat().st_size for file in files)
        print(f"{arguments.legs:,} legs in {len(files)} files, {size / arguments.legs:.1f} bytes a leg")
        measure, everything = ParquetMeasure(files), Scope(everything=True)
        for _ in range(3):
            timed("sums by DuckDB, all balances", lambda: sum(1 for _ in measure.sums(everything)))


def main(arguments: argparse.Namespace) -> None:
    with scratch.database(), tempfile.TemporaryDirectory() as directory:
        from django.conf import settings

        from balances.importing.generating import Wish, generate_ledger
        from reconciliation.archiving import Month, Proof, archive, compare
        from reconciliation.measuring import ParquetMeasure, Scope
        from reconciliation.models import Origin
        from reconciliation.sweeping.service import SCREEN

        settings.LEDGER_ARCHIVE_DIR = Path(directory)
        wish = Wish(
            balances=arguments.balances, transactions=arguments.transactions, holds=arguments.transactions // 100
        )
        timed("generate", lambda: generate_ledger(wish))
        until = Month.of(Month.of(datetime.now(UTC)).begin - timedelta(days=1))
        records = timed("archive", lambda: list(archive(until, actor="benchmark", origin=Origin.SCRIPT)))
        assert isinstance(records, list)
        files = tuple(Path(directory).glob("*/legs-*.parquet"))
        legs, size = sum(record.legs for record in records), sum(file.stat().st_size for file in files)
        print(f"{len(records)} months, {legs:,} legs in {len(files)} files, {size / max(legs, 1):.1f} bytes a leg")
        proof = Proof(Path(directory))
        found = timed("proving the files", lambda: list(proof))
        found = [*found, *timed("archive and rows since", lambda: list(compare(proof)))]  # type: ignore[misc]
        print("found:", found or "nothing")
        measure, everything = ParquetMeasure(files), Scope(everything=True)
        timed("sums by DuckDB, all balances", lambda: sum(1 for _ in measure.sums(everything)))
        timed("screen in PostgreSQL", lambda: SCREEN.rows(after="", through="c"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("transactions", nargs="?", type=int, default=1_000_000)
    parser.add_argument("balances", nargs="?", type=int, default=100_000)
    parser.add_argument("--legs", type=int, default=0)
    given = parser.parse_args()
    (by_duckdb_alone if given.legs else main)(given)
