"""The shapes of payloads about hooks, as those in ``balances.shapes.answers``."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from balances.api.filtering import Whole
from balances.shapes import Answer, Instant

TYPES = "PRE_TRANSACTION or POST_TRANSACTION"


class HookBody(serializers.Serializer[Any]):
    """What a client may say of a hook."""

    id = serializers.CharField(required=False, help_text="Made if left out; a known one is overwritten, on POST")
    name = serializers.CharField(required=False)
    url = serializers.CharField()
    type = serializers.CharField(help_text=TYPES)
    active = serializers.BooleanField(required=False, help_text="Called only if true")
    timeout = Whole(required=False, help_text="Seconds; 30 if not positive, on POST")
    retry_count = Whole(required=False, help_text="10 at most and 3 if negative, on POST")
    created_at = serializers.DateTimeField(required=False, help_text="Accepted and dropped")
    last_run = serializers.DateTimeField(required=False, help_text="Kept on POST, dropped on PUT")
    last_success = serializers.BooleanField(required=False, help_text="Kept on POST, dropped on PUT")

    class Meta:
        go_type = "hooks.Hook"


class HookAnswer(Answer):
    """A hook; no key is ever left out."""

    id = serializers.CharField(source="hook_id")
    name = serializers.CharField()
    url = serializers.CharField()
    type = serializers.CharField(help_text=TYPES)
    active = serializers.BooleanField()
    timeout = serializers.IntegerField(help_text="Seconds")
    retry_count = serializers.IntegerField()
    created_at = Instant()
    last_run = Instant(help_text="The zero time until the first call")
    last_success = serializers.BooleanField()


class HookErrorDetail(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()
    details = serializers.DictField()


class HookErrorAnswer(serializers.Serializer[Any]):
    """Every refusal about hooks but the 403, in a shape of its own."""

    code = serializers.CharField()
    details = serializers.DictField()
    error_detail = HookErrorDetail()
    message = serializers.CharField()
