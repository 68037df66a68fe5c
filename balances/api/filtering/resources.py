"""The filterable fields of each table, and the rows of one page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any, TypeVar

import django_filters
from django.core.exceptions import EmptyResultSet
from django.db import DatabaseError, models
from django.db.models import Count, F, Func, OrderBy, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from balances.api.filtering import columns, lookups
from balances.api.filtering.columns import KEY, InvalidFilter
from balances.api.filtering.grammar import LARGEST, OPERATORS, Asked, Condition
from balances.api.filtering.requests import Page
from balances.api.filtering.unanswerable import Unanswerable
from balances.api.filtering.values import from_json
from balances.ground import (
    MajorUnitsField,
    MetadataField,
    MinorUnitsField,
    ShownTable,
    Table,
    UTCDateTimeField,
)
from balances.models import Account, Balance, Identity, Ledger, Transaction, hashed

REFUSED_CLASSES = ("22", "42", "54")
"""SQLSTATE classes that blame the request, not the database: bad values, bad types, too complex."""


R = TypeVar("R")
COMPILED = 256
"""Statements that are kept, of each table: Django takes longer to compile one than the database to answer it."""


class Filters(django_filters.FilterSet):  # type: ignore[misc]  # the library has no type hints
    """The fields of one table that can be filtered and sorted by; ``data`` has the conditions.

    A subclass lists the fields in ``Meta.fields``; the type of each column says how it is compared. A column with
    choices is declared, since the library would offer those.
    """

    FILTER_DEFAULTS = {
        models.TextField: {"filter_class": columns.Column},
        models.ForeignKey: {"filter_class": columns.Column},
        models.BigIntegerField: {"filter_class": columns.Integer},
        models.DateField: {"filter_class": columns.Day},
        UTCDateTimeField: {"filter_class": columns.Instant},
        MinorUnitsField: {"filter_class": columns.Numeric},
        MajorUnitsField: {"filter_class": columns.Numeric},
        MetadataField: {"filter_class": columns.Metadata},
    }

    keys: tuple[str, ...] = ()
    """Indexed fields with few rows for each value: such rows are fetched and then sorted, not read in order."""
    tie_breaker: F | Func = F("pk")

    def __init__(self, data: Asked, queryset: QuerySet[Any]) -> None:
        """Use the filters as they are; the library copies them for each request, but these keep nothing of one."""
        self.data, self.queryset, self.filters = data, queryset, self.base_filters
        self.is_bound = True

    @property
    def errors(self) -> dict[str, Any]:
        """Return nothing, because the grammar has no form and raises its errors."""
        return {}

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that satisfy the conditions. Raises ``InvalidFilter`` or ``Incomparable``."""
        asked: Asked = self.data
        for condition in asked.conditions:
            self.check(condition)
        if not asked.conditions:
            return queryset
        held = (self._column(condition).condition(condition) for condition in asked.conditions)
        return queryset.filter(Q(*held, _connector=Q.OR if asked.any_of else Q.AND))

    def check(self, condition: Condition) -> None:
        """Raise ``InvalidFilter`` for a condition that the table does not have, in the contract's order of checks."""
        field, operator = condition.field, condition.operator
        if operator not in OPERATORS:
            raise InvalidFilter(
                f"invalid operator '{operator}' for field '{field}': must be one of {', '.join(OPERATORS)}"
            )
        if operator == "in" and not condition.values:
            raise InvalidFilter(f"operator 'in' for field '{field}' requires at least one value in 'values'")
        if operator == "between" and len(condition.values) != 2:
            raise InvalidFilter(
                f"operator 'between' for field '{field}' requires exactly two values in 'values', "
                f"got {len(condition.values)}"
            )
        table, column = self._meta.model._meta.db_table, self.filters.get(field)
        if column is not None and operator not in column.operators:
            raise InvalidFilter(
                f"operator '{operator}' is not supported for field '{field}' on {table}: "
                f"must be one of {', '.join(column.operators)}"
            )
        name, dot, key = field.partition(".")
        if dot and name == "meta_data" and name in self.filters:
            if not KEY.fullmatch(key):
                raise InvalidFilter(f"invalid JSON key '{key}' in field '{field}': must match pattern ^{KEY.pattern}$")
        elif column is None:
            raise InvalidFilter(f"invalid field '{field}' for table '{table}'")

    def _column(self, condition: Condition) -> columns.Column:
        column: columns.Column = self.filters[condition.field.partition(".")[0]]
        return column

    @classmethod
    def rows(cls, page: Page) -> list[dict[str, Any]]:
        """Return the columns of the rows of a page, and ``total_count`` if it is requested, in one statement.

        Raises ``InvalidFilter``, or ``Unanswerable`` where the database cannot compare what is asked.
        """
        counted = ("total_count",) if page.counted else ()
        return cls._read(page, lambda text, parameters: cls._table().dictionaries(text, parameters, *counted))

    @classmethod
    def shown(cls, page: Page, table: ShownTable[Any]) -> list[bytes]:
        """Return what a table shows of the rows of a page that is not counted. Raises the same."""
        return cls._read(page, table.shown_by_cursor)

    @classmethod
    def _read(cls, page: Page, read: Callable[[str, Sequence[Any]], list[R]]) -> list[R]:
        model = cls._meta.model
        try:
            return read(*cls._statement(page))
        except EmptyResultSet:
            return []
        except columns.Incomparable as error:
            raise Unanswerable(str(model._meta.verbose_name_plural), error) from error
        except DatabaseError as error:
            sqlstate = getattr(error.__cause__, "sqlstate", None) or ""
            if not sqlstate.startswith(REFUSED_CLASSES):
                raise
            reason = columns.Incomparable(str(error).splitlines()[0], sqlstate)
            raise Unanswerable(str(model._meta.verbose_name_plural), reason) from error

    @classmethod
    def _statement(cls, page: Page) -> tuple[str, Sequence[Any]]:
        """Return the statement of a page, which is compiled once for all that differ in nothing but texts."""
        asked = page.asked.conditions
        if not all(cls._is_a_text(condition) for condition in asked):
            return cls._compiled(page)
        marks = {f"\ue000{number}": condition for number, condition in enumerate(asked)}
        marked = tuple(Condition(condition.field, "eq", (from_json(mark),)) for mark, condition in marks.items())
        text, parameters = cls._compiled_once(replace(page, asked=Asked(marked, page.asked.any_of)))
        texts = {mark: condition.values[0].written for mark, condition in marks.items()}
        return text, [texts.get(each, each) for each in parameters]

    @classmethod
    def _is_a_text(cls, condition: Condition) -> bool:
        """Return whether a column of text must equal a text that is not empty."""
        column = cls.base_filters.get(condition.field)
        is_text = isinstance(column, columns.Column) and column.sql_type == "text" and condition.operator == "eq"
        return is_text and isinstance(condition.values[0].value, str) and condition.values[0].written != ""

    @classmethod
    @lru_cache(COMPILED)
    def _compiled_once(cls, page: Page) -> tuple[str, Sequence[Any]]:
        return cls._compiled(page)

    @classmethod
    def _compiled(cls, page: Page) -> tuple[str, Sequence[Any]]:
        counted = ("total_count",) if page.counted else ()
        text, parameters = cls._page(page).values(*cls._columns(), *counted).query.sql_with_params()
        return text, parameters

    @classmethod
    @cache
    def _table(cls) -> Table[Any]:
        return Table(cls._meta.model)

    @classmethod
    def newest(cls, limit: int) -> str:
        """Return the statement of the page that most clients ask for, the first one without conditions."""
        text, _ = cls._compiled_once(Page(Asked(()), limit, 0))
        return text

    @classmethod
    def quick(cls, page: Page) -> tuple[str, list[str]] | None:
        """Return the statement of a first page, newest first, of rows whose columns equal texts, with these texts."""
        is_plain = not (page.counted or page.offset or page.sort_by or page.ascending)
        if not is_plain or not all(cls._is_a_text(condition) for condition in page.asked.conditions):
            return None
        text, texts = cls._statement(page)
        return (text, list(texts)) if all(isinstance(each, str) and "\0" not in each for each in texts) else None

    @classmethod
    @cache
    def _columns(cls) -> tuple[str, ...]:
        return tuple(column.attname for column in cls._meta.model._meta.concrete_fields)

    @classmethod
    def _page(cls, page: Page) -> QuerySet[Any]:
        every = cls(data=page.asked, queryset=cls._meta.model._default_manager.all()).qs.order_by()
        # A tie-breaker in the same direction: equal instants page stably, by one index.
        keys: Iterator[F | Func] = iter((F(cls._sorted_by(page.sort_by)), cls.tie_breaker))
        if lookups.is_by_key(page.asked, cls.keys):
            keys = (Coalesce(key, key) for key in tuple(keys))  # the same, but no index could be read in that order
        ordering = [key.asc() if page.ascending else key.desc() for key in keys]
        rows = cls.narrowed(every, page, ordering)
        if page.counted:
            counted = every.annotate(every=Value(1)).values("every").annotate(total=Count("*")).values("total")
            rows = rows.annotate(total_count=Subquery(counted))
        return rows.order_by(*ordering)[page.offset : min(page.offset + page.limit, LARGEST)]

    @classmethod
    def narrowed(cls, rows: QuerySet[Any], page: Page, ordering: list[OrderBy]) -> QuerySet[Any]:
        """Return a superset of the rows of the page: all that match, unless a table has a shorter way."""
        return rows

    @classmethod
    def _sorted_by(cls, name: str) -> str:
        column = cls.base_filters.get(name)
        if column is None:
            return "created_at"
        if not column.sortable:
            raise columns.Incomparable(f'column "{name}" does not exist', "42703")
        return name


