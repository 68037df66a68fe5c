"""Holders of balances, under Blnk's names for the tables: identities and accounts.

Rows are written by ``balances.people.identities``, ``balances.people.tokenizing`` and ``balances.people.accounts``.
"""

from __future__ import annotations

import uuid
from datetime import date

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.utils import timezone

from balances.ground import MetadataField, UTCDateTimeField
from balances.models.expressions import beginnings, words_of

NO_DATE = date.min
"""The value of ``dob`` where no date was given, which the contract shows as the zero time."""
ORGANIZATION = "organization"


def new_identity_id() -> str:
    """Return a fresh identity id."""
    return f"idt_{uuid.uuid4()}"


def new_account_id() -> str:
    """Return a fresh account id."""
    return f"acc_{uuid.uuid4()}"


NAMES = ("first_name", "last_name", "other_names", "organization_name", "email_address")
"""The columns in which an identity is searched for; tokenized ones hold tokens, by which no one is found."""


class IdentityQuerySet(models.QuerySet["Identity"]):
    """Reads of identities."""

    def locked(self, identity_id: str) -> IdentityQuerySet:
        """Return one identity, if it exists, locked against changes and deletion until the block ends."""
        return self.filter(identity_id=identity_id).select_for_update(no_key=True)

    def named(self, term: str) -> IdentityQuerySet:
        """Return the identities that have all words of a term, or their beginnings, in names and e-mail address."""
        return self.alias(words=words_of(*NAMES)).filter(words=beginnings(term))


class Identity(models.Model):
    """A person or an organization. Unknown values are empty texts; a tokenized field holds its token."""

    identity_id = models.TextField(primary_key=True, default=new_identity_id, editable=False, db_collation="C")
    identity_type = models.TextField(null=True, blank=True, default="")
    organization_name = models.TextField(null=True, blank=True, default="")
    category = models.TextField(null=True, blank=True, default="")
    first_name = models.TextField(blank=True, default="")
    last_name = models.TextField(blank=True, default="")
    other_names = models.TextField(null=True, blank=True, default="")
    gender = models.TextField(null=True, blank=True, default="")
    email_address = models.TextField(null=True, blank=True, default="")
    phone_number = models.TextField(null=True, blank=True, default="")
    nationality = models.TextField(null=True, blank=True, default="")
    street = models.TextField(null=True, blank=True, default="")
    country = models.TextField(null=True, blank=True, default="")
    state = models.TextField(null=True, blank=True, default="")
    post_code = models.TextField(null=True, blank=True, default="")
    city = models.TextField(null=True, blank=True, default="")
    dob = models.DateField("date of birth", null=True, blank=True, default=NO_DATE)
    created_at = UTCDateTimeField(default=timezone.now, editable=False)
    meta_data = MetadataField()

    objects = IdentityQuerySet.as_manager()

    class Meta:
        db_table = "identity"
        verbose_name_plural = "identities"
        permissions = (("detokenize_identity", "Can see the original values of tokenized fields"),)
        indexes = (
            # GET /identities and the admin's list, newest first.
            models.Index(fields=("-created_at", "-identity_id"), name="identities_newest"),
            # The admin's search by the beginning of a name.
            models.Index(fields=("last_name",), name="identities_by_last_name", opclasses=("text_pattern_ops",)),
            models.Index(
                fields=("organization_name",), name="identities_by_organization", opclasses=("text_pattern_ops",)
            ),
            # The same by words of all names, and by e-mail address.
            GinIndex(words_of(*NAMES), name="identities_by_words"),
        )

    def __str__(self) -> str:
        return self.display_name.strip() or self.identity_id

    @property
    def display_name(self) -> str:
        """Return the name for accounts of this identity."""
        if self.identity_type == ORGANIZATION:
            return self.organization_name or ""
        return f"{self.first_name} {self.last_name}"


class Account(models.Model):
    """An account number at a bank, for one balance of one identity. Accounts are opened, never changed."""

    account_id = models.TextField(primary_key=True, default=new_account_id, editable=False, db_collation="C")
    name = models.TextField()
    number = models.TextField(blank=True)
    bank_name = models.TextField(blank=True)
    currency = models.TextField()
    balance = models.ForeignKey("balances.Balance", models.PROTECT, related_name="accounts", db_index=False)
    identity = models.ForeignKey(Identity, models.PROTECT, related_name="accounts", db_index=False)
    ledger = models.ForeignKey("balances.Ledger", models.PROTECT, related_name="+", db_index=False)
    created_at = UTCDateTimeField(default=timezone.now, editable=False)
    meta_data = MetadataField()

    class Meta:
        db_table = "accounts"
        constraints = (
            # The original's constraint includes accounts without a number, of which there can then be only one.
            models.UniqueConstraint(
                fields=("number",),
                condition=~Q(number=""),
                name="unique_account_number",
                violation_error_message="An account with this number exists already.",
            ),
        )
        indexes = (
            # GET /accounts and the admin's list, newest first.
            models.Index(fields=("-created_at", "-account_id"), name="accounts_newest"),
            # The accounts of an identity: its deletion looks there.
            models.Index(fields=("identity",), name="accounts_of_identity"),
        )

    def __str__(self) -> str:
        return self.number or self.account_id
