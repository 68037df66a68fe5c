"""The conditions for alerts about the live proof: they read its rows, and are looked at as soon as these change."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Count

from reconciliation.alerting.symptoms import Symptom
from reconciliation.models import Break, Gap, Proof

SILENCE = timedelta(minutes=1)
"""The longest time without a trace of who reads the log before it is reported; there is one every two seconds."""
NAMED = 5


def proof_broken(at: datetime) -> Symptom | None:
    """Return that commits do not add up: breaks that stand after their time of grace."""
    standing = Break.objects.filter(closed_at=None, state=Break.State.OPEN)
    counts = standing.aggregate(breaks=Count("pk"), balances=Count("balance_id", distinct=True))
    if not counts["breaks"]:
        return None
    oldest = list(standing.order_by("committed_at", "break_id")[:NAMED])
    few = counts["breaks"] == 1
    return Symptom(
        f"{counts['breaks']:,} {'break' if few else 'breaks'} on {counts['balances']:,} "
        f"{'balance' if counts['balances'] == 1 else 'balances'}: commits that do not add up. {oldest[0].sentence}",
        counts | {"first": [{"break_id": each.break_id, "balance_id": each.balance_id} for each in oldest]},
    )


def proof_lost(at: datetime) -> Symptom | None:
    """Return that commits are not proved: a gap that no full proof has followed, or no one who reads the log."""
    proof = Proof.objects.filter(pk=Proof.ONLY).first()
    if proof is None or proof.state == Proof.State.OFF:
        return None
    gap = Gap.objects.filter(closed_at=None).order_by("started_at").first()
    if gap is not None:
        return Symptom(str(gap), {"from": gap.started_at.isoformat(), "reason": gap.reason})
    if proof.state != Proof.State.BLOCKED and proof.seen_at and at - proof.seen_at > SILENCE:
        return Symptom(
            f"No one has read the log since {proof.seen_at:%Y-%m-%d %H:%M:%S} UTC: commits are not proved.",
            {"from": proof.seen_at.isoformat(), "watcher": proof.watcher},
        )
    return None


def proof_disagrees(at: datetime) -> Symptom | None:
    """Return that the last full sweep found another drift than the stream of commits adds up to."""
    proof = Proof.objects.filter(pk=Proof.ONLY).exclude(disagreement={}).first()
    if proof is None:
        return None
    count = proof.disagreement["balances"]
    return Symptom(
        f"The full sweep and the live proof disagree on {count:,} {'balance' if count == 1 else 'balances'}: a change "
        "that the log does not show, or an error in one of the two.",
        dict(proof.disagreement),
    )
