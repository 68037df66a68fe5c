"""How fast balances are measured: ``uv run python -m tests.benchmarks.reconstruction [ROWS]``.

One balance with ROWS applied rows (500,000 unless given) among as many others', against the two sums
written by hand; then every balance of the database in one run against the merge join written by hand.
"""

from __future__ import annotations

import sys
from typing import Any

from tests.benchmarks import scratch

BY_HAND = """
SELECT (SELECT sum(precise_amount) FROM transactions WHERE status = 'APPLIED' AND destination = %(id)s),
       (SELECT sum(precise_amount) FROM transactions WHERE status = 'APPLIED' AND source = %(id)s)
"""
ALL_BY_HAND = """
SELECT b.balance_id, b.credit_balance - coalesce(c.units, 0), b.debit_balance - coalesce(d.units, 0)
FROM balances AS b
LEFT JOIN (SELECT destination, sum(precise_amount) AS units FROM transactions
           WHERE status = 'APPLIED' GROUP BY destination ORDER BY destination) AS c ON c.destination = b.balance_id
LEFT JOIN (SELECT source, sum(precise_amount) AS units FROM transactions
           WHERE status = 'APPLIED' GROUP BY source ORDER BY source) AS d ON d.source = b.balance_id
ORDER BY b.balance_id
"""


def run(sql: str, **parameters: Any) -> list[Any]:
    """Execute one statement and fetch everything."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def main(rows: int) -> None:
    """Fill a scratch database, measure, print."""
    with scratch.database():
        from reconciliation.correcting.rebuilding import reconstruct_many
        from reconciliation.measuring.measurement import MEASURE, measure
        from tests import world

        hot, other = world.balance(), world.balance()
        few = [world.balance() for _ in range(1_000)]
        world.many_rows([hot, other], rows)
        world.many_rows(few, rows, prefix="few")
        plan = "\n".join(line for (line,) in run("EXPLAIN " + MEASURE.text, balance_ids=[hot.pk]))
        print(f"{2 * rows:,} applied rows; the balance has {measure([hot.pk])[0].debit_rows * 2:,} of them")
        index_only = plan.count("Index Only Scan using applied_") == 2 and "Seq Scan on transactions" not in plan
        print(f"index-only scans: {'yes' if index_only else 'NO'}")
        times = scratch.medians(
            11,
            measure_statement=lambda: run(MEASURE.text, balance_ids=[hot.pk]),
            measure_service=lambda: measure([hot.pk]),
            by_hand=lambda: run(BY_HAND, id=hot.pk),
        )
        scratch.report("One balance", times, "measure_service", "by_hand", 1.2)
        ids = sorted(each.pk for each in few)
        times = scratch.medians(
            5,
            thousand_balances_dry_run=lambda: list(reconstruct_many(ids, world.request(dry_run=True))),
            measure_thousand=lambda: measure(ids),
            all_by_hand=lambda: run(ALL_BY_HAND),
        )
        scratch.report("1,000 balances of 1,002", times, "measure_thousand", "all_by_hand", 1.2)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500_000)
