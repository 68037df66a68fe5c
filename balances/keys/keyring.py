"""Issues, lists, finds and revokes API keys. Only their bcrypt hash is stored."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from unicodedata import category, normalize

import bcrypt
from django.core.cache import caches
from django.db import DatabaseError
from django.db.models import QuerySet
from django.utils import timezone

from balances.ground import Lookup, Mode, Principal, Question, Result, exceptions, may
from balances.models import PREFIX_LENGTH, ApiKey, covers

logger = logging.getLogger(__name__)

KEYS = Lookup(ApiKey, "key_prefix")
SECRET_BYTES = 32
HASH_COST = 10
"""Rounds of bcrypt as a power of two, as in the original, so that both can use one database."""
SHAPE = re.compile(r"[A-Za-z0-9_-]{43}=", re.ASCII)
"""The form of issued keys; other texts are not looked up."""
NAMED = re.compile(r"\((api_key_[^()]+)\)$")
"""How the actor of a record names the key that was used (``Principal.actor``)."""
VERIFIED = "verified_api_keys"
"""The cache, in this process only, for digests of keys that bcrypt has verified."""
VERIFIED_SECONDS = 60
USE_NOTED_EVERY = timedelta(minutes=1)


def issue(*, name: str, owner_id: str, scopes: Iterable[str], expires_at: datetime) -> ApiKey:
    """Create a key and return it; only this instance has the key itself, in ``plaintext``."""
    plaintext = base64.urlsafe_b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    key = ApiKey(
        key=bcrypt.hashpw(plaintext.encode(), bcrypt.gensalt(HASH_COST)).decode(),
        key_prefix=plaintext[:PREFIX_LENGTH],
        name=name,
        owner_id=owner_id,
        scopes=list(scopes),
        expires_at=expires_at,
    )
    key.save(force_insert=True)
    key.plaintext = plaintext
    return key


def rotate(api_key_id: str, overlap: timedelta) -> tuple[ApiKey, ApiKey]:
    """Issue a successor of a valid key, which ends after an overlap; return the old key as it was, and the new one.

    The successor has the same name, owner and scopes, and lasts as long as the old one was issued for. Raises
    ``ApiKeyNotFound`` where there is no such valid key. To be called in a transaction.
    """
    at = timezone.now()
    old = ApiKey.objects.select_for_update().filter(pk=api_key_id).first()
    if old is None or not old.is_valid(at):
        raise exceptions.ApiKeyNotFound
    ends = at + max(old.expires_at - old.created_at, overlap)
    new = issue(name=old.name, owner_id=old.owner_id, scopes=old.scopes, expires_at=ends)
    ApiKey.objects.filter(pk=old.pk).update(expires_at=min(old.expires_at, at + overlap))
    return old, new


def issue_for(caller: Principal, *, name: str, owner: str, scopes: list[str], expires_at: datetime) -> ApiKey:
    """Create a key for a caller of the API, who can grant no more scopes than they have.

    Raises ``MissingPrincipal``, ``KeyOwnerRequired``, ``ForeignKeyOwner`` or ``ScopeEscalation``.
    """
    owner_id = _owner_for(caller, owner)
    if not caller.is_master and not all(covers(caller.scopes, scope) for scope in scopes):
        raise exceptions.ScopeEscalation
    return issue(name=name, owner_id=owner_id, scopes=scopes, expires_at=expires_at)


def keys_for(caller: Principal, *, owner: str) -> QuerySet[ApiKey]:
    """Return the keys of an owner, revoked ones included, newest first. Raises as ``issue_for`` about the owner."""
    return ApiKey.objects.filter(owner_id=_owner_for(caller, owner)).order_by("-created_at", "-api_key_id")


def revoke_for(caller: Principal, api_key_id: str, *, owner: str) -> None:
    """Revoke a key of an owner, again if need be. Raises ``ApiKeyNotFound``, or as ``issue_for`` about the owner."""
    found = ApiKey.objects.filter(api_key_id=api_key_id, owner_id=_owner_for(caller, owner))
    if not found.update(is_revoked=True, revoked_at=timezone.now()):
        raise exceptions.ApiKeyNotFound


def revoke(api_key_ids: Iterable[str]) -> list[ApiKey]:
    """Revoke keys, and return those that were not revoked before."""
    keys = list(ApiKey.objects.filter(api_key_id__in=list(api_key_ids), is_revoked=False))
    revocable = ApiKey.objects.filter(api_key_id__in=[key.api_key_id for key in keys], is_revoked=False)
    revocable.update(is_revoked=True, revoked_at=timezone.now())
    return keys


def find(plaintext: str) -> ApiKey | None:
    """Return the stored key for a plaintext, valid or not. One read by prefix; bcrypt at most once a minute.

    The row is read each time, so that a revocation takes effect at once in every process.
    """
    if not SHAPE.fullmatch(plaintext):
        return None
    alike = KEYS.rows(key_prefix=plaintext[:PREFIX_LENGTH])
    return next((key for key in alike if _is_right(plaintext, key.key)), None)


def question(plaintext: str) -> Question | None:
    """Return what ``find`` asks the database; ``None`` for what can be no key."""
    return KEYS.question(plaintext[:PREFIX_LENGTH]) if SHAPE.fullmatch(plaintext) else None


def found_at_once(plaintext: str, result: Result) -> ApiKey | None:
    """Return what ``find`` would, out of the answer to ``question``; ``None`` where bcrypt or a write is due first."""
    alike = KEYS.rows_in(result)
    found = next((key for key in alike if caches[VERIFIED].get(_digest(plaintext, key.key))), None)
    return None if found is None or _is_use_due(found) else found


INVISIBLE = ("Cf", "Cc")
"""Categories of Unicode whose characters no one sees in a name."""


def person(actor: str) -> str:
    """Return the person or service behind the actor of a record: the owner of the API key it names, else the actor."""
    named = NAMED.search(actor)
    owner = named and ApiKey.objects.filter(pk=named[1]).values_list("owner_id", flat=True).first()
    return owner or actor


def folded(name: str) -> str:
    """Return a name as names of people are compared: without case, in one form of Unicode, and as it is seen."""
    seen = "".join(each for each in normalize("NFKC", name) if category(each) not in INVISIBLE)
    return seen.casefold().strip()


def is_same_person(actor: str, other: str) -> bool:
    """Return whether two actors of records are one person or service.

    The owner of a key, the member of staff and the operator at the shell with the same name are one person, whichever
    key is used. All holders of the master key count as one.
    """
    return folded(person(actor)) == folded(person(other))


def note_use(key: ApiKey) -> None:
    """Note that a key was used, at most once a minute. A failure is logged, and the request goes on."""
    if not _is_use_due(key):
        return
    now = timezone.now()
    try:
        ApiKey.objects.filter(pk=key.pk, last_used_at__lte=now - USE_NOTED_EVERY).update(last_used_at=now)
    except DatabaseError:
        logger.exception("The last use of %s could not be noted", key.api_key_id)


def _owner_for(caller: Principal, owner: str) -> str:
    """Return the owner whose keys a caller may manage."""
    if caller.is_master:
        if not owner:
            raise exceptions.KeyOwnerRequired
        return owner
    if not caller.api_key_id:
        raise exceptions.MissingPrincipal
    if owner not in {"", caller.owner_id}:
        raise exceptions.ForeignKeyOwner
    return caller.owner_id


def _is_use_due(key: ApiKey) -> bool:
    return key.last_used_at <= timezone.now() - USE_NOTED_EVERY and may(Mode.SERVE)


def _digest(plaintext: str, hashed: str) -> str:
    return hashlib.sha256(f"{plaintext} {hashed}".encode()).hexdigest()


def _is_right(plaintext: str, hashed: str) -> bool:
    """Return whether a key has this hash, which is remembered for a minute."""
    digest = _digest(plaintext, hashed)
    verified = caches[VERIFIED]
    if verified.get(digest):
        return True
    try:
        right = bcrypt.checkpw(plaintext.encode(), hashed.encode())
    except ValueError:
        return False  # the stored text is no bcrypt hash, so nothing is its key
    if right:
        verified.set(digest, True, VERIFIED_SECONDS)
    return right
