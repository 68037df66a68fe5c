"""Where a request comes from. Headers of proxies count only where the settings name the proxy."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
CLIENTS_NETWORK = 64
"""Bits of an IPv6 address that identify a customer's network; a customer can use every address in it."""


def client_address(request: HttpRequest) -> str:
    """Return the address of the client.

    That is the last entry of ``X-Forwarded-For`` that is no trusted proxy itself, else ``X-Real-IP``, else the
    address of the socket. The headers count only where the socket is that of a trusted proxy, because anyone else
    could forge them.
    """
    peer: str = request.META.get("REMOTE_ADDR", "")
    if not is_trusted_proxy(peer):
        return peer
    entries = [entry.strip() for entry in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    for entry in reversed(entries):
        address = _parsed(entry)
        if address is None:
            break  # no proxy wrote this, so the entries before it cannot be trusted
        if not is_trusted_proxy(str(address)):
            return str(address)
    real = _parsed(request.META.get("HTTP_X_REAL_IP", "").strip())
    return str(real) if real and entries == [""] else peer


def is_trusted_proxy(address: str) -> bool:
    """Return whether the settings name an address as that of a trusted proxy."""
    networks = settings.LEDGER_TRUSTED_PROXIES
    parsed = _parsed(address) if networks else None
    return parsed is not None and any(parsed in network for network in networks)


@lru_cache(1000)
def network_of(address: str) -> str:
    """Return the network that a client's address is counted under: IPv6 by its /64, IPv4 as it is."""
    parsed = _parsed(address)
    if not isinstance(parsed, ipaddress.IPv6Address):
        return address if parsed is None else str(parsed)
    return str(ipaddress.ip_network((int(parsed), CLIENTS_NETWORK), strict=False).network_address)


def _parsed(text: str) -> Address | None:
    """Parse an address, ignoring a port or a zone; an IPv4 address mapped into IPv6 becomes IPv4."""
    bare = text.removeprefix("[").partition("]")[0] if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
