"""How many requests an address may send to a path: refusals first, then who counts as one, then what is answered."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from ipaddress import ip_network
from typing import Any

import pytest
from django.test import RequestFactory

from balances.ground import addresses, rate_limit
from balances.ground.rate_limit import RateLimiter
from ledgerproj.environment import Misconfigured, networks
from ledgerproj.environment import rate_limit as limit_from
from tests.client import Answer, Client

pytestmark = pytest.mark.django_db

MESSAGE = "You have reached maximum request limit."


@pytest.fixture
def two_at_once(settings: Any) -> Client:
    """Return a client of a server that lets two requests through, and another one after an hour."""
    settings.BLNK_RATE_LIMIT_RPS, settings.BLNK_RATE_LIMIT_BURST = 1 / 3600, 2
    return Client()


def exhaust(client: Client, path: str = "/ledgers", **headers: str) -> Answer:
    return [client.send("GET", path, **headers) for _ in range(3)][-1]


# --- refusals


def test_the_third_of_two_requests_is_refused_in_the_contracts_shape(two_at_once: Client) -> None:
    answer = exhaust(two_at_once)
    assert answer.status == 429
    assert answer.body == {"error": MESSAGE, "error_detail": {"code": "GEN_RATE_LIMITED", "message": MESSAGE}}
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["RateLimit-Remaining"] == "0"
    assert "X-Frame-Options" not in answer.headers  # only what has passed the limit gets the security headers


def test_the_limit_stands_before_the_key_and_counts_what_does_not_exist(two_at_once: Client) -> None:
    two_at_once.headers = {}
    assert [two_at_once.get("/nowhere").status for _ in range(3)] == [401, 401, 429]


def test_another_path_has_a_bucket_of_its_own_another_query_or_method_has_none(two_at_once: Client) -> None:
    exhaust(two_at_once)
    assert two_at_once.get("/ledgers?limit=1").status == 429
    assert two_at_once.post("/ledgers", {"name": "a"}).status == 429
    assert two_at_once.get("/balances").status == 200


def test_redirects_take_no_token_and_tell_no_limit(two_at_once: Client) -> None:
    answers = [two_at_once.get("/ledgers/") for _ in range(5)]
    assert {answer.status for answer in answers} == {301}
    assert not any("limit" in name.lower() for name in answers[0].headers)


def test_pages_for_people_are_not_limited(two_at_once: Client) -> None:
    assert {two_at_once.get("/admin/login/").status for _ in range(4)} == {200}


# --- who is one client


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP"])
def test_a_forged_header_gives_nobody_another_bucket(two_at_once: Client, header: str) -> None:
    answers = [two_at_once.send("GET", "/ledgers", **{header: f"203.0.113.{n}"}).status for n in range(3)]
    assert answers == [200, 200, 429]


def test_behind_a_trusted_proxy_the_last_entry_is_the_client(two_at_once: Client, settings: Any) -> None:
    settings.LEDGER_TRUSTED_PROXIES = [ip_network("127.0.0.1")]
    header = "X-Forwarded-For"
    answers = [two_at_once.send("GET", "/ledgers", **{header: f"198.51.100.{n}, 203.0.113.1"}) for n in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert two_at_once.send("GET", "/ledgers", **{header: "203.0.113.1, 203.0.113.2"}).status == 200


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        ("198.51.100.1", {"X-Forwarded-For": "203.0.113.1", "X-Real-IP": "203.0.113.2"}, "198.51.100.1"),
        ("10.0.0.1", {}, "10.0.0.1"),
        ("10.0.0.1", {"X-Forwarded-For": "203.0.113.9, 203.0.113.1"}, "203.0.113.1"),
        ("10.0.0.1", {"X-Forwarded-For": "203.0.113.9,203.0.113.1, 10.0.0.2 ,10.0.0.3"}, "203.0.113.1"),
        ("10.0.0.1", {"X-Forwarded-For": "203.0.113.1:4711"}, "203.0.113.1"),
        ("10.0.0.1", {"X-Forwarded-For": "[2001:db8::1]:4711"}, "2001:db8::1"),
        ("10.0.0.1", {"X-Forwarded-For": "203.0.113.9, unknown"}, "10.0.0.1"),
        ("10.0.0.1", {"X-Forwarded-For": "10.0.0.3", "X-Real-IP": "203.0.113.2"}, "10.0.0.1"),
        ("10.0.0.1", {"X-Real-IP": "203.0.113.2"}, "203.0.113.2"),
        ("10.0.0.1", {"X-Real-IP": "nobody"}, "10.0.0.1"),
        ("", {"X-Forwarded-For": "203.0.113.1"}, ""),
    ],
)
def test_the_client_is_who_the_last_proxy_of_ours_says(
    settings: Any, peer: str, headers: dict[str, str], client: str
) -> None:
    settings.LEDGER_TRUSTED_PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
    assert addresses.client_address(RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer)) == client


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
    ],
)
def test_an_ipv6_network_of_64_bits_is_one_client(address: str, network: str) -> None:
    assert addresses.network_of(address) == network


# --- buckets


def test_tokens_come_back_at_the_rate_and_never_more_than_the_burst() -> None:
    now = 0.0
    limiter = RateLimiter(rate=0.5, burst=2, idle_seconds=60, clock=lambda: now)
    assert [limiter.take("a") for _ in range(3)] == [1, 0, None]
    now = 1.9
    assert limiter.take("a") is None
    now = 2.0
    assert [limiter.take("a") for _ in range(2)] == [0, None]
    now = 1000.0
    assert [limiter.take("a") for _ in range(3)] == [1, 0, None]


def test_what_is_idle_longer_than_the_operator_says_is_dropped_and_full_again() -> None:
    now = 0.0
    limiter = RateLimiter(rate=1e-9, burst=1, idle_seconds=60, clock=lambda: now)
    for n in range(10):
        limiter.take(str(n))
    now = 60.0
    assert limiter.take("9") is None
    now = 60.1
    for n in range(10, 15):
        limiter.take(str(n))
    assert len(limiter._buckets) == 6
    assert limiter.take("9") is None
    assert limiter.take("0") == 0


def test_memory_is_bounded_however_many_paths_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MOST_BUCKETS", 100)
    limiter = RateLimiter(rate=1, burst=1, idle_seconds=3600)
    for n in range(1000):
        limiter.take("192.0.2.1", f"/{n}")
    assert len(limiter._buckets) == 100
    assert limiter.take("192.0.2.1", "/999") is None


def test_many_threads_together_get_no_more_than_the_burst() -> None:
    limiter = RateLimiter(rate=1e-9, burst=500, idle_seconds=3600)
    granted: list[int] = []

    def ask() -> None:
        granted.extend(left for _ in range(200) if (left := limiter.take("a")) is not None)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(granted) == list(range(500))


def test_a_token_is_taken_in_a_few_microseconds() -> None:
    limiter = RateLimiter(rate=5_000_000, burst=10_000_000, idle_seconds=10_800)
    began = time.process_time()
    for n in range(20_000):
        limiter.take("192.0.2.1", f"/balances/{n % 1000}")
    assert (time.process_time() - began) / 20_000 < 20e-6


# --- what is answered


def test_every_answer_tells_the_limit(api: Client) -> None:
    for answer in (api.get("/ledgers"), Client(None).get("/ledgers"), api.get("/nowhere"), api.get("/")):
        told = {name: answer.headers[name] for name in answer.headers if "limit" in name.lower()}
        assert int(told.pop("RateLimit-Remaining")) in (9_999_998, 9_999_999)
        assert told == {
            "X-Rate-Limit-Limit": "5000000.00",
            "X-Rate-Limit-Duration": "1",
            "X-Rate-Limit-Request-Remote-Addr": "127.0.0.1",
            "RateLimit-Limit": "5000000",
            "RateLimit-Reset": "1",
        }


def test_the_forwarded_header_is_echoed_where_it_was_sent_and_the_port_where_it_is_known(api: Client) -> None:
    sent = api.send("GET", "/ledgers", **{"X-Forwarded-For": "203.0.113.1, 203.0.113.2"})
    assert sent.headers["X-Rate-Limit-Request-Forwarded-For"] == "203.0.113.1, 203.0.113.2"
    blank = api.send("GET", "/ledgers", **{"X-Forwarded-For": " "})
    assert "X-Rate-Limit-Request-Forwarded-For" not in blank.headers
    for peer, shown in (("192.0.2.1", "192.0.2.1:4711"), ("2001:db8::1", "[2001:db8::1]:4711")):
        answer = api.django.get("/", REMOTE_ADDR=peer, REMOTE_PORT="4711")
        assert answer.headers["X-Rate-Limit-Request-Remote-Addr"] == shown


def test_a_fractional_rate_is_told_with_two_decimals_and_rounded(settings: Any) -> None:
    settings.BLNK_RATE_LIMIT_RPS, settings.BLNK_RATE_LIMIT_BURST = 2.5, 5
    told = Client().get("/ledgers").headers
    assert (told["X-Rate-Limit-Limit"], told["RateLimit-Limit"], told["RateLimit-Remaining"]) == ("2.50", "3", "4")


# --- settings


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("RPS", "BURST", "PROXIES"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch.setenv


@pytest.mark.parametrize(
    ("rps", "burst", "limits"),
    [
        ("", "", (5_000_000, 10_000_000)),
        ("50", "", (50, 100)),
        ("1.9", "", (1.9, 2)),
        ("0.4", "", (0.4, 1)),
        ("", "7", (3.5, 7)),
        ("0.5", "3", (0.5, 3)),
    ],
)
def test_a_limit_that_is_not_given_follows_from_the_other(
    environ: Any, rps: str, burst: str, limits: tuple[float, int]
) -> None:
    for name, value in (("RPS", rps), ("BURST", burst)):
        if value:
            environ(name, value)
    assert limit_from("RPS", "BURST") == limits


@pytest.mark.parametrize(
    ("name", "value"),
    [("RPS", "0"), ("RPS", "0.0"), ("RPS", "-1"), ("RPS", "many"), ("RPS", "1e3"), ("RPS", "nan"), ("BURST", "0")],
)
def test_a_limit_that_lets_nobody_in_is_a_typing_error(environ: Any, name: str, value: str) -> None:
    environ(name, value)
    with pytest.raises(Misconfigured, match=f"{name} must be"):
        limit_from("RPS", "BURST")


def test_trusted_proxies_are_addresses_and_networks(environ: Any) -> None:
    assert networks("PROXIES") == []
    environ("PROXIES", "10.0.0.7, 10.1.0.0/16,::1")
    assert networks("PROXIES") == [ip_network("10.0.0.7"), ip_network("10.1.0.0/16"), ip_network("::1")]
    environ("PROXIES", "proxy.example")
    with pytest.raises(Misconfigured, match="PROXIES must name addresses or networks"):
        networks("PROXIES")


def test_a_server_with_wrong_limits_does_not_start(environ: Any) -> None:
    environ("BLNK_RATE_LIMIT_RPS", "fast")
    started = subprocess.run([sys.executable, "manage.py", "check"], capture_output=True, text=True, check=False)
    assert started.returncode != 0
    assert "BLNK_RATE_LIMIT_RPS must be a number above 0" in started.stderr
