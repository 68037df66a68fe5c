"""Closed months as files: they add up as PostgreSQL does, what is damaged is named, and a kill leaves nothing half."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from balances.models import Balance, Transaction
from reconciliation.archiving import Proof, proving, service, writing
from reconciliation.archiving.months import Month
from reconciliation.drill.ledger import build
from reconciliation.measuring import Measure, ParquetMeasure, PostgresMeasure, Scope, Sums, duck, measure_all
from reconciliation.models import Archive, Seal
from reconciliation.records import sealing
from tests import world

CHILD = (
    "import django; django.setup(); print('ready', flush=True)\n"
    "from django.core.management import call_command; call_command('archive', '--until', {until!r})\n"
)
EVERYTHING = Scope(everything=True)
LAST = Month.of(datetime.now(UTC) - timedelta(days=33))
"""A month that is closed whatever the day."""
duckdb = pytest.importorskip("duckdb")


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, settings: Any) -> Path:
    settings.LEDGER_ARCHIVE_DIR = tmp_path / "archive"
    return settings.LEDGER_ARCHIVE_DIR  # type: ignore[no-any-return]


ROOT = Path(__file__).parent.parent.parent


def environment_of_this_database() -> dict[str, str]:
    info = connection.connection.info
    url = f"postgresql://{info.user}@/{info.dbname}?host={info.host}&port={info.port}"
    secrets = {"DJANGO_SECRET_KEY": "k" * 50, "BLNK_SERVER_SECRET_KEY": "k" * 50}
    return os.environ | secrets | {"DJANGO_SETTINGS_MODULE": "ledgerproj.settings", "DATABASE_URL": url}


def archive(until: Month = LAST) -> str:
    out = io.StringIO()
    call_command("archive", "--until", str(until), stdout=out)
    return out.getvalue()


def sweep(*words: str) -> tuple[list[dict[str, Any]], str, int]:
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        call_command("sweep", "--archive", "--format", "json", *words, stdout=out, stderr=err)
    except SystemExit as ended:
        status = int(ended.code or 0)
    return json.loads(out.getvalue()), err.getvalue(), status


def named() -> list[tuple[str, str, str]]:
    return [(each["what"], each["month"], each["file"]) for each in sweep()[0]]


def sums(measure: Measure, until: datetime | None = None) -> dict[str, Sums]:
    return {each.balance_id: each for each in measure.sums(EVERYTHING, until) if each}


def files(directory: Path) -> tuple[Path, ...]:
    return tuple(sorted(directory.glob("*/legs-*.parquet")))


def at(month: Month, day: int = 3, **fields: Any) -> dict[str, Any]:
    instant = month.begin + timedelta(days=day)
    return {"created_at": instant, "effective_date": instant} | fields


def before(month: Month) -> Month:
    return Month.of(month.begin - timedelta(days=1))


def agree(directory: Path, until: Month = LAST) -> None:
    """Compare every implementation with every other one, and archive and rows since with the statement of sweeps."""
    cold = sums(ParquetMeasure(files(directory)))
    assert cold == sums(PostgresMeasure(), until.end)
    hot = sums(PostgresMeasure(since=until.end))
    whole = {key: cold.get(key, Sums(key)) + hot.get(key, Sums(key)) for key in cold.keys() | hot.keys()}
    assert whole == sums(PostgresMeasure())
    totals = {key: each.totals for key, each in whole.items()}
    assert totals == {
        one.balance_id: one.recalculated for one in measure_all(EVERYTHING.ids()) if one.balance_id in whole
    }


def family(alice: Balance, bob: Balance) -> None:
    """Write the worked cases: a hold, committed in part and released in later months, a queued hold, rows of old."""
    first, second = before(before(LAST)), before(LAST)
    hold = world.row("INFLIGHT", 1000, alice, bob, **at(first))
    world.row("APPLIED", 300, alice, bob, parent_transaction=hold.pk, **at(second))
    world.row("VOID", 700, alice, bob, parent_transaction=hold.pk, **at(LAST))
    queued = world.row("QUEUED", 50, alice, bob, reference="q", **at(first))
    under = world.row("INFLIGHT", 50, alice, bob, parent_transaction=queued.pk, reference="q_q", **at(first, 4))
    world.row("APPLIED", 50, alice, bob, parent_transaction=queued.pk, reference="commit", **at(LAST))
    plain = world.row("QUEUED", 7, alice, bob, reference="p", **at(second))
    world.row("APPLIED", 7, alice, bob, parent_transaction=plain.pk, reference="p_q", **at(second, 4))
    world.row("APPLIED", None, bob, alice, **at(first, 5, amount=2))
    world.row("REJECTED", 9, alice, bob, **at(second))
    world.row("APPLIED", 11, alice, bob, **at(Month.of(datetime.now(UTC)), 0))
    assert under.status == "INFLIGHT"


@pytest.fixture
def pair(transactional_db: None) -> tuple[Balance, Balance]:
    owner = world.ledger()
    return world.balance(owner), world.balance(owner)


def settle() -> None:
    """Have the stored totals be what the rows say."""
    for one in measure_all(EVERYTHING.ids()):
        Balance.objects.filter(pk=one.balance_id).update(**vars(one.recalculated))


@pytest.fixture
def archived(pair: tuple[Balance, Balance]) -> tuple[Balance, Balance]:
    family(*pair)
    settle()
    archive()
    return pair


def test_worked_cases_add_up_alike_in_every_engine(pair: tuple[Balance, Balance], directory: Path) -> None:
    family(*pair)
    settle()
    said = archive()
    assert "3 months archived" in said
    assert "Their rows are in PostgreSQL as before" in said
    agree(directory)
    alice = sums(ParquetMeasure(files(directory)))[pair[0].pk]
    assert (alice.debit, alice.credit, alice.inflight_debit, alice.hold_rows) == (357, 200, 0, 3)
    first = before(before(LAST))
    early = sums(ParquetMeasure(files(directory)), first.end)
    assert early == sums(PostgresMeasure(), first.end)
    assert early[pair[0].pk].inflight_debit == 1050
    one = Scope(balance_ids=(pair[0].pk,))
    assert list(ParquetMeasure(files(directory)).sums(one)) == [alice]
    assert ParquetMeasure(files(directory)).witness().read == tuple(map(str, files(directory)))
    assert PostgresMeasure().witness().engine == "postgres"
    assert sweep()[::2] == ([], 0)


def test_the_ledger_of_the_drill_adds_up_alike_in_every_engine(transactional_db: None, directory: Path) -> None:
    build(7, wallets=60, postings=400)
    archive()
    agree(directory)
    found, said, status = sweep()
    assert (found, status) == ([], 0)
    assert f"Proved: what was archived until the end of {LAST}" in said


STATES = st.lists(
    st.tuples(
        st.sampled_from(["apply", "hold", "commit", "void", "queue", "settle"]),
        st.integers(1, 10**20),
        st.integers(0, 89),
        st.booleans(),
    ),
    max_size=25,
)


@examples(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(STATES)
def test_random_histories_add_up_alike_in_every_engine(
    pair: tuple[Balance, Balance], directory: Path, history: list[tuple[str, int, int, bool]]
) -> None:
    parents: dict[str, list[Transaction]] = {"INFLIGHT": [], "QUEUED": []}
    shutil.rmtree(directory, ignore_errors=True)
    status = {"hold": "INFLIGHT", "void": "VOID", "queue": "QUEUED"}
    with world.unguarded("reconciliation_archive", "transactions"):
        Archive.objects.all().delete()
        Transaction.objects.all().delete()
    for number, (what, units, day, turned) in enumerate(history):
        source, destination = reversed(pair) if turned else pair
        kind = {"commit": "INFLIGHT", "void": "INFLIGHT", "settle": "QUEUED", "hold": "QUEUED"}.get(what)
        above = parents[kind][units % len(parents[kind])] if kind and parents[kind] else None
        tail = above.reference + "_q" if above and units % 3 == 0 else f"h-{number}"
        instant = before(before(LAST)).begin + timedelta(days=day)
        made = world.row(
            status.get(what, "APPLIED"),
            units,
            source,
            destination,
            parent_transaction=above.pk if above else "",
            reference=tail if not Transaction.objects.filter(reference=tail).exists() else f"x-{number}",
            created_at=instant,
            effective_date=instant,
        )
        if made.status in parents:
            parents[made.status].append(made)
    archive()
    agree(directory)


def test_amounts_and_sums_beyond_38_digits_are_refused_by_name(pair: tuple[Balance, Balance], directory: Path) -> None:
    most = 10**38 - 1
    world.row("APPLIED", most, *pair, **at(LAST))
    archive()
    agree(directory)
    with world.unguarded("reconciliation_archive"):
        Archive.objects.all().delete()
    shutil.rmtree(directory)
    world.row("APPLIED", 1, *pair, **at(LAST, 4))
    with pytest.raises(CommandError, match="Not proved: an amount or a sum has more than 38 digits"):
        archive()
    beyond = world.row("APPLIED", most + 1, *pair, **at(LAST, 5))
    with pytest.raises(CommandError, match=f"2 legs, of transaction {beyond.pk} and others"):
        archive()
    assert not Archive.objects.exists()
    assert [path.name for path in directory.iterdir()] == [".lock"]


def test_a_month_that_may_still_get_rows_is_refused(
    pair: tuple[Balance, Balance], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    with pytest.raises(CommandError, match=f"{Month.of(now)} may still get rows: it is closed an hour after its end"):
        archive(Month.of(now))
    with pytest.raises(CommandError, match="'2026-13' is no month"):
        call_command("archive", "--until", "2026-13")
    monkeypatch.setattr(service, "PATIENCE_SECONDS", 0.2)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN; SELECT pg_current_xact_id()")
            with pytest.raises(CommandError, match="a transaction of the server has been running"):
                archive()
    finally:
        other.close()
    assert not Archive.objects.exists()


def test_running_again_adds_nothing_and_goes_on_after_the_last_month(
    archived: tuple[Balance, Balance], directory: Path
) -> None:
    before_it = {path: path.stat().st_mtime_ns for path in directory.rglob("*")}
    assert "0 months archived" in archive()
    assert {path: path.stat().st_mtime_ns for path in directory.rglob("*") if path.name != ".lock"}.items() <= (
        before_it.items()
    )
    records = list(Archive.objects.order_by("month"))
    assert [record.month for record in records] == [str(before(before(LAST))), str(before(LAST)), str(LAST)]
    assert [record.previous for record in records[1:]] == [record.manifest for record in records[:-1]]
    assert Seal.objects.filter(kind="archive").count() == 3


def test_a_second_process_is_refused_while_one_archives(archived: tuple[Balance, Balance], directory: Path) -> None:
    with service._alone(directory), pytest.raises(CommandError, match="Another process is archiving"):
        archive()


def test_only_its_owner_can_read_an_archive(archived: tuple[Balance, Balance], directory: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in (directory, *directory.glob("[0-9]*"))} == {0o700}


def test_duckdb_takes_no_more_memory_than_it_may_and_goes_on_in_files(settings: Any, tmp_path: Path) -> None:
    settings.LEDGER_ARCHIVE_MEMORY = 100 * 2**20
    many = "SELECT md5(n::VARCHAR) || md5((n + 1)::VARCHAR) AS text FROM range(3_000_000) AS many(n)"
    with duck(tmp_path) as session:
        session.run("SET threads = 1")
        session.run(f"CREATE TEMP TABLE sorted AS SELECT text FROM ({many}) ORDER BY text")
        used = next(session.rows("SELECT sum(memory_usage_bytes) AS bytes FROM duckdb_memory()"))["bytes"]
        spilt = next(session.rows("SELECT sum(size) AS bytes FROM duckdb_temporary_files()"))["bytes"]
        assert used <= settings.LEDGER_ARCHIVE_MEMORY < spilt
    assert list(tmp_path.iterdir()) == []


def a_file(directory: Path, month: Month) -> Path:
    return sorted((directory / str(month)).glob("legs-*.parquet"))[0]


def gone(directory: Path) -> list[tuple[str, str, str]]:
    path = a_file(directory, LAST)
    path.unlink()
    return [("missing", str(LAST), path.name)]


def one_bit(directory: Path) -> list[tuple[str, str, str]]:
    path = a_file(directory, LAST)
    stored = bytearray(path.read_bytes())
    stored[len(stored) // 3] ^= 1
    path.write_bytes(stored)
    return [("changed", str(LAST), path.name)]


def of_another_month(directory: Path) -> list[tuple[str, str, str]]:
    path = a_file(directory, LAST)
    shutil.copy(a_file(directory, before(LAST)), path)
    return [("swapped", str(LAST), path.name)]


def both_ways(directory: Path) -> list[tuple[str, str, str]]:
    one, two = a_file(directory, LAST), a_file(directory, before(LAST))
    kept = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(kept)
    return [("swapped", str(before(LAST)), two.name), ("swapped", str(LAST), one.name)]


def doubled(directory: Path) -> list[tuple[str, str, str]]:
    path = a_file(directory, before(LAST))
    twice = f"SELECT * FROM read_parquet('{path}') UNION ALL SELECT * FROM read_parquet('{path}')"
    duckdb.execute(f"COPY (SELECT * FROM ({twice}) ORDER BY balance) TO '{path}.x' (FORMAT parquet)")
    Path(f"{path}.x").rename(path)
    return [("doubled", str(before(LAST)), path.name)]


def edited_manifest(directory: Path) -> list[tuple[str, str, str]]:
    path = directory / str(before(LAST)) / "manifest.json"
    path.write_text(path.read_text().replace('"rows": ', '"rows": 1'))
    return [("manifest_changed", str(before(LAST)), "manifest.json")]


def manifest_gone(directory: Path) -> list[tuple[str, str, str]]:
    (directory / str(LAST) / "manifest.json").unlink()
    return [("missing", str(LAST), "manifest.json")]


def edited_checkpoint(directory: Path, month: Month | None = None) -> list[tuple[str, str, str]]:
    path = directory / str(month or before(LAST)) / "checkpoint.parquet"
    more = f"SELECT * REPLACE (credit + 1 AS credit) FROM read_parquet('{path}')"
    duckdb.execute(f"COPY ({more}) TO '{path}.x' (FORMAT parquet)")
    Path(f"{path}.x").rename(path)
    return [("changed", str(before(LAST)), "checkpoint.parquet")]


def checkpoint_gone(directory: Path) -> list[tuple[str, str, str]]:
    (directory / str(LAST) / "checkpoint.parquet").unlink()
    return [("missing", str(LAST), "checkpoint.parquet")]


def something_more(directory: Path) -> list[tuple[str, str, str]]:
    (directory / str(LAST) / "legs-x.parquet").write_text("x")
    (directory / "2001-01").mkdir()
    return [("unknown", str(LAST), "legs-x.parquet"), ("unsealed", "2001-01", "")]


DAMAGE = (
    gone,
    one_bit,
    of_another_month,
    both_ways,
    doubled,
    edited_manifest,
    manifest_gone,
    edited_checkpoint,
    checkpoint_gone,
    something_more,
)


def test_each_damage_is_named_and_nothing_else(archived: tuple[Balance, Balance], directory: Path) -> None:
    kept = directory.parent / "kept"
    shutil.copytree(directory, kept)
    for damage in DAMAGE:
        expected = damage(directory)
        found, _, status = sweep()
        assert ([(each["what"], each["month"], each["file"]) for each in found], status) == (expected, 3), damage
        shutil.rmtree(directory)
        shutil.copytree(kept, directory)
    assert sweep()[::2] == ([], 0)


def test_a_file_that_the_disk_does_not_give_is_named(
    archived: tuple[Balance, Balance], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, digest = a_file(directory, LAST), writing.sha256_of

    def failing(path: Path) -> str:
        if path == broken:
            raise OSError(5, "Input/output error")
        return digest(path)

    monkeypatch.setattr(proving, "sha256_of", failing)
    found = sweep()[0]
    assert [(each["what"], each["file"]) for each in found] == [("unreadable", broken.name)]
    assert "Input/output error" in found[0]["detail"]


def test_any_bit_of_any_file_counts(archived: tuple[Balance, Balance], directory: Path) -> None:
    chance = random.Random(3)
    paths = sorted(directory.glob("*/*.parquet"))
    for _ in range(30):
        path = chance.choice(paths)
        kept = path.read_bytes()
        stored = bytearray(kept)
        stored[chance.randrange(len(stored))] ^= 1 << chance.randrange(8)
        path.write_bytes(stored)
        found = [(each.month, each.file) for each in Proof(directory)]
        assert found == [(path.parent.name, path.name)]
        path.write_bytes(kept)


def with_new_digest(month: Path) -> str:
    """Have manifest and record of a month say what its checkpoint is now; return the manifest's digest."""
    manifest = json.loads((month / "manifest.json").read_text())
    manifest["checkpoint"] = writing.sha256_of(month / "checkpoint.parquet")
    (month / "manifest.json").write_text(json.dumps(manifest))
    digest = writing.sha256_of(month / "manifest.json")
    with world.unguarded("reconciliation_archive"):
        Archive.objects.filter(month=month.name).update(manifest=digest)
    return digest


