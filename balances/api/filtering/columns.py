"""How each type of column is compared. Names and operators come from closed lists, values are bound, never spliced."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import django_filters
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BooleanField, Case, F, Func, Q, TextField, Value, When
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Replace
from django.db.models.lookups import Exact, IsNull

from balances.api.filtering.grammar import OPERATORS, Condition
from balances.api.filtering.values import Given
from balances.ground import LedgerError, dumps
from balances.models import Balance, hashed

SIGNS = {"eq": "=", "ne": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "like": "LIKE", "ilike": "ILIKE"}
PATTERN_SIGNS = {"like": "~~", "ilike": "~~*"}
"""The names of these two types in PostgreSQL's error messages."""
KEY = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*", re.ASCII)
NUMBER = r"^ *[+-]?([0-9]{1,250}(\.[0-9]{0,250})?|\.[0-9]{1,250})([eE][+-]?[0-9]{1,3})? *$"
"""A text in metadata that counts as a number; longer ones do not, so that no cast can fail."""

DOUBT = "CASE WHEN %(expressions)s THEN true END"
"""A condition of which the planner knows nothing."""
HASHES = "ARRAY(SELECT hashtextextended(value, 0) FROM unnest(%(expressions)s::text[]) AS value)"
"""The hashes of an array of texts, as ``balances.models.hashed`` has that of one."""

DAY_OF_YEAR = (
    r"(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31",
    r"([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29",
)
DATE = (
    rf"^(?!0000)([0-9]{{4}}-({DAY_OF_YEAR[0]})|{DAY_OF_YEAR[1]})"
    r"([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])?)?$"
)
"""A text in metadata that counts as a date; it exists in the calendar, so that no cast can fail."""


class InvalidFilter(LedgerError):
    """A condition names an unknown field, or lacks the values that its operator needs."""

    code, details = "GEN_BAD_REQUEST", {}

    def __init__(self, words: str) -> None:
        super().__init__(f"Invalid filter: {words}")


class Incomparable(Exception):
    """The database cannot compare the values; answered as a failure of the list."""

    def __init__(self, message: str = "", sqlstate: str = "") -> None:
        self.message, self.sqlstate = message, sqlstate
        super().__init__(message)


def compare(left: Any, operator: str, values: Sequence[Given], sql_type: str = "text") -> Any:
    """Return an operator on an expression of a type as a condition. Raises ``Incomparable``."""
    if any(value.is_composite for value in values):
        raise Incomparable
    texts = [value.written if sql_type == "text" else value.text for value in values]
    match operator:
        case "isnull" | "isnotnull":
            return IsNull(left, operator == "isnull")
        case "in":
            return _infix(left, " = ANY(", Value(texts), f"::{sql_type}[])")
        case "between":
            low, high = texts
            return Q(_sign(left, "gte", low, sql_type)) & Q(_sign(left, "lte", high, sql_type))
        case "like" | "ilike" if sql_type != "text":
            raise Incomparable(f"operator does not exist: {sql_type} {PATTERN_SIGNS[operator]} unknown", "42883")
        case "eq" if values[0].span and sql_type != "text":
            since, until = values[0].span
            return Q(_sign(left, "gte", since, sql_type)) & Q(_sign(left, "lt", until, sql_type))
    return _sign(left, operator, texts[0], sql_type)


def _sign(left: Any, operator: str, text: str | None, sql_type: str) -> Func:
    return _infix(left, f" {SIGNS[operator]} ", Value(text), f"::{sql_type}")


def _infix(left: Any, sign: str, right: Combinable, cast: str = "") -> Func:
    """Return ``left sign right::cast``; sign and cast are constants, never a client's text."""
    return Func(left, right, template=f"(%(expressions)s{cast})", arg_joiner=sign, output_field=BooleanField())


def _as(text: Combinable, sql_type: str) -> Func:
    """Return a text cast to a type."""
    return Func(text, template=f"(%(expressions)s)::{sql_type}", output_field=TextField())


class Column(django_filters.Filter):  # type: ignore[misc]  # the library has no type hints
    """A column that is compared as text, which any value can be."""

    sql_type = "text"
    operators: tuple[str, ...] = OPERATORS
    sortable = True

    def condition(self, asked: Condition) -> Any:
        """Return the condition in SQL. Raises ``Incomparable``."""
        return compare(F(self.field_name), asked.operator, asked.values, self.sql_type)


class Sparse(Column):
    """A text column whose index leaves out the empty text."""

    def condition(self, asked: Condition) -> Any:
        """Return the condition, with a redundant one for long lists that the planner needs to use the index."""
        found = super().condition(asked)
        if asked.operator == "in" and all(value.written != "" for value in asked.values):
            return Q(found) & Q(_sign(F(self.field_name), "gt", "", self.sql_type))
        return found


class Side(Column):
    """The source or the destination of a transaction, whose index is on a hash of it."""

    def condition(self, asked: Condition) -> Any:
        """Return the condition, and the same on the hash where the index can answer it."""
        return of_side(self.field_name, asked)


