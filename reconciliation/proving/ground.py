"""What live proof needs of a server: whether it is there, how it is set up, and how that is taken back."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from balances.ground import LedgerError, Statement, adoption, loads
from reconciliation.models import Proof, from_lsn
from reconciliation.proving.replication import CannotReplicate, Line, literal, quoted
from reconciliation.proving.tables import NOTES, WATCHED, Published

LOOK = Statement.beside(__file__, "look.sql")
TABLES = tuple(WATCHED)
PUBLICATION, NOTES_PUBLICATION = "ledger_watch", "ledger_watch_notes"
PUBLICATIONS = (PUBLICATION, NOTES_PUBLICATION)
FULL = "f"
LONGEST_NAME = 63
LOCK_WAIT, TRIES = "2s", 10
"""How long altering a table waits for its lock, with others queued behind it, and how often it is tried."""
IDENTITIES = {"d": "DEFAULT", "n": "NOTHING", "f": "FULL"}


class CannotWatch(LedgerError):
    """The server does not allow a live proof; the text says what to set."""

    code = "GEN_CONFLICT"


@dataclass(frozen=True)
class Ground:
    """What a server allows, and what is set up on it."""

    found: dict[str, Any]

    @property
    def schema(self) -> str:
        """Return the schema of the ledger's own tables."""
        return str(self.found["schema"])

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        """Return what is known of the two tables, by name."""
        return dict(loads(self.found["tables"]))

    @property
    def published(self) -> dict[int, Published]:
        """Return what the log brings changes of, by the number that stays whatever a table is called."""
        found = dict(loads(self.found["published"]))
        return {int(oid): Published(each["name"], tuple(each["columns"])) for oid, each in found.items()}

    @property
    def obstacles(self) -> list[str]:
        """Return what must be set first, a sentence each; with any of these sweeps go on as ever."""
        row, role = self.found, self.found["role"]
        sentences = [
            (row["is_standby"], "This is a standby: connect to the primary server."),
            (
                row["wal_level"] != "logical",
                f"Set wal_level = logical in postgresql.conf and restart PostgreSQL; it is {row['wal_level']}.",
            ),
            (not row["may_replicate"], f"Role {role} may not replicate: ALTER ROLE {role} REPLICATION."),
            (
                row["slot"] is None and row["slots"] >= row["most_slots"],
                f"All {row['most_slots']} replication slots are taken: raise max_replication_slots.",
            ),
            (
                row["senders"] >= row["most_senders"] and row["slot"] is None,
                f"All {row['most_senders']} senders of the log are taken: raise max_wal_senders.",
            ),
            (
                row["fingerprint"] is None and not row["may_publish"],
                f"Role {role} may not make a publication: GRANT CREATE ON DATABASE {row['database']} TO {role}.",
            ),
        ]
        return [sentence for holds, sentence in sentences if holds] + list(self._obstacles_of_tables())

    def _obstacles_of_tables(self) -> Iterator[str]:
        for name in TABLES:
            table = self.tables.get(name)
            if table is None:
                yield f"There is no table {name} here."
                continue
            if table["has_parts"]:
                yield (
                    f"Table {name} is partitioned, or other tables inherit from it: the live proof reads whole tables "
                    "alone. Sweeps go on as before."
                )
            if not table["is_logged"]:
                yield f"Table {name} is unlogged: the log shows none of its changes."
            if not table["is_ours"] and (table["identity"] != FULL or self.found["fingerprint"] is None):
                yield (
                    f"Role {self.found['role']} does not own {name}: its owner must run manage.py watch, or grant its "
                    "role to this one."
                )
            if table["narrow"]:
                yield (
                    f"Publication {table['narrow'][0]} names columns of {name}, and updates would be refused with "
                    "replica identity FULL: publish all of its columns there."
                )

    @property
    def warning(self) -> str:
        """Return what should be set otherwise although it works."""
        if self.found["keep_bytes"] is None:
            return (
                "max_slot_wal_keep_size is unlimited: while no process of ours runs, PostgreSQL keeps the log for the "
                "live proof until the disk is full. Set it, to 4GB for example."
            )
        if self.found["keep_bytes"] < settings.LEDGER_WATCH_MAX_WAL:
            return "max_slot_wal_keep_size is below LEDGER_WATCH_MAX_WAL: PostgreSQL drops the log before we do."
        return ""

    @property
    def is_set_up(self) -> bool:
        """Return whether both publications are there and changes bring the old row."""
        whole = all(table["identity"] == FULL for table in self.tables.values()) and len(self.tables) == len(TABLES)
        published = list(dict(loads(self.found["published"])).values())
        names = sorted(each["name"] for each in published)
        whole = whole and not self.found["has_schemas"]
        return whole and names == sorted([*TABLES, *NOTES]) and all(each["is_whole"] for each in published)

    @property
    def changes(self) -> list[str]:
        """Return what setting it up changes, a sentence each."""
        altered = [
            f"ALTER TABLE {self.schema}.{name} REPLICA IDENTITY FULL: each change of a row also logs the old row."
            for name, table in self.tables.items()
            if table["identity"] != FULL
        ]
        return [
            *altered,
            f"CREATE PUBLICATION {PUBLICATION}, {NOTES_PUBLICATION}: what is read from the log.",
            f"A logical replication slot, {slot_name()}: the log is kept until it is read, up to "
            f"{settings.LEDGER_WATCH_MAX_WAL // 1024**2:,} MB.",
        ]

    @property
    def flushed(self) -> int | None:
        """Return up to where the server may have forgotten the log, or ``None`` where it has none for us."""
        if self.found["slot"] in (None, "lost") or not self.found["slot_flushed"]:
            return None
        return from_lsn(self.found["slot_flushed"])

    @property
    def kept(self) -> int:
        """Return how many bytes of the log the server keeps for us."""
        return max(int(self.found["kept"] or 0), 0)


