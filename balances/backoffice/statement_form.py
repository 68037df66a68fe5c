"""The filters of a statement, as a form whose values stand in the address."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from balances.backoffice import searching
from balances.history import APPLIED, HOLDS, SIDES, Wanted
from balances.models import Transaction

EXAMPLE = {"placeholder": "1,250.34"}
LONGEST = 500
"""Characters of a text to look for."""
STATUSES = {
    "": APPLIED,
    "with-holds": (*APPLIED, *HOLDS),
    "holds": HOLDS,
    "queued": ("QUEUED",),
    "rejected": ("REJECTED",),
    "all": (*APPLIED, *HOLDS, "QUEUED", "REJECTED"),
}
STATUS_CHOICES = (
    ("", "Applied"),
    ("with-holds", "Applied, and holds"),
    ("holds", "Holds and releases"),
    ("queued", "Queued"),
    ("rejected", "Rejected"),
    ("all", "All of these"),
)
SIDE_CHOICES = (("", "Debits and credits"), ("source", "Debits"), ("destination", "Credits"))
ORDER_CHOICES = (("", "Newest first"), ("oldest", "Oldest first"))


class DayWidget(UnfoldAdminTextInputWidget):  # type: ignore[misc]  # unfold has no type hints
    """A day picker of the browser."""

    input_type = "date"


def _choice(label: str, choices: tuple[tuple[str, str], ...]) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=choices, required=False, widget=UnfoldAdminSelectWidget)


class StatementForm(forms.Form):
    """Which rows of a statement to show."""

    first = forms.DateField(label="From (UTC)", required=False, widget=DayWidget)
    last = forms.DateField(label="To, included", required=False, widget=DayWidget)
    status = _choice("Status", STATUS_CHOICES)
    side = _choice("Side", SIDE_CHOICES)
    amount = forms.CharField(
        label="Amount",
        required=False,
        max_length=LONGEST,
        widget=UnfoldAdminTextInputWidget(EXAMPLE),
    )
    text = forms.CharField(
        label="Reference or text", required=False, max_length=LONGEST, widget=UnfoldAdminTextInputWidget
    )
    order = _choice("Order", ORDER_CHOICES)

    def clean_amount(self) -> Q:
        """Return the condition on an amount."""
        typed = self.cleaned_data["amount"].strip()
        amount = searching.amount_in(typed) if typed else None
        if typed and amount is None:
            raise ValidationError("Write an amount as 1,250.34, or in minor units as 125034.")
        return Q() if amount is None else amount.condition

    def clean_text(self) -> Q:
        """Return the condition on a text: an id or a reference, or a part of a reference or description."""
        text = self.cleaned_data["text"].strip()
        if not text:
            return Q()
        if text.startswith("txn_"):
            return Q(transaction_id=text) | Q(reference=text)
        return Q(reference__icontains=text) | Q(description__icontains=text)

    def clean(self) -> dict[str, Any]:
        """Refuse a period that ends before it begins."""
        given: dict[str, Any] = super().clean() or {}
        first, last = given.get("first"), given.get("last")
        if first and last and last < first:
            self.add_error("last", "The period ends before it begins.")
        return given

    def wanted(self, balance_id: str) -> Wanted:
        """Return what a valid form asks for."""
        given = self.cleaned_data
        last = given["last"]
        return Wanted(
            balance_id=balance_id,
            statuses=STATUSES[given["status"]],
            sides=(given["side"],) if given["side"] else SIDES,
            since=_midnight(given["first"]) if given["first"] else None,
            until=_midnight(last + timedelta(days=1)) if last and last < date.max else None,
            condition=given["amount"] & given["text"],
            newest_first=not given["order"],
        )

    @property
    def is_filtered(self) -> bool:
        """Return whether rows of the period are hidden by a condition other than their status."""
        return bool(self.cleaned_data["amount"] or self.cleaned_data["text"] or self.cleaned_data["side"])


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


STATUS_WORDS = {
    Transaction.Status.APPLIED: "Applied",
    Transaction.Status.INFLIGHT: "Hold",
    Transaction.Status.VOID: "Release of a hold",
    Transaction.Status.QUEUED: "Queued",
    Transaction.Status.REJECTED: "Rejected",
}
