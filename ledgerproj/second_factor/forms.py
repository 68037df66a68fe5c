"""Forms about one's own second factor. Each asks for the password again: an unlocked screen is not a person."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from ledgerproj.second_factor import limits


class Confirmed(forms.Form):
    """The user's password, counted like one at the door; who has none is not asked."""

    password = forms.CharField(
        label="Your password", strip=False, widget=UnfoldAdminPasswordWidget({"autocomplete": "current-password"})
    )

    def __init__(self, request: HttpRequest, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.request = request
        if not self._user.has_usable_password():
            del self.fields["password"]
        self.order_fields([name for name in self.fields if name != "password"])

    @property
    def _user(self) -> User:
        user = self.request.user
        if not isinstance(user, User):
            raise PermissionDenied
        return user

    def clean_password(self) -> str:
        """Return the password. Raises ``ValidationError`` for a wrong one, or where too many were."""
        if limits.is_closed(self.request, self._user):
            raise ValidationError("There were too many wrong passwords. Wait 15 minutes.")
        password: str = self.cleaned_data["password"]
        if not self._user.check_password(password):
            limits.failed(self.request, self._user, "Wrong password, on the page of one's second factor")
            raise ValidationError("This is not your password.")
        return password


class NewFactor(Confirmed):
    """The name of a new second factor, to know it by."""

    name = forms.CharField(
        max_length=60, widget=UnfoldAdminTextInputWidget, help_text="To know it by, such as the device that it is on."
    )


class NewApp(NewFactor):
    """What an authenticator app shows after it has read the QR code."""

    code = forms.CharField(
        label="Code that the app shows",
        max_length=20,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )


class NewPasskey(NewFactor):
    """What the browser answers; a script fills it in."""

    answer = forms.CharField(widget=forms.HiddenInput)
