"""The README's first command, as a new user runs it: another process, an empty data directory, real HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.core.management import CommandError

from ledgerproj.demo_client import AMOUNTS, is_result
from ledgerproj.management.commands.serve import is_loopback, refuse_weak_secrets
from ledgerproj.processes import StartFailed, free_port, wait_until_healthy

ROOT = Path(__file__).resolve().parent.parent
LIMIT_SECONDS = 120


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "BLNK_", "DATABASE_"))}
    return kept | {"LEDGER_DATA_DIR": str(tmp_path_factory.mktemp("quickstart"))}


def manage(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=environment,
        text=True,
        capture_output=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


def servers_of(environment: dict[str, str]) -> list[psutil.Process]:
    mine = f"{environment['LEDGER_DATA_DIR']}/postgres"
    return [one for one in psutil.process_iter(["cmdline"]) if mine in (one.info["cmdline"] or ())]


def counts(environment: dict[str, str]) -> str:
    code = (
        "from balances.models import *; from reconciliation.models import *; "
        "from django.contrib.auth.models import User; "
        "print(*(m.objects.count() for m in (Ledger, Balance, Transaction, Reconstruction, Sweep, Finding, User)))"
    )
    return manage(environment, "shell", "-v0", "-c", code).stdout.strip()


def end(printed: str) -> str:
    return printed.rstrip().rpartition("\n")[2]


@pytest.mark.xdist_group("quickstart")
def test_quickstart_refuses_a_database_that_is_not_its_own(environment: dict[str, str]) -> None:
    url = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "DJANGO_SECRET_KEY": "x" * 60}
    refused = manage(environment | url, "quickstart", "--no-serve")
    assert refused.returncode == 1
    assert "embedded database only" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.xdist_group("quickstart")
def test_quickstart_goes_from_nothing_to_a_rebuilt_balance_and_a_second_run_adds_nothing(
    environment: dict[str, str],
) -> None:
    first = manage(environment, "quickstart", "--no-serve")
    assert (first.returncode, first.stderr) == (0, "")
    shown, _ = json.JSONDecoder().raw_decode(first.stdout, first.stdout.index("\n{\n") + 1)
    assert "It has 9 wallets; 8 of them drift." in first.stdout
    assert "Swept 10 balances: 8 of them drift." in first.stdout
    assert "What next" in first.stdout
    assert re.fullmatch(r"Admin  http://127\.0\.0\.1:5001/admin/   user admin, password \w{20}", end(first.stdout))
    result = shown["meta_data"]["BLNK_RECONCILIATION_RESULT"]
    assert int(result["difference"]) == int(result["recalculated_balance"]) - int(result["previous_balance"]) != 0
    assert shown["balance"] == int(result["recalculated_balance"])
    assert result["previous_debit"] in first.stdout.partition("GET /balances")[0]
    before = counts(environment)

    second = manage(environment, "quickstart", "--no-serve")
    assert (second.returncode, second.stderr) == (0, "")
    assert "rebuilt by an earlier quickstart" in second.stdout
    assert "It has 9 wallets; 7 of them drift." in second.stdout
    assert "Swept" not in second.stdout
    assert end(second.stdout) == end(first.stdout)
    assert counts(environment) == before

    left = manage(environment, "reconstruct", "--ledger", "Demo wallets", "--check", "--format", "json")
    assert left.returncode == 3
    assert sum(row["outcome"] == "previewed" for row in json.loads(left.stdout)) >= 6


@pytest.mark.xdist_group("quickstart")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_quickstart_serves_until_it_is_stopped_and_leaves_nothing_running(
    environment: dict[str, str], stop: signal.Signals
) -> None:
    port = free_port()
    command = [sys.executable, "manage.py", "quickstart", "--port", str(port)]
    with (
        subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE) as quickstart,
        ExitStack() as at_the_end,
    ):
        at_the_end.callback(quickstart.terminate)  # else a failure would wait for it for ever
        assert quickstart.stdout is not None
        printed = ""
        deadline = time.monotonic() + LIMIT_SECONDS
        while "user admin, password" not in printed and time.monotonic() < deadline:
            printed += quickstart.stdout.readline()
        assert "it serves until Ctrl-C" in printed
        key = re.search(r'X-Blnk-Key: (\w+)"', printed)
        assert key is not None
        assert re.search(r"user admin, password \w{20}", printed)
        request = urllib.request.Request(f"http://127.0.0.1:{port}/balances", headers={"X-Blnk-Key": key[1]})
        with urllib.request.urlopen(request, timeout=LIMIT_SECONDS) as answer:
            assert len(json.load(answer)) == 10
        taken = manage(environment, "serve", "--port", str(port))
        assert taken.returncode == 1
        assert "Choose another with --port" in taken.stderr
        quickstart.send_signal(stop)
        assert quickstart.wait(LIMIT_SECONDS) == 0
    running = "\n".join(" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))
    assert servers_of(environment) == []
    assert f"--port {port}" not in running


@pytest.mark.xdist_group("quickstart")
@pytest.mark.parametrize("words", [["serve", "--port", "0"], ["work"]])
def test_a_command_that_is_told_to_end_stops_the_server_that_it_started(
    environment: dict[str, str], words: list[str]
) -> None:
    words = [str(free_port()) if word == "0" else word for word in words]
    command = [sys.executable, "manage.py", *words]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert b"until interrupted" in running.stdout.readline()
        if words[0] == "serve":
            wait_until_healthy(f"http://127.0.0.1:{words[2]}", running)
        assert len(servers_of(environment)) == 1
        running.terminate()
        running.wait(LIMIT_SECONDS)
    assert servers_of(environment) == []


@pytest.mark.xdist_group("quickstart")
def test_quickstart_knows_what_was_changed_since_and_rebuilds_without_a_result(environment: dict[str, str]) -> None:
    kept = Path(environment["LEDGER_DATA_DIR"]) / "admin_password"
    kept.unlink(missing_ok=True)
    spoil = (
        "from balances.models import Balance; "
        "Balance.objects.filter(indicator='@demo-ada').update(meta_data={'BLNK_RECONCILIATION_RESULT': 'spoilt'})"
    )
    assert manage(environment, "shell", "-v0", "-c", spoil).returncode == 0
    again = manage(environment | {"ALLOWED_HOSTS": "a.com, 127.0.0.1,"}, "quickstart", "--no-serve")
    assert (again.returncode, again.stderr) == (0, "")
    assert "user admin, whose password is not known here; manage.py changepassword admin sets another" in again.stdout
    assert not kept.exists()
    assert "BLNK_RUN_RECONCILIATION" in again.stdout


@pytest.mark.xdist_group("quickstart")
def test_quickstart_tells_at_once_that_its_own_address_is_not_allowed(environment: dict[str, str]) -> None:
    began = time.monotonic()
    refused = manage(environment | {"ALLOWED_HOSTS": "a.com"}, "quickstart", "--no-serve")
    assert time.monotonic() - began < 40
    assert refused.returncode == 1
    assert "/health answered 400: This host name is not among those in ALLOWED_HOSTS." in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.xdist_group("quickstart")
def test_two_first_quickstarts_at_once_make_everything_once(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    fresh = environment | {"LEDGER_DATA_DIR": str(tmp_path_factory.mktemp("two") / "it's new")}
    command = [sys.executable, "manage.py", "quickstart", "--no-serve"]
    both = [
        subprocess.Popen(command, cwd=ROOT, env=fresh, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    outputs = [one.communicate(timeout=LIMIT_SECONDS) for one in both]
    assert [(one.returncode, err) for one, (_, err) in zip(both, outputs, strict=True)] == [(0, "")] * 2
    logins = {re.findall(r"user admin, password \w{20}", out)[0] for out, _ in outputs}
    assert len(logins) == 1
    assert counts(fresh).split()[:3] == counts(environment).split()[:3]
    assert servers_of(fresh) == []


@pytest.mark.parametrize(
    ("secrets", "sentence"),
    [
        ({}, "DJANGO_SECRET_KEY is not set"),
        ({"DJANGO_SECRET_KEY": "django-insecure-abc"}, "DJANGO_SECRET_KEY is a well-known default"),
        ({"DJANGO_SECRET_KEY": " Django-Insecure-" + "x" * 40}, "DJANGO_SECRET_KEY is a well-known default"),
        ({"DJANGO_SECRET_KEY": "x" * 15}, "DJANGO_SECRET_KEY is shorter than 16 characters"),
        ({"DJANGO_SECRET_KEY": "x" * 60}, "BLNK_SERVER_SECRET_KEY is not set"),
        ({"DJANGO_SECRET_KEY": "x" * 60, "BLNK_SERVER_SECRET_KEY": " Secret "}, "BLNK_SERVER_SECRET_KEY is a well-kn"),
        ({"DJANGO_SECRET_KEY": "x" * 60, "BLNK_SERVER_SECRET_KEY": "k" * 15}, "BLNK_SERVER_SECRET_KEY is shorter"),
        ({"DJANGO_SECRET_KEY": "x" * 60, "BLNK_SERVER_SECRET_KEY": "secret"}, "BLNK_SERVER_SECRET_KEY is a well-known"),
    ],
)
def test_secrets_are_refused_that_anyone_could_guess(
    monkeypatch: pytest.MonkeyPatch, secrets: dict[str, str], sentence: str
) -> None:
    for name in ("DJANGO_SECRET_KEY", "BLNK_SERVER_SECRET_KEY"):
        monkeypatch.setenv(name, secrets.get(name, ""))
    with pytest.raises(CommandError, match=sentence):
        refuse_weak_secrets()


def test_serve_refuses_to_start_without_good_secrets_beyond_this_machine(environment: dict[str, str]) -> None:
    refused = manage(environment, "serve", "--host", "0.0.0.0", "--port", str(free_port()))  # noqa: S104
    assert refused.returncode == 1
    assert "DJANGO_SECRET_KEY is not set" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.xdist_group("quickstart")
def test_serve_warns_where_everybody_may_change_everything(environment: dict[str, str]) -> None:
    port = str(free_port())
    given = {"DJANGO_SECRET_KEY": "x" * 60, "BLNK_SERVER_SECURE": "false"}
    command = [sys.executable, "manage.py", "serve", "--host", "0.0.0.0", "--port", port]  # noqa: S104
    with subprocess.Popen(
        command, cwd=ROOT, env=environment | given, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as serve:
        assert serve.stdout is not None
        assert "until interrupted" in serve.stdout.readline()
        serve.terminate()
        assert "WARNING: BLNK_SERVER_SECURE=false" in serve.communicate(timeout=LIMIT_SECONDS)[1]
    assert servers_of(environment) == []


def test_an_address_of_this_machine_is_known_in_any_spelling() -> None:
    assert all(is_loopback(host) for host in ("LocalHost", "127.9.9.9", "::1"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "a.com"))  # noqa: S104


class Refusing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503)
        self.end_headers()
        self.wfile.write(b"<p>not\n today</p>")

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def refusing() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_waiting_for_health_ends_with_the_first_refusal(refusing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # is for other machines
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child,
        pytest.raises(StartFailed, match="/health answered 503: <p>not today</p>"),
    ):
        wait_until_healthy(refusing, child)


GOOD = dict.fromkeys(AMOUNTS, "-12") | {"executed_at": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("found", "good"),
    [
        (GOOD, True),
        (None, False),
        ("text", False),
        ([GOOD], False),
        ({}, False),
        (GOOD | {"difference": 12}, False),
        (GOOD | {"difference": "1.5"}, False),
        (GOOD | {"previous_debit": ""}, False),
        (GOOD | {"recalculated_credit": "9" * 5000}, False),
        (GOOD | {"executed_at": None}, False),
    ],
)
def test_only_what_a_reconstruction_writes_counts_as_its_result(found: object, good: bool) -> None:
    assert is_result(found) is good
