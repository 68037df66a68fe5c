"""What people change in the back-office, reported with what was there before and after (signal ``changed``)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import models, transaction
from django.http import HttpRequest

from balances.ground import HIDDEN, changed, changed_together, client_address, dumps

if TYPE_CHECKING:
    from django.contrib import admin

    Mixin = admin.ModelAdmin[Any]
else:
    Mixin = object

SECRETS = {"password", "key", "url"}
"""Fields whose values are no one's business, addresses of hooks included: they may hold a token."""
LEFT_OUT = {"last_login", "last_run", "last_success", "last_used_at"}
"""Fields that no person changes."""
NAMED = 50
"""Objects of one action whose names are in its record; the ids of all of them are."""


class Audited(Mixin):
    """Pages whose changes are reported, each in the transaction of the change."""

    audited_after_commit = False
    """For what corrections lock: they take the chain of records first, and the two would wait for each other."""

    def get_object(self, request: HttpRequest, *args: Any) -> Any:
        """Return the object of a page, and remember it as it was."""
        found = super().get_object(request, *args)
        if found is not None and request.method == "POST":
            request.__dict__["audited_before"] = state(found)
        return found

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Report what was added, with all its fields."""
        report(request, "added", obj, {}, state(stored(obj)))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Report what differs; saving a page as it was is no change."""
        before, after = request.__dict__.get("audited_before", {}), state(stored(obj))
        if self.audited_after_commit:
            transaction.on_commit(partial(report, request, "changed", obj, before, after))
        else:
            report(request, "changed", obj, before, after)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Report what is about to be deleted, each with all its fields, and all of them at once."""
        linked = [relation.name for relation in self.opts.many_to_many]
        objects = queryset.prefetch_related(*linked) if isinstance(queryset, models.QuerySet) else queryset
        gone = [_change(request, "deleted", obj, state(obj), {}) for obj in objects]
        changed_together.send(sender=self.model, changes=[each for each in gone if each])
        return super().log_deletions(request, queryset)


def stored(obj: models.Model) -> models.Model:
    """Return an object as it is in the database: pages may save other fields than they were given."""
    return obj._meta.model._default_manager.get(pk=obj.pk)


def state(obj: models.Model) -> dict[str, str]:
    """Return the fields of an object as text, and what it is linked with."""
    fields = {field.attname: _text(getattr(obj, field.attname)) for field in obj._meta.concrete_fields}
    for relation in obj._meta.many_to_many:
        fields[relation.name] = ", ".join(sorted(map(str, getattr(obj, relation.name).all())))
    return {name: text for name, text in fields.items() if name not in LEFT_OUT}


def report(request: HttpRequest, done: str, obj: models.Model, before: dict[str, str], after: dict[str, str]) -> None:
    """Send ``changed`` for one object, where anything differs."""
    if change := _change(request, done, obj, before, after):
        changed.send(sender=obj._meta.model, **change)


def _change(
    request: HttpRequest, done: str, obj: models.Model, before: dict[str, str], after: dict[str, str]
) -> dict[str, Any]:
    """Return what ``changed`` is sent with for one object; nothing where nothing differs."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    was, became = ({name: HIDDEN if name in SECRETS else each[name] for name in names if name in each}
                   for each in (before, after))  # fmt: skip
    return _sent(request, done, obj._meta, str(obj.pk), str(obj), was, became) if names else {}


def acted(request: HttpRequest, objects: Iterable[models.Model], message: str) -> None:
    """Log an action on some objects, and send ``changed`` for all of them together."""
    chosen: Sequence[Any] = list(objects)
    LogEntry.objects.log_actions(str(request.user.pk), chosen, CHANGE, message)
    names = ", ".join(str(each) for each in chosen[:NAMED])
    ids = [str(each.pk) for each in chosen]
    only = ids[0] if len(ids) == 1 else ""
    said = {"done": message, "ids": ", ".join(ids)}
    changed.send(sender=type(chosen[0]), **_sent(request, "acted", chosen[0]._meta, only, names, {}, said))


def _sent(
    request: HttpRequest, done: str, meta: Any, key: str, name: str, before: dict[str, str], after: dict[str, str]
) -> dict[str, Any]:
    return {
        "actor": request.user.get_username(),
        "action": done,
        "subject": str(meta.verbose_name),
        "subject_id": key,
        "name": name,
        "before": before,
        "after": after,
        "address": client_address(request),
    }


def _text(value: Any) -> str:
    if value is None:
        return ""
    return dumps(value) if isinstance(value, dict | list) else str(value)