def of_side(side: str, asked: Condition) -> Any:
    """Return a condition on a side of a transaction. Raises ``Incomparable``."""
    found, key = compare(F(side), asked.operator, asked.values), hashed(F(side))
    match asked.operator:
        case "eq":  # not as an array of one, since the rows of an array are in no order
            # A planner that saw two equalities would expect a row or two, and sort all there are. This is one and a
            # doubt, so that it reads them in the order of the index.
            of_hash = Q(Exact(key, hashed(_as(Value(asked.values[0].written), "text"))))
            return of_hash & Q(Func(found, template=DOUBT, output_field=BooleanField()))
        case "in":
            texts = Value([value.written for value in asked.values])
            return Q(found) & Q(_infix(key, " = ANY(", Func(texts, template=HASHES), ")"))
        case "isnull":
            return Q(found) & Q(IsNull(key, True))
    return found


class Numeric(Column):
    """An amount of any size, exact."""

    sql_type = "numeric"


class Integer(Column):
    """A whole number of 64 bits."""

    sql_type = "bigint"


class Instant(Column):
    """An instant; text without a zone is UTC."""

    sql_type = "timestamp with time zone"


class Day(Column):
    """A calendar day."""

    sql_type = "date"


class Metadata(Column):
    """A ``jsonb`` column, compared as a whole or by one of its keys."""

    sql_type = "jsonb"

    def condition(self, asked: Condition) -> Any:
        """Return the condition in SQL, on a key where the field names one. Raises ``Incomparable``."""
        _, dot, key = asked.field.partition(".")
        return self.at(key, asked.operator, asked.values) if dot else super().condition(asked)

    def at(self, key: str, operator: str, values: Sequence[Given]) -> Any:
        """Return the condition on the value at a key."""
        text = KeyTextTransform(key, F(self.field_name))
        match operator:
            case "eq":
                return self._within(key, values[0]) if values[0].span else self._contains(key, values[0])
            case "ne":
                return Q(compare(text, "ne", values), *(~Q(same) for same in self._numbers(key, values)))
            case "in":
                return Q(compare(text, "in", values), *self._numbers(key, values), _connector=Q.OR)
            case "gt" | "gte" | "lt" | "lte" | "between":
                return compare(self._number(key), operator, values, "numeric")
        return compare(text, operator, values)

    def _contains(self, key: str, given: Given) -> Func:
        """Return containment, which distinguishes the number 5 from the text "5" and equates 1.50 and 1.5."""
        return _infix(F(self.field_name), " @> ", Value(dumps({key: given.value})), "::jsonb")

    def _numbers(self, key: str, values: Sequence[Given]) -> list[Func]:
        """Return the equalities of numbers, whose texts can differ: 1.50 and 1.5."""
        return [self._contains(key, value) for value in values if value.is_number]

    def _number(self, key: str) -> Case:
        """Return the number at a key, or NULL where a row has none, so that no query fails for such rows."""
        text = KeyTextTransform(key, F(self.field_name))
        kind = Func(KeyTransform(key, F(self.field_name)), function="jsonb_typeof", output_field=TextField())
        is_number = Q(Exact(kind, "number")) | Q(_infix(text, " ~ ", Value(NUMBER)))
        return Case(When(is_number, then=_as(text, "numeric")))

    def _within(self, key: str, given: Given) -> Any:
        """Return whether the date or instant at a key lies in a span; it does not where a row has none."""
        text = Replace(KeyTextTransform(key, F(self.field_name)), Value("/"), Value("-"))
        is_date = Q(_infix(text, " ~ ", Value(DATE)))
        return compare(
            Case(When(is_date, then=_as(text, "timestamp with time zone"))), "eq", (given,), "timestamp with time zone"
        )


class EitherSide(Column):
    """The virtual ``balance_id`` of a transaction: its source or its destination."""

    operators = ("eq", "ne", "in", "isnull", "isnotnull")
    sortable = False

    def condition(self, asked: Condition) -> Any:
        """Return whether either side matches, or for a negated operator whether both do."""
        source, destination = (Q(of_side(side, asked)) for side in ("source", "destination"))
        return source & destination if asked.operator in ("ne", "isnull") else source | destination


class EitherIndicator(Column):
    """The virtual ``indicator`` of a transaction: that of the balance on either side."""

    sortable = False

    def condition(self, asked: Condition) -> Any:
        """Return whether a side is among the balances whose indicator satisfies the operator."""
        matching = Balance.objects.filter(compare(F("indicator"), asked.operator, asked.values)).values("balance_id")
        if asked.operator == "isnull":  # nearly every balance: too many for a list
            return Q(source__in=matching) | Q(destination__in=matching)
        # As an array, read once, the few balances with an indicator are looked up by the indexes of both sides.
        ids, keys = ArraySubquery(matching), ArraySubquery(matching.values(key=hashed(F("balance_id"))))
        source, destination = (
            Q(_infix(F(side), " = ANY(", ids, ")"), _infix(hashed(F(side)), " = ANY(", keys, ")"))
            for side in ("source", "destination")
        )
        return source | destination
