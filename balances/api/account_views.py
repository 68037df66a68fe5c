"""The routes of accounts."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from balances.api import identity_shapes as shapes
from balances.api import listing, validation
from balances.api.filtering import query_of, resources, rows_of
from balances.api.go import InvalidBody, decode
from balances.api.views import REFUSED, ApiView
from balances.people import accounts
from balances.shapes import ErrorAnswer

INCLUDE = OpenApiParameter("include", str, many=True, description="balance, identity, ledger")
REQUIRED = {
    "ledger_id": "Ledger ID is required when Balance ID is not provided",
    "identity_id": "Identity ID is required when Balance ID is not provided",
    "currency": "currency is required when Balance ID is not provided",
}
"""What a body without a balance must say; such a body is refused later, as it names no balance."""
NOT_BOTH = {
    "ledger_id": "either LedgerId or BalanceId must be provided, not both",
    "currency": "either Currency or BalanceId must be provided, not both",
}


class AccountsView(ApiView):
    @extend_schema(
        operation_id="accounts_list",
        parameters=query_of(resources.AccountFilters),
        responses={200: OpenApiResponse(rows_of(shapes.AccountAnswer, or_null=True))} | REFUSED,
    )
    def get(self, request: Request) -> Response:
        """List the accounts that the query filters, or all, newest first; an empty list is ``null``."""
        rows = listing.ACCOUNTS.rows(resources.AccountFilters, request)
        return Response([shapes.AccountAnswer.body(account) for account in rows] or None)

    @extend_schema(request=shapes.CreateAccount, responses={201: shapes.AccountAnswer} | REFUSED | {409: ErrorAnswer})
    def post(self, request: Request) -> Response:
        """Open an account for a balance."""
        fields = decode(request, shapes.CreateAccount)
        _check(fields)
        validation.check_lengths(fields)
        given = {name: value for name, value in fields.items() if name not in NOT_BOTH}
        account = accounts.open_account(**{"balance_id": ""} | given)
        return Response(shapes.AccountAnswer.body(account), status=201)


class AccountView(ApiView):
    @extend_schema(parameters=[INCLUDE], responses={200: shapes.AccountAnswer} | REFUSED)
    def get(self, request: Request, account_id: str) -> Response:
        """Read an account."""
        account = accounts.find(account_id)
        for name in {"balance", "identity", "ledger"}.intersection(request.query_params.getlist("include")):
            setattr(account, f"included_{name}", getattr(account, name))
        return Response(shapes.AccountAnswer.body(account))


class MockedAccountView(ApiView):
    @extend_schema(responses=shapes.MockedAccountAnswer)
    def get(self, request: Request) -> Response:
        """Make up an account number, as a service of account numbers would; nothing is stored."""
        return Response({"account_number": accounts.mocked_number(), "bank_name": "Blnk Bank"})


def _check(fields: dict[str, Any]) -> None:
    """Raise ``InvalidBody`` unless a balance, or all that would do instead of one, is named."""
    if fields.get("balance_id"):
        reasons = {name: reason for name, reason in NOT_BOTH.items() if fields.get(name)}
    else:
        reasons = {name: reason for name, reason in REQUIRED.items() if not fields.get(name)}
    if reasons:
        raise InvalidBody(reasons)
