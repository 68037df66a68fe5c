"""What the core app tells whoever listens."""

from django.dispatch import Signal

refused = Signal()
"""Somebody known was refused. Sent with ``actor`` (whom records name), ``door`` (``api``), ``what`` (method and path),
``why`` (code and message) and ``address`` (of the client). Strangers are not told of: they could fill a disk."""
