"""A row that names another balance than the one whose totals have it."""

from __future__ import annotations

from collections.abc import Iterator

from reconciliation.causes.drift import Drift
from reconciliation.causes.model import Case, Cause, Explanation, Repointed

CAUSES = (
    Cause(
        "row_repointed",
        "Transaction moved to another balance",
        "A transaction names one balance, and the totals of another one of its ledger and currency have its amount: "
        "its source or destination was changed after it was posted. The totals hold what it was.",
        blocks=True,
    ),
)


def propose(case: Case) -> Iterator[Explanation]:
    """Propose rows that fit on both balances, unless their hash says that they are as they were written."""
    for found in case.repointed:
        if not found.fits_now:
            yield _explain(case, found)


def _explain(case: Case, found: Repointed) -> Explanation:
    units = getattr(case.rest, found.side)
    end = "source" if found.side == "debit" else "destination"
    row = f"{found.transaction_id} ({found.reference}, {found.created_at:%Y-%m-%d %H:%M:%S} UTC)"
    if found.fits_former:
        why, certainty, score = f"its hash was made for {found.former_id}", "strong", 300
    else:
        why = "no hash says whether it was changed, or posted to the wrong balance"
        # It was counted where it was posted: the one version is a step ahead of the rows, the other a step behind.
        lags = case.peer_lags.get(found.former_id), case.peer_lags.get(found.into_id)
        certainty, score = ("likely", 183) if lags == (-1, 1) and not case.imported else ("possible", 16)
    return Explanation(
        "row_repointed",
        f"{row} names {found.into_id} as its {end}, and the totals of {found.former_id} have its {abs(units)} "
        f"instead: {why}.",
        Drift(**{found.side: units}),
        certainty,
        rows=(found.transaction_id,),
        evidence={
            "names": found.into_id,
            "stands_in": found.former_id,
            "hash_fits_former": found.fits_former,
            "version_lag": case.lag,
        },
        score=score,
    )
