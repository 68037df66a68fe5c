"""The routes of hooks, for the master key alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any

from django.db import DatabaseError
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from balances.api import hook_shapes as shapes
from balances.api import listing
from balances.api.caller import principal
from balances.api.go import MalformedBody, decode
from balances.api.identity_shapes import MessageAnswer
from balances.api.views import ApiView
from balances.events import HookOperationFailed, InvalidHook, MasterKeyRequired, registry
from balances.ground import is_outage
from balances.shapes import ErrorAnswer

logger = logging.getLogger(__name__)

FORBIDDEN: dict[Any, Any] = {403: ErrorAnswer, 500: shapes.HookErrorAnswer}
MALFORMED: dict[Any, Any] = {400: shapes.HookErrorAnswer}
UNKNOWN: dict[Any, Any] = {404: shapes.HookErrorAnswer}
TYPE = OpenApiParameter("type", str, description=f"{shapes.TYPES}; both if left out")


class HookApiView(ApiView):
    """A route of hooks, for the master key only: other callers are refused before their body is read."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Raise ``MasterKeyRequired`` for every other caller, all of them while secure mode is off."""
        super().initial(request, *args, **kwargs)
        if not principal(request._request).is_master:
            raise MasterKeyRequired


class HooksView(HookApiView):
    @extend_schema(
        operation_id="hooks_list", parameters=[TYPE], responses={200: shapes.HookAnswer(many=True)} | FORBIDDEN
    )
    def get(self, request: Request) -> Response:
        """List hooks, oldest first."""
        with _failing("failed to list hooks"):
            found = listing.whole(registry.of_type(request.query_params.get("type", "")), "delete some")
        return Response([shapes.HookAnswer.body(hook) for hook in found])

    @extend_schema(request=shapes.HookBody, responses={201: shapes.HookAnswer} | MALFORMED | FORBIDDEN)
    def post(self, request: Request) -> Response:
        """Register a hook, in the place of one with the same id. It is not called before it is active."""
        fields = _decoded(request)
        if "last_run" in fields:
            fields["last_run"] = fields["last_run"].astimezone(UTC)
        with _failing("failed to register hook"):
            hook = registry.register(hook_id=fields.pop("id", ""), **fields)
        return Response(shapes.HookAnswer.body(hook), status=201)


class HookView(HookApiView):
    @extend_schema(responses={200: shapes.HookAnswer} | UNKNOWN | FORBIDDEN)
    def get(self, request: Request, hook_id: str) -> Response:
        """Read a hook."""
        with _failing("failed to read hook"):
            return Response(shapes.HookAnswer.body(registry.find(hook_id)))

    @extend_schema(request=shapes.HookBody, responses={200: shapes.HookAnswer} | MALFORMED | UNKNOWN | FORBIDDEN)
    def put(self, request: Request, hook_id: str) -> Response:
        """Replace a hook, unchecked: what is left out is empty, and a hook of another type is never called."""
        fields = _decoded(request)
        with _failing("failed to update hook"):
            return Response(shapes.HookAnswer.body(registry.replace(hook_id, **fields)))

    @extend_schema(responses={200: MessageAnswer} | UNKNOWN | FORBIDDEN)
    def delete(self, request: Request, hook_id: str) -> Response:
        """Delete a hook."""
        with _failing("failed to delete hook"):
            registry.remove(hook_id)
        return Response({"message": "hook deleted successfully"})


def _decoded(request: Request) -> dict[str, Any]:
    try:
        fields = decode(request, shapes.HookBody)
    except MalformedBody as error:
        raise InvalidHook from error
    fields.pop("created_at", None)
    return fields


@contextmanager
def _failing(message: str) -> Iterator[None]:
    """Raise ``HookOperationFailed`` where the database fails; an outage is one wherever it happens."""
    try:
        yield
    except DatabaseError as error:
        if is_outage(error):
            raise
        logger.exception("A request about hooks failed")
        raise HookOperationFailed(message) from error
