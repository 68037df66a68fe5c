"""Describes routes in the OpenAPI document."""

from __future__ import annotations

import ast
import inspect
import sys
from typing import Any

from drf_spectacular.openapi import AutoSchema

KEYLESS = ("/", "/health", "/metrics")
"""Paths that need no key."""
REFUSALS = {
    "400": "The query or the body cannot be read",
    "401": "No valid key",
    "403": "The key does not allow this",
    "423": "Another writer holds what this needs",
    "429": "Too many requests",
    "503": "The database is away",
}
"""What any route may answer, and why."""
AS_TEXT = {
    "/transactions/bulk",
    "/transactions/inflight/{transaction_id}",
    "/transactions/inflight/bulk/commit",
    "/transactions/inflight/bulk/void",
    "/search/{collection}",
    "/multi-search",
}
"""Routes that send the JSON about a malformed body as ``text/plain``, as the original does."""
DESCRIBING = tuple(f"{app}.{folder}." for app in ("balances", "reconciliation") for folder in ("api", "shapes"))
"""The folders with the docstrings that the document shows."""
REFUSAL = {"$ref": "#/components/schemas/ErrorAnswer"}


def restore_docstrings(endpoints: list[Any], **_: Any) -> list[Any]:
    """Read the docstrings of the routes again under ``python -OO``, which drops them: the document shows them.

    Runs before the document is made (``PREPROCESSING_HOOKS``), and returns the endpoints as they are.
    """
    if sys.flags.optimize > 1:
        for name, module in list(sys.modules.items()):
            if name.startswith(DESCRIBING):
                _restore(module, ast.parse(inspect.getsource(module)).body)
    return endpoints


def _restore(owner: Any, body: list[ast.stmt]) -> None:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and (described := vars(owner).get(node.name)):
            described.__doc__ = ast.get_docstring(node, clean=False)
            _restore(described, node.body if isinstance(node, ast.ClassDef) else [])


class JSONBodies(AutoSchema):
    """Bodies are JSON whatever ``Content-Type`` says: no parser declares that, ``balances.api.go.body`` reads them."""

    def map_parsers(self) -> list[str]:
        """Return the only media type."""
        return ["application/json"]

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        """Mark keys as optional that answers leave out when they are empty."""
        schema: Any = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        omitted = getattr(serializer, "omitted_when_empty", ())
        if omitted and "required" in schema:
            schema["required"] = [name for name in schema["required"] if name not in omitted]
        return schema


def describe_refusals(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the answers of the gate to each route, and mark refusals that are sent as text."""
    for path, operations in result["paths"].items():
        for operation in operations.values():
            answers = operation.get("responses", {})
            if path not in KEYLESS:
                for status, why in REFUSALS.items():
                    answers.setdefault(
                        status, {"description": why, "content": {"application/json": {"schema": REFUSAL}}}
                    )
            if path in AS_TEXT and "400" in answers:
                answers["400"].setdefault("content", {})["text/plain"] = {"schema": {"type": "string"}}
    return result
