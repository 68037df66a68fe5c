"""The forms in which people ask for payments, holds, commits, voids and refunds by hand."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from balances.books import Share
from balances.ground import LedgerError, amounts
from balances.instructing import Order, Payment, RefundOrder, SettlementOrder
from balances.models import Transaction, new_instruction_id, now

LONGEST = 500
ID = re.compile(r"ins_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
AMOUNT = re.compile(r"[0-9]{1,60}(\.[0-9]{1,30})?")


class AmountField(forms.CharField):
    """An amount in major units: digits and a point, and nothing that could be read in two ways."""

    def clean(self, value: Any) -> Any:
        """Return a ``Decimal``, or ``None`` where nothing was given. Raises ``ValidationError``."""
        text = super().clean(value)
        if not text:
            return None
        if not AMOUNT.fullmatch(text):
            raise ValidationError("Write digits, with a point before decimals: 1250.34. No separators, no sign.")
        try:
            return Decimal(text)
        except InvalidOperation as error:
            raise ValidationError("This is no number.") from error


def _text(label: str, hint: str = "", *, required: bool = True) -> forms.CharField:
    return forms.CharField(
        label=label, required=required, max_length=LONGEST, help_text=hint, widget=UnfoldAdminTextInputWidget
    )


class InstructionForm(forms.Form):
    """What all of them have: the id, which is also the reference, and the reason."""

    instruction_id = forms.CharField(widget=forms.HiddenInput)
    reason = forms.CharField(
        label="Reason", max_length=LONGEST, widget=UnfoldAdminTextareaWidget({"rows": 2}), help_text="For the record."
    )

    def __init__(self, data: Any = None, **options: Any) -> None:
        super().__init__(data, initial={"instruction_id": new_instruction_id()}, **options)

    def clean_instruction_id(self) -> str:
        """Return the id. Raises ``ValidationError`` for one that this page did not make."""
        given = str(self.cleaned_data["instruction_id"])
        if not ID.fullmatch(given):
            raise ValidationError("This page has no valid id. Open it again.")
        return given


class PaymentForm(InstructionForm):
    """A payment or a hold."""

    source = _text("From", "Id of a balance, or its @indicator.")
    destination = forms.CharField(
        label="To",
        max_length=20 * LONGEST,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text="Id of a balance, or its @indicator. Several: one a line, each with its share: 50%, 12.50 or left.",
    )
    amount = AmountField(
        label="Amount", help_text="In major units, such as 1250.34.", widget=UnfoldAdminTextInputWidget
    )
    currency = _text("Currency")
    precision = forms.IntegerField(
        label="Minor units in a major one",
        min_value=1,
        max_value=10**30,
        initial=100,
        widget=UnfoldAdminTextInputWidget,
        help_text="100 for cents, 1 for yen.",
    )
    description = _text("Description")
    inflight = forms.BooleanField(
        label="Hold", required=False, widget=UnfoldBooleanWidget, help_text="Reserve it; commit or void it later."
    )
    allow_overdraft = forms.BooleanField(
        label="Overdraft",
        required=False,
        widget=UnfoldBooleanWidget,
        help_text="Let the source go below zero, without a limit or down to the one below.",
    )
    overdraft_limit = AmountField(
        label="Overdraft limit",
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="In major units: how far the source may go below zero.",
    )
    scheduled_for = forms.SplitDateTimeField(
        label="Not before (UTC)", required=False, widget=UnfoldAdminSplitDateTimeWidget, help_text="Empty: at once."
    )

    def clean_amount(self) -> Decimal:
        """Return the amount. Raises ``ValidationError`` unless it is more than nothing."""
        amount: Decimal = self.cleaned_data["amount"]
        if amount <= 0:
            raise ValidationError("The amount must be more than zero.")
        return amount

    def clean_destination(self) -> tuple[Share, ...]:
        """Return where it goes. Raises ``ValidationError`` for lines without a share, where there are several."""
        lines = [line.split() for line in self.cleaned_data["destination"].splitlines() if line.strip()]
        if len(lines) == 1 and len(lines[0]) == 1:
            return (Share(identifier=lines[0][0]),)
        if any(len(line) != 2 for line in lines):
            raise ValidationError("One balance alone, or one a line with its share: @a 50%, @b 12.50, @c left.")
        return tuple(Share(identifier=name, distribution=share) for name, share in lines)

    def clean_scheduled_for(self) -> Any:
        """Return the instant. Raises ``ValidationError`` where it has passed."""
        at = self.cleaned_data["scheduled_for"]
        if at and at <= now():
            raise ValidationError("This instant has passed.")
        return at

    def clean(self) -> dict[str, Any]:
        """Refuse an amount that is no whole number of minor units, and a limit that no overdraft has."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("overdraft_limit") and not cleaned.get("allow_overdraft"):
            self.add_error("overdraft_limit", "Tick the overdraft as well, or leave its limit empty.")
        for name in ("amount", "overdraft_limit"):
            if cleaned.get(name) and cleaned.get("precision"):
                try:
                    amounts.whole_units(cleaned[name], cleaned["precision"])
                except LedgerError as error:
                    self.add_error(name, error.message)
        return cleaned

    def order(self) -> Order:
        """Return what was asked for."""
        fields = {name: self.cleaned_data[name] for name in ("source", "amount", "precision", "currency")}
        return Payment(
            **fields,
            destinations=self.cleaned_data["destination"],
            description=self.cleaned_data["description"],
            inflight=self.cleaned_data["inflight"],
            allow_overdraft=self.cleaned_data["allow_overdraft"],
            overdraft_limit=self.cleaned_data["overdraft_limit"] or Decimal(0),
            scheduled_for=self.cleaned_data["scheduled_for"],
        )


class PartForm(InstructionForm):
    """A commit, a void or a refund of one transaction, of all or of a part."""

    amount = AmountField(
        label="Amount",
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="In major units. Empty: all that remains.",
    )

    def __init__(self, data: Any = None, *, kind: str, row: Transaction) -> None:
        super().__init__(data)
        self.kind, self.row = kind, row
        if kind == "void":
            del self.fields["amount"]

    def clean_amount(self) -> Decimal | None:
        """Return the amount. Raises ``ValidationError`` for none of it, and for a fraction of a minor unit."""
        amount: Decimal | None = self.cleaned_data["amount"]
        if amount is not None and amount <= 0:
            raise ValidationError("The amount must be more than zero.")
        if amount is not None:
            try:
                amounts.whole_units(amount, self.row.precision or 1)
            except LedgerError as error:
                raise ValidationError(error.message) from error
        return amount

    def order(self) -> Order:
        """Return what was asked for."""
        amount = self.cleaned_data.get("amount")
        units = None if amount is None else amounts.whole_units(amount, self.row.precision or 1)
        if self.kind == "refund":
            reason = self.cleaned_data["reason"]
            return RefundOrder(transaction_id=self.row.pk, units=units, description=f"Refund by hand: {reason}")
        action = "commit" if self.kind == "commit" else "void"
        return SettlementOrder(transaction_id=self.row.pk, action=action, units=units)  # type: ignore[arg-type]