def seal_again() -> None:
    with world.unguarded("reconciliation_seal"):
        for record in Archive.objects.all():
            link = Seal.objects.filter(kind="archive", record_id=record.pk)
            link.update(digest=sealing.digest("archive", record))


def test_a_checkpoint_that_was_wrong_when_it_was_sealed_is_named(
    archived: tuple[Balance, Balance], directory: Path
) -> None:
    edited_checkpoint(directory)
    digest = with_new_digest(directory / str(before(LAST)))
    assert named()[0] == ("record_changed", str(before(LAST)), "")
    with world.unguarded("reconciliation_archive"):
        Archive.objects.filter(month=str(LAST)).update(previous=digest)
    seal_again()
    assert named() == [
        ("wrong", str(before(LAST)), "checkpoint.parquet"),
        ("wrong", str(LAST), "checkpoint.parquet"),
    ]


def test_drift_is_named_over_the_archive_as_without_it(archived: tuple[Balance, Balance]) -> None:
    world.drift(archived[0], credit=5, hold_debit=2)
    found, _, status = sweep()
    assert [(each["what"], each["balance_id"]) for each in found] == [("drift", archived[0].pk)]
    assert "credit +5" in found[0]["detail"]
    assert status == 3


def test_a_row_that_comes_late_is_named_with_its_month(archived: tuple[Balance, Balance]) -> None:
    alice, bob = archived
    world.row("APPLIED", 40, alice, bob, **at(before(LAST)))
    settle()
    found = sweep()[0]
    assert (found[0]["what"], found[0]["month"]) == ("other_rows", str(before(LAST)))
    assert [(each["what"], each["balance_id"]) for each in found[1:]] == sorted(
        [("differs", alice.pk), ("differs", bob.pk)]
    )


