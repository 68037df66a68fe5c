"""What people decide and say: findings accepted, who looks at what until when, notes; and lists that are saved."""

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
from reconciliation.casework.cases import (
    TABLES,
    Case,
    board,
    case_of,
    kinds_seen_by,
    mentions_of,
    move,
    notes_about,
    say,
    unfinished,
    view_permission,
)
from reconciliation.casework.views import delete_view, kept_of, save_view, views_of
