"""Names of users: records know people by them, so a name stays with its first holder for good."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User

from balances.ground import LedgerError
from balances.keys import folded


class NameTaken(LedgerError):
    """A name that somebody has or had, perhaps in another spelling."""

    code = "GEN_CONFLICT"


class UsersStay(LedgerError):
    """A user is switched off, never deleted."""

    code = "GEN_CONFLICT"


def why_taken(name: str) -> str:
    """Return why a new user cannot have a name, or nothing where it is free."""
    from reconciliation.models import AuditEntry  # models are not ready where this module is imported

    if User.objects.filter(username__iexact=folded(name)).exists():
        return "Somebody has this name already, perhaps with other capital letters: they would count as one person."
    if AuditEntry.objects.filter(actor=name).exists():
        return "Records know somebody else by this name, who was deleted. Choose another one."
    return ""


def refuse_taken_name(instance: User, raw: bool = False, **_: Any) -> None:
    """Raise ``NameTaken`` for a new user with the name of another one."""
    if instance.pk is None and not raw and (why := why_taken(instance.username)):
        raise NameTaken(why)


def refuse_deletion(instance: User, **_: Any) -> None:
    """Raise ``UsersStay``: a name that is free again would inherit what its first holder did."""
    raise UsersStay(
        f"Users are not deleted, because records know them by name. Take “Active” from {instance.username}."
    )
