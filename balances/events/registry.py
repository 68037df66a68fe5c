"""Hooks are registered, replaced and removed here, and nowhere else."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from balances.events.exceptions import HookGone, HookNotFound, HookRefused
from balances.models import Hook, new_hook_id, now

DEFAULT_TIMEOUT = 30
"""Seconds."""
DEFAULT_RETRIES, MOST_RETRIES = 3, 10
LONGEST_ID = 1000
"""Largest number of bytes of an id that the index can hold."""
EDITED = ("name", "url", "type", "active", "timeout", "retry_count")
"""The fields of a hook that a client may set and change."""


def register(
    *,
    hook_id: str = "",
    name: str = "",
    url: str = "",
    type: str = "",  # noqa: A002 - the contract's word
    active: bool = False,
    timeout: int = 0,
    retry_count: int = 0,
    last_run: datetime | None = None,
    last_success: bool = False,
) -> Hook:
    """Store a hook; one with the same id is replaced. Raises ``HookRefused``.

    A timeout (seconds) that is not positive is the default; so is a negative number of retries.
    """
    if not url or type not in Hook.Type.values or len(hook_id.encode()) > LONGEST_ID:
        raise HookRefused
    hook = Hook(
        hook_id=hook_id or new_hook_id(),
        name=name,
        url=url,
        type=type,
        active=active,
        timeout=timeout if timeout > 0 else DEFAULT_TIMEOUT,
        retry_count=min(retry_count if retry_count >= 0 else DEFAULT_RETRIES, MOST_RETRIES),
        created_at=now(),
        last_run=last_run,
        last_success=last_success,
    )
    replaced = (*EDITED, "created_at", "last_run", "last_success")
    Hook.objects.bulk_create([hook], update_conflicts=True, unique_fields=["hook_id"], update_fields=replaced)
    return hook


def replace(hook_id: str, **given: Any) -> Hook:
    """Replace all editable fields of a hook, without validation; a field not given becomes empty. Raises ``HookGone``.

    The result of its last call is kept as stored, so a run that ends meanwhile is not overwritten.
    """
    empty: dict[str, Any] = {"name": "", "url": "", "type": "", "active": False, "timeout": 0, "retry_count": 0}
    with transaction.atomic():
        if not Hook.objects.filter(pk=hook_id).update(
            **(empty | {name: given[name] for name in EDITED if name in given})
        ):
            raise HookGone("failed to update hook")
        return Hook.objects.get(pk=hook_id)


def find(hook_id: str) -> Hook:
    """Return a hook. Raises ``HookNotFound``."""
    hook = Hook.objects.filter(pk=hook_id).first()
    if hook is None:
        raise HookNotFound
    return hook


def of_type(word: str) -> QuerySet[Hook]:
    """Return the hooks of a type: of both types for an empty ``word``, of neither type for an unknown one."""
    if word in ("", *Hook.Type.values):
        return Hook.objects.filter(type__in=[word] if word else Hook.Type.values)
    return Hook.objects.exclude(type__in=Hook.Type.values)


def remove(hook_id: str) -> None:
    """Delete a hook; its queued calls are still made. Raises ``HookGone``."""
    if not Hook.objects.filter(pk=hook_id).delete()[0]:
        raise HookGone("failed to delete hook")


def note_run(hook_id: str, *, at: datetime, success: bool) -> None:
    """Record how the last call of a hook ended, if the hook still exists and no later call is recorded."""
    Hook.objects.filter(pk=hook_id).exclude(last_run__gt=at).update(last_run=at, last_success=success)
