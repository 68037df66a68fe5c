"""Renders JSON as the contract does: always JSON, with an explicit UTF-8 charset and exact numbers.

docs/design/wire.md states the rules under "Answering".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from balances.ground import ESCAPED, dumps

ZERO_TIME = "0001-01-01T00:00:00Z"
"""The text of the contract for an instant that is not set."""


class ExactJSONRenderer(BaseRenderer):
    """Compact JSON; integers of any size and decimals as bare numbers."""

    media_type = "application/json"
    format = "json"
    charset = "utf-8"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """Return the body's bytes; without data, none."""
        response = renderer_context["response"] if renderer_context else None
        if response is not None and response.status_code == 204:
            return b""
        return rendered(data)


def rendered(data: Any) -> bytes:
    """Return the bytes of a body, which may be rendered already."""
    return data if isinstance(data, bytes) else dumps(data).translate(ESCAPED).encode()


class JSONWhateverIsAsked(BaseContentNegotiation):
    """Answers in JSON whatever ``Accept`` says, which the original ignores as well."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        """Return no parser, because ``balances.api.go.body`` reads the body."""
        return None

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the only renderer."""
        renderer = next(iter(renderers))
        return renderer, renderer.media_type