def test_postings_since_the_archive_count(archived: tuple[Balance, Balance]) -> None:
    world.post(archived[0], archived[1], 250)
    world.post("@world", archived[1], 4)
    assert sweep()[::2] == ([], 0)


def test_without_duckdb_it_is_said_what_to_install(
    pair: tuple[Balance, Balance], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.row("APPLIED", 40, *pair, **at(LAST))
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(CommandError, match="not installed: uv sync --extra archive"):
        archive()
    assert not Archive.objects.exists()


def stopped_between(at_step: str, monkeypatch: pytest.MonkeyPatch, then: Callable[[], None]) -> None:
    def crash(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as crashing:
        crashing.setattr(service, at_step, crash)
        with pytest.raises(CommandError, match="Interrupted"):
            then()


def test_a_month_that_is_there_but_not_sealed_is_taken_up_or_refused(
    pair: tuple[Balance, Balance], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family(*pair)
    settle()
    stopped_between("_sealed", monkeypatch, archive)
    first = directory / str(before(before(LAST)))
    assert [each["what"] for each in sweep()[0]] == ["unsealed"]
    written = {path: path.stat().st_mtime_ns for path in first.iterdir()}
    assert "3 months archived" in archive()
    assert {path: path.stat().st_mtime_ns for path in first.iterdir()} == written
    assert sweep()[::2] == ([], 0)
    with world.unguarded("reconciliation_archive"):
        Archive.objects.all().delete()
    world.row("APPLIED", 40, *pair, **at(before(before(LAST))))
    with pytest.raises(CommandError, match="no record has it, and it is not what PostgreSQL has"):
        archive()


def test_killed_at_any_moment_it_goes_on_and_nothing_is_lost_or_twice(
    pair: tuple[Balance, Balance], directory: Path
) -> None:
    """Ten times a process of its own is killed with SIGKILL at a random moment, and at last one ends."""
    month = Month(LAST.year - 3, LAST.number).next
    while month <= LAST:
        for day in range(1, 4):
            world.row("APPLIED", 10 + day, *pair, **at(month, day))
        month = month.next
    settle()
    chance = random.Random(5)
    environment = environment_of_this_database() | {"LEDGER_ARCHIVE_DIR": str(directory)}
    words = [sys.executable, "-c", CHILD.format(until=str(LAST))]
    ended: list[int] = []
    for _ in range(10):
        running = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        time.sleep(chance.random() * 0.6)
        running.kill()
        running.communicate()
        ended.append(running.returncode)
        unsealed = {path.name for path in directory.glob("[0-9]*")} - {each.month for each in Archive.objects.all()}
        assert len(unsealed) <= 1
        assert {what for what, _, _ in named()} <= {"unsealed"}
    assert ended.count(-signal.SIGKILL) > 1
    archive()
    agree(directory)
    assert sweep()[::2] == ([], 0)
    assert list(directory.glob(".*.part")) == []
