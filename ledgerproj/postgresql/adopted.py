"""Looks whether rows of a database come from Blnk: adopted, its connections see schema ``backoffice`` alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.datetime import TimestampBinaryLoader, TimestampLoader

from balances.ground import SCHEMA, Adoption, Mode, Provenance, Unreachable

KNOWN_OF_ROWS = "schema, generation, has_rates, silent_until, rates_gone_at"
ARE_THERE = """
SELECT to_regclass(%s) IS NOT NULL AS is_adopted,
       coalesce(has_table_privilege(to_regclass('uploads_blnkimport'), 'SELECT')
                OR has_table_privilege(to_regclass('transactions'), 'SELECT'), false)
           AND to_regclass('uploads_blnkimport') IS NOT NULL AS may_be_imported
"""
"""Who may read no transactions need not know where they come from; who may, must be able to read that as well."""
ADOPTED = f"SELECT {KNOWN_OF_ROWS}, mode FROM {SCHEMA}.adoption"  # noqa: S608  # names of ours
IMPORTED = f"SELECT {KNOWN_OF_ROWS} FROM uploads_blnkimport"  # noqa: S608
_known: dict[tuple[str, ...], Provenance | None] = {}


class UTCLoader(TimestampLoader):
    """Reads ``timestamp without time zone``, which Blnk's tables have, as an instant in UTC."""

    def load(self, data: Any) -> datetime:
        """Return the instant."""
        return super().load(data).replace(tzinfo=UTC)


class UTCBinaryLoader(TimestampBinaryLoader):
    """The same of what is sent in binary."""

    def load(self, data: Any) -> datetime:
        """Return the instant."""
        return super().load(data).replace(tzinfo=UTC)


def provenance_of(settings: dict[str, Any], params: Callable[[], dict[str, Any]]) -> Provenance | None:
    """Return what is known of rows of Blnk's in the database of Django's settings, looked up once in each process.

    ``params`` returns what psycopg connects with. Raises ``Unreachable``.
    """
    key = _key(settings)
    if key not in _known:
        try:
            _known[key] = _look(params())
        except psycopg.OperationalError as error:
            raise Unreachable(str(error)) from None  # nothing was sent, so that no outcome is unknown
    return _known[key]


def suppose(settings: dict[str, Any], adoption: Adoption | None) -> None:
    """Let connections of this process go to a database as if it was adopted like this, until ``forget``."""
    _known[_key(settings)] = adoption


def forget() -> None:
    """Look again: the database has been adopted or left, or rows of Blnk's were imported."""
    _known.clear()


def _key(settings: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(settings[name]) for name in ("HOST", "PORT", "NAME"))


def _look(params: dict[str, Any]) -> Provenance | None:
    with past_django(params) as server:
        there = server.execute(ARE_THERE, [f"{SCHEMA}.adoption"]).fetchone() or {}
        if there["is_adopted"]:
            row = server.execute(ADOPTED).fetchone()
            return Adoption(**row | {"mode": Mode(row["mode"])}) if row else None
        row = server.execute(IMPORTED).fetchone() if there["may_be_imported"] else None
    return Provenance(**row) if row else None


def past_django(params: dict[str, Any]) -> psycopg.Connection[dict[str, Any]]:
    """Return a connection of psycopg's own, whose statements commit each by itself and whose rows are dictionaries."""
    plain = {"autocommit": True, "cursor_factory": psycopg.Cursor, "prepare_threshold": None, "row_factory": dict_row}
    return psycopg.connect(**params | plain)


def with_schema(params: dict[str, Any]) -> dict[str, Any]:
    """Return connection parameters with which names mean what is in our schema, and nothing else."""
    given = params.get("options") or ""
    return params | {"options": f"{given} -c search_path={SCHEMA}".strip()}
