"""What all pages of the back-office have in common, for unfold's templates."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from ledgerproj import guide


def context(request: HttpRequest) -> dict[str, Any]:
    """Return the common part of the context of a page.

    Colours come with balances/theme.css: unfold would write them into a style element, which our policy forbids.
    """
    return {"colors": None, "help_url": guide.help_url(request)}
