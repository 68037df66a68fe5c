"""Signals of the core app."""

from django.dispatch import Signal

from balances.ground.exceptions import LedgerError

HIDDEN = "not shown"
"""What stands for a secret in what ``changed`` is sent with."""

refused = Signal()
"""A known caller was refused. Sent with ``actor`` (as records name them), ``door`` (``api``, ``admin`` or
``sign-in``), ``what`` (method and path), ``why`` (code and message) and ``address`` (of the client). Unknown callers
are left out, because they could fill a disk; a failed sign-in is sent, with the user name that was tried."""

disclosed = Signal()
"""Original values of tokenized fields are about to be shown. Sent with ``identity_id``, ``fields`` (their names, never
the values), ``actor`` (as records name them), ``door`` (``api`` or ``admin``) and ``address`` (of the client). A
receiver that raises keeps the values from being shown."""

exported = Signal()
"""A list is about to leave as a file. Sent with ``actor``, ``address`` (of the client), ``listed`` (``app.model``),
``filters`` (the query of the address), ``file_kind`` and ``rows`` (how many there are now). A receiver that raises
keeps the file from being sent."""

approving = Signal()
"""Somebody is about to approve a plan or a payment by hand, or to accept a finding. Sent with ``actor`` (as records
name them) and ``requesters`` (those who asked for it, if anyone did). A receiver that raises a ``LedgerError`` keeps it
from happening."""

changed = Signal()
"""A person added, changed or deleted something in the back-office, or signed in or out. Sent with ``actor``, ``action``
(``added``, ``changed``, ``deleted``, ``acted``, ``signed in``, ``signed out``), ``subject`` (what kind of thing),
``subject_id``, ``name`` (as people read it), ``before`` and ``after`` (text by name of the field, only of what differs,
secrets left out), and ``address`` (of the client). It is sent in the transaction of the change: a receiver that raises
keeps the change from happening."""

changed_together = Signal()
"""Several such changes of one action. Sent with ``changes``: a mapping for each, of what ``changed`` is sent with. A
receiver that raises keeps all of them from happening."""


def why_not_approving(actor: str, *requesters: str) -> str:
    """Return why somebody who has the right to approve may not do so now, or nothing where they may."""
    try:
        approving.send(sender=why_not_approving, actor=actor, requesters=requesters)
    except LedgerError as refusal:
        return refusal.message
    return ""
