"""PostgreSQL goes away and comes back, under processes of their own: nothing is lost, nothing happens twice."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from django.urls import get_resolver

from balances.api.views import ApiView
from ledgerproj.processes import free_port, wait_until_healthy
from tests.benchmarks.outages import DRIFT, disturbed, run, wallets
from tests.receiver import listening
from tests.stoppable import LIMIT_SECONDS, Postgres, Server, own_postgres, served, until

pytestmark = pytest.mark.xdist_group("outages")
AWAY = "The database cannot be reached at the moment; try again later"
POSTING = {"precise_amount": 5, "precision": 100, "currency": "USD", "description": "d", "allow_overdraft": True}


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    # Not in pytest's directory: another run would take the server's user the way to it.
    with tempfile.TemporaryDirectory(prefix="ledger-outages-") as data_dir, own_postgres(Path(data_dir)) as made:
        yield made


@pytest.fixture(scope="module")
def server(postgres: Postgres) -> Iterator[Server]:
    with served(postgres) as running:
        yield running


def test_restarts_and_cut_connections_under_load_lose_nothing_and_repeat_nothing(
    postgres: Postgres, server: Server
) -> None:
    outcome = run(postgres, server, disturbed(postgres, ("fast", "immediate", "cuts"), 1.0), clients=4)
    crew = outcome.clients
    assert (outcome.lost, outcome.twice, outcome.drifted) == ([], [], 0)
    assert len(crew.acknowledged) > 20
    assert set(crew.answers) <= {201, 409, 503}, server.child.said[-5000:]
    assert outcome.log.count("The worker has lost the database") >= 2
    assert outcome.log.count("The worker is running again") >= 2
    assert "Traceback" not in outcome.log + server.child.said


def routes() -> Iterator[tuple[str, str]]:
    """Yield every route of the API, by method and path."""
    for pattern in get_resolver().url_patterns:
        for each in getattr(pattern, "url_patterns", []):
            view = getattr(each.callback, "cls", None)
            if view and issubclass(view, ApiView):
                path = "/" + str(each.pattern).replace("<str:", "<").strip("^$")
                names = each.pattern.converters
                for name in names:
                    path = path.replace(f"<{name}>", "x").replace(f"<path:{name}>", "x")
                yield from ((method.upper(), path) for method in view.http_method_names if hasattr(view, method))


def test_every_route_and_page_is_503_at_once_while_the_database_is_away_and_right_again_with_the_first_request(
    postgres: Postgres, server: Server
) -> None:
    ledger = server.ask("POST", "/ledgers", {"name": "x"}).body["ledger_id"]
    wanted = {"name": "k", "owner": "o", "scopes": ["*:*"], "expires_at": "2099-01-01T00:00:00Z"}
    scoped = {"X-Blnk-Key": server.ask("POST", "/api-keys", wanted).body["key"]}
    read_often(server, ledger)  # so that the pool is full of connections that will be dead
    postgres.stop("fast")
    began = time.monotonic()
    try:
        body = {"filters": [], "name": "n", "url": "http://127.0.0.1:9/h", "type": "POST_TRANSACTION"}
        found = {route: server.ask(*route, body) for route in sorted(set(routes()))}
        as_scoped = server.ask("GET", "/ledgers", **scoped)
        page = server.ask("GET", "/admin/balances/balance/", Cookie="sessionid=" + 32 * "a")
        took = time.monotonic() - began
    finally:
        postgres.start()
    assert set(read_often(server, ledger)) == {200}
    assert took < len(found) * 0.5  # far below the patience of the pool
    assert found["GET", "/health"].body == {"reason": "database unreachable", "status": "DOWN"}
    unavailable = {route for route, answer in found.items() if answer.status == 503}
    for route in unavailable - {("GET", "/health")}:
        assert found[route].headers["Retry-After"] == "5", route
        assert found[route].body == {"error": AWAY, "error_detail": {"code": "GEN_UNAVAILABLE", "message": AWAY}}
    others = {route: answer.status for route, answer in found.items() if route not in unavailable}
    assert {route: status for route, status in others.items() if status not in {200, 400, 403, 404, 501}} == {}
    assert len([route for route in unavailable if route[0] == "GET"]) > 25
    assert (as_scoped.status, as_scoped.body["error"]) == (503, AWAY)
    assert (page.status, page.headers["Retry-After"], AWAY in page.text) == (503, "5", True)
    assert page.headers["Content-Type"].startswith("text/html")


def read_often(server: Server, ledger: str) -> list[int]:
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda _: server.ask("GET", f"/ledgers/{ledger}").status, range(32)))


def test_a_worker_waits_for_a_database_that_is_not_there_yet_and_obeys_meanwhile(postgres: Postgres) -> None:
    postgres.stop("fast")
    try:
        with postgres.running("work", "--once") as once, postgres.running("work") as worker:
            assert once.process.wait(60) == 1
            assert once.said.splitlines()[-1].startswith(f"CommandError: {AWAY}.")
            until(lambda: "will continue when it is back" in worker.said, "the worker says that it waits")
            time.sleep(1)  # several attempts
            assert len(worker.said.splitlines()) <= 3
            postgres.start()
            until(lambda: "is running again" in worker.said, "the worker works")
            postgres.stop("fast")
            until(
                lambda: worker.said.count("will continue when it is back") == 2, "the worker says that it waits again"
            )
            began = time.monotonic()
            worker.process.terminate()
            assert worker.process.wait(60) == 0
            assert time.monotonic() - began < 30
            assert "Traceback" not in once.said + worker.said
    finally:
        postgres.start()


def test_jobs_that_a_restart_interrupts_are_done_soon_after_and_no_slow_receiver_holds_up_a_posting(
    postgres: Postgres, server: Server
) -> None:
    source, destination, *_ = wallets(server)
    ends = {"source": source, "destination": destination}
    released = threading.Event()
    with listening() as receiver, closing(psycopg.connect(postgres.url)) as blocker:
        receiver.gate, receiver.gate_seconds = released, LIMIT_SECONDS
        hook = {"name": "h", "type": "POST_TRANSACTION", "url": receiver.url, "active": True, "timeout": LIMIT_SECONDS}
        hook_id = server.ask("POST", "/hooks", hook).body["id"]
        direct = POSTING | ends | {"reference": "hooked", "skip_queue": True}
        assert server.ask("POST", "/transactions", direct).status == 201
        server.ask("DELETE", f"/hooks/{hook_id}")
        batch = {"transactions": [POSTING | ends | {"reference": f"b{number}"} for number in range(3)]}
        assert server.ask("POST", "/transactions/bulk", batch | {"run_async": True, "skip_queue": True}).status == 202
        plan = approved_plan(postgres, server, destination)
        assert server.ask("POST", f"/plans/{plan}/apply").status == 202
        sweep = server.ask("POST", "/sweeps", {"everything": True}).body["sweep_id"]
        blocker.execute("LOCK TABLE transactions, reconciliation_planitem, reconciliation_finding")
        # enough at once, for jobs that an outage before has left, or the clock has begun, wait for the lock as well
        with postgres.running("work", "--posting-concurrency", "9", "--concurrency", "9") as worker:
            try:
                begun = {"bulk_create", "call_hook", "sweep", "apply_plan"}
                until(lambda: doing(postgres) >= begun, "the jobs run")
                postgres.stop("immediate")
            finally:
                blocker.close()  # or the worker could not end
            postgres.start()
            ended = (
                "SELECT FROM transactions AS t, reconciliation_plan AS p, reconciliation_sweep AS s"
                " WHERE (t.reference, p.plan_id, p.state, s.sweep_id, s.state) = ('b2', %s, 'applied', %s, 'finished')"
            )
            assert until(lambda: postgres.rows(ended, plan, sweep), "the jobs have ended") < 60  # far below LOST_AFTER
            assert server.ask("POST", "/transactions", POSTING | ends | {"reference": "q"}).status == 201
            until(lambda: postgres.rows("SELECT FROM transactions WHERE reference = 'q_q'"), "a posting is applied")
            assert "call_hook" in doing(postgres)
            released.set()
            until(lambda: "call_hook" not in doing(postgres), "the receiver is done with")
            assert "Traceback" not in worker.said
    assert len(receiver.got) == 1
    assert postgres.rows(DRIFT)[0][0] == 0


def approved_plan(postgres: Postgres, server: Server, balance_id: str) -> str:
    """Let a balance drift, and have a correction planned and approved."""
    drift = "UPDATE balances SET credit_balance = credit_balance + 7, balance = balance + 7 WHERE balance_id = %s"
    postgres.rows(f"{drift} RETURNING 1", balance_id)
    plan = str(server.ask("POST", "/plans", {"balance_ids": [balance_id], "reason": "r"}).body["plan_id"])
    asked = {"name": "k", "owner": "second", "scopes": ["*:*"], "expires_at": "2099-01-01T00:00:00Z"}
    second = server.ask("POST", "/api-keys", asked).body["key"]
    assert server.ask("POST", f"/plans/{plan}/approve", **{"X-Blnk-Key": second}).status == 200
    return plan


def doing(postgres: Postgres) -> set[str]:
    return {name for (name,) in postgres.rows("SELECT task_name FROM procrastinate_jobs WHERE status = 'doing'")}


def test_an_embedded_server_that_was_killed_comes_back_by_itself_once(postgres: Postgres) -> None:
    postgres.stop("fast")
    data_dir = postgres.directory.parent
    embedded = {"DATABASE_URL": "", "LEDGER_DATA_DIR": str(data_dir)}
    port = free_port()
    try:
        with (
            postgres.running("serve", "--port", str(port), "--verbosity", "0", **embedded) as serving,
            postgres.running("work", "--verbosity", "0", **embedded) as worker,
        ):
            wait_until_healthy(f"http://127.0.0.1:{port}", serving.process)
            server = Server(f"http://127.0.0.1:{port}", serving)
            until(lambda: postgres.rows("SELECT FROM procrastinate_workers"), "the worker works")
            with psycopg.connect(postgres.url, autocommit=True) as busy:
                thread = threading.Thread(target=endless, args=(busy,), daemon=True)
                thread.start()
                until(lambda: sums(postgres), "a sum runs that notices nothing")
                postgres.stop("kill")
                thread.join()
            until(lambda: server.ask("GET", "/health").body == {"status": "UP"}, "the server and the worker are back")
            reference = {"source": "@a", "destination": "@b", "reference": "embedded"}
            assert server.ask("POST", "/transactions", POSTING | reference).status == 201
            applied = "SELECT FROM transactions WHERE reference = 'embedded_q'"
            until(lambda: postgres.rows(applied), "the worker works")
            assert len(postmasters(postgres)) == 1
            assert "Traceback" not in serving.said + worker.said
        assert postmasters(postgres) == []
    finally:
        postgres.start()


def endless(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT sum(n) FROM generate_series(1, 1000000000000) AS n")


def sums(postgres: Postgres) -> bool:
    return bool(postgres.rows("SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT sum(n)%%' AND state = 'active'"))


def postmasters(postgres: Postgres) -> list[int]:
    found = psutil.process_iter(["cmdline"])
    return [each.pid for each in found if str(postgres.directory) in (each.info["cmdline"] or ())]
