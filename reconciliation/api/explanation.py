"""Why one balance is wrong, and since when: its route and the shape of the answer."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from balances.api import views as core
from balances.shapes import Answer, ErrorAnswer, Instant, MinorUnits
from reconciliation.explaining import CAUSES, Certainty, SinceWhen, explain_balance


class DriftAnswer(serializers.Serializer[Any]):
    """Stored less recalculated, by side."""

    credit = MinorUnits()
    debit = MinorUnits()
    inflight_credit = MinorUnits()
    inflight_debit = MinorUnits()


class ReasonAnswer(DriftAnswer):
    """One explanation: its cause, its rows, and the drift that it accounts for by side and in all."""

    cause = serializers.ChoiceField(choices=sorted(CAUSES))
    title = serializers.CharField()
    description = serializers.CharField()
    sentence = serializers.CharField()
    rows = serializers.ListField(child=serializers.CharField(), help_text="Transactions to blame")
    explains = MinorUnits()
    certainty = serializers.ChoiceField(choices=Certainty.values, help_text="What is only possible explains nothing")
    alternatives = serializers.IntegerField(help_text="Other readings of the same drift")
    evidence = serializers.DictField()


class MomentAnswer(serializers.Serializer[Any]):
    """A moment at which the drift is known, and from what."""

    at = Instant()
    source = serializers.CharField()  # type: ignore[assignment]  # the base class has an attribute of this name
    drift = DriftAnswer()


class WindowRowAnswer(serializers.Serializer[Any]):
    transaction_id = serializers.CharField()
    reference = serializers.CharField(allow_null=True)
    status = serializers.CharField()
    source = serializers.CharField(allow_null=True)  # type: ignore[assignment]  # as above
    destination = serializers.CharField(allow_null=True)
    units = MinorUnits()
    created_at = Instant()


class ExplanationAnswer(Answer):
    """Why a balance is wrong, best explanation first. ``explained`` and ``unexplained`` make up the gross drift."""

    balance_id = serializers.CharField()
    indicator = serializers.CharField(allow_null=True)
    currency = serializers.CharField()
    ledger_id = serializers.CharField()
    measured_at = Instant()
    drift = DriftAnswer()
    cause = serializers.CharField(allow_blank=True, help_text="Of the best explanation; unexplained; empty: no drift")
    summary = serializers.CharField(allow_blank=True, help_text="Why, in a sentence; or that no known cause fits")
    explained = MinorUnits()
    unexplained = MinorUnits()
    source_is_incomplete = serializers.BooleanField(help_text="Rebuilding would destroy: rows or rates are missing")
    explanations = ReasonAnswer(many=True)
    last_right_at = Instant()
    first_wrong_at = Instant()
    history = MomentAnswer(many=True)
    window = WindowRowAnswer(many=True, help_text="The newest 50 rows between last right and first wrong")


def body(since: SinceWhen) -> dict[str, Any]:
    """Return the answer for a balance."""
    explained = since.explained
    measured = explained.measurement
    words = {slug: {"title": cause.title, "description": cause.description} for slug, cause in CAUSES.items()}
    return ExplanationAnswer.body(
        {name: getattr(measured, name) for name in ("balance_id", "indicator", "currency", "ledger_id")}
        | {
            "measured_at": measured.executed_at,
            "drift": explained.drift,
            "cause": explained.cause,
            "summary": explained.summary,
            "explained": explained.explained,
            "unexplained": explained.unexplained,
            "source_is_incomplete": explained.blocks,
            "explanations": [each.as_json() | words[each.cause] for each in explained.explanations],
            "last_right_at": explained.last_right_at,
            "first_wrong_at": explained.first_wrong_at,
            "history": explained.history,
            "window": since.window,
        }
    )


class ExplanationView(core.ApiView):
    @extend_schema(responses={200: ExplanationAnswer, 409: ErrorAnswer} | core.REFUSED)
    def get(self, request: Request, balance_id: str) -> Response:
        """Measure a balance now and say why it is wrong, because of which rows, and since when. Nothing is written."""
        return Response(body(explain_balance(balance_id)))