def slot_name() -> str:
    """Return the name of the slot: slots belong to the server, so each database needs a name of its own.

    Names of slots are short, and of small letters and digits. What is lost of a database's name is made up for by a
    digest.
    """
    database = str(connection.settings_dict["NAME"])
    name = f"ledger_watch_{re.sub('[^a-z0-9_]', '_', database)}"
    if name.endswith(f"_{database}") and len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(database.encode()).hexdigest()[:12]
    return f"{name[: LONGEST_NAME - 13]}_{digest}"


def look() -> Ground:
    """Return what the server allows and what is set up, read from catalogues."""
    return Ground(LOOK.rows(**asked())[0])


def watches() -> bool:
    """Return whether anything of the live proof is set on the server or its tables."""
    found = look().found
    if found["slot"] or found["fingerprint"]:
        return True
    has_state = Proof._meta.db_table in connection.introspection.table_names()  # an adoption may have been cut short
    return has_state and Proof.objects.filter(pk=Proof.ONLY).exclude(before={}).exists()


def asked() -> dict[str, Any]:
    """Return the parameters of statements that look at what is set up."""
    adopted = adoption()
    return {
        "schema": adopted.schema if adopted else None,
        "slot": slot_name(),
        "publications": list(PUBLICATIONS),
        "whole": PUBLICATION,
        "tables": list(TABLES),
        "columns": sorted({column for columns in WATCHED.values() for column in columns}),
    }


def prepare(line: Line) -> Ground:
    """Set up what reading the log needs: replica identities first, then publications. Raises ``CannotWatch``."""
    ground = look()
    if ground.obstacles:
        raise CannotWatch(ground.obstacles[0])
    if ground.is_set_up:
        return ground
    before = {
        name: {"identity": table["identity"], "index": table["index"], "oid": table["oid"]}
        for name, table in ground.tables.items()
        if table["identity"] != FULL
    }
    with transaction.atomic():
        proof, _ = Proof.objects.select_for_update().get_or_create(proof_id=Proof.ONLY)
        for name, was in before.items():  # what was before the first time, of each table that had the name
            known = proof.before.setdefault(name, was)
            if known.get("oid", was["oid"]) != was["oid"]:
                proof.before[f"{name} ({was['oid']})"] = was
        proof.save(update_fields=["before"])
    for name in before:
        _alter(line, f"{_named(ground.schema, name)} REPLICA IDENTITY FULL")
    _publish(line, ground)
    return look()


