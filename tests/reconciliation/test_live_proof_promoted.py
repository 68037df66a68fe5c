"""A standby takes the place of the server that was watched, as a failover makes it: a real one, by real processes."""

from __future__ import annotations

import json
import os
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ledgerproj.embedded import programs
from tests.stoppable import LIMIT_SECONDS, Postgres, own_postgres, until

pytestmark = pytest.mark.xdist_group("outages")
DRIFT = (
    "UPDATE balances SET credit_balance = credit_balance + {0}, balance = balance + {0} "
    "WHERE balance_id = (SELECT min(balance_id) FROM balances) RETURNING balance_id"
)
FOUND = (
    "SELECT balance_id, recalculated_credit_balance - previous_credit_balance FROM reconciliation_finding WHERE drifted"
)
GAP = "SELECT reason, started_at <= ended_at, closed_at IS NOT NULL FROM reconciliation_gap"


@contextmanager
def standby_of(primary: Postgres, directory: Path) -> Iterator[Postgres]:
    """Yield a server that follows another one, in a directory beside that one's."""
    directory.mkdir(mode=0o700)
    owner = primary.directory.stat()
    os.chown(directory, owner.st_uid, owner.st_gid)
    source = f"host={primary.directory} user=postgres"
    words = ("-d", source, "-D", str(directory), "-R", "-X", "stream", "-c", "fast")
    programs.run("pg_basebackup", *words, cluster=primary.directory)
    options = f'-D {shlex.quote(str(directory))} -h "" -k .'
    (directory / ".s.PGSQL.5432.lock").unlink()  # the first server's, which lay in its directory
    programs.run("pg_ctl", "-w", "-o", options, "-l", "log", "start", cluster=directory)
    made = Postgres(directory)
    try:
        yield made
    finally:
        made.stop("immediate")


def standing(made: Postgres) -> tuple[int, dict[str, Any]]:
    """Return what ``manage.py proof --json`` ends with, and says."""
    with made.running("proof", "--json") as proof:
        return proof.process.wait(LIMIT_SECONDS), json.loads(proof.said)


def is_proved(made: Postgres) -> bool:
    return made.rows("SELECT state = 'proved' FROM reconciliation_proof") == [(True,)]


def replayed(primary: Postgres, standby: Postgres) -> None:
    (end,) = primary.rows("SELECT pg_current_wal_lsn()")[0]
    until(lambda: standby.rows("SELECT pg_last_wal_replay_lsn() >= %s", end) == [(True,)], "the standby follows")


def test_a_promoted_standby_is_not_proved_until_a_full_proof_of_its_own_which_finds_what_no_one_watched() -> None:
    with tempfile.TemporaryDirectory(prefix="ledger-promoted-") as root, own_postgres(Path(root)) as primary:
        with primary.running("generate_ledger", "--balances", "20", "--transactions", "200", "--holds", "0") as made:
            assert made.process.wait(LIMIT_SECONDS) == 0, made.said
        with standby_of(primary, primary.directory.parent / "standby") as standby:
            with primary.running("watch", "--yes", LEDGER_SWEEP_PACE="100") as watch:
                until(lambda: is_proved(primary), f"the full proof: {watch.said}")
            replayed(primary, standby)
            with standby.running("watch", LEDGER_SWEEP_PACE="100") as watch:
                assert watch.process.wait(LIMIT_SECONDS) != 0
                assert "Traceback" not in watch.said
                assert "standby" in watch.said
            primary.stop("immediate")
            programs.run("pg_ctl", "-w", "promote", cluster=standby.directory)
            ((balance_id,),) = standby.rows(DRIFT.format(7))
            with standby.running("watch", "--yes", LEDGER_SWEEP_PACE="100") as watch:
                until(lambda: standby.rows(GAP), f"a gap: {watch.said}")
                until(lambda: is_proved(standby), f"another full proof: {watch.said}")
                ((reason, is_in_order, is_closed),) = standby.rows(GAP)
                assert (is_in_order, is_closed) == (True, True)
                assert reason == "The server began timeline 2: it was promoted, or restored from a backup."
                assert standby.rows(FOUND) == [(balance_id, -7)]
                assert standing(standby)[0] == 3
                standby.rows(DRIFT.format(-7))
                with standby.running("sweep", "--all") as again:
                    assert again.process.wait(LIMIT_SECONDS) == 0, again.said
                until(lambda: standing(standby)[0] == 0, "green again")
