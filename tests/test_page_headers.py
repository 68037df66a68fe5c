"""What a browser may do on our pages, and that the API keeps the headers of its contract."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from ledgerproj import page_headers
from tests.people import person

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/admin/login/", "/static/balances/icon.svg", "/docs", "/admin/"])
def test_every_page_says_what_a_browser_may_do(client: Client, path: str) -> None:
    answer = client.get(path)
    answer.close()  # a file
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe-inline" not in policy
    assert ("unsafe-eval" in policy) == path.startswith("/admin/")
    assert "camera=()" in answer.headers["Permissions-Policy"]


def test_the_api_keeps_the_policy_of_its_contract(client: Client) -> None:
    answer = client.get("/balances")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "Permissions-Policy" not in answer.headers
    assert page_headers.policy_of("/balances") != answer.headers["Content-Security-Policy"]


def test_pages_over_https_are_kept_to_it_and_to_themselves(client: Client) -> None:
    headers = client.get("/admin/login/", secure=True).headers
    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "no-store" in headers["Cache-Control"]


def test_no_script_reads_the_cookie_of_a_session_and_no_other_site_sends_it(client: Client, settings: Any) -> None:
    settings.SESSION_COOKIE_SECURE = True
    client.post("/admin/login/", {"username": person().username, "password": "a long password"}, secure=True)
    cookie = client.cookies["sessionid"]
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"]) == (True, True, "Lax")


def test_with_a_database_of_ones_own_the_limits_are_on_before_anyone_sets_them() -> None:
    names = "LEDGER_SESSION_IDLE, SESSION_COOKIE_AGE, SESSION_COOKIE_SECURE, CSRF_COOKIE_SECURE, LEDGER_SECOND_FACTOR"
    env = {"DATABASE_URL": "postgresql://ledger@127.0.0.1/ledger", "DJANGO_SECRET_KEY": "k" * 64}
    code = f"from ledgerproj.settings import *; print({names})"
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"]} | env,
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["1800", "43200", "True", "True", "approvers"]
