"""Django's PostgreSQL backend, connected to the embedded server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings

from ledgerproj.embedded.server import connection_params, ensure_running
from ledgerproj.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Starts the embedded server when the first connection asks where it is."""

    def get_server_params(self) -> dict[str, Any]:
        """Return psycopg's parameters, those of the running embedded server included."""
        params = super().get_server_params()
        return params | connection_params(Path(settings.LEDGER_DATA_DIR), settings.EMBEDDED_DATABASE)

    def _pooled_params(self) -> dict[str, Any]:
        """Return the parameters of a new connection, for which the server is started again if it is gone."""
        ensure_running(Path(settings.LEDGER_DATA_DIR), settings.EMBEDDED_DATABASE)
        return super()._pooled_params()
