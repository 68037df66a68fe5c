"""Four eyes: what needs a second person, and who can be one. The settings decide, not the user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet

from balances.ground import ANYBODY, LedgerError, limit_of
from balances.keys import folded, is_same_person, person
from reconciliation.measuring import Measurement
from reconciliation.models import Origin

NEEDED = "A second person must approve: "
"""The start of the text that says why a second person is needed."""


class SecondPersonNeeded(LedgerError):
    """Somebody else must approve."""

    code = "AUTH_INSUFFICIENT_PERMISSIONS"


@dataclass
class Facts:
    """What would be changed: gross drift in minor units by currency, balances, and ledgers' names by id."""

    drift: dict[str, int] = field(default_factory=dict)
    balances: int = 0
    ledgers: dict[str, str] = field(default_factory=dict)

    def add(self, *, currency: str, gross: int, ledger_id: str, ledger_name: str) -> None:
        """Count one balance."""
        self.drift[currency] = self.drift.get(currency, 0) + gross
        self.balances += 1
        self.ledgers[ledger_id] = ledger_name

    @classmethod
    def of(cls, measurements: Iterable[Measurement]) -> Self:
        """Count the balances that drift."""
        facts = cls()
        for each in measurements:
            if each.has_drift and each.is_readable:
                facts.add(
                    currency=each.currency,
                    gross=each.difference.moved,
                    ledger_id=each.ledger_id,
                    ledger_name=each.ledger_name,
                )
        return facts


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Limits above which a second person is needed, and ledgers where one always is.

    ``amounts`` are minor units of gross drift by currency, ``None`` for no limit; a currency without one has the
    limit of ``*``, or zero. ``ledgers`` are ids or names.
    """

    amounts: Mapping[str, int | None]
    balances: int
    ledgers: frozenset[str]

    @classmethod
    def of_settings(cls) -> Self:
        """Return the policy that the operator has set."""
        return cls(
            amounts=settings.LEDGER_FOUR_EYES_AMOUNTS,
            balances=settings.LEDGER_FOUR_EYES_BALANCES,
            ledgers=frozenset(settings.LEDGER_FOUR_EYES_LEDGERS),
        )


def second_person_needed(facts: Facts, policy: Policy) -> tuple[bool, str]:
    """Return whether a second person must approve, and a text with the reasons."""
    reasons = list(_reasons(facts, policy))
    if reasons:
        return True, f"{NEEDED}{'; '.join(reasons)}."
    return (
        False,
        "No second person is needed: the amounts, the number of balances and the ledgers are within the policy.",
    )


def _reasons(facts: Facts, policy: Policy) -> Iterator[str]:
    for currency, drift in sorted(facts.drift.items()):
        limit = limit_of(policy.amounts, currency)
        if limit is not None and drift > limit:
            yield f"{drift:,} minor units of {currency} are more than the limit of {limit:,}"
    if facts.balances > policy.balances:
        yield f"{facts.balances:,} balances are more than the limit of {policy.balances:,}"
    for ledger_id, name in sorted(facts.ledgers.items()):
        if policy.ledgers & {ledger_id, name}:
            yield f"it concerns the ledger {name}, where two always decide"


def why_not_directly(measurements: Iterable[Measurement]) -> str:
    """Return why one person alone may not reconstruct these balances at once, or nothing where one may."""
    if not settings.LEDGER_FOUR_EYES_DIRECT:
        return ""
    needed, words = second_person_needed(Facts.of(measurements), Policy.of_settings())
    return words if needed else ""


def require_second_person(measurements: Iterable[Measurement], actor: str, origin: str) -> None:
    """Raise ``SecondPersonNeeded`` where a person requests what the policy leaves to two.

    Persons are the users of the admin, and keys whose owner has the name of a login, so that no member of staff can
    bypass the policy with a key. Services, the master key and the shell are exempt.
    """
    is_person = origin == Origin.ADMIN or (origin in (Origin.API, Origin.METADATA) and _has_login(actor))
    if is_person and (words := why_not_directly(measurements)):
        raise SecondPersonNeeded(f"{words} No total was changed; propose a plan.")


def _has_login(actor: str) -> bool:
    return person(actor) != actor and logins_of(actor).exists()


def logins_of(actor: str) -> QuerySet[User]:
    """Return the logins of the person behind an actor: of a user of the admin, or of the owner of a key."""
    return User.objects.filter(username__iexact=folded(person(actor)))


def why_not_second(actor: str, requester: str) -> str | None:
    """Return why ``actor`` cannot be the second person for a request of ``requester``, or ``None``.

    Who counts as the same person is said by ``is_same_person``.
    """
    if actor == ANYBODY.actor:
        return "Approving needs a key or a login: switch secure mode on (BLNK_SERVER_SECURE)."
    if is_same_person(actor, requester):
        return f"{actor} proposed this plan: a second person must approve it."
    return None
