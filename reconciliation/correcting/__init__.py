"""Corrections: proposed, decided, applied, taken back."""

from reconciliation.correcting import applying, beside, deciding, planning, rebuilding
from reconciliation.correcting.applying import apply, apply_in_background, outcomes
from reconciliation.correcting.deciding import NotPossibleNow, ReasonRequired, approve, cancel, find_plan, reject
from reconciliation.correcting.incomplete import DAMAGE, NO_NUMBER, NO_ROWS, IncompleteSource, sources, why_not_proved
from reconciliation.correcting.planning import MAX_TICKET, Choice, ChoiceRefused, Proposal, corrections, propose, undone
from reconciliation.correcting.policy import (
    NEEDED,
    Facts,
    Policy,
    logins_of,
    second_person_needed,
    why_not_directly,
    why_not_second,
)
from reconciliation.correcting.rebooking import BOOKED_AT_ONCE, Missing, look_up, propose_rebooking
from reconciliation.correcting.rebuilding import (
    MAX_REASON,
    ReasonTooLong,
    Rebuilt,
    Request,
    reconstruct,
    reconstruct_many,
)
from reconciliation.correcting.undoing import changed_by, find_record, propose_undo
