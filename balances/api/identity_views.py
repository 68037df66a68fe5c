"""The routes of identities and their tokens."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from balances.api import identity_shapes as shapes
from balances.api import listing, validation
from balances.api.caller import actor
from balances.api.filtering import query_of, resources, rows_of
from balances.api.go import MalformedBody, decode
from balances.api.views import REFUSED, ApiView
from balances.ground import client_address
from balances.people import NoFieldsNamed, identities, tokenizing
from balances.shapes import ErrorAnswer, IdentityAnswer, in_byte_order

CHANGED: dict[Any, Any] = {200: shapes.MessageAnswer} | REFUSED
CONFLICT: dict[Any, Any] = {409: ErrorAnswer}
DISABLED: dict[Any, Any] = {403: ErrorAnswer}
GO_TYPES = {bool: "bool", str: "string", list: "[]interface {}", type(None): "<nil>"}
"""What the original calls a JSON value; all others are numbers."""


class IdentitiesView(ApiView):
    @extend_schema(
        operation_id="identities_list",
        parameters=query_of(resources.IdentityFilters),
        responses={200: OpenApiResponse(rows_of(IdentityAnswer, or_null=True))} | REFUSED,
    )
    def get(self, request: Request) -> Response:
        """List the identities that the query filters, or all, newest first; an empty list is ``null``."""
        rows = listing.IDENTITIES.rows(resources.IdentityFilters, request)
        return Response([IdentityAnswer.body(identity) for identity in rows] or None)

    @extend_schema(request=shapes.IdentityBody, responses={201: IdentityAnswer} | REFUSED)
    def post(self, request: Request) -> Response:
        """Create an identity."""
        fields = decode(request, shapes.IdentityBody)
        validation.check_lengths(fields)
        fields.pop("created_at", None)
        identity = identities.register(**fields)
        identity.dob = fields.get("dob", identity.dob)  # this one answer echoes the instant
        return Response(IdentityAnswer.body(identity), status=201)


class IdentityView(ApiView):
    @extend_schema(responses={200: IdentityAnswer} | REFUSED)
    def get(self, request: Request, identity_id: str) -> Response:
        """Read an identity."""
        return Response(IdentityAnswer.body(identities.find(identity_id)))

    @extend_schema(request=shapes.IdentityBody, responses=CHANGED | DISABLED)
    def put(self, request: Request, identity_id: str) -> Response:
        """Change what is given; metadata is replaced as a whole."""
        fields = decode(request, shapes.IdentityBody)
        validation.check_lengths(fields)
        changes = {name: value for name, value in fields.items() if name not in ("identity_id", "created_at")}
        identities.revise(identity_id, **changes)
        return Response({"message": "Identity updated successfully"})

    @extend_schema(responses=CHANGED | CONFLICT)
    def delete(self, request: Request, identity_id: str) -> Response:
        """Delete an identity that no balance and no account refers to."""
        identities.remove(identity_id)
        return Response({"message": "Identity deleted successfully"})


class BalanceIdentityView(ApiView):
    @extend_schema(request=shapes.UpdateBalanceIdentity, responses=CHANGED)
    def put(self, request: Request, balance_id: str) -> Response:
        """Say whose a balance is."""
        fields = decode(request, shapes.UpdateBalanceIdentity)
        if not fields.get("identity_id"):
            raise MalformedBody(validation.required("UpdateBalanceIdentity", "IdentityId"))
        identities.link_balance(balance_id=balance_id, identity_id=fields["identity_id"])
        return Response({"message": "Balance identity updated successfully"})


class TokenizedFieldsView(ApiView):
    @extend_schema(responses={200: shapes.TokenizedFieldsAnswer} | REFUSED)
    def get(self, request: Request, identity_id: str) -> Response:
        """Say which fields are tokenized."""
        meta_data = identities.find(identity_id).meta_data
        names = tokenizing.tokenized_fields(meta_data)
        if not isinstance(meta_data, dict) or isinstance(meta_data.get(tokenizing.FLAG, {}), dict):
            return Response({"tokenized_fields": names})
        debug_info = {
            "has_metadata": True,
            "raw_metadata": in_byte_order(meta_data),
            "tokenized_field_type": GO_TYPES.get(type(meta_data[tokenizing.FLAG]), "float64"),
        }
        return Response({"debug_info": debug_info, "tokenized_fields": names})


class TokenizeFieldView(ApiView):
    @extend_schema(operation_id="tokenize_field", request=None, responses=CHANGED | DISABLED | CONFLICT)
    def post(self, request: Request, identity_id: str, field: str) -> Response:
        """Put a token in place of the value of a field."""
        tokenizing.tokenize(identity_id, [field])
        return Response({"message": "Field tokenized successfully"})


class TokenizeView(ApiView):
    @extend_schema(operation_id="tokenize", request=shapes.TokenizeRequest, responses=CHANGED | DISABLED | CONFLICT)
    def post(self, request: Request, identity_id: str) -> Response:
        """Put tokens in place of the values of fields: of all of them, or of none."""
        fields = _fields(request, shapes.TokenizeRequest)
        if not fields:
            raise NoFieldsNamed
        tokenizing.tokenize(identity_id, fields)
        return Response({"message": "Fields tokenized successfully"})


class DetokenizeFieldView(ApiView):
    @extend_schema(operation_id="detokenize_field", responses={200: shapes.OriginalAnswer} | REFUSED)
    def get(self, request: Request, identity_id: str, field: str) -> Response:
        """Return the original value of a tokenized field; who saw it is recorded."""
        return Response({"field": field, "value": _originals(request, identity_id, [field])[field]})


class DetokenizeView(ApiView):
    @extend_schema(
        operation_id="detokenize", request=shapes.DetokenizeRequest, responses={200: shapes.OriginalsAnswer} | REFUSED
    )
    def post(self, request: Request, identity_id: str) -> Response:
        """Return the original values of tokenized fields; who saw them is recorded."""
        fields = _fields(request, shapes.DetokenizeRequest)
        return Response({"fields": in_byte_order(_originals(request, identity_id, fields))})


def _fields(request: Request, shape: type[Any]) -> list[str]:
    decoded = decode(request, shape)
    if "fields" not in decoded:
        raise MalformedBody(validation.required(shape.__name__, "Fields"))
    names: list[str] = decoded["fields"]
    return names


def _originals(request: Request, identity_id: str, fields: list[str]) -> dict[str, str]:
    address = client_address(request._request)
    return tokenizing.detokenize(identity_id, fields, actor=actor(request._request), door="api", address=address)
