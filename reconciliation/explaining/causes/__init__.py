"""The known causes of drift: a module a family. To add one, write its words and ``propose``, and list it here."""

from collections.abc import Mapping, Sequence
from typing import Any

from reconciliation.explaining.case import Case, Proposer
from reconciliation.explaining.causes import (
    commits,
    corrections,
    earlier_totals,
    holds,
    incomplete,
    journal,
    lots,
    missing,
    repointed,
    sets_of_rows,
    silent_settlements,
    surplus,
    whole_totals,
    wrong_numbers,
)
from reconciliation.explaining.causes.commits import with_breaks
from reconciliation.explaining.causes.journal import facts, row_units
from reconciliation.explaining.causes.ranking import Rank
from reconciliation.explaining.drift import SIDES, Drift
from reconciliation.explaining.explanation import COUNTING, Cause, Certainty, Explanation

FAMILIES: tuple[Proposer, ...] = (
    corrections.propose,
    earlier_totals.propose,
    incomplete.propose,
    lots.propose,
    repointed.propose,
    missing.propose,
    surplus.propose,
    holds.propose,
    wrong_numbers.propose,
    whole_totals.propose,
    sets_of_rows.propose,
)
"""What proposes explanations for the drift that edits in the journal do not account for."""
UNEXPLAINED = Cause(
    "unexplained",
    "No known cause fits",
    "No transaction, edit or record accounts for this difference. A person has to find out why.",
)
NOT_YET = "Not explained yet."
MODULES = (
    journal,
    commits,
    corrections,
    incomplete,
    lots,
    missing,
    surplus,
    holds,
    wrong_numbers,
    whole_totals,
    sets_of_rows,
    earlier_totals,
    repointed,
    silent_settlements,
)
CAUSES: dict[str, Cause] = {cause.slug: cause for module in MODULES for cause in module.CAUSES} | {
    UNEXPLAINED.slug: UNEXPLAINED
}
"""Every cause by its slug."""


def summary(cause: str, explanations: Sequence[Mapping[str, Any]], unexplained: int) -> str:
    """Return a finished explanation in a sentence or two, empty where there was nothing to explain.

    ``explanations`` are those of ``Explained.as_json``, best first; ``unexplained`` is in minor units. What is only
    possible is called a hint. Drift without a known cause is called so: it was examined.
    """
    if not cause:
        return ""
    best = explanations[0]["sentence"] if explanations else ""
    if cause == UNEXPLAINED.slug:
        return f"{UNEXPLAINED.title}." + (f" A hint: {best}" if best else "")
    return best + (f" {UNEXPLAINED.title} the other {unexplained}." if unexplained else "")
