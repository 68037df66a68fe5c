"""The menu of saved views, for the template above each list."""

from __future__ import annotations

from typing import Any

from django import template

register = template.Library()


@register.simple_tag(takes_context=True)
def saved_views(context: Any) -> dict[str, Any]:
    """Return what the menu above a list shows."""
    from reconciliation.backoffice import saved_views as pages  # template libraries are read before the admin

    return pages.menu(context["request"], context["cl"])
