"""How names are written."""

from __future__ import annotations

from django import template
from django.utils.text import capfirst

register = template.Library()


@register.filter
def as_heading(name: object) -> str:
    """Begin a name with a capital; an id, an indicator or a code stays as it is, because people compare and copy it."""
    text = str(name)
    return capfirst(text) if text.replace(" ", "").isalpha() else text
