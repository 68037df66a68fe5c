"""Filters in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter

from balances.api.filtering.grammar import OPERATORS
from balances.api.filtering.resources import Filters


def fields_of(filters: type[Filters]) -> str:
    """Return the names of the fields in words."""
    return ", ".join(f"`{name}`" for name in filters.base_filters)


def query_of(filters: type[Filters]) -> list[OpenApiParameter]:
    """Return the parameters of a list with filters."""
    return [
        OpenApiParameter("limit", int),
        OpenApiParameter("offset", int),
        OpenApiParameter("logical_operator", str, description="`and` (as it is without) or `or`"),
        OpenApiParameter(
            "filters",
            {"type": "object", "additionalProperties": {"type": "string"}},
            style="form",
            explode=True,
            description=(
                f"At most 20 filters, `field_operator=value`. Fields: {fields_of(filters)} and `meta_data.key`. "
                f"Operators: {', '.join(f'`{name}`' for name in OPERATORS)}. `in` takes values between commas, "
                "`between` two values around a `|`."
            ),
            examples=[],
        ),
    ]


def rows_of(answer: type[Any], *, or_null: bool) -> dict[str, Any]:
    """Return the schema of a list, which some tables answer with ``null`` when it is empty."""
    schema = {"type": "array", "items": {"$ref": f"#/components/schemas/{answer.__name__}"}}
    return schema | ({"nullable": True} if or_null else {})


def rows_or_counted(answer: type[Any], *, or_null: bool) -> dict[str, Any]:
    """Return the schema of what a filter answers, with ``include_count`` and without."""
    rows = rows_of(answer, or_null=or_null)
    counted = {
        "type": "object",
        "properties": {"data": rows, "total_count": {"type": "integer", "description": "Left out without rows"}},
        "required": ["data"],
    }
    return {"anyOf": [rows, counted]}
