"""Spark adds up an archive as every other engine does, on this machine and on a cluster that loses a worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from balances.models import Balance
from ledgerproj.processes import free_port
from reconciliation.archiving.writing import RANGES, WRITE_RANGE
from reconciliation.measuring import EngineMissing, NotProved, ParquetMeasure, Scope, SparkMeasure, Sums, duck
from tests import world
from tests.benchmarks.archive import MADE
from tests.reconciliation.test_archiving import (
    EVERYTHING,
    LAST,
    archive,
    archived,
    before,
    directory,
    edited_checkpoint,
    files,
    pair,
    seal_again,
    sums,
    sweep,
    with_new_digest,
)

__all__ = ("archived", "directory", "pair")
HERE = "local[2]"
pyspark = pytest.importorskip("pyspark")
pytestmark = [pytest.mark.xdist_group("spark"), pytest.mark.filterwarnings("ignore::ResourceWarning")]


def by_spark(paths: tuple[Path, ...], master: str = HERE) -> SparkMeasure:
    return SparkMeasure(tuple(map(str, paths)), master)


def test_what_spark_cannot_do_is_refused_in_words(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match=r"--spark is for --archive\."):
        call_command("sweep", "--all", "--spark", HERE)
    with pytest.raises(NotProved, match=r"Spark could not read it \(\[PATH_NOT_FOUND\]"):
        list(by_spark((directory / "gone.parquet",)).sums(EVERYTHING))
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(EngineMissing, match=r"pip install pyspark==4.3.0, which needs Java 17"):
        list(by_spark((directory / "gone.parquet",)).sums(EVERYTHING))


def test_worked_cases_add_up_in_spark_as_elsewhere(archived: tuple[Balance, Balance], directory: Path) -> None:
    paths = files(directory)
    spark, duckdb = by_spark(paths), ParquetMeasure(paths)
    assert sums(spark) == sums(duckdb)
    end = before(LAST).end
    assert sums(spark, end) == sums(duckdb, end) != sums(duckdb)
    alice = Scope(balance_ids=(archived[0].pk,))
    assert list(spark.sums(alice)) == list(duckdb.sums(alice)) == [sums(duckdb)[archived[0].pk]]
    assert spark.witness().read == tuple(map(str, paths))


def test_a_sum_of_more_than_38_digits_is_not_proved(pair: tuple[Balance, Balance], directory: Path) -> None:
    most = 10**38 - 1
    world.row("APPLIED", most, *pair, created_at=LAST.begin, effective_date=LAST.begin)
    archive()
    assert sums(by_spark(files(directory)))[pair[1].pk].credit == most
    with pytest.raises(NotProved, match="more than 38 digits"):
        list(by_spark(files(directory) * 2).sums(EVERYTHING))


def test_the_archive_is_proved_by_spark_and_a_wrong_checkpoint_named(
    archived: tuple[Balance, Balance], directory: Path
) -> None:
    found, said, status = sweep("--spark", HERE)
    assert (found, status) == ([], 0)
    assert "Proved: what was archived until the end of" in said
    edited_checkpoint(directory, LAST)
    with_new_digest(directory / str(LAST))
    seal_again()
    found, said, status = sweep("--spark", HERE)
    assert status == 3
    assert [(each["what"], each["month"]) for each in found[:1]] == [("wrong", str(LAST))]
    assert f"{min(each.pk for each in archived)} first" in found[0]["detail"]


@contextmanager
def java(*words: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a part of a cluster; what it starts is in its process group."""
    program = Path(pyspark.__file__).parent / "bin" / "spark-class"
    with log.open("wb") as out:
        child = subprocess.Popen([program, *words], stdout=out, stderr=out, start_new_session=True)
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def kill_half_way(worker: subprocess.Popen[bytes], logs: Path, killed: list[int]) -> None:
    """Kill a worker with its executor once that one has done a task and has another one."""
    end = time.monotonic() + 240
    while not killed and time.monotonic() < end:
        for log in logs.glob("app-*/*/stderr"):
            text = log.read_text(errors="replace")
            done = text.count("Finished task")
            if done and text.count("Running task") > done:
                os.killpg(worker.pid, signal.SIGKILL)
                killed.append(done)
        time.sleep(0.02)


def test_a_cluster_that_loses_a_worker_half_way_gives_the_same_sums(tmp_path: Path) -> None:
    with duck() as session:
        for month in range(24):
            session.run(MADE, balances=1_000, first=month * 20_000, until=(month + 1) * 20_000)
            for row in list(session.rows(RANGES)):
                path = tmp_path / f"{month:02}-{row['hash_range']}.parquet"
                session.run(WRITE_RANGE, file=str(path), hash_range=row["hash_range"])
    paths, killed = tuple(sorted(tmp_path.glob("*.parquet"))), list[int]()
    expected = list(ParquetMeasure(paths).sums(EVERYTHING))
    port, deploy = free_port(), "org.apache.spark.deploy"
    master = f"spark://127.0.0.1:{port}"
    with ExitStack() as stack:
        words = ("--host", "127.0.0.1", "--port", str(port), "--webui-port", str(free_port()))
        stack.enter_context(java(f"{deploy}.master.Master", *words, log=tmp_path / "master"))
        workers = []
        for name in ("one", "two"):
            words = ("--cores", "1", "--memory", "1g", "--host", "127.0.0.1", "--webui-port", str(free_port()))
            words += ("--work-dir", str(tmp_path / name), master)
            workers.append(stack.enter_context(java(f"{deploy}.worker.Worker", *words, log=tmp_path / f"{name}.log")))
        end = time.monotonic() + 60
        while (tmp_path / "master").read_text().count("Registering worker") < 2:
            assert time.monotonic() < end, (tmp_path / "master").read_text()
            time.sleep(0.1)
        killer = threading.Thread(target=kill_half_way, args=(workers[0], tmp_path / "one", killed))
        killer.start()
        found: list[Sums] = list(by_spark(paths, master).sums(EVERYTHING))
        killer.join()
    assert killed
    assert found == expected
