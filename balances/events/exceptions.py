"""Every refusal about hooks. Their bodies are irregular, but for the one about the master key."""

from __future__ import annotations

from typing import Any

from balances.ground import LedgerError, NotFound


class MasterKeyRequired(LedgerError):
    text = "hook management requires master key"
    code = "AUTH_MASTER_KEY_REQUIRED"


class HookError(LedgerError):
    """A refusal in the shape that hooks use; ``legacy`` is the word at the top of its body."""

    legacy = "INVALID_INPUT"
    details: Any = {}


class InvalidHook(HookError):
    text = "invalid hook data"
    code = "HOOK_INVALID"


class HookRefused(HookError):
    """The data of a hook broke a rule."""

    code = "HOOK_INVALID"

    def __init__(self) -> None:
        """Use the original's words, which name no rule."""
        super().__init__("failed to register hook")


class HookOperationFailed(HookError):
    """The database failed, and nothing was changed."""

    code = "HOOK_OPERATION_FAILED"


class HookNotFound(HookError, NotFound):
    text = "hook not found"
    code, legacy = "HOOK_NOT_FOUND", "NOT_FOUND"


class HookGone(HookNotFound):
    """The hook that a change names does not exist."""

    legacy = "INVALID_INPUT"
