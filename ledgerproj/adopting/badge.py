"""The badge beside the name of the user, on every page: whose database this is, and what may be done to it."""

from __future__ import annotations

from django.http import HttpRequest

from balances.ground import Mode, adoption

COLOURS = {Mode.OBSERVE: "info", Mode.REPAIR: "warning", Mode.SERVE: "success"}


def mode_of(request: HttpRequest) -> list[str] | None:
    """Return the words and the colour of the badge, or none where the tables are our own."""
    found = adoption()
    return [f"Blnk {found.generation}, mode {found.mode}", COLOURS[found.mode]] if found else None
