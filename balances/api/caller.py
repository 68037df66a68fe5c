"""Who stands behind a request: the gate says so, and whatever comes after it asks here."""

from __future__ import annotations

from django.http import HttpRequest

from balances.ground import ANYBODY, LedgerError, Principal, client_address, refused


def admit(request: HttpRequest, caller: Principal) -> None:
    """Mark a request as let in by the gate for a caller."""
    request.caller = caller  # type: ignore[attr-defined]


def is_admitted(request: HttpRequest) -> bool:
    """Return whether the gate let a request through, which views of the API require on any path."""
    return hasattr(request, "caller")


def principal(request: HttpRequest) -> Principal:
    """Return the caller of a request that passed the gate."""
    caller: Principal = request.caller  # type: ignore[attr-defined]
    return caller


def actor(request: HttpRequest) -> str:
    """Return the name of the caller for records of a request that passed the gate."""
    return principal(request).actor


def report_refusal(request: HttpRequest, caller: Principal, error: LedgerError) -> None:
    """Send ``refused`` for a known caller; an error in a receiver does not undo the refusal."""
    if caller is ANYBODY:
        return  # unknown callers could fill a disk
    refused.send_robust(
        sender=Principal,
        actor=caller.actor,
        door="api",
        what=f"{request.method} {request.path}",
        why=f"{error.code}: {error.message}",
        address=client_address(request),
    )
