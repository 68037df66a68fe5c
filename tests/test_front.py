"""The HTTP server as clients meet it, good and bad: real sockets, a real ``serve``, requests that are held at work."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import psutil
import pytest
from django.db import connection, transaction

from balances.models import Ledger, Transaction
from tests import wire
from tests.serving import AT_WORK, PATIENCE_SECONDS, SENDING_SECONDS, Line, Server, request, serving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("front")]

IDLE = 300
LARGE = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
CHUNKED = {"Transfer_Encoding": "chunked"}
READS_AT_WORK = 2


@pytest.fixture(scope="module")
def _serving(django_db_setup: None, django_db_blocker: Any) -> Iterator[Server]:
    with django_db_blocker.unblock(), serving() as server:
        yield server


@pytest.fixture
def server(_serving: Server, transactional_db: None) -> Server:
    wire.wallets()
    return _serving


@pytest.fixture
def lines(server: Server) -> Iterator[ExitStack]:
    """Close at the end what a test leaves open."""
    with ExitStack() as stack:
        yield stack


def opened(server: Server, lines: ExitStack, data: bytes = b"") -> Line:
    line = server.line()
    lines.callback(line.close)
    return line.send(data)


def posting(reference: str, units: int = 1000, **fields: Any) -> bytes:
    return request("POST", "/transactions", wire.body(reference, units, **fields))


def opening(name: str) -> bytes:
    return request("POST", "/ledgers", {"name": name})


@contextmanager
def locked(mode: str) -> Iterator[None]:
    """Let nobody write ledgers (SHARE), or even read them (ACCESS EXCLUSIVE)."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE ledgers IN {mode} MODE")
        yield


@contextmanager
def all_at_work(server: Server, lines: ExitStack) -> Iterator[list[Line]]:
    """Have every thread wait for the database."""
    with locked("SHARE"):
        held = [opened(server, lines, request("POST", "/ledgers", {"name": "held"})) for _ in range(AT_WORK)]
        until(lambda: waiting_for_locks() == AT_WORK)
        yield held


def waiting_for_locks() -> int:
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees it as it first was
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


def until(holds: Any) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_idle_connections_hold_nobody_up(server: Server, lines: ExitStack) -> None:
    for _ in range(IDLE):
        assert opened(server, lines, request("GET", "/health")).reply().status == 200
    assert server.ask("POST", "/transactions", wire.body("beside-idle")).status == 201
    assert server.ask("GET", "/health").status == 200


SLOW = [
    (b"", None),
    (b"POST /transactions HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Bl", None),
    (request("POST", "/transactions", Content_Length="900") + b'{"precise_amount"', 408),
    (request("POST", "/transactions", Content_Length="900000") + b'{"precise_amount"', 408),
    (request("POST", "/transactions", **CHUNKED) + b'6\r\n{"prec\r\n', 408),
    (request("POST", "/admin/login/", Content_Length="900") + b"username=", 408),
    (request("GET", "/balances", Content_Length="900") + b"{", 408),
]
"""What is sent before a client falls silent, and the answer, which is none where no request was made."""


def test_slow_heads_and_bodies_hold_nobody_up_and_have_a_deadline(server: Server, lines: ExitStack) -> None:
    slow = [(opened(server, lines, data), answer) for data, answer in SLOW * 10]
    assert server.ask("POST", "/transactions", wire.body("beside-slow")).status == 201
    for line, answer in slow:
        reply = line.reply()
        assert (reply and reply.status) == answer
        if reply:
            assert reply.headers["connection"] == "close"
            assert line.reply() is None
    assert sorted(Transaction.objects.values_list("reference", flat=True)) == ["beside-slow", "funds"]


def test_a_head_that_comes_byte_by_byte_has_the_same_deadline(server: Server, lines: ExitStack) -> None:
    line, began = opened(server, lines), time.monotonic()
    with pytest.raises(OSError):
        while time.monotonic() - began < PATIENCE_SECONDS:
            line.send(b"G" if time.monotonic() - began < 0.01 else b"E")
            time.sleep(0.05)
    assert time.monotonic() - began < PATIENCE_SECONDS


def test_a_late_body_is_answered_in_the_contracts_words(server: Server, lines: ExitStack) -> None:
    reply = opened(server, lines, request("POST", "/ledgers", Content_Length="9")).reply()
    message = f"The body did not arrive within {SENDING_SECONDS} s. Nothing was done."
    assert reply.json == {"error": message, "error_detail": {"code": "GEN_REQUEST_TIMEOUT", "message": message}}


