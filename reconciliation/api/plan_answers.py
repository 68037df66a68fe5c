"""Shapes of the routes of plans and of undoing."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from balances.api import Strings
from balances.shapes import Answer, Instant
from reconciliation.api.serializers import TotalsAnswer
from reconciliation.api.sweep_answers import SumsAnswer
from reconciliation.correcting import outcomes
from reconciliation.models import Origin, Plan, PlanItem, Step


class AskUndo(serializers.Serializer[Any]):
    reason = serializers.CharField(help_text="Why; kept for ever")
    ticket = serializers.CharField(required=False, help_text="A reference to a ticket")

    class Meta:
        go_type = "model.UndoRequest"


class AskPlan(AskUndo):
    """What to correct, in one of five ways: balances, findings, a sweep, an incident, or deleted rows."""

    balance_ids = Strings(required=False)
    finding_ids = Strings(required=False)
    sweep_id = serializers.CharField(required=False, help_text="All that drifts among its findings")
    incident_id = serializers.CharField(required=False)
    cause = serializers.CharField(required=False, help_text="Only findings with this cause")
    transaction_ids = Strings(
        required=False, help_text="Deleted transactions to book again from the edit journal; no total moves"
    )
    allow_incomplete = serializers.BooleanField(
        required=False, help_text="Correct also where transactions are known to be incomplete or damaged"
    )

    class Meta:
        go_type = "model.PlanRequest"


class AskNote(serializers.Serializer[Any]):
    note = serializers.CharField(required=False, help_text="Kept with the step")

    class Meta:
        go_type = "model.NoteRequest"


class AskRejection(serializers.Serializer[Any]):
    reason = serializers.CharField(help_text="Why; kept with the step")

    class Meta:
        go_type = "model.RejectionRequest"


class PlanAnswer(Answer):
    """A plan: ``balances`` would be corrected; ``snapshots`` keep their wrong totals, and ``monitors`` watch them."""

    plan_id = serializers.CharField()
    state = serializers.ChoiceField(choices=Plan.State.choices)
    undoing = serializers.BooleanField(help_text="It takes corrections back")
    actor = serializers.CharField()
    origin = serializers.ChoiceField(choices=Origin.choices)
    requested_at = Instant()
    reason = serializers.CharField()
    ticket = serializers.CharField(allow_blank=True)
    sweep_id = serializers.CharField(allow_null=True)
    incident_id = serializers.CharField(allow_null=True)
    allow_incomplete = serializers.BooleanField()
    fingerprint = serializers.CharField(help_text="SHA-256 over what was measured")
    balances = serializers.IntegerField()
    snapshots = serializers.IntegerField()
    monitors = serializers.IntegerField()
    needs_approval = serializers.BooleanField()
    policy = serializers.CharField(help_text="Why a second person is needed, or why not")
    decided_by = serializers.CharField(allow_blank=True)
    decided_at = Instant()
    started_at = Instant()
    finished_at = Instant()


class PlanSumsAnswer(serializers.Serializer[Any]):
    currency = serializers.CharField()
    before = SumsAnswer()
    after = SumsAnswer()


class OutcomesAnswer(serializers.Serializer[Any]):
    waiting = serializers.IntegerField()
    applied = serializers.IntegerField()
    unchanged = serializers.IntegerField(help_text="No drift any more")
    stale = serializers.IntegerField(help_text="The drift is another one; nothing written")
    refused = serializers.IntegerField(help_text="Its transactions are incomplete or damaged")


class StepAnswer(Answer):
    taken_at = Instant()
    kind = serializers.ChoiceField(choices=Step.Kind.choices)
    actor = serializers.CharField()
    origin = serializers.ChoiceField(choices=Origin.choices)
    note = serializers.CharField(allow_blank=True)


class PlanDetailAnswer(PlanAnswer):
    """A plan with the trial balance before and after, how its items ended, and each step of its life."""

    trial_balance = serializers.SerializerMethodField()
    outcomes = serializers.SerializerMethodField()
    steps = serializers.SerializerMethodField()

    @extend_schema_field(PlanSumsAnswer(many=True))
    def get_trial_balance(self, plan: Plan) -> list[dict[str, Any]]:
        """Return the stored sums by currency, before and after."""
        before, after = plan.trial_balance["before"], plan.trial_balance["after"]
        return [{"currency": each, "before": before[each], "after": after[each]} for each in before]

    @extend_schema_field(OutcomesAnswer)
    def get_outcomes(self, plan: Plan) -> dict[str, int]:
        """Return how many items ended how."""
        return outcomes(plan)

    @extend_schema_field(StepAnswer(many=True))
    def get_steps(self, plan: Plan) -> list[dict[str, Any]]:
        """Return the steps, oldest first."""
        return [StepAnswer.body(step) for step in Step.objects.filter(plan_id=plan.plan_id)]


class PlanItemAnswer(Answer):
    """One balance of a plan: ``difference`` is what applying adds. ``outcome`` is null until then."""

    balance_id = serializers.CharField()
    indicator = serializers.CharField(allow_null=True)
    currency = serializers.CharField()
    ledger_id = serializers.CharField()
    ledger_name = serializers.CharField()
    previous = TotalsAnswer()
    recalculated = TotalsAnswer(
        source="by_transactions", allow_null=True, help_text="null where a correction is taken back"
    )
    after = TotalsAnswer(help_text="The totals as they are left, whatever the transactions say")
    difference = TotalsAnswer()
    undoes = serializers.CharField(allow_null=True, help_text="The record whose correction it takes back")
    rebooks = serializers.CharField(
        allow_null=True, help_text="The deleted transaction that it books again, or the booked one that it takes back"
    )
    outcome = serializers.ChoiceField(choices=PlanItem.Outcome.choices, allow_null=True)
    note = serializers.CharField(allow_blank=True)
    record_id = serializers.CharField(allow_null=True, help_text="The record that applying it left")
