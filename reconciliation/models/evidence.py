"""The edit journal: written by triggers only, whenever totals or rows change by another way than posting."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Now

from balances.ground import MetadataField, UTCDateTimeField


class Edit(models.Model):
    """One change behind the ledger's back: what was there, what came, who did it and from where."""

    class Operation(models.TextChoices):
        """The SQL that did it."""

        INSERT = "INSERT", "Insert"
        UPDATE = "UPDATE", "Update"
        DELETE = "DELETE", "Delete"

    edited_at = UTCDateTimeField(db_default=Now())
    operation = models.TextField(choices=Operation.choices)
    old = MetadataField()
    new = MetadataField()
    database_user = models.TextField()
    client_address = models.TextField(null=True)
    application_name = models.TextField()
    backend_pid = models.IntegerField()

    class Meta:
        abstract = True


class BalanceEdit(Edit):
    """A change of totals that came neither through posting nor through restating; ``old`` and ``new`` hold the six.

    ``INSERT`` is a balance that was born with totals: an import.
    """

    balance_id = models.TextField(db_collation="C")

    class Meta:
        indexes = (models.Index(fields=("balance_id", "edited_at"), name="edits_of_balance"),)

    def __str__(self) -> str:
        return f"{self.operation} of the totals of {self.balance_id} by {self.database_user}"


class TransactionEdit(Edit):
    """A forced change of a transaction, past the trigger that refuses it; ``old`` and ``new`` hold the whole row."""

    transaction_id = models.TextField(db_collation="C")
    source = models.TextField(null=True, db_collation="C")
    destination = models.TextField(null=True, db_collation="C")

    class Meta:
        indexes = (
            models.Index(fields=("source", "edited_at"), name="edits_of_source"),
            models.Index(fields=("destination", "edited_at"), name="edits_of_destination"),
            models.Index(fields=("transaction_id",), name="edits_of_transaction"),
            # edits_touching: rows that were pointed at a balance.
            models.Index(KeyTextTransform("source", "new"), condition=Q(operation="UPDATE"), name="edits_to_source"),
            models.Index(
                KeyTextTransform("destination", "new"), condition=Q(operation="UPDATE"), name="edits_to_destination"
            ),
        )

    def __str__(self) -> str:
        return f"{self.operation} of {self.transaction_id} by {self.database_user}"
