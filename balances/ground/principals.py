"""Who makes a request of the API."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Principal:
    """The authenticated caller: the holder of the master key or of a scoped key, or anyone while secure mode is off.

    Records name the ``actor``. Only a scoped key has an id, a name, an owner and scopes.
    """

    actor: str
    is_master: bool = False
    api_key_id: str = ""
    name: str = ""
    owner_id: str = ""
    scopes: tuple[str, ...] = ()


MASTER = Principal(actor="master key", is_master=True)
ANYBODY = Principal(actor="anonymous (secure mode is off)")
