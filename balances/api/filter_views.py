"""``POST /{ledgers,balances,transactions,identities,accounts}/filter``."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from balances.api import account_views, hot_reads, identity_shapes, identity_views, transaction_views, views
from balances.api.filtering import FilterRequest, fields_of, page_from, resources, rows_or_counted
from balances.shapes import answers, transactions


class FilterView(views.ApiView):
    """The rows of one table that a body asks for. A subclass names the table's filters and how a row is shown."""

    needs = None
    filters: type[resources.Filters]
    answer: type[answers.Answer]
    empty: list[Any] | None = None
    """What an answer without rows holds; the original says ``null`` for some tables, ``[]`` for others."""
    one: type[APIView]
    """The view of a single row: to every other method, ``filter`` is the id of one."""

    hot: hot_reads.HotList | None = None
    """The list of the same rows, if it is one that clients read most."""

    def post(self, request: Request) -> Response:
        """Return the rows, in data and with their total_count if that is asked for."""
        page = page_from(request)
        if self.hot and not page.counted:
            return self.hot.response(page)
        rows = self.filters.rows(page)
        body = [self.answer.body(row) for row in rows] or self.empty
        if not page.counted:
            return Response(body)
        count = {"total_count": rows[0]["total_count"]} if rows else {}
        return Response({"data": body} | count)

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:  # type: ignore[override]
        """Answer as for a row of this id."""
        answered: HttpResponseBase = self.one.as_view()(request._request, "filter")
        return answered


def described(view: type[FilterView]) -> type[FilterView]:
    """Describe a filter route in the OpenAPI document."""
    return extend_schema(
        request=FilterRequest,
        description=f"Fields: {fields_of(view.filters)} and `meta_data.key`.",
        responses={
            200: OpenApiResponse(rows_or_counted(view.answer, or_null=view.empty is None)),
            400: answers.ErrorAnswer,
        },
    )(view)


@described
class FilterLedgersView(FilterView):
    filters, answer, empty, one = resources.LedgerFilters, answers.LedgerAnswer, [], views.LedgerView
    hot = hot_reads.LEDGERS


@described
class FilterBalancesView(FilterView):
    filters, answer, one = resources.BalanceFilters, answers.BalanceAnswer, views.BalanceView
    hot = hot_reads.BALANCES


@described
class FilterTransactionsView(FilterView):
    filters, answer, one = (
        resources.TransactionFilters,
        transactions.TransactionAnswer,
        transaction_views.TransactionView,
    )
    empty, hot = [], hot_reads.TRANSACTIONS


@described
class FilterIdentitiesView(FilterView):
    filters, answer, one = resources.IdentityFilters, answers.IdentityAnswer, identity_views.IdentityView


@described
class FilterAccountsView(FilterView):
    filters, answer, one = resources.AccountFilters, identity_shapes.AccountAnswer, account_views.AccountView
