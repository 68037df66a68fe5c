"""Correct and sweep while money moves: processes post, reconstruct, sweep and do damage; then everything is counted.

Writers count what the ledger acknowledged. At the end every acknowledged posting must exist once, every total must
be what its rows say, and no drift may be left.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import count
from typing import Any

from django.db.models import Count, Sum

from balances.ground import BalanceLocked
from balances.importing import GENERATE_DRIFT
from balances.models import Balance, Transaction
from balances.posting import Posting, post_transaction
from ledgerproj import crew
from reconciliation.correcting import Request, reconstruct, reconstruct_many
from reconciliation.measuring import Scope, measure_all
from reconciliation.models import Origin, Reconstruction, Sweep
from reconciliation.sweeping import create_sweep, pause_sweep, resume_sweep, run_sweep

HOT = 5
"""Balances that half of the postings and all reconstructions touch, so that they contend."""
PAUSE_SECONDS = 0.05
"""Between two reconstructions of one process, and between two moved totals."""
ACTOR = "hammer"


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """Phases of equal length: the first one warms up, then they go without and with a sweep in turn."""

    seconds: float
    pairs: int

    @property
    def phase_seconds(self) -> float:
        """Return how long a phase is."""
        return self.seconds / (1 + 2 * self.pairs)

    def phase(self, elapsed: float) -> int:
        """Return the phase of an instant, from 0."""
        return int(elapsed / self.phase_seconds)

    def sweeps(self, elapsed: float) -> bool:
        """Return whether a sweep runs at an instant, in seconds since the beginning."""
        phase = self.phase(elapsed)
        return phase > 0 and phase % 2 == 0


@dataclass(frozen=True, kw_only=True)
class Written:
    """Acknowledged postings of one writer, under references of its prefix numbered from 0; ``units`` is their sum."""

    prefix: str
    postings: int
    units: int
    refused: int = 0
    by_phase: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class HammerResult:
    """The figures of a run, and what is wrong afterwards, in sentences."""

    figures: dict[str, float]
    violations: list[str]


def hammer(
    environment: dict[str, str], rhythm: Rhythm, *, writers: int, reconstructors: int, pace: int, seed: int = 0
) -> HammerResult:
    """Run all processes against the database of an environment, which must be that of this process as well."""
    ids = list(Balance.objects.order_by("balance_id").values_list("balance_id", flat=True))
    with crew.crew(environment, writers + reconstructors + 2) as pool:
        writing = [pool.submit(write, number, ids, rhythm, seed) for number in range(writers)]
        others = [pool.submit(correct, seed + number, ids[:HOT], rhythm) for number in range(reconstructors)]
        others += [pool.submit(damage, seed, rhythm), pool.submit(sweep, rhythm, pace)]
        written = _results(writing)
        *_, planted, swept = _results(others)
    list(reconstruct_many(ids, Request(actor=ACTOR, origin=Origin.COMMAND, reason="at the end")))
    without, beside = (_rate(written, rhythm, first) for first in (1, 2))
    return HammerResult(
        figures={
            "postings": sum(each.postings for each in written),
            "postings refused, because of a lock": sum(each.refused for each in written),
            "postings/s without a sweep": round(without, 1),
            "postings/s beside a sweep": round(beside, 1),
            "ratio": round(beside / without, 3) if without else 0.0,
            "sweeps finished": Sweep.objects.filter(state=Sweep.State.FINISHED).count(),
            "balances swept": swept,
            "totals moved": planted,
            "corrections": Reconstruction.objects.filter(outcome=Reconstruction.Outcome.CORRECTED).count(),
        },
        violations=violations(written),
    )


def _results(futures: list[Future[Any]]) -> list[Any]:
    return [future.result() for future in futures]


def _rate(written: list[Written], rhythm: Rhythm, first: int) -> float:
    """Return postings a second over every second phase."""
    postings = sum(sum(each.by_phase[first::2]) for each in written)
    return postings / (rhythm.pairs * rhythm.phase_seconds)


def write(number: int, ids: list[str], rhythm: Rhythm, seed: int) -> Written:
    """Post between random balances, half of the time a hot one, until the time is over."""
    chance = random.Random(seed + number)  # noqa: S311 - which balances, not a secret
    postings = units = refused = 0
    by_phase = [0] * (1 + 2 * rhythm.pairs)
    prefix = f"hammer-{number}-"
    crew.together()
    began = time.monotonic()
    while time.monotonic() - began < rhythm.seconds and crew.rest():
        one = chance.choice(ids[:HOT] if chance.random() < 0.5 else ids)
        other = chance.choice(ids)
        amount = chance.randint(1, 10_000)
        if one == other:
            continue
        source, destination = (one, other) if chance.random() < 0.5 else (other, one)
        posting = Posting(
            source=source,
            destination=destination,
            currency="USD",
            reference=f"{prefix}{postings}",
            description=ACTOR,
            precise_amount=amount,
            precision=100,
            allow_overdraft=True,
        )
        try:
            post_transaction(posting)
        except BalanceLocked:
            refused += 1
            continue
        postings, units = postings + 1, units + amount
        phase = rhythm.phase(time.monotonic() - began)
        if phase < len(by_phase):
            by_phase[phase] += 1
    return Written(prefix=prefix, postings=postings, units=units, refused=refused, by_phase=tuple(by_phase))


def correct(seed: int, ids: list[str], rhythm: Rhythm) -> int:
    """Reconstruct the hot balances, one by one or all at once, and return how often."""
    chance = random.Random(seed)  # noqa: S311 - which balance, not a secret
    request = Request(actor=ACTOR, origin=Origin.COMMAND, reason="while money moves")
    crew.together()
    began = time.monotonic()
    for runs in count():
        if time.monotonic() - began >= rhythm.seconds or not crew.rest(PAUSE_SECONDS):
            return runs
        if chance.random() < 0.5:
            reconstruct(chance.choice(ids), request)
        else:
            list(reconstruct_many(ids, request))
    raise AssertionError


def damage(seed: int, rhythm: Rhythm) -> int:
    """Change totals past the ledger, one after the other, and return how many."""
    crew.together()
    began = time.monotonic()
    for moved in count():
        if time.monotonic() - began >= rhythm.seconds or not crew.rest(PAUSE_SECONDS):
            return moved
        GENERATE_DRIFT.rows(balances=1, seed=seed + moved)
    raise AssertionError


def sweep(rhythm: Rhythm, pace: int) -> int:
    """Sweep in every second phase, pausing with it, and return how many balances were measured."""
    crew.together()
    began = time.monotonic()
    measured = 0
    current: Sweep | None = None

    def stop_with_the_phase(running: Sweep) -> None:
        if running.state == Sweep.State.RUNNING and not rhythm.sweeps(time.monotonic() - began):
            pause_sweep(running.sweep_id)

    while time.monotonic() - began < rhythm.seconds and crew.rest():
        if not rhythm.sweeps(time.monotonic() - began):
            crew.rest(PAUSE_SECONDS)
            continue
        if current is None:
            current = create_sweep(Scope(everything=True), actor=ACTOR, origin=Origin.COMMAND)
        elif current.state == Sweep.State.PAUSED:
            current = resume_sweep(current.sweep_id)
        before = current.measured
        current = run_sweep(current.sweep_id, pace=pace, progress=stop_with_the_phase)
        measured += current.measured - before
        if current.state == Sweep.State.FINISHED:
            current = None
    return measured


def violations(written: Iterable[Written]) -> list[str]:
    """Return what is wrong in a ledger after all writers have ended, in sentences."""
    problems = []
    for writer in written:
        rows = Transaction.objects.filter(reference__startswith=writer.prefix).aggregate(
            rows=Count("pk"), references=Count("reference", distinct=True), units=Sum("precise_amount")
        )
        expected = {"rows": writer.postings, "references": writer.postings, "units": writer.units or None}
        if rows != expected:
            problems.append(f"Writer {writer.prefix} got {expected} acknowledged, and there is {rows}.")
    ids = Balance.objects.order_by("balance_id").values_list("balance_id", flat=True)
    drifted = [measured.balance_id for measured in measure_all(list(ids)) if measured.has_drift]
    if drifted:
        problems.append(f"{len(drifted)} balances drift: {', '.join(drifted[:10])}.")
    applied = Transaction.objects.filter(status=Transaction.Status.APPLIED).aggregate(units=Sum("precise_amount"))
    stored = Balance.objects.aggregate(credit=Sum("credit_balance"), debit=Sum("debit_balance"), net=Sum("balance"))
    if stored != {"credit": applied["units"], "debit": applied["units"], "net": 0}:
        problems.append(f"The rows moved {applied['units']}, and the totals hold {stored}.")
    return problems