def take_back(line: Line) -> list[str]:
    """Drop the slot, the publications and the replica identities that were set, and return what was done."""
    ground = look()
    proof, _ = Proof.objects.get_or_create(proof_id=Proof.ONLY)
    done = [f"Slot {slot_name()} is dropped."] * line.drop_slot(slot_name())
    if ground.found["fingerprint"]:
        line.run("; ".join(f"DROP PUBLICATION IF EXISTS {quoted(name)}" for name in PUBLICATIONS))
        done.append(f"Publications {' and '.join(PUBLICATIONS)} are dropped.")
    for name, was in proof.before.items():
        done.append(_given_back(line, name, _named(ground.schema, name), was))
    Proof.objects.filter(pk=Proof.ONLY).update(before={})
    return done


def _given_back(line: Line, name: str, now_called: str, was: dict[str, Any]) -> str:
    """Give a table its replica identity back, wherever it is by now, and say so."""
    its_oid = str(int(was["oid"])) if "oid" in was else f"to_regclass({literal(now_called)})"
    found = line.run(
        "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS called, EXISTS (SELECT FROM pg_index AS i "  # noqa: S608
        "JOIN pg_class AS x ON x.oid = i.indexrelid "
        f"WHERE i.indrelid = c.oid AND x.relname = {literal(was['index'] or '')}) AS has_index "
        "FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        f"WHERE c.oid = {its_oid}"
    )
    if not found:
        return f"Table {name} is gone."
    identity = IDENTITIES.get(was["identity"], "DEFAULT")
    if was["identity"] == "i" and found[0]["has_index"] == "t":
        identity = f"USING INDEX {quoted(was['index'])}"
    _alter(line, f"{found[0]['called']} REPLICA IDENTITY {identity}")
    lost = "" if was["identity"] != "i" or identity != "DEFAULT" else f": index {was['index']} is gone"
    return f"The replica identity of {name} is {identity} again{lost}."


def _named(schema: str, table: str) -> str:
    return f"{quoted(schema)}.{quoted(table)}"


def _alter(line: Line, change: str) -> None:
    """Alter a table with a short wait for its lock: while it waits, all who come later wait behind it."""
    for attempt in range(TRIES):
        try:
            line.run(f"SET lock_timeout = '{LOCK_WAIT}'; ALTER TABLE {change}; RESET lock_timeout")
            return
        except CannotReplicate as error:
            if "lock timeout" not in str(error):
                raise CannotWatch(f"PostgreSQL refused: {error}") from error
            time.sleep(0.2 * (attempt + 1))
    raise CannotWatch(f"A table was locked by others for {TRIES} tries of {LOCK_WAIT} each: {change}. Try again later.")


def _publish(line: Line, ground: Ground) -> None:
    """Make both publications, in one transaction. No row of others' is read by them."""
    tables = ", ".join(_named(ground.schema, name) for name in TABLES)
    notes = ", ".join(
        f"{_named(ground.found['ours'], name)} ({', '.join(map(quoted, columns))})" for name, columns in NOTES.items()
    )
    dropped = [f"DROP PUBLICATION IF EXISTS {quoted(name)}" for name in PUBLICATIONS]
    made = [
        f"CREATE PUBLICATION {quoted(PUBLICATION)} FOR TABLE {tables}",
        f"CREATE PUBLICATION {quoted(NOTES_PUBLICATION)} FOR TABLE {notes} WITH (publish = 'insert')",
    ]
    try:
        line.run("; ".join([*dropped, *made]))
    except CannotReplicate as error:
        raise CannotWatch(f"PostgreSQL refused the publications: {error}") from error