def test_health_answers_while_every_thread_is_at_work(server: Server, lines: ExitStack) -> None:
    with all_at_work(server, lines) as held:
        for _ in range(20):
            assert server.ask("GET", "/health").json["status"] == "UP"
    assert [line.reply().status for line in held] == [201] * AT_WORK


def test_health_says_in_bounded_time_that_the_database_does_not_answer(server: Server) -> None:
    server.ask("GET", "/health")
    with stopped_backends():
        reply = server.ask("GET", "/health")
    assert (reply.status, reply.json) == (503, {"reason": "database ping failed", "status": "DOWN"})
    assert server.ask("GET", "/health").status == 200


@contextmanager
def stopped_backends() -> Iterator[None]:
    """Stop PostgreSQL's processes that serve others than this one: a database that hangs without a word."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        found = [pid for (pid,) in cursor.fetchall() if psutil.pid_exists(pid)]
    if not found:
        pytest.skip("the database server runs on another machine")
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in found:
            os.kill(pid, signal.SIGCONT)


def test_a_request_beyond_those_at_work_waits_for_its_turn(server: Server, lines: ExitStack) -> None:
    with all_at_work(server, lines):
        late = opened(server, lines, opening("late"))
    assert late.reply().status == 201


def test_a_request_that_waits_too_long_is_refused_and_nothing_was_done(server: Server, lines: ExitStack) -> None:
    with all_at_work(server, lines):
        waiting = opened(server, lines, opening("too-late")), opened(server, lines, request("GET", "/admin/login/"))
        late, page = (line.reply() for line in waiting)
    message = "The server has more requests than it can answer. Nothing was done; try again in a moment."
    assert (late.status, late.headers["retry-after"]) == (503, "5")
    assert late.json == {"error": message, "error_detail": {"code": "GEN_UNAVAILABLE", "message": message}}
    assert (page.status, page.body.decode(), page.headers["content-type"]) == (
        503,
        message,
        "text/plain; charset=utf-8",
    )
    until(lambda: Ledger.objects.filter(name="held").count() == AT_WORK)
    assert not Ledger.objects.filter(name="too-late").exists()


def test_a_request_that_waits_is_dropped_when_its_client_leaves(server: Server, lines: ExitStack) -> None:
    with all_at_work(server, lines) as held:
        left = opened(server, lines, opening("left"))
        time.sleep(0.1)
        left.close()
        time.sleep(1.5)
    assert [line.reply().status for line in held] == [201] * AT_WORK
    assert server.ask("POST", "/ledgers", {"name": "next"}).status == 201
    assert not Ledger.objects.filter(name="left").exists()


def test_reads_leave_turns_to_postings(server: Server, lines: ExitStack) -> None:
    with locked("ACCESS EXCLUSIVE"):
        reads = [opened(server, lines, request("GET", "/ledgers")) for _ in range(2 * AT_WORK)]
        until(lambda: waiting_for_locks() == READS_AT_WORK)
        assert server.ask("POST", "/transactions", wire.body("beside-reads")).status == 201
        assert server.ask("POST", "/transactions", wire.body("tried", dry_run=True)).status == 200
        assert server.ask("GET", "/health").status == 200
    assert [line.reply().status for line in reads] == [200] * len(reads)


def test_a_locked_table_holds_up_no_reads_of_others_and_reads_of_it_wait_for_it(
    server: Server, lines: ExitStack
) -> None:
    server.ask("GET", "/ledgers")
    with locked("ACCESS EXCLUSIVE"):
        reads = [opened(server, lines, request("GET", "/ledgers/general_ledger_id")) for _ in range(2)]
        until(lambda: waiting_for_locks() == len(reads))
        for _ in range(5):
            assert server.ask("GET", "/balances/bln_alice").status == 200
    assert [line.reply().status for line in reads] == [200] * len(reads)


def test_a_connection_that_the_database_ended_is_replaced_before_the_next_request(server: Server) -> None:
    assert server.ask("POST", "/transactions", wire.body("before")).status == 201
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert server.ask("POST", "/transactions", wire.body("after")).status == 201
    assert server.ask("GET", "/health").status == 200


def test_a_client_that_does_not_read_its_answer_is_cut_off(server: Server) -> None:
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", server.port))
        deaf.sendall(request("GET", LARGE))
        until(lambda: deaf.getsockname() in peers(server))
        until(lambda: deaf.getsockname() not in peers(server))


def reading(server: Server, lines: ExitStack, size: int, pause: float, buffer: int) -> tuple[int, float]:
    """Ask for a large file, read so many bytes with so long a pause between; return how many came, and for how long."""
    line = lines.enter_context(socket.socket())
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    line.settimeout(PATIENCE_SECONDS)
    line.connect(("127.0.0.1", server.port))
    line.sendall(request("GET", LARGE, Connection="close"))
    began, received = time.monotonic(), 0
    with suppress(ConnectionError):
        while time.monotonic() - began < PATIENCE_SECONDS and (part := line.recv(size)):
            received += len(part)
            time.sleep(pause)
    return received, time.monotonic() - began


def test_a_client_that_takes_its_answer_drop_by_drop_is_cut_off(server: Server, lines: ExitStack) -> None:
    received, taken = reading(server, lines, 50, 0.1, 4096)
    assert received < 100_000
    assert taken < PATIENCE_SECONDS / 2


def test_a_download_goes_on_at_a_sane_pace_for_longer_than_any_deadline(server: Server, lines: ExitStack) -> None:
    whole = len(server.ask("GET", LARGE).body)
    received, taken = reading(server, lines, 32_768, 0.1, 32_768)
    assert received > whole
    assert taken > SENDING_SECONDS
    assert server.ask("GET", "/health").status == 200


def test_looking_for_slow_readers_leaves_no_file_open(server: Server) -> None:
    before = server.worker.num_fds()
    time.sleep(SENDING_SECONDS + 0.3)
    assert server.worker.num_fds() <= before


def peers(server: Server) -> list[tuple[str, int]]:
    """Return who is connected to the server."""
    return [found.raddr for found in server.worker.net_connections("tcp") if found.raddr]


def test_bodies_in_chunks_are_read(server: Server, lines: ExitStack) -> None:
    content = json.dumps(wire.body("in-chunks")).encode()
    chunks = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in content)
    line = opened(server, lines, request("POST", "/transactions", **CHUNKED) + chunks + b"0\r\n\r\n")
    assert line.reply().status == 201
    assert line.send(request("GET", "/health")).reply().status == 200


def test_trailers_are_refused_in_words(server: Server, lines: ExitStack) -> None:
    data = request("POST", "/ledgers", **CHUNKED) + b'd\r\n{"name": "t"}\r\n0\r\nX-Sum: 1\r\n\r\n'
    reply = opened(server, lines, data).reply()
    assert (reply.status, reply.json["error_detail"]["code"]) == (400, "GEN_MALFORMED_REQUEST")


@pytest.mark.parametrize("framing", [CHUNKED, {"Content_Length": "5000"}, {"Content_Length": "500000"}])
def test_a_body_that_breaks_off_changes_nothing(server: Server, lines: ExitStack, framing: dict[str, str]) -> None:
    content = json.dumps(wire.body("broken-off")).encode()
    if framing == CHUNKED:
        content = b"%x\r\n%b\r\n" % (len(content), content)
    for _ in range(5):
        opened(server, lines, request("POST", "/transactions", **framing) + content).close()
    server.ask("POST", "/transactions", wire.body("next"))
    assert not Transaction.objects.filter(reference="broken-off").exists()


MEGABYTE = 1024 * 1024
TOO_LARGE = "http: request body too large"


def test_a_body_beyond_the_limit_is_refused_early_and_the_answer_arrives(server: Server, lines: ExitStack) -> None:
    asking = request("POST", "/ledgers", Content_Length=str(50 * MEGABYTE), Expect="100-continue")
    assert opened(server, lines, asking).reply().json["errors"] == TOO_LARGE
    announced = request("POST", "/ledgers", Content_Length=str(50 * MEGABYTE))
    assert opened(server, lines, announced).reply().json["errors"] == TOO_LARGE
    sending = request("POST", "/ledgers", Content_Length=str(6 * MEGABYTE)) + b" " * 6 * MEGABYTE
    assert opened(server, lines, sending).reply().json["errors"] == TOO_LARGE
    chunked = request("POST", "/ledgers", **CHUNKED) + b"100000\r\n%b\r\n" % (b" " * MEGABYTE) * 6 + b"0\r\n\r\n"
    assert opened(server, lines, chunked).reply().json["errors"] == TOO_LARGE
    form = request("POST", "/admin/login/", Content_Length=str(6 * MEGABYTE)) + b" " * 6 * MEGABYTE
    reply = opened(server, lines, form).reply()
    assert (reply.status, reply.body) == (413, b"What was sent is larger than 5 MB. Nothing was done.")


def test_a_client_that_asks_first_is_told_to_go_on(server: Server, lines: ExitStack) -> None:
    line = opened(server, lines, request("POST", "/ledgers", Content_Length="14", Expect="100-continue"))
    assert line.reply().status == 100
    assert line.send(b'{"name": "it"}').reply().status == 201


def test_pipelined_requests_are_answered_in_order(server: Server, lines: ExitStack) -> None:
    line = opened(server, lines, b"".join(posting(f"piped-{number}") for number in range(20)))
    assert [line.reply().json["reference"] for _ in range(20)] == [f"piped-{number}" for number in range(20)]


def test_other_forms_of_http_are_answered(server: Server, lines: ExitStack) -> None:
    old = opened(server, lines, b"GET /health HTTP/1.0\r\n\r\n")
    assert (old.reply().status, old.reply()) == (200, None)
    css = opened(server, lines, request("HEAD", "/static/admin/css/base.css"))
    assert int(css.reply(to_head=True).headers["content-length"]) > 1000
    assert css.send(request("GET", "/static/admin/css/base.css")).reply().body.startswith(b"/*")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("GET", "/health", X_Long="x" * 1_000_000), 431),
        (request("GET", "/health", **{f"X_{number}": "" for number in range(500)}), 431),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (request("POST", "/ledgers", Content_Length="-1"), 400),
    ],
)
def test_heads_that_are_none_are_refused(server: Server, lines: ExitStack, data: bytes, status: int) -> None:
    assert opened(server, lines, data).reply().status == status


def test_connections_that_come_and_go_leave_nothing_behind(server: Server) -> None:
    for number in range(1000):
        line = server.line()
        if number % 2:
            line.send(request("GET", "/health", Connection="close"))
        line.close()
    until(lambda: server.worker.num_fds() < 100)
    assert server.ask("GET", "/health").status == 200


def test_a_server_that_is_told_to_end_answers_what_is_at_work_and_closes_what_is_idle() -> None:
    with serving("--workers", "2") as server, ExitStack() as lines:
        idle = opened(server, lines, request("GET", "/health"))
        assert idle.reply().status == 200
        with locked("SHARE"):
            busy = opened(server, lines, request("POST", "/ledgers", {"name": "at the end"}))
            until(lambda: waiting_for_locks() == 1)
            half = opened(server, lines, b"GET /heal"), opened(server, lines, request("GET", "/", Content_Length="9"))
            server.process.terminate()
            assert idle.reply() is None
        assert busy.reply().status == 201
        assert [line.reply() and 408 for line in half] == [None, 408]
        assert server.process.wait(PATIENCE_SECONDS) == 0
    assert Ledger.objects.filter(name="at the end").exists()


def test_of_many_postings_at_once_each_gets_its_own_answer_and_none_waits_for_the_lock_of_another(
    server: Server, lines: ExitStack
) -> None:
    def answers(asked: list[bytes]) -> list[int]:
        return [line.reply().status for line in [opened(server, lines, each) for each in asked]]

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT FROM balances WHERE balance_id = 'bln_carol' FOR UPDATE")
        stuck = {"source": "bln_dora", "destination": "bln_carol", "allow_overdraft": True}
        held = [opened(server, lines, posting(f"held-{number}", **stuck)) for number in range(3)]
        began = time.monotonic()
        assert answers([posting(f"free-{number}", 10) for number in range(30)]) == [201] * 30
        assert answers([posting(f"free-{number}", 10) for number in range(30)]) == [409] * 30
        assert time.monotonic() - began < 2.5  # before anything gives up waiting for a lock
    assert [line.reply().status for line in held] == [201] * 3
    assert answers([posting("poor", 10**9), posting("again", 10), posting("again", 10)]) == [400, 201, 409]
    wire.assert_no_drift()


def test_a_client_that_leaves_takes_no_posting_with_it_but_its_own(server: Server, lines: ExitStack) -> None:
    for number in range(40):
        line = opened(server, lines, posting(f"mine-{number}", 10))
        if number % 2:
            line.close()
        else:
            assert line.reply().status == 201
    until(lambda: Transaction.objects.filter(reference__startswith="mine-").count() >= 20)
    kept = set(Transaction.objects.filter(reference__startswith="mine-").values_list("reference", flat=True))
    assert kept >= {f"mine-{number}" for number in range(0, 40, 2)}
    wire.assert_no_drift()
