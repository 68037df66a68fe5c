"""Rows that name another balance than the one whose totals have them."""

from __future__ import annotations

from collections.abc import Iterator

from reconciliation.explaining.case import Case
from reconciliation.explaining.causes.ranking import Rank
from reconciliation.explaining.drift import Drift
from reconciliation.explaining.explanation import Cause, Certainty, Explanation
from reconciliation.explaining.observations import Repointed

CAUSES = (
    Cause(
        "row_repointed",
        "Transaction moved to another balance",
        "A transaction names one balance, but the totals of another one of its ledger and currency have its amount: "
        "its source or destination was changed after it was posted. The totals have its old effect.",
        blocks=True,
    ),
)


def propose(case: Case) -> Iterator[Explanation]:
    """Propose rows that fit on both balances, unless their hash proves that they are unchanged."""
    for found in case.repointed:
        if found.fits_exchanged and not found.fits_now:
            yield from _exchanged(case, found)
        elif not found.fits_now:
            yield _explain(case, found)


def _exchanged(case: Case, found: Repointed) -> Iterator[Explanation]:
    """Propose a row whose ends were exchanged: both sides of both balances are off, and the totals are right."""
    units = case.rest.debit
    if found.side != "debit" or not units or case.rest.credit != -units:
        return
    yield Explanation(
        "row_repointed",
        f"{_name(found)} goes from {found.into_id} to {found.former_id}, but the totals of both have its {abs(units)} "
        "the other way round: its hash was made for that, so its source and destination were exchanged.",
        Drift(credit=-units, debit=units),
        Certainty.STRONG,
        rows=(found.transaction_id,),
        evidence={"source": found.into_id, "destination": found.former_id, "version_lag": case.lag},
        rank=Rank.HASH_OF_ANOTHER_BALANCE,
    )


def _name(found: Repointed) -> str:
    return f"{found.transaction_id} ({found.reference}, {found.created_at:%Y-%m-%d %H:%M:%S} UTC)"


def _explain(case: Case, found: Repointed) -> Explanation:
    units = getattr(case.rest, found.side)
    end = "source" if found.side == "debit" else "destination"
    if found.fits_former:
        why = f"its hash was made for {found.former_id}"
        certainty, rank = Certainty.STRONG, Rank.HASH_OF_ANOTHER_BALANCE
    else:
        why = "no hash shows whether it was changed, or posted to the wrong balance"
        # It was counted where it was posted: the one version is a step ahead of the rows, the other a step behind.
        lags = case.peer_lags.get(found.former_id), case.peer_lags.get(found.into_id)
        by_version = lags == (-1, 1) and not case.imported
        certainty = Certainty.LIKELY if by_version else Certainty.POSSIBLE
        rank = Rank.REPOINTED_BY_VERSION if by_version else Rank.REPOINTED_IN_DOUBT
    return Explanation(
        "row_repointed",
        f"{_name(found)} names {found.into_id} as its {end}, but the totals of {found.former_id} have its "
        f"{abs(units)}: {why}.",
        Drift.on(found.side, units),
        certainty,
        rows=(found.transaction_id,),
        evidence={
            "names": found.into_id,
            "stands_in": found.former_id,
            "hash_fits_former": found.fits_former,
            "version_lag": case.lag,
        },
        rank=rank,
    )
