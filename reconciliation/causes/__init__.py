"""The known causes of drift: a module a family. To add one, write its words and ``propose``, and list it here."""

from reconciliation.causes import arithmetic, corrections, days, holds, incomplete, journal, missing, surplus
from reconciliation.causes.model import Cause, Proposer

FAMILIES: tuple[Proposer, ...] = (
    corrections.propose,
    incomplete.propose,
    missing.propose,
    surplus.propose,
    holds.propose,
    arithmetic.propose,
    days.propose,
)
"""Who proposes explanations for what the facts of the journal leave."""
UNEXPLAINED = Cause(
    "unexplained",
    "Unexplained",
    "No row, edit or record accounts for this difference. Somebody has to look: nothing here says why.",
)
CAUSES: dict[str, Cause] = {
    cause.slug: cause
    for module in (journal, corrections, incomplete, missing, surplus, holds, arithmetic, days)
    for cause in module.CAUSES
} | {UNEXPLAINED.slug: UNEXPLAINED}
"""Every cause by its slug."""
