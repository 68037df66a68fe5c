"""Which scope a request needs, by first path segment and method, with exceptions.

docs/design/wire.md states the rules under "Keys and scopes".
"""

from __future__ import annotations

from balances.ground import InsufficientPermissions, UnknownResource
from balances.models import allows

SEGMENTS = {
    segment: segment
    for segment in (
        *("ledgers", "balances", "accounts", "identities", "transactions", "balance-monitors", "hooks"),
        *("api-keys", "search", "reconciliation", "metadata", "backup", "reconstructions"),
    )
} | {
    "mocked-account": "accounts",
    "multi-search": "search",
    "refund-transaction": "transactions",
    **dict.fromkeys(
        ("sweeps", "plans", "incidents", "explanations", "alerts", "schedules", "proof", "breaks"), "reconstructions"
    ),
}
"""Resources by first path segment; a key with scopes reaches no other path, whatever its scopes."""
RESOURCES = frozenset(SEGMENTS.values())
ACTIONS = {"GET": "read", "HEAD": "read", "POST": "write", "PUT": "write", "PATCH": "write", "DELETE": "delete"}
APPROVE = "approve"
"""An action that Blnk does not have: approving a plan, which writing plans does not include."""
ENTITIES = {
    "bln": "balances",
    "ldg": "ledgers",
    "txn": "transactions",
    "bulk": "transactions",
    "idt": "identities",
}
"""Resources whose writers may also change metadata, by the prefix of an id."""

Permission = tuple[str, str]


def check(scopes: tuple[str, ...], method: str, path: str) -> None:
    """Raise ``UnknownResource`` or ``InsufficientPermissions`` unless scopes let a request through."""
    sufficient = sufficient_permissions(method, path)
    if not sufficient:
        raise UnknownResource
    if not any(action and allows(scopes, resource, action) for resource, action in sufficient):
        raise InsufficientPermissions(*sufficient[0])


def sufficient_permissions(method: str, path: str) -> tuple[Permission, ...]:
    """Return the permissions of which one suffices for a request; empty where keys with scopes have no access.

    No scope allows an empty action.
    """
    action = ACTIONS.get(method, "")
    segment, *rest = path.removeprefix("/").split("/")
    match [method, segment, *rest]:
        case ["POST", "plans", _, "approve" | "reject"]:
            return (("reconstructions", APPROVE),)
        case ["POST", "balances", _, "reconstructions"]:
            return (("reconstructions", "write"),)
        case ["GET", "balances", _, "reconstructions" | "explanation"]:
            return (("balances", "read"), ("reconstructions", "read"))
        case ["POST", entity_id, "metadata"] if entity_id not in SEGMENTS:
            # The original lets only the master key change metadata; its documentation promises the scope.
            entity = ENTITIES.get(entity_id.partition("_")[0])
            return (("metadata", "write"), *(((entity, "write"),) if entity else ()))
    return ((SEGMENTS[segment], action),) if segment in SEGMENTS else ()
