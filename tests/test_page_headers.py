"""What a browser may do on our pages, and that the API keeps the headers of its contract."""

from __future__ import annotations

import pytest
from django.test import Client

from ledgerproj import page_headers

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
