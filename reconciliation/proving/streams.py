"""Streams: how one begins, goes on under another process, and ends. What is between two of them is a gap."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from reconciliation.models import Gap, Proof
from reconciliation.proving.full_proofs import NOW
from reconciliation.proving.ground import CannotWatch, Ground, look, prepare, slot_name
from reconciliation.proving.opening import open_all
from reconciliation.proving.replication import Line, Server
from reconciliation.proving.waiting import oldest_writer

State = Proof.State


def take_over(line: Line, watcher: str) -> Proof:
    """Go on with the stream that there is, or begin another one where that cannot be; return the state.

    The caller holds the lock. Raises ``CannotWatch``.
    """
    proof, _ = Proof.objects.get_or_create(proof_id=Proof.ONLY)
    server, ground = line.identify(), look()
    if ground.obstacles:
        raise CannotWatch(ground.obstacles[0])
    if proof.state in Proof.RUNNING and proof.identity:
        reason = why_not(proof, server, ground)
        if not reason:
            Proof.objects.filter(pk=Proof.ONLY).update(watcher=watcher, warning=ground.warning)
            proof.watcher = watcher
            return proof
        end_stream(reason)
        line.drop_slot(proof.identity["slot"])  # which may have another name, where that of the database was changed
    return _begin(line, server, watcher)


def why_not(proof: Proof, server: Server, ground: Ground) -> str:
    """Return why a stream cannot go on, or nothing where it can."""
    known: Mapping[str, Any] = proof.identity
    if known["system"] != server.system:
        return "This is another server than before."
    if known["timeline"] != server.timeline:
        return f"The server began timeline {server.timeline}: it was promoted, or restored from a backup."
    if ground.found["slot"] == "lost":
        return f"PostgreSQL dropped the log that slot {slot_name()} needs, by max_slot_wal_keep_size."
    if known["slot"] != slot_name() or ground.flushed is None:
        return f"Slot {known['slot']} is gone."
    if ground.flushed > proof.position:
        return f"Slot {known['slot']} is ahead of what was written down: somebody moved it, or rows were restored."
    if known["published"] != ground.found["fingerprint"] or not ground.is_set_up:
        return "Publications, replica identities or columns were changed."
    return ""


def end_stream(reason: str) -> None:
    """Write down that commits are not proved any more, from the instant up to which they were, and let people know."""
    with transaction.atomic():
        proof, _ = Proof.objects.select_for_update().get_or_create(proof_id=Proof.ONLY)
        if proof.full_proof_id and proof.proved_until and not Gap.objects.filter(closed_at=None).exists():
            Gap.objects.create(
                started_at=proof.proved_until, stream=proof.stream, position=proof.position, reason=reason
            )
        proof.state = State.PROVING if proof.state in Proof.RUNNING else proof.state
        proof.full_proof, proof.identity, proof.disagreement = None, {}, {}
        proof.save(update_fields=["state", "full_proof", "identity", "disagreement"])
        open_all()


def block(reason: str) -> None:
    """Write down what must be set first; a stream that ran has ended."""
    proof, _ = Proof.objects.get_or_create(proof_id=Proof.ONLY)
    if proof.state in Proof.RUNNING and proof.identity:
        end_stream(reason)
    Proof.objects.filter(pk=Proof.ONLY).update(state=State.BLOCKED, reason=reason)


def switch_off(reason: str) -> None:
    """Write down that it is off, and by whose wish."""
    proof, _ = Proof.objects.get_or_create(proof_id=Proof.ONLY)
    if proof.state in Proof.RUNNING:
        end_stream(reason)
    Proof.objects.filter(pk=Proof.ONLY).update(state=State.OFF, reason=reason, watcher="", kept=0, behind=0)


def _say_that_it_waits(watcher: str) -> None:
    """Write down what the making of the slot waits for."""
    reason = f"The replication slot cannot be made before all transactions have ended; it waits for {oldest_writer()}."
    Proof.objects.filter(pk=Proof.ONLY).update(reason=reason, watcher=watcher, seen_at=Now())


def _begin(line: Line, server: Server, watcher: str) -> Proof:
    """Set up what is missing, make a slot, and write down where its stream begins. Raises ``CannotWatch``."""
    ground = prepare(line)
    line.drop_slot(slot_name())
    position = line.make_slot(slot_name(), lambda: _say_that_it_waits(watcher))
    begun = NOW.rows()[0]
    at: datetime = begun["at"]
    with transaction.atomic(durable=True):
        proof = Proof.objects.select_for_update().get(pk=Proof.ONLY)
        proof.state, proof.reason, proof.warning, proof.watcher = State.PROVING, "", ground.warning, watcher
        proof.stream, proof.position, proof.since, proof.seen_at = proof.stream + 1, position, at, at
        proof.proved_until, proof.full_proof, proof.disagreement, proof.commits = None, None, {}, 0
        proof.identity = {
            "system": server.system,
            "timeline": server.timeline,
            "slot": slot_name(),
            "published": ground.found["fingerprint"],
            "xid": begun["next_xid"],
        }
        proof.save()
        Gap.objects.filter(ended_at=None).update(ended_at=at)
    return proof
