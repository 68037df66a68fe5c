"""The three core tables, under Blnk's names: an existing Blnk database can be adopted as it is.

Amounts are integers of minor units, instants are UTC. Rows are written by ``balances.posting``, or loaded by
``balances.importing``.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.contrib.postgres.indexes import GinIndex, HashIndex
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.fields.json import KT, KeyTextTransform
from django.db.models.functions import Coalesce
from django.db.models.lookups import IsNull

from balances.ground import MajorUnitsField, MetadataField, MinorUnitsField, UTCDateTimeField, amounts
from balances.models.expressions import beginnings, hashed, words_of
from balances.models.people import Identity

GENERAL_LEDGER_ID = "general_ledger_id"
RUN_FLAG = "BLNK_RUN_RECONCILIATION"
RUN_VALUE = "SOURCE"
TOTALS = (
    "credit_balance",
    "debit_balance",
    "balance",
    "inflight_credit_balance",
    "inflight_debit_balance",
    "inflight_balance",
)
"""The six running totals of a balance."""


def now() -> datetime:
    """Return the present instant in UTC, to the microsecond that PostgreSQL keeps."""
    return datetime.now(UTC)


def new_ledger_id() -> str:
    """Return a fresh ledger id."""
    return f"ldg_{uuid.uuid4()}"


def new_balance_id() -> str:
    """Return a fresh balance id."""
    return f"bln_{uuid.uuid4()}"


def new_transaction_id() -> str:
    """Return a fresh transaction id."""
    return f"txn_{uuid.uuid4()}"


class BalanceQuerySet(models.QuerySet["Balance"]):
    """Reads of balances."""

    def newest_first(self) -> BalanceQuerySet:
        """Order as all lists of the contract, with the key as tie-breaker."""
        return self.order_by("-created_at", "-balance_id")

    def by_indicator(self, indicator: str, currency: str) -> BalanceQuerySet:
        """Return the one balance with this indicator in this currency, or none."""
        return self.filter(indicator=indicator, currency=currency)

    def called(self, name: str) -> BalanceQuerySet:
        """Return the balances with this indicator, one for each currency; its ``@`` may be left out."""
        return self.filter(Q(indicator=name) | Q(indicator=f"@{name}"))

    def locked(self, balance_ids: Iterable[str]) -> BalanceQuerySet:
        """Lock rows against other writers, always in key order, so that no two writers wait for each other."""
        return self.filter(balance_id__in=list(balance_ids)).order_by("balance_id").select_for_update(no_key=True)


class TransactionQuerySet(models.QuerySet["Transaction"]):
    """Reads of transactions."""

    def newest_first(self) -> TransactionQuerySet:
        """Order as all lists of the contract, with a hash of the key as tie-breaker."""
        return self.order_by("-created_at", hashed("transaction_id").desc())

    def with_children(self, transaction_id: str) -> TransactionQuerySet:
        """Return a row and its children, one level deep, as far as metadata updates reach."""
        return self.filter(Q(transaction_id=transaction_id) | Q(parent_transaction=transaction_id))

    def shadows_of(self, transaction_id: str) -> TransactionQuerySet:
        """Return the shadow rows of a movement and their settlements, oldest first."""
        rows = self.alias(shadow_for=KT("meta_data___shadow_for")).filter(shadow_for=transaction_id)
        return rows.order_by("created_at", "transaction_id")

    def moving(self, *balance_ids: str) -> TransactionQuerySet:
        """Return rows that moved, hold or will move money of some balances, by the partial indexes of both sides."""
        statuses = (Q(status="APPLIED"), Q(status__in=("INFLIGHT", "VOID")), Q(status="QUEUED"))
        sides = Q()
        for status in statuses:
            sides |= (status & Q(source__in=balance_ids)) | (status & Q(destination__in=balance_ids))
        return self.filter(sides)

    def latest_of(self, balance_id: str, limit: int = 20) -> TransactionQuerySet:
        """Return a superset of the last applied rows and holds of a balance, ``limit`` of each kind and side.

        Each part reads its partial index backwards and stops. Rows without an effective date, which only old
        databases have, are a part of their own, because they would sort first and hide all newer ones. Holds are few
        and sorted: by a bare ``created_at``, the planner would look for them among all rows of the ledger.
        """
        dated = self.filter(status="APPLIED", effective_date__isnull=False).order_by("-effective_date", "-pk")
        undated = self.filter(status="APPLIED", effective_date=None)
        newest = Coalesce("created_at", "effective_date").desc()
        holds = self.filter(status__in=("INFLIGHT", "VOID")).order_by(newest, "-pk")
        parts = [
            rows.filter(**{side: balance_id}).values("pk")[:limit]
            for rows in (dated, undated, holds)
            for side in ("source", "destination")
        ]
        return self.filter(pk__in=parts[0].union(*parts[1:], all=True)).select_related("source", "destination")


class LedgerQuerySet(models.QuerySet["Ledger"]):
    """Reads of ledgers."""

    def named(self, term: str) -> LedgerQuerySet:
        """Return the ledgers that have all words of a term, or their beginnings, in their names."""
        return self.alias(words=words_of("name")).filter(words=beginnings(term))


class Ledger(models.Model):
    """A group of balances."""

    ledger_id = models.TextField(primary_key=True, default=new_ledger_id, editable=False, db_collation="C")
    name = models.TextField()
    created_at = UTCDateTimeField(default=now, editable=False)
    meta_data = MetadataField()

    objects = LedgerQuerySet.as_manager()

    class Meta:
        db_table = "ledgers"
        ordering = ("-created_at", "-ledger_id")
        # The admin's search by words of a name.
        indexes = (GinIndex(words_of("name"), name="ledgers_by_words"),)

    def __str__(self) -> str:
        return self.name or self.ledger_id


class Balance(models.Model):
    """Six running totals in one currency of one ledger, as a cache of the sums of its transactions."""

    balance_id = models.TextField(primary_key=True, default=new_balance_id, editable=False, db_collation="C")
    ledger = models.ForeignKey(Ledger, on_delete=models.PROTECT, related_name="balances")
    identity = models.ForeignKey(
        Identity, on_delete=models.PROTECT, related_name="balances", null=True, blank=True, db_index=False
    )
    indicator = models.TextField(null=True, blank=True)
    currency = models.TextField()
    credit_balance = MinorUnitsField(default=0, editable=False)
    debit_balance = MinorUnitsField(default=0, editable=False)
    balance = MinorUnitsField(default=0, editable=False)
    inflight_credit_balance = MinorUnitsField(default=0, editable=False)
    inflight_debit_balance = MinorUnitsField(default=0, editable=False)
    inflight_balance = MinorUnitsField(default=0, editable=False)
    version = models.IntegerField(default=1, editable=False)
    created_at = UTCDateTimeField(default=now, editable=False)
    meta_data = MetadataField()
    track_fund_lineage = models.BooleanField(default=False)
    allocation_strategy = models.TextField(default="FIFO")

    objects = BalanceQuerySet.as_manager()

    reconstruction_requested: bool = False
    """Set by ``save()`` when the metadata had the flag; the receiver in ``reconciliation`` acts on it."""
    changed_by: str = ""
    """Who saves this instance, for the record of a reconstruction; set by the caller of ``save()``."""
    changed_through: str = "script"
    """The way in which it is saved: ``metadata`` (REST), ``admin``, or any other code."""

    class Meta:
        db_table = "balances"
        permissions = (
            ("preview_reconstruction", "Can preview the reconstruction of a balance"),
            ("reconstruct_balance", "Can reconstruct a balance"),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(balance=F("credit_balance") - F("debit_balance")),
                name="balance_is_credit_less_debit",
                violation_error_message="The balance must be its credits less its debits.",
            ),
            models.CheckConstraint(
                condition=Q(inflight_balance=F("inflight_credit_balance") - F("inflight_debit_balance")),
                name="inflight_is_credit_less_debit",
                violation_error_message="The inflight balance must be its inflight credits less its inflight debits.",
            ),
            models.CheckConstraint(
                condition=Q(**{total: Func(F(total), function="trunc") for total in TOTALS}),
                name="balance_totals_are_whole",
                violation_error_message="Totals must be whole minor units.",
            ),
            models.UniqueConstraint(
                fields=("indicator", "currency"),
                name="unique_indicator_currency",
                violation_error_message="A balance with this indicator and currency exists already.",
            ),
        )
        indexes = (
            # GET /balances and the admin's list, newest first.
            models.Index(fields=("-created_at", "-balance_id"), name="balances_newest"),
            # The balances of an identity; its deletion looks there too.
            models.Index(fields=("identity",), condition=Q(identity__isnull=False), name="balances_of_identity"),
        )

    def __str__(self) -> str:
        return f"{self.indicator or self.balance_id} ({self.currency})"

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        """Save all but the totals, and remove the reconstruction flag before it is stored.

        On a new balance the flag has no effect: there is nothing to rebuild, and storing it makes the original lose
        the first posting. Totals of a stored row change in SQL only, never from an outdated read: naming one in
        ``update_fields`` raises ``ValueError``.
        """
        if not self._state.adding:
            update_fields = set(SAVED_FIELDS if update_fields is None else update_fields)
            if moved := update_fields - SAVED_FIELDS:
                raise ValueError(f"Totals change by posting or restating only, not by save(): {sorted(moved)}")
        self.reconstruction_requested = False
        if isinstance(self.meta_data, dict) and self.meta_data.get(RUN_FLAG) == RUN_VALUE:
            self.meta_data = {key: value for key, value in self.meta_data.items() if key != RUN_FLAG}
            self.reconstruction_requested = not self._state.adding
        super().save(*args, update_fields=update_fields, **kwargs)


SAVED_FIELDS = frozenset({"meta_data", "identity", "indicator", "ledger", "track_fund_lineage", "allocation_strategy"})
"""The fields that ``Balance.save()`` may write on a stored row."""


HOLD = ("transaction_id", "parent_transaction", "status", "precise_amount", "amount", "precision")
"""The columns needed to sum a hold, besides its two balances."""


class Transaction(models.Model):
    """One movement, or one state of a movement. Append-only: a trigger refuses all but new ``meta_data``."""

    class Status(models.TextChoices):
        """The six stored statuses."""

        QUEUED = "QUEUED", "Queued"
        SCHEDULED = "SCHEDULED", "Scheduled"
        INFLIGHT = "INFLIGHT", "Inflight (hold)"
        APPLIED = "APPLIED", "Applied"
        VOID = "VOID", "Void"
        REJECTED = "REJECTED", "Rejected"

    transaction_id = models.TextField(primary_key=True, default=new_transaction_id, editable=False, db_collation="C")
    parent_transaction = models.TextField(null=True, blank=True, default="", db_collation="C")
    source = models.ForeignKey(
        Balance, on_delete=models.PROTECT, related_name="debits", null=True, db_column="source", db_index=False
    )
    destination = models.ForeignKey(
        Balance, on_delete=models.PROTECT, related_name="credits", null=True, db_column="destination", db_index=False
    )
    reference = models.TextField(null=True)
    amount = MajorUnitsField(null=True)
    precise_amount = MinorUnitsField(null=True)
    precision = models.BigIntegerField(null=True, default=1)
    currency = models.TextField(null=True)
    description = models.TextField(null=True, blank=True)
    status = models.TextField(null=True, choices=Status.choices)
    hash = models.TextField(null=True, blank=True)
    created_at = UTCDateTimeField(default=now)
    effective_date = UTCDateTimeField(null=True, blank=True)
    scheduled_for = UTCDateTimeField(null=True, blank=True)
    meta_data = MetadataField()

    objects = TransactionQuerySet.as_manager()

    class Meta:
        db_table = "transactions"
        constraints = (
            models.UniqueConstraint(
                fields=("reference",),
                name="unique_reference",
                violation_error_message="A transaction with this reference exists already.",
            ),
            models.CheckConstraint(
                condition=~Q(source=F("destination")),
                name="no_transaction_to_itself",
                violation_error_message="A transaction cannot move money from a balance to itself.",
            ),
            models.CheckConstraint(
                condition=Q(precise_amount=Func(F("precise_amount"), function="trunc")),
                name="precise_amount_is_whole",
                violation_error_message="The precise amount must be whole minor units.",
            ),
        )
        indexes = (
            # measure.sql: the sums of a balance, index-only; the balance page: its last applied rows.
            models.Index(
                fields=("source", "effective_date"),
                include=("precise_amount",),
                condition=Q(status="APPLIED"),
                name="applied_debits",
            ),
            models.Index(
                fields=("destination", "effective_date"),
                include=("precise_amount",),
                condition=Q(status="APPLIED"),
                name="applied_credits",
            ),
            # measure.sql: applied rows from before precise_amount existed; empty in most databases.
            models.Index(fields=("source",), condition=Q(status="APPLIED", precise_amount=None), name="legacy_debits"),
            models.Index(
                fields=("destination",), condition=Q(status="APPLIED", precise_amount=None), name="legacy_credits"
            ),
            # measure.sql and screen.sql: the holds of a balance and their releases, read from the index alone.
            models.Index(
                fields=("source",),
                include=("destination", *HOLD),
                condition=Q(status__in=("INFLIGHT", "VOID")),
                name="hold_debits",
            ),
            models.Index(
                fields=("destination",),
                include=("source", *HOLD),
                condition=Q(status__in=("INFLIGHT", "VOID")),
                name="hold_credits",
            ),
            models.Index(fields=("created_at",), condition=Q(status="INFLIGHT"), name="holds_in_order"),
            # queued.sql: amounts waiting on a balance (GET /balances/{id}?with_queued=true).
            models.Index(fields=("source",), condition=Q(status="QUEUED"), name="queued_debits"),
            models.Index(fields=("destination",), condition=Q(status="QUEUED"), name="queued_credits"),
            # fitting_rows.sql: rejected rows that were applied all the same.
            models.Index(fields=("source",), condition=Q(status="REJECTED"), name="rejected_debits"),
            models.Index(fields=("destination",), condition=Q(status="REJECTED"), name="rejected_credits"),
            # measure.sql: the commits of a hold; queued.sql: the outcome of a row; metadata of children.
            models.Index(
                fields=("parent_transaction", "status"), condition=Q(parent_transaction__gt=""), name="children"
            ),
            # Rows of a balance of any status, newest first: filters, take_snapshots.sql. By a hash of its id, because
            # the id itself takes three times the space; conditions name both.
            models.Index(hashed("source"), "created_at", name="debits_of_balance"),
            models.Index(hashed("destination"), "created_at", name="credits_of_balance"),
            # GET /transactions and the admin's list, newest first. Ascending, and read backwards: pages of an index
            # that grows at its end are full, those of one that grows at its beginning are half empty. Rows of one
            # instant, such as those of a bulk, are in the order of a hash, which takes a third of the space of an id.
            models.Index("created_at", hashed("transaction_id"), name="transactions_in_order"),
            # The admin's search by amount, for which a payment takes about 27 bytes more.
            models.Index(fields=("precise_amount",), name="transactions_by_amount"),
            # shadows.sql and GET /transactions/{id}/lineage: the shadow rows of a movement; only shadow rows.
            # By hash, because clients may send texts of any length under this name.
            HashIndex(
                KeyTextTransform("_shadow_for", "meta_data"),
                condition=Q(IsNull(KeyTextTransform("_shadow_for", "meta_data"), False)),
                name="shadow_rows",
            ),
        )

    def __str__(self) -> str:
        return self.reference or self.transaction_id

    @property
    def units(self) -> int:
        """Return the amount in minor units; a row from before ``precise_amount`` has only major ones."""
        if self.precise_amount is None:
            return amounts.stored_units(self.amount or Decimal(0), self.precision or 1)
        return int(self.precise_amount)


class BalanceSnapshot(models.Model):
    """The totals of a balance as they were stored on one day. Only ``meta_data`` may change."""

    balance = models.ForeignKey(Balance, on_delete=models.PROTECT, related_name="snapshots", db_index=False)
    ledger = models.ForeignKey(Ledger, on_delete=models.PROTECT, related_name="+", db_index=False)
    net_balance = MinorUnitsField(db_column="balance")
    credit_balance = MinorUnitsField()
    debit_balance = MinorUnitsField()
    inflight_balance = MinorUnitsField()
    inflight_credit_balance = MinorUnitsField()
    inflight_debit_balance = MinorUnitsField()
    currency = models.TextField()
    snapshot_time = UTCDateTimeField()
    created_at = UTCDateTimeField()
    last_tx_id = models.TextField(null=True)
    meta_data = MetadataField()

    class Meta:
        db_table = "balance_snapshots"
        ordering = ("-snapshot_time", "-id")
        indexes = (
            # The newest snapshot of a balance up to an instant.
            models.Index(fields=("balance", "-snapshot_time"), name="snapshots_of_balance"),
        )

    def __str__(self) -> str:
        return f"{self.balance_id} at {self.snapshot_time:%Y-%m-%d %H:%M}"
