"""Balances that track their funds, and the names of the balances that record whose money they hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from balances.ground import LedgerError, Statement

TRACKED_BALANCES = Statement.beside(__file__, "tracked_balances.sql")
OWNERS_OF_AGGREGATES = Statement.beside(__file__, "owners_of_aggregates.sql")
SHOWN_OF_ID = 8
"""Characters of an identity's id, with its prefix, by which the original distinguishes identities of one name."""


class NoIdentity(LedgerError):
    """A balance that tracks its funds has no identity."""

    def __init__(self, balance_id: str) -> None:
        """Use the original's words."""
        super().__init__(f"destination balance {balance_id} has no identity_id for lineage tracking")


@dataclass(frozen=True)
class Mapping:
    """The two balances that record what a balance has of one provider, by id, or by indicator before they exist.

    A mapping never changes, so that no money vanishes when a holder is renamed or replaced, as it does in the original.
    """

    provider: str
    shadow: str
    aggregate: str


@dataclass
class Tracked:
    """A balance that tracks its funds: its mappings by provider, oldest first, and those that may follow."""

    balance_id: str
    currency: str
    strategy: str
    identity_id: str | None
    who: str
    mappings: dict[str, Mapping] = field(default_factory=dict)
    expected: dict[str, Mapping] = field(default_factory=dict)

    @property
    def providers(self) -> set[str]:
        """Return the providers whose money it holds, or may hold."""
        return {*self.mappings, *self.expected}

    def mapping(self, provider: str) -> Mapping:
        """Return the mapping of a provider, a new one where there is none. Raises ``NoIdentity``."""
        if known := self.mappings.get(provider) or self.expected.get(provider):
            return known
        if self.identity_id is None:
            raise NoIdentity(self.balance_id)
        aggregate = next((each.aggregate for each in self.mappings.values()), aggregate_of(self.who))
        return self.expected.setdefault(provider, Mapping(provider, f"@{provider}_{self.who}_lineage", aggregate))


def aggregate_of(who: str) -> str:
    """Return the indicator of the balance that records all money of a holder."""
    return f"@{who}_lineage"


def tracked_of(ids: Iterable[str]) -> dict[str, Tracked]:
    """Return balances that track their funds, by id."""
    rows = TRACKED_BALANCES.rows(ids=list(ids))
    holders = [row for row in rows if row["identity_id"]]
    owners = _owners(holders)
    by_id: dict[str, Tracked] = {}
    for row in rows:
        tracked = by_id.setdefault(row["balance_id"], _tracked(row, owners))
        if provider := row["provider"]:
            tracked.mappings[provider] = Mapping(provider, row["shadow_balance_id"], row["aggregate_balance_id"])
    return by_id


def _tracked(row: dict[str, Any], owners: dict[tuple[str, str], set[str]]) -> Tracked:
    identity_id = row["identity_id"]
    return Tracked(
        balance_id=row["balance_id"],
        currency=row["currency"],
        strategy=row["allocation_strategy"],
        identity_id=identity_id,
        who=_who(row, owners) if identity_id else "",
    )


def _owners(holders: list[dict[str, Any]]) -> dict[tuple[str, str], set[str]]:
    """Return the identities that own the aggregates with the holders' short names."""
    names = {(aggregate_of(short_name(row)), row["currency"]) for row in holders}
    owners: dict[tuple[str, str], set[str]] = defaultdict(set)
    if names:
        indicators, currencies = zip(*names, strict=True)
        for row in OWNERS_OF_AGGREGATES.rows(indicators=list(indicators), currencies=list(currencies)):
            owners[row["indicator"], row["currency"]].add(row["identity_id"])
    return owners


def _who(row: dict[str, Any], owners: dict[tuple[str, str], set[str]]) -> str:
    """Return the short name of a holder, or a long one where another identity has the short one.

    In the original, two people with one name whose ids begin alike share their money.
    """
    short, identity_id = short_name(row), row["identity_id"]
    owning = owners[aggregate_of(short), row["currency"]]
    if owning and identity_id not in owning:
        return f"{_name(row)}_{identity_id}"
    owning.add(identity_id)
    return short


def short_name(identity: dict[str, Any]) -> str:
    """Return the name that the original gives a holder in indicators."""
    name, identity_id = _name(identity), str(identity["identity_id"])
    return f"{name}_{identity_id[:SHOWN_OF_ID]}" if name else identity_id


def _name(identity: dict[str, Any]) -> str:
    first, last, organization = (identity[each] for each in ("first_name", "last_name", "organization_name"))
    if first and last:
        return f"{first}_{last}".lower()
    return (organization or "").replace(" ", "_").lower()
