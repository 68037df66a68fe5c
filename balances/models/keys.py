"""API keys, under Blnk's name for the table, with their scopes and expiry."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from balances.ground import UTCDateTimeField

NEVER_USED = datetime.min.replace(tzinfo=UTC)
"""The value of ``last_used_at`` before the first use: the column is NOT NULL, and the contract shows the zero time."""
PREFIX_LENGTH = 16


def new_api_key_id() -> str:
    """Return a fresh key id."""
    return f"api_key_{uuid.uuid4()}"


class ApiKey(models.Model):
    """A key of one owner. Only its hash is stored, and it is revoked but never deleted."""

    api_key_id = models.TextField(primary_key=True, default=new_api_key_id, editable=False, db_collation="C")
    key = models.TextField(editable=False)
    key_prefix = models.CharField("prefix", max_length=PREFIX_LENGTH, null=True, editable=False)
    name = models.TextField()
    owner_id = models.TextField("owner")
    scopes = ArrayField(models.TextField(), default=list)
    expires_at = UTCDateTimeField("expires")
    created_at = UTCDateTimeField(default=timezone.now, editable=False)
    last_used_at = UTCDateTimeField(default=NEVER_USED, editable=False)
    is_revoked = models.BooleanField(default=False, editable=False)
    revoked_at = UTCDateTimeField(null=True, editable=False)

    plaintext: str = ""
    """The key itself, on a newly issued instance only; it is never stored."""

    class Meta:
        db_table = "api_keys"
        verbose_name = "API key"
        permissions = (("revoke_api_key", "Can revoke an API key"),)
        constraints = (models.UniqueConstraint(fields=("key",), name="unique_api_key"),)
        indexes = (
            # Every request with a key.
            models.Index(fields=("key_prefix",), name="api_keys_by_prefix"),
            # GET /api-keys.
            models.Index(fields=("owner_id", "-created_at"), name="api_keys_of_owner"),
        )

    def __str__(self) -> str:
        return self.name or self.api_key_id

    def is_valid(self, at: datetime) -> bool:
        """Return whether the key can be used at an instant."""
        return not self.is_revoked and at < self.expires_at


def allows(scopes: Iterable[str], resource: str, action: str) -> bool:
    """Return whether scopes allow a request; they read ``resource:action``, where either half may be ``*``."""
    return any(
        scope.count(":") == 1 and scope.split(":")[0] in {resource, "*"} and scope.split(":")[1] in {action, "*"}
        for scope in scopes
    )


def covers(scopes: Iterable[str], wanted: str) -> bool:
    """Return whether a holder of scopes may grant another one; never where that one is malformed."""
    resource, _, action = wanted.partition(":")
    return wanted.count(":") == 1 and bool(resource and action) and allows(scopes, resource, action)
