"""Which requests may cost the database any amount. These get limited time, and only a part of the server."""

from __future__ import annotations

from urllib.parse import unquote

NO_DATABASE = {"", "health", "static", "docs", "schema", "mocked-account"}
"""First segments of paths that read nothing, or next to nothing."""
SINGLE = {"ledgers", "balances", "transactions", "identities", "accounts", "balance-monitors", "hooks"}
"""Collections whose single rows are read by their key."""
BACK_OFFICE = {"admin", "sweeps", "plans", "incidents", "reconstructions", "alerts", "schedules", "metrics"}
"""First segments of paths that are never part of moving money, whatever the method."""
SUMMING = ("from_source", "with_queued")
"""Parameters with which reading one balance sums rows."""
READING = {"GET", "HEAD"}


def is_read(method: str, path: str) -> bool:
    """Return whether a request only reads."""
    return method in READING or (method == "POST" and path.endswith("/filter"))


def is_costly(method: str, path: str, query: str = "") -> bool:
    """Return whether a request may read many rows or is back-office work: all but postings and single rows."""
    segment, *rest = path.removeprefix("/").split("/")
    if segment in NO_DATABASE:
        return False
    if segment in BACK_OFFICE or (segment == "balances" and rest[1:] == ["reconstructions"]):
        return True
    return is_read(method, path) and not _is_by_key(segment, rest, query)


def _is_by_key(segment: str, rest: list[str], query: str) -> bool:
    """Return whether a path names one row by an indexed column, and the query asks for no sums."""
    if segment not in SINGLE or any(name in unquote(query) for name in SUMMING):
        return False
    match segment, *rest:
        case [_, name]:
            return name != "filter"
        case ["balances", "indicator", _, "currency", _] | ["transactions", "reference", _]:
            return True
        case ["identities", _, "tokenized-fields"] | ["identities", _, "detokenize", _]:
            return True
    return False
