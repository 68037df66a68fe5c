"""Adopts a database, and leaves it again.

The schema with its views is one transaction, and so is each migration after it: an adoption that was cut short goes on
when it is run again, and leaving drops whatever there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from balances.ground import SCHEMA, Adoption, Mode, Statement
from ledgerproj.adopting import serving, views
from ledgerproj.adopting.looking import Found
from ledgerproj.postgresql import adopted

CORE = "balances"
"""The app whose tables are Blnk's here; its migrations are noted as applied and never run."""
SERIALISE = Statement.beside(__file__, "serialise.sql")
STANDING = Statement.beside(__file__, "standing.sql")
NOTE = Statement.beside(__file__, "note.sql")
TABLE, COLLATIONS = (
    (Path(__file__).parent / "sql" / "made" / name).read_text() for name in ("adoption.sql", "collations.sql")
)


class AdoptionRefused(CommandError):
    """The database cannot be adopted, or left, as it is."""


def what_it_creates(found: Found) -> list[str]:
    """Return in words all that adopting creates."""
    names = [model._meta.db_table for model in views.core_models()]
    over = [name for name in names if name in found.tables]
    own = [name for name in names if name not in found.tables]
    return [
        f"schema {SCHEMA}, and nothing outside of it",
        f"in it, views over {found.schema}.: {', '.join(sorted(over))}",
        *([f"in it, empty tables for what this generation has none for: {', '.join(sorted(own))}"] if own else []),
        "in it, functions and a view that say which rows settle holds, and tables of ours: sweeps, findings, plans, "
        "records, snapshots, users, sessions, background jobs",
    ]


def adopt(found: Found, mode: Mode, actor: str) -> bool:
    """Adopt a database, or bring what was adopted up to date; return whether it is new.

    Raises ``AdoptionRefused``.
    """
    wanted = Adoption(
        schema=found.schema,
        generation=found.generation,
        mode=mode,
        has_rates=found.has_rates,
        silent_until=found.silent_until,
        rates_gone_at=found.rates_gone_at,
    )
    _require_rights(found, mode)
    with _as(wanted):
        SERIALISE.rows()
        with transaction.atomic(durable=True):
            is_new = _make(found, mode)
            NOTE.rows(**asdict(wanted) | {"mode": str(mode)}, actor=actor)
        _migrate()
    return is_new


def remove() -> None:
    """Drop all that is ours from an adopted database, records included. Raises ``AdoptionRefused``."""
    with _as(connection.adoption), transaction.atomic(durable=True):  # type: ignore[attr-defined]
        SERIALISE.rows()
        if not STANDING.rows()[0]["is_ours"]:
            raise AdoptionRefused("There is nothing to remove: this database was not adopted, or was left already.")
        with connection.schema_editor() as editor:
            editor.execute(f"DROP SCHEMA {SCHEMA} CASCADE", None)


def _require_rights(found: Found, mode: Mode) -> None:
    if not found.may_read:
        raise AdoptionRefused(
            f"Role {found.role} may not read {', '.join(found.unread[:3]) or found.schema}: it needs USAGE on schema "
            f"{found.schema} and SELECT on its tables. docs/adopt.md has the statements. Nothing was changed."
        )
    if mode is Mode.REPAIR and not found.may_repair:
        raise AdoptionRefused(
            f"Role {found.role} may not correct totals: mode repair needs UPDATE on the six totals, version and "
            f"meta_data of {found.schema}.balances. docs/adopt.md has the statement. Nothing was changed."
        )
    if mode is Mode.SERVE and (reasons := serving.why_not_served(found)):
        raise AdoptionRefused(f"Mode serve is not for this database. {' '.join(reasons)} Nothing was changed.")
    if mode is Mode.SERVE and (lacking := serving.grants(found)):
        raise AdoptionRefused(
            f"Role {found.role} may not post: let the owner of the tables run\n{chr(10).join(lacking)}\n"
            "Nothing was changed."
        )
    if not found.may_create:
        raise AdoptionRefused(
            f"Role {found.role} may create no schema here: let an administrator run "
            f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {found.role}. Nothing was changed."
        )


@contextmanager
def _as(wanted: Adoption | None) -> Iterator[None]:
    """Connect as to a database that is adopted like this; afterwards look again what it is."""
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # only the backend of PostgreSQL has pools
    adopted.suppose(connection.settings_dict, wanted)
    try:
        yield
    finally:
        adopted.forget()
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]


def _make(found: Found, mode: Mode) -> bool:
    """Make the schema and what is in it besides tables of apps, or make its views again; return whether it is new."""
    standing = STANDING.rows()[0]
    if standing["objects"] and not standing["is_ours"]:
        raise AdoptionRefused(
            f"Schema {SCHEMA} is there already and holds {standing['objects']} objects that this program has not made. "
            "Nothing was changed."
        )
    with connection.schema_editor() as editor:
        if not standing["is_there"]:
            editor.execute(f"CREATE SCHEMA {SCHEMA}", None)
        for statement in views.without(found) if standing["is_ours"] else [TABLE]:
            editor.execute(statement, None)
        for statement in views.statements(found, mode, with_tables=not standing["is_ours"]):
            editor.execute(statement, None)
    return not standing["is_ours"]


def _migrate() -> None:
    """Apply all migrations in their order; those of the core app are noted, not run."""
    MigrationRecorder(connection).ensure_schema()
    executor = MigrationExecutor(connection)
    state = executor._create_project_state(with_applied_migrations=True)  # type: ignore[attr-defined]
    for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes()):
        with connection.schema_editor() as editor:
            editor.execute(COLLATIONS, None)
        is_core = migration.app_label == CORE
        state = executor.apply_migration(state, migration, fake=is_core)
        if is_core:
            state = migration.mutate_state(state, preserve=False)
    call_command("migrate", verbosity=0, interactive=False, adopting=True)  # for what follows migrations: permissions
