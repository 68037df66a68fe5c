"""Traces money: decides the shadow rows of movements, and what settles them."""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from balances.books import Book, Hold, Movement, Part, Place, Settlement, holds_of, movements_of, settle_hold
from balances.events import publishing
from balances.ground import Statement, dumps, major_units
from balances.lineage.allocation import in_order, proportional, share
from balances.lineage.outbox import Intent
from balances.models import LineageOutbox, new_transaction_id
from balances.posting import Posting
from balances.recording import Mapping, Tracked, tracked_of, writing

logger = logging.getLogger(__name__)

SHADOWS = Statement.beside(__file__, "shadows.sql")
MAP = Statement.beside(__file__, "map.sql")
MERGE_ALLOCATIONS = Statement.beside(__file__, "merge_allocations.sql")
SHADOW_FOR, KIND = "_shadow_for", "_lineage_type"


class LineageTracer:
    """Decides, in order, what movements mean for the money of providers; ``write`` records it.

    ``shadows`` are the existing shadow rows of each movement: those of a hold, or of a trace that the original left
    incomplete.
    """

    def __init__(self, intents: Sequence[Intent]) -> None:
        """Read what is known, lock every balance that may be touched, and decide."""
        self.tracked = tracked_of({each for intent in intents for each in intent.tracked})
        self.shadows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for shadow in SHADOWS.rows(ids=list({intent.main_id for intent in intents})):
            self.shadows[shadow["main"]].append(shadow)
        self.book = self._lock(intents)
        self.holds = self._read_holds()
        self.movements: list[Movement] = []
        self.mapped: list[tuple[Tracked, Mapping]] = []
        self.allocations: dict[str, list[dict[str, Any]]] = {}
        for intent in intents:
            if intent.is_settlement:
                self._settle(intent)
            else:
                self._trace(intent)

    def write(self) -> None:
        """Record what was decided, in a fixed number of statements."""
        if self.movements:
            writing.write([movement.row for movement in self.movements], self.book)
            publishing.publish_movements(self.movements, self.book)
        if self.mapped:
            MAP.execute(**self._new_mappings())
        if self.allocations:
            allocations = [dumps(each) for each in self.allocations.values()]
            MERGE_ALLOCATIONS.execute(ids=list(self.allocations), allocations=allocations)

    def _lock(self, intents: Sequence[Intent]) -> Book:
        """Lock the balances of all providers with money on either side, now or after this, and those of shadows."""
        for intent in intents:
            source, destination = self._sides(intent)
            if destination and destination.identity_id and not intent.is_settlement:
                for provider in source.providers if source else {intent.provider} - {""}:
                    destination.mapping(provider)
        kept = {
            (name, tracked.currency)
            for tracked in self.tracked.values()
            for mapping in (*tracked.mappings.values(), *tracked.expected.values())
            for name in (mapping.shadow, mapping.aggregate)
        }
        sides = {row[side] for rows in self.shadows.values() for row in rows for side in ("source", "destination")}
        return writing.lock(
            [],
            others=sides | {name for name, _ in kept if not name.startswith("@")},
            names={(name, currency) for name, currency in kept if name.startswith("@")},
        )

    def _read_holds(self) -> dict[str, list[Hold]]:
        """Return the shadows of holds and how far they are settled, now that no one else can settle them."""
        mains = {row["transaction_id"]: main for main, rows in self.shadows.items() for row in rows if row["is_hold"]}
        holds: dict[str, list[Hold]] = defaultdict(list)
        found = holds_of(list(mains)).found if mains else {}
        for transaction_id, main in mains.items():
            holds[main] += [hold for hold in found[transaction_id].holds if hold.row.pk == transaction_id]
        return holds

    def _sides(self, intent: Intent) -> tuple[Tracked | None, Tracked | None]:
        return self.tracked.get(intent.source_id), self.tracked.get(intent.destination_id)

    def _trace(self, intent: Intent) -> None:
        """Trace a movement: what the source pays from, what of that arrives, and what the request says comes in.

        Money from a source that knows its providers is not counted again for the provider that the request names, as
        it is in the original.
        """
        source, destination = self._sides(intent)
        is_known = source is None or intent.provider in source.mappings
        arrived = self._pay(intent, source, destination) if source else 0
        if intent.provider and destination:
            if not is_known:
                logger.warning("%r has paid nothing into balance %s: ignored", intent.provider, intent.source_id)
            elif arrived < intent.units:
                self._credit(intent, destination, intent.units - arrived)

    def _pay(self, intent: Intent, source: Tracked, destination: Tracked | None) -> int:
        """Trace what a balance spends, and return how much of it arrives at a balance that also tracks its funds."""
        arrived = 0
        for mapping, units in self._payers(source, intent):
            self._release(intent, source, mapping, units)
            if destination and destination.identity_id:
                self._receive(intent, source, destination, mapping.provider, units)
                arrived += units
        return arrived

    def _payers(self, source: Tracked, intent: Intent) -> list[tuple[Mapping, int]]:
        """Return the providers that a movement is paid from, and note them for the metadata of its row."""
        done = {row["reference"]: int(row["units"]) for row in self.shadows[intent.main_id]}
        mappings = list(source.mappings.values())
        if source.strategy == "LIFO":
            mappings.reverse()
        paid = [(each, done[release]) for each in mappings if (release := _release_of(intent, each.provider)) in done]
        others = [each for each in mappings if _release_of(intent, each.provider) not in done]
        give = proportional if source.strategy == "PROPORTIONAL" else in_order
        available = [self._spendable(each, source.currency) for each in others]
        given = give(available, max(intent.units - sum(units for _, units in paid), 0))
        payers = [*paid, *((mapping, units) for mapping, units in zip(others, given, strict=True) if units)]
        untraced = intent.units - sum(units for _, units in payers)
        if untraced:
            logger.info("%s of %s were paid from money of no known provider", untraced, intent.transaction_id)
        if payers:
            self.allocations[intent.main_id] = [{"amount": units, "provider": each.provider} for each, units in payers]
        return payers

    def _spendable(self, mapping: Mapping, currency: str) -> int:
        """Return the money of a provider, less what is spent of it and what open holds may spend.

        The original lets several holds count on the same money, which can leave a provider below zero.
        """
        standing = self.book.standing(mapping.shadow, currency)
        came = standing.debit + standing.debited
        went = standing.credit + standing.credited + standing.inflight_credit + standing.inflight_credited
        return max(came - went, 0)

    def _credit(self, intent: Intent, destination: Tracked, units: int) -> None:
        """Record that money comes in from a provider."""
        mapping = self._mapped(destination, intent.provider)
        self._post(
            intent,
            mapping.shadow,
            mapping.aggregate,
            units,
            currency=destination.currency,
            reference=f"{intent.reference}_shadow_{intent.provider}",
            description=f"Shadow credit from {intent.provider}",
            amount=major_units(units, intent.precision),
            allow_overdraft=True,
            meta_data={
                "_provider": intent.provider,
                "_identity_id": destination.identity_id,
                KIND: "credit",
                "_main_balance": destination.balance_id,
            },
        )

    def _release(self, intent: Intent, source: Tracked, mapping: Mapping, units: int) -> None:
        """Record that money of a provider is spent."""
        self._post(
            intent,
            mapping.aggregate,
            mapping.shadow,
            units,
            currency=source.currency,
            reference=_release_of(intent, mapping.provider),
            description=f"Release {mapping.provider} funds",
            meta_data={
                "_provider": mapping.provider,
                KIND: "release",
                "_main_balance": source.balance_id,
                "_allocation": source.strategy,
            },
        )

    def _receive(self, intent: Intent, source: Tracked, destination: Tracked, provider: str, units: int) -> None:
        """Record that money of a provider arrives from another balance."""
        mapping = self._mapped(destination, provider)
        self._post(
            intent,
            mapping.shadow,
            mapping.aggregate,
            units,
            currency=destination.currency,
            reference=f"{intent.reference}_receive_{provider}",
            description=f"Receive {provider} funds",
            allow_overdraft=True,
            meta_data={
                "_provider": provider,
                KIND: "receive",
                "_main_balance": destination.balance_id,
                "_from_balance": source.balance_id,
            },
        )

    def _post(self, intent: Intent, source: str, destination: str, units: int, **terms: Any) -> None:
        """Decide a shadow row, unless it exists."""
        if any(row["reference"] == terms["reference"] for row in self.shadows[intent.main_id]):
            return
        posting = Posting(
            source=self.book.balance_id(source, terms["currency"]),
            destination=self.book.balance_id(destination, terms["currency"]),
            precise_amount=units,
            precision=intent.precision,
            inflight=intent.inflight,
            **terms | {"meta_data": {SHADOW_FOR: intent.main_id} | terms["meta_data"]},
        )
        (movement,) = movements_of(posting, Place(transaction_id=new_transaction_id()))
        self.book.admit(movement)
        self.movements.append(movement)
        if intent.inflight:
            self.holds[intent.main_id].append(Hold(movement.row))

    def _settle(self, intent: Intent) -> None:
        """Settle the shadows of a hold by the same part as the hold, or by all that remains of them."""
        kinds: dict[Any, list[Hold]] = defaultdict(list)
        for hold in self.holds[intent.main_id]:
            if hold.remaining > 0 and not hold.voided:
                kinds[hold.row.meta_data.get(KIND)].append(hold)
        is_void = intent.kind == LineageOutbox.Type.SHADOW_VOID
        part, whole = (1, 1) if is_void else intent.settled
        for holds in kinds.values():
            for hold, units in zip(holds, share([hold.remaining for hold in holds], part, whole), strict=True):
                if units:
                    self._settle_shadow(hold, "void" if is_void else "commit", units)

    def _settle_shadow(self, hold: Hold, action: Any, units: int) -> None:
        settlement = Settlement(transaction_id=hold.row.pk, action=action, part=Part(precise_amount=units))
        self.movements.append(settle_hold(self.book, hold, settlement, f"ref_{uuid.uuid4()}"))

    def _mapped(self, tracked: Tracked, provider: str) -> Mapping:
        """Return the mapping of a provider whose money comes in, and record it if it is new."""
        mapping = tracked.mapping(provider)
        if provider not in tracked.mappings:
            tracked.mappings[provider] = mapping
            self.mapped.append((tracked, mapping))
        return mapping

    def _new_mappings(self) -> dict[str, list[Any]]:
        """Return the parameters of ``map.sql``."""
        return {
            "balance_id": [tracked.balance_id for tracked, _ in self.mapped],
            "provider": [mapping.provider for _, mapping in self.mapped],
            "shadow_balance_id": [self.book.balance_id(each.shadow, tracked.currency) for tracked, each in self.mapped],
            "aggregate_balance_id": [
                self.book.balance_id(each.aggregate, tracked.currency) for tracked, each in self.mapped
            ],
            "identity_id": [tracked.identity_id for tracked, _ in self.mapped],
        }


def _release_of(intent: Intent, provider: str) -> str:
    return f"{intent.reference}_release_{provider}"
