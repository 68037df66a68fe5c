"""Parses conditions from a query or a body, independently of any table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from balances.api.filtering.values import Given, from_json, from_text
from balances.ground import LedgerError

OPERATORS = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "between", "like", "ilike", "isnull", "isnotnull")
ALIASES = {name: name for name in OPERATORS} | {"neq": "ne", "gteq": "gte", "lteq": "lte"}
"""Spellings of the operators in a query; a body takes the plain names only."""
RESERVED = {"page", "pagesize", "per_page", "limit", "offset", "sort", "order", "order_by", "order_dir"} | {
    "logical_operator",
    "instance_id",
    "org_id",
}
"""Parameters of a query that are never filters."""
MAX_FILTERS, MAX_BYTES, MAX_VALUES = 20, 1000, 100
"""Caps of a query, those of the contract."""
MAX_CONDITIONS = 64
"""Cap of a body, which the contract does not have: each condition may make the database read a whole table."""
LARGEST = 2**63 - 1
"""Largest limit and offset that PostgreSQL accepts."""
BAD_LOGIC = "invalid logical_operator: must be 'and' or 'or'"


class InvalidFilterRequest(LedgerError):
    """The body of a filter is invalid."""

    code = "GEN_VALIDATION_ERROR"


class InvalidFilterParameters(LedgerError):
    """Parameters of a query are invalid filters; ``details`` lists them with the reasons."""

    code = "GEN_VALIDATION_ERROR"
    text = "invalid filter parameters"

    def __init__(self, errors: list[dict[str, str]]) -> None:
        """Keep the problems by parameter; the answer shows them twice."""
        super().__init__()
        self.details = errors


@dataclass(frozen=True)
class Condition:
    """One comparison of one field; ``isnull`` and ``isnotnull`` have no values."""

    field: str
    operator: str
    values: tuple[Given, ...] = ()


@dataclass(frozen=True)
class Asked:
    """Conditions that must all hold, or any of them."""

    conditions: tuple[Condition, ...] = ()
    any_of: bool = False


def from_query(query: QueryDict) -> Asked:
    """Return the conditions of a list's query. Raises ``InvalidFilterParameters`` with all problems."""
    errors: list[dict[str, str]] = []
    logic = query.getlist("logical_operator", [""])[0].strip().lower()
    if logic not in ("", "and", "or"):
        errors.append({"Param": "logical_operator", "Message": BAD_LOGIC})
    conditions: list[Condition] = []
    for name, values in query.lists():
        field, underscore, suffix = name.rpartition("_")
        operator = ALIASES.get(suffix.lower())
        if not underscore or operator is None or name.lower() in RESERVED:
            continue
        if len(conditions) == MAX_FILTERS:
            errors.append({"Param": name, "Message": f"exceeded maximum number of filters ({MAX_FILTERS})"})
            continue
        try:
            conditions.append(Condition(field, operator, _values(operator, values[0])))
        except ValueError as error:
            errors.append({"Param": name, "Message": str(error)})
    if errors:
        raise InvalidFilterParameters(errors)
    return Asked(tuple(conditions), logic == "or")


def _values(operator: str, text: str) -> tuple[Given, ...]:
    """Return the values in one parameter. Raises ``ValueError`` with the contract's words."""
    if len(text.encode()) > MAX_BYTES:
        raise ValueError(f"value exceeds maximum length ({MAX_BYTES} chars)")
    match operator:
        case "isnull" | "isnotnull":
            return ()
        case "in":
            texts = [item.strip() for item in text.split(",")]
            if len(texts) > MAX_VALUES:
                raise ValueError(f"IN operator exceeds maximum values ({MAX_VALUES})")
        case "between":
            texts = text.split("|")
            if len(texts) != 2:
                raise ValueError("between operator requires exactly 2 pipe-separated values (value1|value2)")
        case _:
            texts = [text]
    return tuple(from_text(item) for item in texts)


def from_fields(fields: dict[str, Any]) -> Asked:
    """Return the conditions of a decoded body.

    Raises ``InvalidFilterRequest`` for an unknown ``logical_operator`` or too many conditions.
    """
    logic = fields.get("logical_operator", "").strip().lower()
    if logic not in ("", "and", "or"):
        raise InvalidFilterRequest(BAD_LOGIC)
    filters = fields.get("filters", ())
    if len(filters) > MAX_CONDITIONS:
        raise InvalidFilterRequest(f"exceeded maximum number of filters ({MAX_CONDITIONS})")
    return Asked(tuple(_condition(given) for given in filters), logic == "or")


def _condition(given: dict[str, Any]) -> Condition:
    field, operator = given.get("field", ""), given.get("operator", "")
    values: list[Any]
    match operator:
        case "isnull" | "isnotnull":
            values = []
        case "in" | "between":
            values = given.get("values", [])
        case _:
            values = [given.get("value")]
    return Condition(field, operator, tuple(from_json(value) for value in values))
