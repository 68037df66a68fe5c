"""The form in which people ask to commit or void many holds at once."""

from __future__ import annotations

import re

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget

from balances.backoffice.instruction_forms import LONGEST
from balances.instructing import MOST_HOLDS
from balances.models import HoldPlan

ID = re.compile(r"hpl_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LONGEST_ID = 80


class HoldPlanForm(forms.Form):
    """The id of the plan, which keeps it from being made twice, what to do, the holds, and why."""

    plan_id = forms.CharField(widget=forms.HiddenInput)
    action = forms.ChoiceField(choices=HoldPlan.Action.choices, widget=forms.HiddenInput)
    holds = forms.CharField(max_length=MOST_HOLDS * LONGEST_ID, widget=forms.HiddenInput)
    reason = forms.CharField(
        label="Reason", max_length=LONGEST, widget=UnfoldAdminTextareaWidget({"rows": 2}), help_text="For the record."
    )

    def clean_plan_id(self) -> str:
        """Return the id. Raises ``ValidationError`` for one that this page did not make."""
        given = str(self.cleaned_data["plan_id"])
        if not ID.fullmatch(given):
            raise ValidationError("This page has no valid id. Open it again.")
        return given

    def clean_holds(self) -> list[str]:
        """Return the ids of the holds."""
        return str(self.cleaned_data["holds"]).split()
