"""What the core app tells whoever listens."""

from django.dispatch import Signal

refused = Signal()
"""Somebody known was refused. Sent with ``actor`` (whom records name), ``door`` (``api``), ``what`` (method and path),
``why`` (code and message) and ``address`` (of the client). Strangers are not told of: they could fill a disk."""

disclosed = Signal()
"""Somebody is about to see original values of tokenized fields. Sent with ``identity_id``, ``fields`` (their names,
never the values), ``actor`` (whom records name), ``door`` (``api`` or ``admin``) and ``address`` (of the client). A
receiver that raises keeps the values from being shown."""
