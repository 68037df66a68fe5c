"""What the core app tells whoever listens."""

from django.dispatch import Signal

refused = Signal()
"""Somebody known was refused. Sent with ``actor`` (whom records name), ``door`` (``api``, ``admin`` or ``sign-in``),
``what`` (method and path), ``why`` (code and message) and ``address`` (of the client). Strangers are left out, because
they could fill a disk; but a failed sign-in is sent, with the user whose name was tried."""

disclosed = Signal()
"""Somebody is about to see original values of tokenized fields. Sent with ``identity_id``, ``fields`` (their names,
never the values), ``actor`` (whom records name), ``door`` (``api`` or ``admin``) and ``address`` (of the client). A
receiver that raises keeps the values from being shown."""
