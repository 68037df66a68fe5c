"""Each thread keeps its database connection from one request to the next: to ask for one costs a tenth of a read."""

from __future__ import annotations

from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connections

from ledgerproj.postgresql.pools import is_cut


def take_over() -> None:
    """Keep Django from giving connections back after each request; the pool has one for every thread."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)


def before_request() -> None:
    """Give back a connection that the database has ended meanwhile, so that the request gets another one."""
    for kept in connections.all(initialized_only=True):
        if kept.connection is not None and is_cut(kept.connection):
            kept.close()


def after_request() -> None:
    """Give back a connection that an error has left in doubt, and keep any other."""
    for kept in connections.all(initialized_only=True):
        kept.close_at = None
        kept.close_if_unusable_or_obsolete()


def give_back() -> None:
    """Let the pool have the connections of a thread that has nothing to do."""
    connections.close_all()
