"""Replaces fields of an identity with tokens, and returns the originals to those who may see them.

The metadata lists the tokenized fields under ``tokenized_fields``; the column itself holds the token.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from balances.ground import ESCAPED, ExactEncoder, atomic_with_lock_limit, disclosed
from balances.models import Identity
from balances.people import identity_exceptions as refusals
from balances.people.tokens import tokenizer

logger = logging.getLogger(__name__)

FLAG = "tokenized_fields"
FIELDS = {
    "FirstName": "first_name",
    "LastName": "last_name",
    "OtherNames": "other_names",
    "EmailAddress": "email_address",
    "PhoneNumber": "phone_number",
    "Street": "street",
    "PostCode": "post_code",
}
"""Fields that can be tokenized: the contract's name for each, and its column."""


def tokenize(identity_id: str, fields: Sequence[str]) -> None:
    """Replace the values of fields with tokens, all of them or none.

    Raises for the first field that fails: ``FieldNotTokenizable``, ``IdentityNotFound``, ``FieldAlreadyTokenized``,
    ``TokenizationDisabled`` or ``BalanceLocked``.
    """
    with atomic_with_lock_limit():
        identity: Identity | None = None
        for field in fields:
            if internal_name(field) not in FIELDS:
                raise refusals.FieldNotTokenizable(field)
            identity = identity or Identity.objects.locked(identity_id).first()
            if identity is None:
                raise refusals.IdentityNotFound(identity_id)
            _tokenize_field(identity, field)
        if identity is not None:
            identity.save(update_fields=["meta_data", *FIELDS.values()])


def detokenize(identity_id: str, fields: Sequence[str], *, actor: str, door: str, address: str = "") -> dict[str, str]:
    """Return the original values of fields by the names given, or of all tokenized fields where none is named.

    Nothing stored changes. Receivers of ``disclosed`` record who saw what before it is returned. Raises
    ``IdentityNotFound``, ``FieldNotTokenized``, ``UnknownField`` or ``UnreadableToken``.
    """
    identity = Identity.objects.filter(identity_id=identity_id).first()
    if identity is None:
        raise refusals.IdentityNotFound(identity_id)
    originals = {field: _original(identity, field) for field in fields or tokenized_fields(identity.meta_data)}
    if originals:
        disclosed.send(
            sender=Identity,
            identity_id=identity_id,
            fields=sorted({internal_name(field) for field in originals}),
            actor=actor,
            door=door,
            address=address,
        )
    return originals


def tokenized_fields(meta_data: Any) -> list[str]:
    """Return the names of the fields that metadata lists as tokenized."""
    flags = meta_data.get(FLAG) if isinstance(meta_data, dict) else None
    return sorted(name for name, tokenized in flags.items() if tokenized is True) if isinstance(flags, dict) else []


def is_tokenized(meta_data: Any, field: str) -> bool:
    """Return whether metadata lists a field as tokenized; its first letter may be lower case."""
    return not {field, internal_name(field)}.isdisjoint(tokenized_fields(meta_data))


def internal_name(field: str) -> str:
    """Return the contract's name for a field: its first letter alone is capitalized."""
    return field[:1].upper() + field[1:]


def _tokenize_field(identity: Identity, field: str) -> None:
    if is_tokenized(identity.meta_data, field):
        raise refusals.FieldAlreadyTokenized(field)
    name, tokens = internal_name(field), tokenizer()
    value = getattr(identity, FIELDS[name]) or ""
    if not tokens.opens(value):  # else the metadata lost its entry, and a token of the token would hide the original
        setattr(identity, FIELDS[name], tokens.token_for(value))
    stored = identity.meta_data if isinstance(identity.meta_data, dict) else {}
    flags = stored.get(FLAG)
    identity.meta_data = stored | {FLAG: (flags if isinstance(flags, dict) else {}) | {name: True}}


def _original(identity: Identity, field: str) -> str:
    if not is_tokenized(identity.meta_data, field):
        raise refusals.FieldNotTokenized(field, _as_text(identity.meta_data))
    if internal_name(field) not in FIELDS:
        raise refusals.UnknownField(field)
    try:
        return tokenizer().value_of(getattr(identity, FIELDS[internal_name(field)]) or "")
    except (refusals.UnreadableToken, refusals.TokenizationDisabled) as error:
        why = "tokenization is disabled" if isinstance(error, refusals.TokenizationDisabled) else "another key's?"
        logger.exception("%s of identity %s cannot be read (%s)", internal_name(field), identity.pk, why)
        raise refusals.UnreadableToken from error


def _as_text(meta_data: Any) -> str:
    """Return metadata as the original puts it into its message: compact, keys in order, escaped."""
    if meta_data is None:
        return ""
    return ExactEncoder(separators=(",", ":"), sort_keys=True).encode(meta_data).translate(ESCAPED)
