"""Who is no second person: a login that the first one made or changed of late (``LEDGER_INDEPENDENT_DAYS``).

Four eyes are two people. An administrator could otherwise make a login, or give one a new password or the right to
approve, and approve with it what he asked for himself. The audit log knows who did that; it is sealed.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.conf import settings

from balances.ground import LedgerError
from balances.keys import is_same_person
from balances.models import ApiKey, now


class NotIndependent(LedgerError):
    """The second person signs in by a login or a key that the first one made or changed, or the other way round."""

    code = "AUTH_INSUFFICIENT_PERMISSIONS"


def require_independent(actor: str, requesters: Collection[str] = (), **_: Any) -> None:
    """Raise ``NotIndependent`` where one of two people has had the other's way in within the days that are set."""
    if not settings.LEDGER_INDEPENDENT_DAYS:
        return
    for requester in requesters:
        for maker, made in ((requester, actor), (actor, requester)):
            if not is_same_person(maker, made) and (what := _changed_by(maker, made)):
                raise NotIndependent(
                    f"{actor} cannot be the second person for {requester}: {what} within the last "
                    f"{settings.LEDGER_INDEPENDENT_DAYS} days. Somebody else must approve it."
                )


def _changed_by(maker: str, made: str) -> str:
    """Return in a clause what somebody did to the login or a key of another person of late, or nothing."""
    from reconciliation.correcting import logins_of  # most processes do without, and start sooner
    from reconciliation.models import AuditEntry

    keys = (each.pk for each in ApiKey.objects.only("owner_id") if is_same_person(each.owner_id, made))
    ways_in = [*(str(pk) for pk in logins_of(made).values_list("pk", flat=True)), *keys]
    done = AuditEntry.objects.filter(
        subject_id__in=ways_in, done_at__gte=now() - timedelta(days=settings.LEDGER_INDEPENDENT_DAYS)
    ).exclude(action__in=(AuditEntry.Action.SIGNED_IN, AuditEntry.Action.SIGNED_OUT))
    kinds = ("user", ApiKey._meta.verbose_name)
    for entry in done.filter(subject__in=kinds).order_by("-done_at"):
        if is_same_person(entry.actor, maker):
            return f"{entry.actor} {entry.action} the {entry.subject} {entry.name}"
    return ""
