"""What people decide and say about findings: accepting them, who looks at them until when, and notes."""

from reconciliation.casework.accepting import accept, acceptances, withdraw
from reconciliation.casework.assigning import (
    LONGEST_NOTE,
    assign,
    assigned_to,
    notes_on,
    overdue,
    who_may_look,
    with_assignment,
    write_note,
)
