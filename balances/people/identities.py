"""Creates, changes, finds and deletes identities."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from django.db import IntegrityError, transaction

from balances.events import announced
from balances.ground import BalanceNotFound, atomic_with_lock_limit
from balances.models import Account, Balance, Identity
from balances.people import identity_exceptions as refusals
from balances.people.tokenizing import FIELDS, FLAG, is_tokenized
from balances.people.tokens import tokenizer

PREFIX = "idt_"
ZERO_TIME = datetime.min.replace(tzinfo=UTC)
_HYPHENATED = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
UUID = re.compile(rf"{_HYPHENATED}|[0-9a-fA-F]{{32}}|\{{{_HYPHENATED}\}}|[uU][rR][nN]:[uU][uU][iI][dD]:{_HYPHENATED}")
"""The forms of a UUID that the original reads."""
INTERNAL_NAMES = {column: name for name, column in FIELDS.items()}


@announced
def register(*, identity_id: str = "", dob: datetime | None = None, **fields: Any) -> Identity:
    """Create an identity; of ``dob`` the day is kept, as written. Raises ``InvalidIdentityId`` or ``IdentityExists``.

    The caller may choose the id, so that two callers who derive it from the same external key create one identity.
    """
    if identity_id:
        _check_id(identity_id)
        fields["identity_id"] = identity_id
    if dob is not None:
        fields["dob"] = dob.date()
    try:
        with transaction.atomic():
            return Identity.objects.create(**fields)
    except IntegrityError as error:
        raise refusals.IdentityExists(identity_id) from error


def revise(identity_id: str, *, dob: datetime | None = None, **changes: Any) -> None:
    """Change an identity: empty texts and zero dates are ignored, and new metadata replaces the stored.

    A new value of a tokenized field is stored as a token. ``tokenized_fields`` is kept when new metadata does not name
    it, because the originals could not be read without it. Raises ``NothingToUpdate``, ``IdentityGone``,
    ``TokenizationDisabled`` or ``BalanceLocked``.
    """
    given = {name: value for name, value in changes.items() if value or (name == "meta_data" and value is not None)}
    if dob is not None and dob != ZERO_TIME:
        given["dob"] = dob.date()
    if not given:
        raise refusals.NothingToUpdate
    with atomic_with_lock_limit():
        identity = Identity.objects.locked(identity_id).first()
        if identity is None:
            raise refusals.IdentityGone(identity_id)
        for name in sorted(given, key="meta_data".__ne__):  # metadata first: it says which fields are tokenized
            setattr(identity, name, _stored(identity, name, given[name]))
        identity.save(update_fields=list(given))


def remove(identity_id: str) -> None:
    """Delete an identity that nothing refers to. Raises ``IdentityGone``, ``IdentityInUse`` or ``BalanceLocked``."""
    try:
        with atomic_with_lock_limit():
            identity = Identity.objects.locked(identity_id).first()
            if identity is None:
                raise refusals.IdentityGone(identity_id)
            if any(rows.objects.filter(identity=identity).exists() for rows in (Balance, Account)):
                raise refusals.IdentityInUse
            identity.delete()
    except IntegrityError as error:  # a reference was added concurrently
        raise refusals.IdentityInUse from error


def find(identity_id: str) -> Identity:
    """Return an identity. Raises ``IdentityNotFound``."""
    identity = Identity.objects.filter(identity_id=identity_id).first()
    if identity is None:
        raise refusals.IdentityNotFound(identity_id)
    return identity


def link_balance(*, balance_id: str, identity_id: str) -> None:
    """Set the identity of a balance. Raises ``BalanceHolderNotFound``, ``BalanceNotFound`` or ``BalanceLocked``."""
    with atomic_with_lock_limit():
        if Identity.objects.locked(identity_id).first() is None:
            raise refusals.BalanceHolderNotFound(identity_id)
        if not Balance.objects.filter(balance_id=balance_id).update(identity_id=identity_id):
            raise BalanceNotFound(balance_id)


def _check_id(identity_id: str) -> None:
    if not identity_id.startswith(PREFIX):
        raise refusals.InvalidIdentityId("identity_id must start with the 'idt_' prefix")
    if not UUID.fullmatch(identity_id.removeprefix(PREFIX)):
        raise refusals.InvalidIdentitySuffix


def _stored(identity: Identity, name: str, value: Any) -> Any:
    """Return a new value of a field in the form in which it is stored."""
    stored = identity.meta_data if isinstance(identity.meta_data, dict) else {}
    if name == "meta_data":
        return {FLAG: stored[FLAG]} | value if FLAG in stored else value
    is_new = value != getattr(identity, name)
    if is_new and name in INTERNAL_NAMES and is_tokenized(stored, INTERNAL_NAMES[name]):
        return tokenizer().token_for(value)
    return value
