"""What belongs to signing in: second factors, recovery codes, and who is signed in where."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from balances.ground import UTCDateTimeField


class Factor(models.Model):
    """A second factor of one user: an app that shows codes, or a passkey."""

    class Kind(models.TextChoices):
        """What it is."""

        CODES = "codes", "Authenticator app"
        PASSKEY = "passkey", "Passkey"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="factors")
    kind = models.TextField(choices=Kind.choices)
    name = models.CharField(max_length=60)
    secret = models.TextField(blank=True)
    """Of codes: encrypted (``ledgerproj.second_factor.sealing``)."""
    last_step = models.BigIntegerField(default=0)
    """Of codes: the newest time step whose code was used; no code of it or of an earlier one is taken."""
    credential_id = models.TextField(null=True, unique=True)
    credential = models.TextField(blank=True)
    """Of a passkey: id and public key, base64url."""
    sign_count = models.BigIntegerField(default=0)
    """Of a passkey: its counter at the last use; zero where it has none."""
    created_at = UTCDateTimeField(default=timezone.now)
    last_used_at = UTCDateTimeField(null=True)

    class Meta:
        default_permissions = ()
        ordering = ("created_at", "pk")

    def __str__(self) -> str:
        return f"{self.get_kind_display()} “{self.name}”"


class RecoveryCode(models.Model):
    """A code that stands in for a lost second factor, once. Only its digest is stored."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="recovery_codes")
    digest = models.TextField()
    used_at = UTCDateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("user", "digest"), name="unique_recovery_code"),)

    def __str__(self) -> str:
        return f"Recovery code of {self.user}"


class SignIn(models.Model):
    """A session of a user: from where, with what, since when."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="sign_ins")
    session_key = models.TextField(unique=True)
    address = models.TextField(blank=True)
    browser = models.TextField(blank=True)
    since = UTCDateTimeField()
    last_seen = UTCDateTimeField()

    class Meta:
        default_permissions = ()
        ordering = ("-last_seen", "-pk")

    def __str__(self) -> str:
        return f"Session of {self.user} from {self.address}"


class GivenPassword(models.Model):
    """That somebody else set a user's password, who therefore knows it, until the user chooses another one."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="given_password")
    by = models.TextField()
    at = UTCDateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Password of {self.user}, set by {self.by}"
