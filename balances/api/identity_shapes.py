"""The shapes of payloads about identities and accounts, as those in ``balances.shapes.answers``."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from balances.api.go import Strings
from balances.people import FIELDS
from balances.shapes import Answer, BalanceAnswer, IdentityAnswer, Instant, LedgerAnswer, Metadata

TOKENIZABLE = f"{', '.join(FIELDS)}; the first letter may be small"


class IdentityBody(serializers.Serializer[Any]):
    """What a client may say of an identity; nothing is required, and no text is checked."""

    identity_id = serializers.CharField(required=False, help_text="idt_ and a UUID; made if left out")
    identity_type = serializers.CharField(required=False, help_text="individual or organization")
    organization_name = serializers.CharField(required=False)
    category = serializers.CharField(required=False)
    first_name = serializers.CharField(required=False)
    last_name = serializers.CharField(required=False)
    other_names = serializers.CharField(required=False)
    gender = serializers.CharField(required=False)
    email_address = serializers.CharField(required=False)
    phone_number = serializers.CharField(required=False)
    nationality = serializers.CharField(required=False)
    street = serializers.CharField(required=False)
    country = serializers.CharField(required=False)
    state = serializers.CharField(required=False)
    post_code = serializers.CharField(required=False)
    city = serializers.CharField(required=False)
    dob = serializers.DateTimeField(required=False, help_text="The day is kept, as it is written")
    created_at = serializers.DateTimeField(required=False, help_text="Accepted and dropped")
    meta_data = serializers.DictField(required=False)

    class Meta:
        go_type = "model.Identity"


class UpdateBalanceIdentity(serializers.Serializer[Any]):
    identity_id = serializers.CharField()

    class Meta:
        go_type = "model.UpdateBalanceIdentity"


class TokenizeRequest(serializers.Serializer[Any]):
    fields = Strings(help_text=TOKENIZABLE)  # type: ignore[assignment]  # the base class has an attribute of this name

    class Meta:
        go_type = "model.TokenizeRequest"


class DetokenizeRequest(serializers.Serializer[Any]):
    fields = Strings(help_text=f"{TOKENIZABLE}; none of them: all that are tokenized")  # type: ignore[assignment]

    class Meta:
        go_type = "model.DetokenizeRequest"


class CreateAccount(serializers.Serializer[Any]):
    balance_id = serializers.CharField()
    ledger_id = serializers.CharField(required=False, help_text="Only without balance_id, which is then refused")
    currency = serializers.CharField(required=False, help_text="Only without balance_id, which is then refused")
    identity_id = serializers.CharField(required=False, help_text="Where the balance has no identity")
    number = serializers.CharField(required=False)
    bank_name = serializers.CharField(required=False)
    meta_data = serializers.DictField(required=False)

    class Meta:
        go_type = "model.CreateAccount"


# --- answers


class MessageAnswer(serializers.Serializer[Any]):
    message = serializers.CharField()


class TokenizedFieldsAnswer(serializers.Serializer[Any]):
    tokenized_fields = serializers.ListField(child=serializers.CharField())
    debug_info = serializers.DictField(required=False, help_text="Where the metadata holds no object of fields")


class OriginalAnswer(serializers.Serializer[Any]):
    field = serializers.CharField()
    value = serializers.CharField()


class OriginalsAnswer(serializers.Serializer[Any]):
    fields = serializers.DictField(child=serializers.CharField())  # type: ignore[assignment]  # as above


class AccountAnswer(Answer):
    """An account; what is included was asked for."""

    account_id = serializers.CharField()
    name = serializers.CharField()
    number = serializers.CharField()
    bank_name = serializers.CharField()
    currency = serializers.CharField()
    balance_id = serializers.CharField()
    identity_id = serializers.CharField()
    ledger_id = serializers.CharField()
    ledger = LedgerAnswer(source="included_ledger", default=None, allow_null=True)
    balance = BalanceAnswer(source="included_balance", default=None, allow_null=True)
    identity = IdentityAnswer(source="included_identity", default=None, allow_null=True)
    created_at = Instant()
    meta_data = Metadata()


class MockedAccountAnswer(serializers.Serializer[Any]):
    account_number = serializers.CharField()
    bank_name = serializers.CharField()
