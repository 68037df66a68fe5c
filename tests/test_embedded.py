"""The embedded server through what happens to it: crashes, rivals, odd paths."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ledgerproj.embedded import postmaster, sockets
from ledgerproj.embedded.errors import ServerFailed

ROOT = Path(__file__).resolve().parent.parent
LIMIT_SECONDS = 60
CONNECT = """
import sys
from pathlib import Path
import psycopg
from ledgerproj.embedded.server import connection_params

params = connection_params(Path(sys.argv[1]), "ledger")
with psycopg.connect(dbname="ledger", **params) as connection:
    for name in ("max_connections", "jit", "unix_socket_permissions", "listen_addresses", "wal_level"):
        print(connection.execute(f"SHOW {name}").fetchone()[0], flush=True)
    if len(sys.argv) > 2:
        sys.stdin.read()
"""
CONFIGURED = ["200", "off", "0700", "", "logical"]

pytestmark = pytest.mark.xdist_group("quickstart")


def start(data_dir: Path, *more: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CONNECT, str(data_dir), *more],
        cwd=ROOT,
        env=os.environ | environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def connect(data_dir: Path, **environment: str) -> list[str]:
    with start(data_dir, **environment) as process:
        out, err = process.communicate(timeout=LIMIT_SECONDS)
    assert (process.returncode, err) == (0, "")
    return out.splitlines()


def servers_of(data_dir: Path) -> list[psutil.Process]:
    mine = str(data_dir / "postgres")
    found = psutil.process_iter(["cmdline", "name"])
    return [one for one in found if one.info["name"] == "postgres" and mine in (one.info["cmdline"] or ())]


def test_a_first_start_killed_in_initdb_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        deadline = time.monotonic() + LIMIT_SECONDS
        while not list(tmp_path.glob("postgres*/PG_VERSION")) and time.monotonic() < deadline:
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
    assert connect(tmp_path) == CONFIGURED
    assert list(tmp_path.glob("postgres.new-*")) == []


def test_a_data_directory_that_lost_our_settings_gets_them_back(tmp_path: Path) -> None:
    assert connect(tmp_path) == CONFIGURED
    configuration = tmp_path / "postgres" / "postgresql.conf"
    text = configuration.read_text()
    configuration.write_text(text[: text.index("# ledger back-office")])
    assert connect(tmp_path) == CONFIGURED
    assert connect(tmp_path) == CONFIGURED
    assert configuration.read_text().count("# ledger back-office") == 1


def test_a_data_directory_from_before_live_proof_gets_its_log_at_the_next_start(tmp_path: Path) -> None:
    assert connect(tmp_path) == CONFIGURED
    configuration = tmp_path / "postgres" / "postgresql.conf"
    text = configuration.read_text()
    configuration.write_text(text[: text.index("# live proof")])
    with start(tmp_path, "stay") as process:
        assert process.stdout is not None
        assert [process.stdout.readline().strip() for _ in CONFIGURED] == CONFIGURED
        assert process.stdin is not None
        process.stdin.close()
    assert configuration.read_text().count("# live proof of the ledger") == 1


def test_starters_on_an_empty_directory_wait_for_each_other_and_the_last_one_stops_the_server(tmp_path: Path) -> None:
    rivals = [start(tmp_path) for _ in range(4)]
    ended = [(*rival.communicate(timeout=LIMIT_SECONDS), rival.returncode) for rival in rivals]
    assert ended == [("\n".join(CONFIGURED) + "\n", "", 0)] * 4
    assert servers_of(tmp_path) == []


@pytest.mark.parametrize("survivor", ["none", "stranger"])
def test_the_server_comes_back_after_everything_was_killed(tmp_path: Path, survivor: str) -> None:
    with start(tmp_path, "stay") as user:
        assert user.stdout is not None
        assert [user.stdout.readline().strip() for _ in CONFIGURED] == CONFIGURED
        user.kill()
        for server in servers_of(tmp_path):
            server.kill()
    if survivor == "stranger":  # the process id of the dead server now belongs to another program
        pid_file = tmp_path / "postgres" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert connect(tmp_path) == CONFIGURED
    assert servers_of(tmp_path) == []


@pytest.mark.parametrize("name", ["a b", "it's", 'a"b', "a$HOME", "a`id`b", "a,b", "ü", "long-" * 30])
def test_any_path_will_do_and_its_socket_is_the_owner_s(tmp_path: Path, name: str) -> None:
    data_dir = tmp_path / name
    with start(data_dir, "stay") as user:
        assert user.stdout is not None
        assert [user.stdout.readline().strip() for _ in CONFIGURED] == CONFIGURED
        for path in (data_dir / "postgres", data_dir / "postgres" / ".s.PGSQL.5432"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert user.communicate("", timeout=LIMIT_SECONDS)[1] == ""
    assert servers_of(data_dir) == []


def test_a_runtime_directory_that_others_may_write_to_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "a b"
    odd.mkdir()
    for number, (mode, used) in enumerate([(0o700, True), (0o777, False)]):
        runtime = Path("/tmp") / f"ledger-test-{os.getpid()}-{number}"  # noqa: S108 - short enough for a socket
        runtime.mkdir()
        runtime.chmod(mode)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
        try:
            link = sockets.client_directory(odd)
            assert (link.parent == runtime) is used
            assert link.readlink() == odd
        finally:
            link.unlink()
            runtime.rmdir()


@pytest.mark.parametrize("runtime", ["/nonexistent/run", "/proc/1"])
def test_a_runtime_directory_that_is_not_ours_hinders_nobody(tmp_path: Path, runtime: str) -> None:
    assert connect(tmp_path / "a b", XDG_RUNTIME_DIR=runtime) == CONFIGURED


def test_what_keeps_the_server_from_starting_is_told_in_one_sentence(tmp_path: Path) -> None:
    half = tmp_path / "half"
    (half / "postgres").mkdir(parents=True)
    (half / "postgres" / "PG_VERSION").write_text("18\n")
    assert connect(tmp_path / "broken") == CONFIGURED
    with (tmp_path / "broken" / "postgres" / "postgresql.conf").open("a") as configuration:
        configuration.write("nonsense = 1\n")
    plain = tmp_path / "plain"
    plain.write_text("")
    for data_dir, sentence in [
        (half, f"{half}/postgres is no complete data directory of PostgreSQL"),
        (tmp_path / "broken", f"did not start; see {tmp_path}/broken/postgres/log."),
        (plain, f"{plain} cannot hold the embedded PostgreSQL"),
    ]:
        # All secrets are given, so that the server is the first to touch the directory.
        secrets = {
            "DJANGO_SECRET_KEY": "x" * 50,
            "BLNK_SERVER_SECRET_KEY": "k" * 50,
            "BLNK_TOKENIZATION_SECRET": "t" * 32,
        }
        given = secrets | {"LEDGER_DATA_DIR": str(data_dir)}
        refused = subprocess.run(
            [sys.executable, "manage.py", "migrate"],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | given,
            text=True,
            capture_output=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        assert refused.returncode == 1
        assert sentence in refused.stderr
        assert len(refused.stderr.splitlines()) == 1


def test_a_server_that_never_gets_ready_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postmaster, "START_LIMIT_SECONDS", 0.3)
    monkeypatch.setattr(postmaster, "_is_running", lambda cluster: True)
    (tmp_path / "postmaster.pid").write_text(f"{os.getpid()}\n{tmp_path}\n1\n5432\n.\n\n 1 1\nstarting\n")
    with pytest.raises(ServerFailed, match="is not ready after"):
        postmaster.ensure_ready(tmp_path)
