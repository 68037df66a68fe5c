"""Takes up what Blnk's own journal of transactions saw, where a database of Blnk's was adopted."""

from __future__ import annotations

from balances.ground import Statement, adoption

TAKE_UP = Statement.beside(__file__, "take_up_journal.sql")


def take_up_journal() -> None:
    """Let the edit journal have the deletions and edits that Blnk's journal saw since the last time."""
    if adoption() is not None:
        TAKE_UP.rows()
