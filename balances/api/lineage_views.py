"""The routes of fund lineage."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from balances.api.views import REFUSED, ApiView
from balances.lineage import balance_lineage, transaction_lineage
from balances.models import Transaction
from balances.shapes import Answer, Metadata, MinorUnits, RecordedTransaction


class ProviderAnswer(Answer):
    provider = serializers.CharField()
    amount = MinorUnits(help_text="All that came in")
    available = MinorUnits()
    spent = MinorUnits()
    shadow_balance_id = serializers.CharField()


class BalanceLineageAnswer(Answer):
    balance_id = serializers.CharField()
    total_with_lineage = MinorUnits(help_text="What is available of all providers")
    aggregate_balance_id = serializers.CharField()
    providers = ProviderAnswer(many=True)


class ShadowAnswer(RecordedTransaction):
    """A shadow row as the original shows it: without its parent and its effective date."""

    def to_representation(self, instance: Transaction | dict[str, Any]) -> dict[str, Any]:
        """Return the body."""
        body = super().to_representation(instance) | {"parent_transaction": ""}
        return {name: value for name, value in body.items() if name != "effective_date"}


class TransactionLineageAnswer(Answer):
    transaction_id = serializers.CharField()
    fund_allocation = serializers.ListField(
        child=Metadata(help_text="amount in minor units, and provider"), help_text="Left out where there is none"
    )
    shadow_transactions = ShadowAnswer(many=True, allow_null=True, help_text="null where there are none")

    omitted_when_empty = ("fund_allocation",)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the body; no shadow rows are ``null``, as in the original."""
        body = super().to_representation(instance)
        return body | {"shadow_transactions": body["shadow_transactions"] or None}


class BalanceLineageView(ApiView):
    @extend_schema(responses={200: BalanceLineageAnswer} | REFUSED)
    def get(self, request: Request, balance_id: str) -> Response:
        """Read whose money a balance holds, by provider, and what of it is spent."""
        return Response(BalanceLineageAnswer.body(balance_lineage(balance_id)))


class TransactionLineageView(ApiView):
    @extend_schema(responses={200: TransactionLineageAnswer} | REFUSED)
    def get(self, request: Request, transaction_id: str) -> Response:
        """Read which providers a transaction was paid from, and the rows that say so."""
        return Response(TransactionLineageAnswer.body(transaction_lineage(transaction_id)))
