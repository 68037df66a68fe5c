"""Ids and hashes for display: cut in the middle, whole on hover, and with a button that copies them."""

from __future__ import annotations

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()
HEAD, TAIL = 8, 4
"""Characters that are left of an id: its prefix and a few more, and its end."""


@register.filter
def short_id(key: str | None) -> SafeString | str:
    """Show an id cut in the middle; ``copy.js`` puts a button behind it."""
    if not key:
        return "–"
    return format_html('<span class="ledger-key" data-copy="{}" title="{}">{}</span>', key, key, cut(key))


def cut(key: str) -> str:
    """Return the beginning and the end of an id."""
    return key if len(key) <= HEAD + TAIL + 1 else f"{key[:HEAD]}…{key[-TAIL:]}"
