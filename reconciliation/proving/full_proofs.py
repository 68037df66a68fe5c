"""Full proofs: the sweeps of everything with which a stream begins, and those that bear witness to it later.

Every balance is measured in a snapshot that contains all that the stream does not have. From there on the stream says
what each commit added. So a sweep needs no snapshot of its own for hours: each chunk notes the one in which it was
measured, and a break is in it or is not.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connections, transaction

from balances.ground import Statement
from balances.queueing import pulse
from reconciliation.alerting import look_at_proof
from reconciliation.measuring import Scope
from reconciliation.models import Break, Finding, Gap, Origin, Proof, Sweep, SweepChunk, from_lsn
from reconciliation.proving.waiting import oldest_writer
from reconciliation.sweeping import SweepRefused, create_sweep, is_deep, request_sweep, run_sweep, still_drifting

logger = logging.getLogger(__name__)
NOW = Statement.beside(__file__, "now.sql")
FIRST_SNAPSHOT = Statement.beside(__file__, "first_snapshot.sql")
CLOSE_MEASURED = Statement.beside(__file__, "close_measured.sql")
DISAGREEING = Statement.beside(__file__, "disagreeing.sql")
AGAIN_AFTER = 60.0
"""Seconds until a full proof that could not be started, or ended with an error, is asked for again."""
NAMED = 20
"""Balances that are named where a sweep and the stream disagree."""
EXPLAINED_AT_ONCE = 500
RESTS = 3
RIGHT_AGAIN = (Break.State.CORRECTED, Break.State.TAKEN_BACK, Break.State.SETTLED)


class FullProofs:
    """Has full proofs made, and takes those that are finished into the state."""

    def __init__(self, proof: Proof) -> None:
        """Keep which stream it is about."""
        self.proof = proof
        self._candidate: tuple[Sweep, int] | None = None
        self._asked_at = -AGAIN_AFTER
        self._explaining: threading.Thread | None = None
        self._explain_at = 0.0

    def tend(self, read_to: int) -> None:
        """Look for a finished full proof, take it in once the log is read past it, or ask for the first one."""
        if self._candidate is None:
            sweep = self._finished()
            if sweep is not None:
                self._candidate = (sweep, from_lsn(NOW.rows()[0]["end"]))
            elif self.proof.state == Proof.State.PROVING:
                self._ask()
        elif read_to >= self._candidate[1]:
            self._take_in(self._candidate[0], NOW.rows()[0]["at"])
            self._candidate = None

    def explain(self) -> None:
        """Have the balances of open breaks measured and explained, in a thread of its own: findings come of that."""
        if time.monotonic() < self._explain_at or (self._explaining is not None and self._explaining.is_alive()):
            return
        ids = [*self._to_explain(), *self._to_measure_again()]
        if ids:
            self._explaining = threading.Thread(target=self._explain, args=(ids,), name="findings")
            self._explaining.start()

    def _explain(self, balance_ids: list[str]) -> None:
        """Explain breaks, then rest three times as long: where many come, reading the log goes first."""
        began = time.monotonic()
        _explained(balance_ids)
        self._explain_at = time.monotonic() + RESTS * (time.monotonic() - began)

    def _to_explain(self) -> list[str]:
        opened = Break.objects.filter(closed_at=None, state=Break.State.OPEN, finding_id=None)
        return list(opened.exclude(balance_id="").values_list("balance_id", flat=True).distinct()[:EXPLAINED_AT_ONCE])

    def _to_measure_again(self) -> list[str]:
        """Return balances whose breaks were closed since, while a finding still says that they drift."""
        closed = Break.objects.filter(stream=self.proof.stream, state__in=RIGHT_AGAIN, finding_id__gt="")
        recent = closed.order_by("-closed_at").values_list("finding_id", flat=True)[:EXPLAINED_AT_ONCE]
        wrong = still_drifting(Finding.objects.filter(pk__in=list(recent)))
        return list(wrong.values_list("balance_id", flat=True))

    def wait(self) -> None:
        """Wait until what is explained is done."""
        if self._explaining is not None:
            self._explaining.join()

    def _finished(self) -> Sweep | None:
        """Return the newest finished sweep of everything that proves what the stream does not have."""
        finished = Sweep.objects.filter(state=Sweep.State.FINISHED, scope__everything=True)
        sweep = finished.order_by("-started_at").first()
        if sweep is None or sweep.pk == self.proof.full_proof_id:
            return None
        return sweep if self._is_proof(sweep) else None

    def _is_proof(self, sweep: Sweep) -> bool:
        row = FIRST_SNAPSHOT.rows(sweep=sweep.pk, xid=self.proof.identity["xid"])[0]
        if row["chunks"]:
            return bool(row["is_after"])
        return bool(not sweep.total and sweep.started_at and self.proof.since and sweep.started_at >= self.proof.since)

    def _ask(self) -> None:
        """Have everything swept, once all writers have ended that began before the stream did."""
        if time.monotonic() - self._asked_at < AGAIN_AFTER:
            return
        waits = NOW.rows()[0]["oldest_xid"] < self.proof.identity["xid"]
        reason = f"The full proof waits for {oldest_writer()}." if waits else ""
        Proof.objects.filter(pk=Proof.ONLY, stream=self.proof.stream).update(reason=reason)
        if waits:
            return
        self._asked_at = time.monotonic()
        scope = Scope(everything=True)
        try:
            if pulse.living_workers():
                request_sweep(scope, actor=Sweep.OF_LIVE_PROOF, origin=Origin.SCHEDULE, reason="Begins a live proof.")
            else:
                sweep = create_sweep(
                    scope, actor=Sweep.OF_LIVE_PROOF, origin=Origin.SCHEDULE, reason="Begins a live proof."
                )
                threading.Thread(target=_swept, args=(sweep.pk, settings.LEDGER_SWEEP_PACE), daemon=True).start()
        except SweepRefused:  # one is open: if it began too early, the next look asks again when it has ended
            self._asked_at -= AGAIN_AFTER - 2

    def _take_in(self, sweep: Sweep, at: datetime) -> None:
        proof = self.proof
        disagreement = self._disagreement(sweep) if proof.full_proof_id else {}
        with transaction.atomic(durable=True):
            CLOSE_MEASURED.rows(stream=proof.stream, sweep=sweep.pk, at=at, deep=is_deep(sweep))
            Gap.objects.filter(closed_at=None).update(closed_at=at)
            SweepChunk.objects.exclude(sweep=sweep).filter(sweep__state__in=Sweep.ENDED).delete()
            proof.full_proof, proof.state, proof.commits, proof.disagreement = (
                sweep,
                Proof.State.PROVED,
                0,
                disagreement,
            )
            proof.save(update_fields=["full_proof", "state", "commits", "disagreement"])
            look_at_proof(at)

    def _disagreement(self, sweep: Sweep) -> dict[str, Any]:
        """Return what the sweep found otherwise than the sweep before it and the commits between add up to."""
        rows = DISAGREEING.rows(stream=self.proof.stream, before=self.proof.full_proof_id, after=sweep.pk, most=NAMED)
        if not rows:
            return {}
        named = [
            {"balance_id": row["balance_id"]}
            | {name: [int(side) for side in row[name]] for name in ("expected", "found")}
            for row in rows
        ]
        return {"sweep_id": sweep.pk, "balances": rows[0]["balances"], "first": named}


def _explained(balance_ids: list[str]) -> None:
    """Sweep these balances, and link their findings to the breaks; those without a finding are right again."""
    try:
        there = list(Scope(balance_ids=tuple(balance_ids)).remaining().values_list("balance_id", flat=True))
        found: dict[str, str] = {}
        sweep = None
        if there:
            scope = Scope(balance_ids=tuple(there))
            sweep = create_sweep(
                scope, actor=Sweep.OF_LIVE_PROOF, origin=Origin.SCHEDULE, reason="Commits that do not add up."
            )
            run_sweep(sweep.pk)
            found = dict(Finding.objects.filter(sweep=sweep).values_list("balance_id", "finding_id"))
        for balance_id in balance_ids:
            breaks = Break.objects.filter(balance_id=balance_id, finding_id=None)
            breaks.exclude(state=Break.State.WAITING).update(finding_id=found.get(balance_id, ""))
    except Exception:
        logger.exception("The findings of breaks could not be made; they are tried again")
        time.sleep(1)
    finally:
        connections.close_all()


def _swept(sweep_id: str, pace: int) -> None:
    """Run a sweep where no worker does. Its state says how it ended."""
    try:
        run_sweep(sweep_id, pace=pace)
    except Exception:
        logger.exception("The full proof did not finish; it is asked for again")
    finally:
        connections.close_all()
