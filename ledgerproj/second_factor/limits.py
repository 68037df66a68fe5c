"""How often somebody may be wrong about a code or their own password: as often as about a password at the door.

Failures count where those of sign-ins do (django-axes), so five of them close a user name to one network. Codes are
limited for each user besides, wherever they come from: six digits could be tried from many networks.
"""

from __future__ import annotations

from axes.handlers.proxy import AxesProxyHandler
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest

from balances.ground import RateLimiter

CODES_AN_HOUR = 20
"""Of one user. Of a million codes three are right at a time, so a day of trying finds one in a thousand accounts whose
password is known already, and leaves hundreds of records."""
CODES = RateLimiter(rate=CODES_AN_HOUR / 3600, burst=CODES_AN_HOUR, idle_seconds=3600)


def is_closed(request: HttpRequest, user: User) -> bool:
    """Return whether the user's name is closed to the network of a request."""
    return not AxesProxyHandler.is_allowed(request, {"username": user.get_username()})


def take_code(user: User) -> bool:
    """Return whether another code of this user may be tried now."""
    return CODES.take(str(user.pk)) is not None


def failed(request: HttpRequest, user: User, why: str) -> None:
    """Count a failure, and have it recorded as refused."""
    request.__dict__["refused_because"] = why
    user_login_failed.send(sender=__name__, credentials={"username": user.get_username()}, request=request)
