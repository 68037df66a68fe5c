"""Which tests of the wire also run on an adopted Blnk 0.15 in mode serve, and which of them cannot hold there."""

from __future__ import annotations

WIRE = ("tests/balances/api/", "tests/clients/", "tests/balances/test_")
"""Where the tests of the wire are. With ``--adopted`` all of them run on an adopted database, and only there."""
ALWAYS: tuple[str, ...] = ()
"""The modules that run there as well whenever all tests run."""
CANNOT: dict[str, str] = {}
"""What does not hold there, by how the id of a test begins, and why."""
EMPTIED = ("transactions", "balance_snapshots", "accounts", "balance_monitors", "lineage_mappings", "lineage_outbox",
           "balances", "identity", "api_keys", "ledgers", "transaction_journal")  # fmt: skip
"""Blnk's tables into which tests write, in the order in which they can be emptied."""


def runs_adopted(path: str, *, wanted: bool) -> list[str]:
    """Return on which tables the tests of a module run: our own, or those of an adopted Blnk."""
    if wanted:
        return ["adopted"] if path.startswith(WIRE) else []
    return ["own", "adopted"] if path in ALWAYS else []


def why_not(nodeid: str) -> str | None:
    """Return why a test cannot hold on Blnk's tables, if it cannot."""
    return next((why for start, why in CANNOT.items() if nodeid.startswith(start)), None)
