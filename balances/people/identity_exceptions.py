"""Every refusal about identities, their tokens and accounts; like those in ``balances.ground.exceptions``."""

from __future__ import annotations

from typing import Any

from balances.ground import BalanceNotFound, LedgerError, NotFound


class IdentityNotFound(NotFound):
    code = "IDT_NOT_FOUND"
    details: Any = {}

    def __init__(self, identity_id: str) -> None:
        super().__init__(f"Identity with ID '{identity_id}' not found")


class IdentityGone(IdentityNotFound):
    """The identity that a change names does not exist; the contract leaves the details out here."""

    details = None


class BalanceHolderNotFound(IdentityNotFound):
    """The identity to link a balance to does not exist; the contract answers with the code of a missing balance."""

    code = "BAL_NOT_FOUND"


class UnknownIdentity(LedgerError):
    text = "Invalid identity ID"
    code, details = "GEN_BAD_REQUEST", {}


class InvalidIdentityId(LedgerError):
    """The id chosen for an identity is malformed."""

    code = "IDT_VALIDATION_ERROR"


class InvalidIdentitySuffix(InvalidIdentityId):
    text = "identity_id suffix after 'idt_' must be a valid UUID"
    details = {}


class IdentityExists(LedgerError):
    """The id chosen for an identity is taken."""

    code, details = "IDT_VALIDATION_ERROR", {}

    def __init__(self, identity_id: str) -> None:
        super().__init__(f"Identity already exists: {identity_id}")


class NothingToUpdate(LedgerError):
    text = "No fields provided for update"


class IdentityInUse(LedgerError):
    text = "Failed to delete identity: a balance or an account refers to it"
    code, details = "GEN_CONFLICT", {}


class NoFieldsNamed(LedgerError):
    text = "at least one field must be specified"
    code = "GEN_VALIDATION_ERROR"


class FieldNotTokenizable(LedgerError):
    code = "IDT_FIELD_NOT_TOKENIZABLE"

    def __init__(self, field: str) -> None:
        super().__init__(f"field {field} is not tokenizable")


class FieldAlreadyTokenized(LedgerError):
    code = "IDT_FIELD_ALREADY_TOKENIZED"

    def __init__(self, field: str) -> None:
        super().__init__(f"field {field} is already tokenized")


class FieldNotTokenized(LedgerError):
    code = "IDT_FIELD_NOT_TOKENIZED"

    def __init__(self, field: str, meta_data: str) -> None:
        """Name the field, and show the metadata as the contract does: it lists the tokenized fields."""
        super().__init__(f"field {field} is not tokenized" + (f". Metadata: {meta_data}" if meta_data else ""))


class UnknownField(NotFound):
    code = "IDT_FIELD_NOT_FOUND"

    def __init__(self, field: str) -> None:
        super().__init__(f"field {field} not found")


class TokenizationDisabled(LedgerError):
    """Tokenization needs a key of 32 bytes."""

    code = "IDT_TOKENIZATION_DISABLED"

    def __init__(self) -> None:
        super().__init__(
            "tokenization is disabled: BLNK_TOKENIZATION_SECRET or tokenization_secret in your blnk.json file "
            "must be set to a 32-byte value"
        )


class UnreadableToken(LedgerError):
    text = "A token cannot be read: it is damaged, or another BLNK_TOKENIZATION_SECRET made it"
    code = "GEN_CONFLICT"


class AccountNotFound(NotFound):
    code = "ACC_NOT_FOUND"

    def __init__(self, account_id: str) -> None:
        super().__init__(f"account with ID '{account_id}' not found")


class AccountBalanceNotFound(BalanceNotFound):
    """An account names a balance that does not exist; the contract has no code of its own for that."""

    code = "GEN_NOT_FOUND"


class AccountHolderNotFound(IdentityNotFound):
    """An account names an identity that does not exist; the contract has no code of its own for that."""

    code = "GEN_NOT_FOUND"


class AccountNumberTaken(LedgerError):
    """An account with this number exists."""

    code, details = "ACC_DUPLICATE", {}

    def __init__(self, number: str) -> None:
        super().__init__(f"account with number '{number}' already exists")
