"""Who stands behind a request of the API."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Whom the gate let in: the holder of the master key, of a scoped key, or anybody while secure mode is off.

    ``actor`` is what records name. Only a scoped key has an id, a name, an owner and scopes.
    """

    actor: str
    is_master: bool = False
    api_key_id: str = ""
    name: str = ""
    owner_id: str = ""
    scopes: tuple[str, ...] = ()


MASTER = Principal(actor="master key", is_master=True)
ANYBODY = Principal(actor="anonymous (secure mode is off)")
