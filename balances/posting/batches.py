"""Many postings in one request: in order, at once or through the queue, with a fixed number of statements."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from balances.books import Place, Posting, posting_exceptions
from balances.events import publishing
from balances.ground import FractionOfUnit, LedgerError
from balances.models import Transaction, new_transaction_id
from balances.posting.direct import Failure, Item, apply_items, explain, item_of, recorded
from balances.posting.enqueuing import enqueue_items

LARGEST = 10_000
"""Most postings in one batch."""


def new_batch_id() -> str:
    """Return a fresh batch id."""
    return f"bulk_{uuid.uuid4()}"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Postings to record in order; ``inflight`` and ``skip_queue`` override what each of them says.

    A batch at once ends with the first posting that is refused; those before it stay. Postings that were recorded
    before are skipped, so that a batch can be sent again. A queued batch skips every posting that is refused. An
    ``atomic`` batch is recorded and applied whole or not at all. In the queue it waits for the latest of the dates
    that its postings are scheduled for, because nothing may be applied before its date.
    """

    batch_id: str
    postings: Sequence[Posting]
    inflight: bool = False
    skip_queue: bool = False
    atomic: bool = False

    @cached_property
    def adjusted(self) -> list[Posting]:
        """Return the postings with what the batch overrides."""
        changed: dict[str, Any] = {"inflight": self.inflight}
        if self.atomic and not self.skip_queue:
            changed["scheduled_for"] = max(filter(None, (each.scheduled_for for each in self.postings)), default=None)
        overrides = changed.items()
        return [each if vars(each).items() >= overrides else replace(each, **changed) for each in self.postings]

    @property
    def goes_on(self) -> bool:
        """Return whether it skips postings that are refused."""
        return not (self.skip_queue or self.atomic)

    @property
    def status(self) -> str:
        """Return the status that its answer shows."""
        return "inflight" if self.inflight else "applied"

    def item(self, number: int) -> Item:
        """Return a posting of the batch with its rows, counted from 0. Raises ``InvalidDistribution``."""
        place = Place(
            transaction_id=new_transaction_id(),
            batch_id=self.batch_id,
            sequence=number + 1,
            queued=not self.skip_queue,
        )
        return item_of(self.adjusted[number], place)


def post_batch(batch: Batch) -> dict[str, Any]:
    """Record a batch, and return the part of its answer about postings that it skipped.

    Raises ``BatchRefused``, which names the posting that ended the batch, or ``BalanceLocked``.
    """
    items: dict[int, Item] = {}
    failures: list[Failure] = []
    unread: Failure | None = None
    for number in range(len(batch.postings)):
        try:
            items[number] = batch.item(number)
        except (FractionOfUnit, posting_exceptions.InvalidDistribution) as error:
            failure = Failure(number, 0, error)
            if isinstance(error, FractionOfUnit) and batch.goes_on:
                failures.append(failure)
                continue
            unread = failure  # invalid shares end a batch in the queue as well
            break
    if unread and batch.atomic:
        raise _refusal(batch, unread)
    numbers = list(items)
    failures += [replace(each, item=numbers[each.item]) for each in _record(batch, list(items.values()))]
    ending = None if batch.goes_on else next((each for each in failures if not each.is_recorded), None)
    left_out = _left_out(batch, sorted((each for each in failures if each is not ending), key=lambda each: each.item))
    if ending:
        raise _refusal(batch, ending, left_out)
    if unread:
        raise _refusal(batch, unread, left_out)
    return left_out


def _record(batch: Batch, items: Sequence[Item]) -> list[Failure]:
    if not items:
        return []
    if batch.skip_queue and not batch.atomic:
        failures = _apply_what_is_new(batch, items)
    elif batch.skip_queue:
        failure = apply_items(items, atomic=True)
        failures = [failure] if failure else []
    else:
        failures = enqueue_items(items, group_id=batch.batch_id if batch.atomic else "")
    explain(items, [each for each in failures if not each.is_recorded])
    return failures


def _apply_what_is_new(batch: Batch, items: Sequence[Item]) -> list[Failure]:
    """Apply items in order up to the first that is refused, skipping those that were recorded before.

    A batch in which nothing is new ends at its first item, as in the original.
    """
    left_out: dict[int, Failure] = {}
    numbers = list(range(len(items)))
    while failure := apply_items([items[number] for number in numbers], atomic=False):
        numbers = numbers[failure.item :]
        first = numbers[0]
        if isinstance(failure.error, posting_exceptions.DuplicateReference):
            left_out |= recorded({number: items[number] for number in numbers}, apart_from=batch.batch_id)
        if first not in left_out:
            before = [each for each in left_out.values() if each.item < first]
            return [*before, replace(failure, item=first)]
        numbers = [number for number in numbers if number not in left_out]
        if not numbers:
            break
    if len(left_out) == len(items):
        return [replace(left_out[0], is_recorded=False)]
    return list(left_out.values())


def _left_out(batch: Batch, failures: Sequence[Failure]) -> dict[str, Any]:
    """Return the part of an answer about refused postings, by index from 0, in the shape of a bulk settlement."""
    results = []
    for failure in failures:
        posting, error = batch.postings[failure.item], failure.error
        if posting.shares and not isinstance(error, FractionOfUnit):
            error = posting_exceptions.SplitLegRefused.of(failure.leg, error)
        result = {"index": failure.item, "reference": posting.reference, "status": "failed"}
        reason = {"code": error.code, "message": error.message}
        results.append(result | reason | ({"details": error.details} if error.details else {}))
    return {"failed": len(results), "results": results} if results else {}


def post_batch_in_background(batch: Batch) -> None:
    """Record a batch after its request was answered, and announce the result.

    Does nothing where the batch is recorded already, by a worker that was killed after the commit.
    """
    if _is_known(batch.batch_id):
        return
    try:
        refused = post_batch(batch)
    except LedgerError as error:
        publishing.publish_batch_failed(batch.batch_id, error.message)
    else:
        publishing.publish_batch(batch.batch_id, batch.status, len(batch.postings), refused)


def _is_known(batch_id: str) -> bool:
    return Transaction.objects.filter(parent_transaction=batch_id, parent_transaction__gt="").exists()


def _refusal(batch: Batch, failure: Failure, left_out: dict[str, Any] | None = None) -> posting_exceptions.BatchRefused:
    """Return the refusal in the original's words."""
    posting = batch.postings[failure.item]
    if not batch.atomic:
        outcome = "Previous transactions were not rolled back."
    elif batch.inflight:
        outcome = "All transactions in this batch have been voided."
    else:
        outcome = "All transactions in this batch have been refunded."
    error, amount = failure.error, posting.amount or posting.major_units
    if posting.shares and not isinstance(error, (FractionOfUnit, posting_exceptions.InvalidDistribution)):
        error = posting_exceptions.SplitLegRefused.of(failure.leg, error)
    return posting_exceptions.BatchRefused(
        batch.batch_id,
        f"failed to queue transaction {failure.item + 1} (Reference: {posting.reference}, Source: {posting.source}, "
        f"Destination: {posting.destination}, Amount: {amount:.2f}): {_flat(error)}. {outcome}",
        error,
        left_out or {},
    )


def _flat(error: LedgerError) -> str:
    """Return the text of a refusal in the original's flattened form."""
    if isinstance(error, posting_exceptions.UnknownPostingBalance):
        return f"failed to get source and destination balances: NOT_FOUND: {error.message}"
    if isinstance(error, posting_exceptions.SameBalance):
        return f"CONFLICT: {error.message}"
    return error.message
