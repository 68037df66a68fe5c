"""Lists that people saved as they had filtered them, for themselves or for all staff."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from django.db import transaction
from django.db.models import Q

from balances.ground import LedgerError, NotFound
from reconciliation.models import SavedView

LONGEST_NAME, LONGEST_QUERY, MOST_VIEWS = 60, 2_000, 50
"""Characters of a name and of a query; views of one list that one person keeps."""
NOT_KEPT = frozenset({"p", "e", "_popup", "_to_field"})
"""What an address has besides filters: the page of the list, and marks of the admin."""


class ViewRefused(LedgerError):
    """A view cannot be saved under that name or with these filters."""

    code = "GEN_VALIDATION_ERROR"


class ViewNotFound(NotFound):
    """There is no such view, or it is another person's."""

    text = "There is no such view of yours"


def views_of(listed: str, owner: str) -> list[SavedView]:
    """Return the views of a list that somebody sees: their own, and those that are shared."""
    return list(SavedView.objects.filter(Q(owner=owner) | Q(shared=True), listed=listed).order_by("name", "owner"))


def save_view(listed: str, owner: str, name: str, query: str, *, shared: bool) -> SavedView:
    """Save the filters of a list under a name; what had that name is replaced. Raises ``ViewRefused``."""
    called = " ".join(name.replace("\x00", " ").split())
    if not 0 < len(called) <= LONGEST_NAME:
        raise ViewRefused(f"A view has a name of at most {LONGEST_NAME} characters")
    kept = kept_of(query)
    if len(kept) > LONGEST_QUERY:
        raise ViewRefused("These filters are too long to be saved")
    with transaction.atomic():
        mine = SavedView.objects.filter(listed=listed, owner=owner)
        if mine.exclude(name=called).count() >= MOST_VIEWS:
            raise ViewRefused(f"You have {MOST_VIEWS} views of this list; delete one first")
        view, _ = SavedView.objects.update_or_create(
            listed=listed, owner=owner, name=called, defaults={"query": kept, "shared": shared}
        )
    return view


def delete_view(view_id: str, listed: str, owner: str) -> SavedView:
    """Delete a view of one's own, and return what it was. Raises ``ViewNotFound``."""
    view = SavedView.objects.filter(pk=view_id, listed=listed, owner=owner).first() if view_id.isdecimal() else None
    if view is None:
        raise ViewNotFound
    view.delete()
    return view


def kept_of(query: str) -> str:
    """Return search, filters and order of an address, in one order, so that two addresses can be compared."""
    return urlencode(sorted((name, value) for name, value in parse_qsl(query) if name not in NOT_KEPT))
