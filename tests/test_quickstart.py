"""The README's first command, as a new user runs it: another process, an empty data directory, real HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from ledgerproj.processes import free_port

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


def counts(environment: dict[str, str]) -> str:
    code = (
        "from balances.models import *; from reconciliation.models import *; "
        "from django.contrib.auth.models import User; "
        "print(*(m.objects.count() for m in (Ledger, Balance, Transaction, Reconstruction, User)))"
    )
    return manage(environment, "shell", "-v0", "-c", code).stdout.strip()


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
    assert "user admin, password" in first.stdout
    result = shown["meta_data"]["BLNK_RECONCILIATION_RESULT"]
    assert int(result["difference"]) == int(result["recalculated_balance"]) - int(result["previous_balance"]) != 0
    assert shown["balance"] == int(result["recalculated_balance"])
    assert result["previous_debit"] in first.stdout.partition("GET /balances")[0]
    before = counts(environment)

    second = manage(environment, "quickstart", "--no-serve")
    assert (second.returncode, second.stderr) == (0, "")
    assert "rebuilt by an earlier quickstart" in second.stdout
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
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE) as quickstart:
        assert quickstart.stdout is not None
        printed = ""
        deadline = time.monotonic() + LIMIT_SECONDS
        while "Serving until Ctrl-C." not in printed and time.monotonic() < deadline:
            printed += quickstart.stdout.readline()
        key = re.search(r'X-Blnk-Key: (\w+)"', printed)
        assert key is not None
        assert re.search(r"user admin, password \w{20}", printed)
        request = urllib.request.Request(f"http://127.0.0.1:{port}/balances", headers={"X-Blnk-Key": key[1]})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert len(json.load(answer)) == 10
        taken = manage(environment, "serve", "--port", str(port))
        assert taken.returncode == 1
        assert "Choose another with --port" in taken.stderr
        quickstart.send_signal(stop)
        assert quickstart.wait(LIMIT_SECONDS) == 0
    data = environment["LEDGER_DATA_DIR"]
    running = "\n".join(" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))
    assert f"-D {data}" not in running
    assert f"--port {port}" not in running


@pytest.mark.parametrize(
    ("secrets", "sentence"),
    [
        ({}, "DJANGO_SECRET_KEY is not set"),
        ({"DJANGO_SECRET_KEY": "django-insecure-abc"}, "DJANGO_SECRET_KEY is a well-known default"),
        ({"DJANGO_SECRET_KEY": "x" * 60}, "BLNK_SERVER_SECRET_KEY is not set"),
        ({"DJANGO_SECRET_KEY": "x" * 60, "BLNK_SERVER_SECRET_KEY": "secret"}, "BLNK_SERVER_SECRET_KEY is a well-known"),
    ],
)
def test_serve_refuses_to_start_without_good_secrets_beyond_this_machine(
    environment: dict[str, str], secrets: dict[str, str], sentence: str
) -> None:
    refused = manage(environment | secrets, "serve", "--host", "0.0.0.0", "--port", str(free_port()))  # noqa: S104
    assert refused.returncode == 1
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr
