"""Every refusal about hooks. Their bodies are irregular (platform 2.4), but for the one about the master key."""

from __future__ import annotations

from typing import Any

from balances.exceptions import LedgerError


class MasterKeyRequired(LedgerError):
    """hook management requires master key."""

    code = "AUTH_MASTER_KEY_REQUIRED"


class HookError(LedgerError):
    """A refusal in the shape of hooks; ``legacy`` is the word at the top of its body."""

    legacy = "INVALID_INPUT"
    details: Any = {}


class InvalidHook(HookError):
    """invalid hook data."""

    code = "HOOK_INVALID"


class HookOperationFailed(HookError):
    """Nothing was done: the data broke a rule, or the database failed."""

    code = "HOOK_OPERATION_FAILED"


class HookNotFound(HookError):
    """hook not found."""

    code, legacy = "HOOK_NOT_FOUND", "NOT_FOUND"


class HookGone(HookNotFound):
    """A change met no hook."""

    legacy = "INVALID_INPUT"
