"""The routes of API keys."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from balances.api import listing, requests, validation
from balances.api.caller import principal
from balances.api.filtering import rows_of
from balances.api.go import decode
from balances.api.views import ApiView
from balances.keys import keyring
from balances.shapes import answers

OWNER = OpenApiParameter("owner", str, description="Required with the master key; a scoped key has its own")
REFUSED: dict[Any, Any] = dict.fromkeys((400, 401, 403), answers.ErrorAnswer)


class ApiKeysView(ApiView):
    @extend_schema(
        parameters=[OWNER], responses={200: OpenApiResponse(rows_of(answers.ApiKeyAnswer, or_null=True))} | REFUSED
    )
    def get(self, request: Request) -> Response:
        """List the keys of an owner, newest first; an empty list is ``null``, as in the original."""
        found = keyring.keys_for(principal(request._request), owner=request.query_params.get("owner", ""))
        keys = listing.whole(found, "revoked keys stay in it: give new ones another owner")
        return Response([answers.ApiKeyAnswer.body(key) for key in keys] or None)

    @extend_schema(request=requests.CreateApiKey, responses={201: answers.ApiKeyAnswer} | REFUSED)
    def post(self, request: Request) -> Response:
        """Issue a key. This answer is the only one that holds it."""
        fields = decode(request, requests.CreateApiKey)
        validation.check_api_key(fields)
        return Response(answers.ApiKeyAnswer.body(keyring.issue_for(principal(request._request), **fields)), status=201)


class ApiKeyView(ApiView):
    @extend_schema(parameters=[OWNER], responses={204: None} | REFUSED | {404: answers.ErrorAnswer})
    def delete(self, request: Request, api_key_id: str) -> Response:
        """Revoke a key, for good."""
        owner = request.query_params.get("owner", "")
        keyring.revoke_for(principal(request._request), api_key_id, owner=owner)
        return Response(status=204)
