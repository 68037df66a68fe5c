"""The form that asks for a new sweep: a scope in one of three ways."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from reconciliation.correcting import MAX_REASON
from reconciliation.measuring import Scope

LONGEST = 500
"""Characters of one word of a scope."""
MOST_NAMES = 50_000
"""Characters of a list of ids: about a thousand of them."""
EVERYTHING, CONDITIONS, NAMES = "everything", "conditions", "names"
FIELDS = {
    EVERYTHING: (),
    CONDITIONS: ("ledger", "currency", "indicator_prefix", "created_from", "created_until"),
    NAMES: ("balance_ids", "indicator", "indicator_currency"),
}
"""The fields that each way of saying which balances are meant has."""


def _words(label: str, hint: str = "") -> forms.CharField:
    return forms.CharField(
        label=label, required=False, max_length=LONGEST, help_text=hint, widget=UnfoldAdminTextInputWidget
    )


class SweepForm(forms.Form):
    """Which balances to sweep, how, and why. ``arguments`` are those of the service."""

    way = forms.ChoiceField(
        label="Which balances",
        choices=((EVERYTHING, "All balances"), (CONDITIONS, "Those that meet conditions"), (NAMES, "Named ones")),
        initial=EVERYTHING,
        widget=UnfoldAdminRadioSelectWidget,
    )
    ledger = _words("Ledger", "Name or id")
    currency = _words("Currency")
    indicator_prefix = _words("Indicator begins with", "Such as @merchant")
    created_from = _words("Created from", "2026-01-31 or 2026-01-31T12:00:00Z, UTC; included")
    created_until = _words("Created before", "Not included")
    balance_ids = forms.CharField(
        label="Balance ids",
        required=False,
        max_length=MOST_NAMES,
        help_text="One a line",
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )
    indicator = _words("Or an indicator", "Such as @world")
    indicator_currency = _words("and its currency")
    deep = forms.BooleanField(
        label="Deep: run the checks that read every transaction as well", required=False, widget=UnfoldBooleanWidget
    )
    reason = forms.CharField(
        label="Reason", required=False, max_length=MAX_REASON, widget=UnfoldAdminTextareaWidget({"rows": 2})
    )

    def clean(self) -> dict[str, Any]:
        """Refuse words that belong to another way than the chosen one: the scope would not be what was read."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        way = data.get("way")
        for other, names in FIELDS.items():
            for name in names:
                if other != way and data.get(name):
                    self.add_error(name, ValidationError("This does not go with the choice above: clear it."))
        return data

    def arguments(self) -> dict[str, Any]:
        """Return scope, depth and reason."""
        data = self.cleaned_data
        words: dict[str, Any] = {name: data[name] or None for name in FIELDS[data["way"]]}
        if data["way"] == NAMES:
            words["currency"] = words.pop("indicator_currency")
            words["balance_ids"] = tuple(dict.fromkeys(re.findall(r"[^\s,]+", data["balance_ids"])))
        scope = Scope(everything=data["way"] == EVERYTHING, **words)
        return {"scope": scope, "deep": data["deep"], "reason": data["reason"]}

    @property
    def conditions(self) -> list[Any]:
        """Return the fields of conditions."""
        return [self[name] for name in FIELDS[CONDITIONS]]

    @property
    def names(self) -> list[Any]:
        """Return the fields that name balances."""
        return [self[name] for name in FIELDS[NAMES]]
