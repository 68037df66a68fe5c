"""How routes stand in the OpenAPI document."""

from __future__ import annotations

from drf_spectacular.openapi import AutoSchema


class JSONBodies(AutoSchema):
    """Bodies are JSON whatever ``Content-Type`` says: no parser declares that, ``balances.api.body`` reads them."""

    def map_parsers(self) -> list[str]:
        """Return the only media type."""
        return ["application/json"]
