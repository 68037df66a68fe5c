"""What the beginning of a live proof waits for: transactions that ran before it."""

from __future__ import annotations

from balances.ground import Statement

WAITED_FOR = Statement.beside(__file__, "waited_for.sql")


def oldest_writer() -> str:
    """Return the oldest transaction that writes, in words, with when it began."""
    row = next(iter(WAITED_FOR.rows()), None)
    if row is None:
        return "transactions that are still open"
    of = f"prepared transaction {row['gid']}" if row["gid"] else f"a transaction of process {row['pid']}"
    program = f" ({row['program']})" if row["program"] else ""
    return f"{of}{program}, open since {row['since']:%Y-%m-%d %H:%M:%S} UTC"