class LedgerFilters(Filters):
    class Meta:
        model = Ledger
        fields = ("ledger_id", "name", "created_at", "meta_data")


class BalanceFilters(Filters):
    class Meta:
        model = Balance
        fields = (
            *("balance_id", "ledger_id", "identity_id", "indicator", "currency", "balance", "credit_balance"),
            *("debit_balance", "inflight_balance", "inflight_credit_balance", "inflight_debit_balance"),
            *("created_at", "meta_data"),
        )


class TransactionFilters(Filters):
    parent_transaction = columns.Sparse()
    source, destination = columns.Side(), columns.Side()
    status = columns.Column()
    balance_id = columns.EitherSide()
    indicator = columns.EitherIndicator()

    keys = ("transaction_id", "reference", "parent_transaction")
    tie_breaker = hashed("pk")

    class Meta:
        model = Transaction
        fields = (
            *("transaction_id", "parent_transaction", "amount", "currency", "source", "destination", "reference"),
            *("status", "created_at", "effective_date", "description", "precision", "meta_data"),
        )

    @classmethod
    def narrowed(cls, rows: QuerySet[Any], page: Page, ordering: list[OrderBy]) -> QuerySet[Any]:
        """Return the first rows of each requested balance, by the index of its movements."""
        found = lookups.balances_of(page.asked)
        if found is None or lookups.is_by_key(page.asked, cls.keys) or cls._sorted_by(page.sort_by) != "created_at":
            return rows
        others = tuple(condition for condition in page.asked.conditions if condition is not found.condition)
        matching = cls(data=Asked(others), queryset=Transaction.objects.all()).qs
        return found.first_of_each(matching, ordering, min(page.offset + page.limit, LARGEST))


class IdentityFilters(Filters):
    class Meta:
        model = Identity
        fields = (
            *(
                "identity_id",
                "first_name",
                "last_name",
                "other_names",
                "gender",
                "dob",
                "email_address",
                "phone_number",
            ),
            *("nationality", "street", "country", "state", "organization_name", "category", "identity_type"),
            *("post_code", "city", "created_at", "meta_data"),
        )


class AccountFilters(Filters):
    class Meta:
        model = Account
        fields = (
            *("account_id", "name", "number", "bank_name", "currency", "ledger_id", "identity_id", "balance_id"),
            *("created_at", "meta_data"),
        )
