"""Codes of an authenticator app (TOTP, RFC 6238), and recovery codes. None of them counts twice."""

from __future__ import annotations

import re
import secrets
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from ledgerproj.models import Factor, RecoveryCode
from ledgerproj.second_factor.sealing import unseal

ISSUER = "Ledger back-office"
STEP_SECONDS = 30
SKEW = 1
"""Steps by which the clock of the app may be ahead or behind."""
RECOVERY_CODES = 10
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
"""Without characters that look alike."""
HALF = 8
"""Characters of either half of a recovery code: 79 bits in all, more than anyone tries."""


def new_secret() -> str:
    """Return a fresh secret for an app, as base32 text."""
    from pyotp import random_base32  # most processes do without, and start sooner

    return random_base32()


def address(secret: str, username: str) -> str:
    """Return what an app reads from the QR code."""
    from pyotp import TOTP

    return TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)


def picture(text: str) -> str:
    """Return a text as QR code, an SVG element."""
    import segno

    return segno.make(text, error="m").svg_inline(scale=5, dark="#000", light="#fff")


def step_of(secret: str, code: str, at: datetime | None = None) -> int | None:
    """Return the time step that a code belongs to, at most one away from now, or ``None`` for a wrong code."""
    from pyotp import TOTP

    now = int((at or timezone.now()).timestamp()) // STEP_SECONDS
    app = TOTP(secret, interval=STEP_SECONDS)
    steps = range(now - SKEW, now + SKEW + 1)
    return next((step for step in steps if constant_time_compare(app.generate_otp(step), code)), None)


def use_code(user: User, typed: str) -> Factor | None:
    """Use up a code of one of a user's apps, and return the app; ``None`` for a wrong code or a used one."""
    code = re.sub(r"\s", "", typed)
    if not re.fullmatch(r"\d{6}", code, re.ASCII):
        return None
    for factor in Factor.objects.filter(user=user, kind=Factor.Kind.CODES):
        secret = unseal(factor.secret)
        step = step_of(secret, code) if secret else None
        unused = Factor.objects.filter(pk=factor.pk, last_step__lt=step or 0)
        # One UPDATE decides, so that of two requests with one code only one comes in.
        if step and unused.update(last_step=step, last_used_at=timezone.now()):
            return factor
    return None


def new_recovery_codes(user: User) -> list[str]:
    """Replace a user's recovery codes, and return the new ones; they are never shown again."""
    made = ["-".join(_random_text() for _ in range(2)) for _ in range(RECOVERY_CODES)]
    with transaction.atomic():
        RecoveryCode.objects.filter(user=user).delete()
        RecoveryCode.objects.bulk_create(RecoveryCode(user=user, digest=_digest(user, code)) for code in made)
    return made


def use_recovery_code(user: User, typed: str) -> bool:
    """Use up a recovery code, and return whether it was one."""
    code = re.sub(r"\s", "", typed).lower()
    unused = RecoveryCode.objects.filter(user=user, digest=_digest(user, code), used_at=None)
    return unused.update(used_at=timezone.now()) == 1


def recovery_codes_left(user: User) -> int:
    """Return how many recovery codes can still be used."""
    return RecoveryCode.objects.filter(user=user, used_at=None).count()


def _random_text() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(HALF))


def _digest(user: User, code: str) -> str:
    return salted_hmac("ledger: recovery code", f"{user.pk}:{code}", algorithm="sha256").hexdigest()
