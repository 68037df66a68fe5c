"""The bodies of requests about transactions, as they are decoded."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from balances.api.go import Strings, Structs
from balances.api.validation import MOST_SETTLEMENTS
from balances.posting import LARGEST

DRY_RUN = "Answer what would happen, and do nothing"
COMMIT_REFERENCE = (
    "Of a commit, unique for its hold: one that is sent again with it is refused. "
    "The row's reference is <hold id>_commit_<reference>"
)


class Distribution(serializers.Serializer[Any]):
    identifier = serializers.CharField(help_text="Balance id or @indicator")
    distribution = serializers.CharField(required=False, help_text="A share such as 10%, an amount, or left")
    precise_distribution = serializers.CharField(required=False, help_text="Minor units, or left")
    transaction_id = serializers.CharField(required=False)

    class Meta:
        go_type = "model.Distribution"


class RecordTransaction(serializers.Serializer[Any]):
    amount = serializers.DecimalField(None, None, required=False, help_text="Major units")
    precise_amount = serializers.IntegerField(required=False, help_text="Minor units, instead of amount")
    precision = serializers.DecimalField(
        None, None, required=False, help_text="Minor units in a major one; 100 is two decimals"
    )
    currency = serializers.CharField()
    reference = serializers.CharField(help_text="Unique over all transactions")
    description = serializers.CharField()
    source = serializers.CharField(  # type: ignore[assignment]  # the base class has an attribute of this name
        required=False, help_text="Balance id or @indicator"
    )
    destination = serializers.CharField(required=False, help_text="Balance id or @indicator")
    balance_id = serializers.CharField(required=False, help_text="Accepted and dropped")
    sources = Structs(Distribution, most=LARGEST, required=False)
    destinations = Structs(Distribution, most=LARGEST, required=False)
    allow_overdraft = serializers.BooleanField(required=False)
    overdraft_limit = serializers.DecimalField(None, None, required=False, help_text="Major units")
    inflight = serializers.BooleanField(required=False)
    inflight_expiry_date = serializers.CharField(required=False)
    inflight_commit_date = serializers.CharField(required=False)
    scheduled_for = serializers.CharField(required=False)
    effective_date = serializers.DateTimeField(required=False)
    skip_queue = serializers.BooleanField(required=False)
    atomic = serializers.BooleanField(required=False)
    dry_run = serializers.BooleanField(required=False, help_text=DRY_RUN)
    meta_data = serializers.DictField(required=False)

    class Meta:
        go_type = "model.RecordTransaction"


class BulkTransactions(serializers.Serializer[Any]):
    transactions = Structs(
        RecordTransaction,
        pointers=True,
        most=LARGEST,
        help_text="1 to 10,000 transactions, as POST /transactions takes them",
    )
    inflight = serializers.BooleanField(required=False, help_text="Stands for what each transaction says")
    skip_queue = serializers.BooleanField(required=False, help_text="Stands for what each transaction says")
    atomic = serializers.BooleanField(required=False, help_text="All of it, or nothing")
    run_async = serializers.BooleanField(required=False, help_text="Answer before it is recorded")
    dry_run = serializers.BooleanField(required=False, help_text=DRY_RUN)

    values_each = ("transactions", 50, LARGEST)

    class Meta:
        go_type = "model.BulkTransactionRequest"


class UpdateInflight(serializers.Serializer[Any]):
    status = serializers.CharField(help_text="commit or void")
    amount = serializers.DecimalField(None, None, required=False, help_text="Major units; nothing: all that remains")
    precise_amount = serializers.IntegerField(required=False, help_text="Minor units, instead of amount")
    reference = serializers.CharField(required=False, help_text=COMMIT_REFERENCE)
    skip_queue = serializers.BooleanField(required=False)
    dry_run = serializers.BooleanField(required=False, help_text=DRY_RUN)
    meta_data = serializers.DictField(required=False, help_text="Accepted and dropped")

    class Meta:
        go_type = "model.InflightUpdate"
        closed = True


class CommitItem(serializers.Serializer[Any]):
    transaction_id = serializers.CharField()
    amount = serializers.DecimalField(None, None, required=False, help_text="Major units; nothing: all that remains")
    precise_amount = serializers.IntegerField(required=False, help_text="Minor units, instead of amount")
    reference = serializers.CharField(required=False, help_text=COMMIT_REFERENCE)

    class Meta:
        go_type = "model.BulkInflightCommitItem"
        closed = True


class BulkCommit(serializers.Serializer[Any]):
    transactions = Structs(CommitItem, most=MOST_SETTLEMENTS, help_text="1 to 100 holds")
    skip_queue = serializers.BooleanField(required=False)
    dry_run = serializers.BooleanField(required=False, help_text=DRY_RUN)

    class Meta:
        go_type = "model.BulkInflightCommitRequest"
        closed = True


class BulkVoid(serializers.Serializer[Any]):
    transaction_ids = Strings(help_text="1 to 100 ids")
    skip_queue = serializers.BooleanField(required=False)
    dry_run = serializers.BooleanField(required=False, help_text=DRY_RUN)

    class Meta:
        go_type = "model.BulkInflightVoidRequest"
        closed = True


class RefundTransaction(serializers.Serializer[Any]):
    amount = serializers.DecimalField(None, None, required=False, help_text="Major units; without: all that is left")
    precise_amount = serializers.IntegerField(required=False, help_text="Minor units, instead of amount")
    reference = serializers.CharField(
        required=False,
        help_text="Unique over all transactions: a refund that is sent again with it is refused. "
        "Without: the server numbers the refunds. Only where the id stands for one payment",
    )
    skip_queue = serializers.BooleanField(required=False)
    description = serializers.CharField(required=False, help_text="Instead of the original's")
    meta_data = serializers.DictField(required=False, help_text="Merged over the original's")
    dry_run = serializers.BooleanField(required=False, help_text=DRY_RUN)

    class Meta:
        go_type = "api.refundTransactionRequest"
        closed = True
