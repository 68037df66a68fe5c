"""Routes of the contract that this server does not serve yet: each says so, and what does the same job here."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from balances.api.go import decode
from balances.api.views import ApiView
from balances.ground import NotYetSupported
from balances.shapes import ErrorAnswer

REFUSED: dict[Any, Any] = {400: ErrorAnswer, 501: ErrorAnswer}
FILTERED = {"ledgers", "balances", "transactions", "identities", "accounts"}
"""Collections with a filter of their own."""


class SearchCollectionParams(serializers.Serializer[Any]):
    class Meta:
        go_type = "api.SearchCollectionParams"


class MultiSearchSearchesParameter(serializers.Serializer[Any]):
    class Meta:
        go_type = "api.MultiSearchSearchesParameter"


class SearchView(ApiView):
    needs = None

    @extend_schema(request=SearchCollectionParams, responses=REFUSED)
    def post(self, request: Request, collection: str) -> Response:
        """Refuse a search."""
        decode(request, SearchCollectionParams, as_text=True)
        instead = f": filter with POST /{collection}/filter" if collection in FILTERED else ""
        raise NotYetSupported(f"Full-text search is not served yet{instead}.")


class MultiSearchView(ApiView):
    needs = None

    @extend_schema(request=MultiSearchSearchesParameter, responses=REFUSED)
    def post(self, request: Request) -> Response:
        """Refuse several searches."""
        decode(request, MultiSearchSearchesParameter, as_text=True)
        raise NotYetSupported("Full-text search is not served yet: filter each collection with POST …/filter.")


class UnservedView(ApiView):
    """Refuses whatever is asked of it; a subclass names the methods that exist."""

    needs = None

    sentence: str

    @extend_schema(request=None, responses={501: ErrorAnswer})
    def refuse(self, request: Request, **_: str) -> Response:
        """Say what is missing."""
        raise NotYetSupported(self.sentence)


class ReindexView(UnservedView):
    sentence = "Search is not served yet, so there is no index to rebuild: POST …/filter reads the tables themselves."
    get = post = UnservedView.refuse


class BackupView(UnservedView):
    sentence = "Backups are not made through the API yet: run pg_dump on the database."
    get = UnservedView.refuse


class BackupToBucketView(UnservedView):
    sentence = "Backups are not made through the API yet: run pg_dump on the database and copy its file to the bucket."
    get = UnservedView.refuse


class ReconciliationView(UnservedView):
    sentence = "Matching transactions against external records is not served yet."
    get = UnservedView.refuse


class ReconciliationStepView(ReconciliationView):
    """``GET`` takes the last segment for the id of a reconciliation, as in the original."""

    post = UnservedView.refuse


class MatchingRuleView(UnservedView):
    sentence = ReconciliationView.sentence
    put = delete = UnservedView.refuse
