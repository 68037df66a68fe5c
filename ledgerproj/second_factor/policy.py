"""Who needs a second factor: no one, those who approve, or everyone (``LEDGER_SECOND_FACTOR``).

No one is locked out by it: who lacks one signs in with the password, and sets one up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from balances.ground import LedgerError
from ledgerproj.models import Factor, RecoveryCode

OFF, APPROVERS, EVERYONE = POLICIES = ("off", "approvers", "everyone")
VERIFIED = "second_factor"
"""What the session keeps: the second factor that it was begun with, or that was set up in it."""


class SecondFactorNeeded(LedgerError):
    """Approving needs a second factor, and this person has none."""

    code = "AUTH_INSUFFICIENT_PERMISSIONS"


def has_factor(user: User) -> bool:
    """Return whether a user has set up a second factor."""
    return Factor.objects.filter(user=user).exists()


def forget(users: Iterable[User]) -> None:
    """Remove all second factors and recovery codes of users."""
    for model in (Factor, RecoveryCode):
        model.objects.filter(user__in=list(users)).delete()


def require_to_approve(actor: str, **_: Any) -> None:
    """Raise ``SecondFactorNeeded`` where the policy asks a person for one before they approve.

    Persons are the users of the admin, and keys whose owner has the name of a login. The keys of services, and the
    master key, have no one who could hold a second factor.
    """
    if settings.LEDGER_SECOND_FACTOR == OFF:
        return
    from reconciliation.correcting import logins_of  # most processes do without, and start sooner

    logins = logins_of(actor)
    if logins.exists() and not logins.filter(factors__isnull=False).exists():
        page = settings.LEDGER_PUBLIC_URL + reverse("second_factor")
        raise SecondFactorNeeded(
            f"Approving needs a second factor, and {actor} has none. Set one up under Second factor, in the menu of "
            f"your name: {page}"
        )


class SecondFactorOfEveryone:
    """Middleware that shows the pages of the back-office only to who has a second factor, where everyone needs one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, or send the user to the page on which a second factor is set up."""
        if settings.LEDGER_SECOND_FACTOR == EVERYONE and self._lacks(request):
            messages.warning(request, "Everyone needs a second factor here. Set one up to go on.")
            return HttpResponseRedirect(reverse("second_factor"))
        return self.get_response(request)

    def _lacks(self, request: HttpRequest) -> bool:
        start = reverse("admin:index")
        open_to_all = (reverse("second_factor"), *(reverse(f"admin:{name}") for name in OPEN))
        if not request.path.startswith(start) or request.path.startswith(open_to_all):
            return False
        user = request.user
        return isinstance(user, User) and user.is_staff and not has_factor(user)


OPEN = ("login", "logout", "password_change", "jsi18n")
"""Pages of the admin that need no second factor."""
