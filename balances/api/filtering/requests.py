"""The body of ``POST …/filter``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from balances.api.filtering.grammar import LARGEST, MAX_CONDITIONS, OPERATORS, Asked, InvalidFilterRequest, from_fields
from balances.api.go import ANYTHING, NUMBER, Kind, MalformedBody, Mismatch, Structs, decode

MOST, OTHERWISE = 100, 20
"""A limit outside of 1 to 100 becomes 20."""


def _whole(value: Any) -> int:
    if type(value) is not int or not -LARGEST - 1 <= value <= LARGEST:
        raise Mismatch(f"number {str(value).lower().replace('+', '')}", "int")
    return value


class Whole(serializers.IntegerField):
    """A Go ``int``."""

    kind = Kind("int", NUMBER, _whole)


class Operator(serializers.ChoiceField):
    """One of the twelve words; which of them, the filters check."""

    kind = Kind("filter.Operator", frozenset({str}))


class AnyValue(serializers.JSONField):
    """Any JSON."""

    kind = Kind("interface {}", ANYTHING)


class QueryFilter(serializers.Serializer[Any]):
    """One condition."""

    field = serializers.CharField(help_text="A field of the list, or meta_data.key")
    operator = Operator(choices=OPERATORS)
    value = AnyValue(required=False, help_text="For all operators but in, between, isnull and isnotnull")
    values = serializers.ListField(child=AnyValue(), required=False, help_text="For in; two for between")

    class Meta:
        go_type = "filter.QueryFilter"


class FilterRequest(serializers.Serializer[Any]):
    filters = Structs(
        QueryFilter, most=MAX_CONDITIONS, required=False, help_text=f"At most {MAX_CONDITIONS}; none means all rows"
    )
    logical_operator = serializers.CharField(required=False, help_text="and (as it is without), or or")
    limit = Whole(required=False, help_text="From 1 to 100; anything else is 20")
    offset = Whole(required=False)
    sort_by = serializers.CharField(required=False, help_text="A field of the list; anything else is created_at")
    sort_order = serializers.CharField(required=False, help_text="asc; anything else is desc")
    include_count = serializers.BooleanField(required=False, help_text="Answer with data and total_count")

    class Meta:
        go_type = "api.FilterRequest"


@dataclass(frozen=True)
class Page:
    """The requested rows, their order, and whether all are counted."""

    asked: Asked
    limit: int
    offset: int
    sort_by: str = ""
    ascending: bool = False
    counted: bool = False


def page_from(request: Request) -> Page:
    """Return the page that a body requests. Raises ``InvalidFilterRequest``."""
    try:
        fields = decode(request, FilterRequest)
    except MalformedBody as error:
        raise InvalidFilterRequest(error.message) from error
    limit = fields.get("limit", 0)
    return Page(
        asked=from_fields(fields),
        limit=limit if 1 <= limit <= MOST else OTHERWISE,
        offset=max(fields.get("offset", 0), 0),
        sort_by=fields.get("sort_by", "").strip().lower(),
        ascending=fields.get("sort_order", "").strip().lower() == "asc",
        counted=fields.get("include_count", False),
    )
