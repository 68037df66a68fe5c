"""What the embedded server refuses."""

from __future__ import annotations

from django.core.management.base import CommandError


class ServerFailed(CommandError, RuntimeError):
    """The embedded server cannot be made or started: one sentence, which every command prints as it is."""
