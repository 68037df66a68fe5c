"""Shapes of the routes of sweeps, findings and incidents."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from balances.shapes import Answer, Instant, MinorUnits
from reconciliation.api.serializers import TotalsAnswer
from reconciliation.checks import VERDICTS
from reconciliation.models import Finding, Origin, Sweep
from reconciliation.sweeping import status


class AskSweep(serializers.Serializer[Any]):
    """A scope in one of three ways (names, conditions, everything), and how to look."""

    everything = serializers.BooleanField(required=False, help_text="Every balance")
    balance_ids = serializers.ListField(required=False, help_text="These balances")
    indicator = serializers.CharField(required=False, help_text="The balance of this indicator, with currency")
    currency = serializers.CharField(required=False, help_text="Every balance in this currency")
    ledger = serializers.CharField(required=False, help_text="Every balance of this ledger (name or id)")
    indicator_prefix = serializers.CharField(required=False, help_text="Every balance whose indicator begins so")
    created_from = serializers.CharField(required=False, help_text="Every balance created then or later")
    created_until = serializers.CharField(required=False, help_text="Every balance created before then")
    deep = serializers.BooleanField(required=False, help_text="Run the checks that read every transaction as well")
    reason = serializers.CharField(required=False, help_text="Why; kept with the sweep")

    class Meta:
        go_type = "model.SweepRequest"


class ProgressAnswer(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    measured = serializers.IntegerField()
    percent = serializers.IntegerField()
    balances_per_second = serializers.IntegerField(allow_null=True)
    seconds_left = serializers.IntegerField(allow_null=True, help_text="Of work; a gentle pace takes longer")


class CheckAnswer(serializers.Serializer[Any]):
    check = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    verdict = serializers.ChoiceField(choices=VERDICTS, help_text="What it means where it spoke up")
    ran = serializers.BooleanField()
    found = serializers.IntegerField(help_text="Balances on which it spoke up")


class SumsAnswer(serializers.Serializer[Any]):
    credit = MinorUnits()
    debit = MinorUnits()
    inflight_credit = MinorUnits()
    inflight_debit = MinorUnits()
    agrees = serializers.BooleanField(help_text="Credits equal debits, inflight too")


class TrialBalanceLine(serializers.Serializer[Any]):
    currency = serializers.CharField()
    stored = SumsAnswer()
    recalculated = SumsAnswer(allow_null=True, help_text="null where not every balance was in scope")


class SweepAnswer(Answer):
    """A sweep. ``verdict`` is healthy, findings, not proved or unfinished; nothing unproved is ever healthy."""

    sweep_id = serializers.CharField()
    state = serializers.ChoiceField(choices=Sweep.State.choices)
    verdict = serializers.SerializerMethodField()
    scope = serializers.DictField()
    actor = serializers.CharField()
    origin = serializers.ChoiceField(choices=Origin.choices)
    reason = serializers.CharField(allow_blank=True)
    requested_at = Instant()
    started_at = Instant()
    finished_at = Instant()
    progress = serializers.SerializerMethodField()
    drifted = serializers.IntegerField()
    faulty = serializers.IntegerField()
    not_proved = serializers.IntegerField()
    remarked = serializers.IntegerField(help_text="Balances with something to look at; no verdict follows from it")
    out_of_scope = serializers.IntegerField()
    proved = serializers.SerializerMethodField(help_text="What it proved of its scope, in a sentence; or empty")
    unproved = serializers.SerializerMethodField(help_text="What the sweep did not prove, in sentences")
    error = serializers.CharField(allow_blank=True)

    def get_verdict(self, sweep: Sweep) -> str:
        """Return the verdict."""
        return status.verdict(sweep)

    @extend_schema_field(ProgressAnswer)
    def get_progress(self, sweep: Sweep) -> dict[str, Any]:
        """Return how far it is."""
        return status.progress(sweep)

    def get_proved(self, sweep: Sweep) -> str:
        """Return what it proved."""
        return status.proved(sweep)

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_unproved(self, sweep: Sweep) -> list[str]:
        """Return what it did not prove."""
        return status.unproved(sweep)


class SweepDetailAnswer(SweepAnswer):
    """A sweep with its checks and the trial balance."""

    checks = serializers.SerializerMethodField()
    trial_balance = serializers.SerializerMethodField()

    @extend_schema_field(CheckAnswer(many=True))
    def get_checks(self, sweep: Sweep) -> list[dict[str, Any]]:
        """Return every check there is and what it found."""
        return status.checks(sweep)

    @extend_schema_field(TrialBalanceLine(many=True))
    def get_trial_balance(self, sweep: Sweep) -> list[dict[str, Any]]:
        """Return the sums by currency."""
        return list(sweep.trial_balance)


class FaultAnswer(serializers.Serializer[Any]):
    check = serializers.CharField()
    detail = serializers.CharField()
    rows = serializers.ListField(child=serializers.CharField())


class FindingAnswer(Answer):
    """One balance of a sweep: ``difference`` is recalculated less previous; amounts in minor units."""

    finding_id = serializers.CharField()
    sweep_id = serializers.CharField()
    incident_id = serializers.CharField(allow_null=True)
    balance_id = serializers.CharField()
    indicator = serializers.CharField(allow_null=True)
    currency = serializers.CharField()
    ledger_id = serializers.CharField()
    ledger_name = serializers.CharField()
    found_at = Instant()
    drifted = serializers.BooleanField()
    previous = TotalsAnswer()
    recalculated = TotalsAnswer()
    difference = TotalsAnswer()
    faults = FaultAnswer(many=True)
    not_proved = FaultAnswer(many=True)
    remarks = FaultAnswer(many=True)
    cause = serializers.CharField(allow_blank=True)
    summary = serializers.SerializerMethodField(help_text="Why, in a sentence; or that no known cause fits")
    explained_at = Instant(help_text="null until it is explained")
    explained = MinorUnits(help_text="Gross drift that explanations account for")
    unexplained = MinorUnits(help_text="Gross drift that nothing accounts for")
    last_right_at = Instant()
    first_wrong_at = Instant()
    explanations = serializers.ListField(child=serializers.DictField())

    def get_summary(self, finding: Finding) -> str:
        """Return why."""
        return status.why(finding)


class IncidentAnswer(Answer):
    """Findings that share a cause; ``drift`` is gross, by currency, in minor units."""

    incident_id = serializers.CharField()
    sweep_id = serializers.CharField()
    cause = serializers.CharField()
    title = serializers.CharField()
    shared = serializers.DictField()
    balances = serializers.IntegerField()
    drift = serializers.DictField()
    opened_at = Instant()
