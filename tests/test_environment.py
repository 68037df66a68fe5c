"""What the environment may say, and the secrets that are made where it says nothing."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledgerproj import environment
from ledgerproj.environment import Misconfigured, kept_secret

ROOT = Path(__file__).resolve().parent.parent


def test_a_secret_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key"
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: kept_secret(path), range(32)))
    assert secrets == {path.read_text().strip()}
    assert len(secrets.pop()) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in path.parent.iterdir()] == ["key"]


@pytest.mark.parametrize("left", ["", " \n"])
def test_an_empty_secret_counts_as_none(tmp_path: Path, left: str) -> None:
    path = tmp_path / "key"
    path.write_text(left)
    assert len(kept_secret(path)) == 64
    assert kept_secret(path) == path.read_text().strip()


def test_a_secret_that_is_half_written_is_never_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "key"
    with monkeypatch.context() as crashing:
        crashing.setattr(environment.os, "fsync", crash)
        with pytest.raises(KeyboardInterrupt):
            kept_secret(path)
    assert not path.exists()
    assert len(kept_secret(path)) == 64


def test_a_secret_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match=f"{path} is no text"):
        kept_secret(path)


@pytest.mark.parametrize("value", ["schlüssel", "a\tb", "秘密"])
def test_a_secret_that_no_header_carries_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("A_SECRET", value)
    with pytest.raises(Misconfigured, match="A_SECRET may hold only printable ASCII"):
        environment.secret("A_SECRET", None)


@pytest.mark.parametrize("value", ["x", "x" * 31, "x" * 33, "é" * 32])
def test_a_key_of_another_length_than_32_bytes_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("A_KEY", value)
    with pytest.raises(Misconfigured, match=r"^A_KEY must be exactly 32 bytes long, not \d+\.$"):
        environment.cipher_key("A_KEY", None)


def test_a_key_is_read_as_bytes_or_made_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("A_KEY", "é" * 16)
    assert environment.cipher_key("A_KEY", tmp_path / "key") == ("é" * 16).encode()
    monkeypatch.delenv("A_KEY")
    assert environment.cipher_key("A_KEY", None) == b""
    made = environment.cipher_key("A_KEY", tmp_path / "key")
    assert (len(made), environment.cipher_key("A_KEY", tmp_path / "key")) == (32, made)


def test_entries_of_a_list_are_stripped_and_empty_ones_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_LIST", "a.com, localhost ,, ")
    assert environment.names("A_LIST", "") == ["a.com", "localhost"]


def manage(*words: str, **given: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "BLNK_", "DATABASE"))}
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=clean | given,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"LEDGER_POOL_SIZE": "0"}, "LEDGER_POOL_SIZE must be at least 1, not 0."),
        ({"LEDGER_POOL_SIZE": "many"}, "LEDGER_POOL_SIZE must be a whole number, not 'many'."),
        ({"DJANGO_SECRET_KEY": "schlüssel"}, "DJANGO_SECRET_KEY may hold only printable ASCII characters"),
        ({"LEDGER_DATA_DIR": "/etc/passwd"}, "The secret /etc/passwd/django_secret_key can be neither read nor made"),
        ({"LEDGER_DATA_DIR": "/proc/none"}, "The secret /proc/none/django_secret_key can be neither read nor made"),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL is not a PostgreSQL URL"),
        ({"LEDGER_ALERT_WEBHOOK_URL": "http://example.com/"}, "LEDGER_ALERT_WEBHOOK_URL must be an https URL"),
        ({"BLNK_TOKENIZATION_SECRET": "x" * 31}, "BLNK_TOKENIZATION_SECRET must be exactly 32 bytes long, not 31."),
        (
            {"BLNK_ACCOUNTNUMBERGENERATION_ENABLEAUTOGENERATION": "true"},
            "BLNK_ACCOUNTNUMBERGENERATION_HTTPSERVICE_URL must say where account numbers come from",
        ),
        ({"LEDGER_ALERT_GROUP": "On call"}, "EMAIL_URL must say where mail is sent"),
    ],
)
def test_a_wrong_setting_ends_a_command_with_one_sentence(given: dict[str, str], sentence: str) -> None:
    refused = manage("serve", **given)
    assert refused.returncode == 1
    assert refused.stderr.startswith(sentence)
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else for a while")
def test_a_data_directory_of_another_user_s_is_refused_in_one_sentence(tmp_path: Path) -> None:
    kept_secret(tmp_path / "key")
    os.seteuid(65534)
    try:
        with pytest.raises(Misconfigured, match=r"key can be neither read nor made \(Permission denied\)"):
            kept_secret(tmp_path / "key")
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    "url", ["http://example.com/", "ftp://example.com/", "example.com", "https://", "https://a:b/", "http://[::1/"]
)
def test_a_webhook_is_refused_unless_it_is_https_or_on_this_machine(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("A_HOOK", url)
    with pytest.raises(Misconfigured, match="A_HOOK"):
        environment.webhook("A_HOOK")


@pytest.mark.parametrize("url", ["", "https://example.com/hook?key=1", "http://127.0.0.1:99/", "http://localhost/"])
def test_a_webhook_that_nobody_can_listen_to_is_accepted(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("A_HOOK", url)
    assert environment.webhook("A_HOOK") == url


@pytest.mark.parametrize("url", ["mail.example.com", "imap://mail.example.com", "smtp://", "smtp://host:many"])
def test_a_mail_server_that_cannot_be_one_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("A_SERVER", url)
    with pytest.raises(Misconfigured, match="A_SERVER"):
        environment.email("A_SERVER")


@pytest.mark.parametrize(
    ("url", "mail"),
    [
        ("", ("", 25, "", "", False, False)),
        ("smtp://localhost", ("localhost", 25, "", "", False, False)),
        ("smtp+tls://me:p%40ss@mail.example.com", ("mail.example.com", 587, "me", "p@ss", True, False)),
        ("smtps://mail.example.com:2465", ("mail.example.com", 2465, "", "", False, True)),
    ],
)
def test_a_mail_server_is_read_from_one_url(
    monkeypatch: pytest.MonkeyPatch, url: str, mail: tuple[object, ...]
) -> None:
    monkeypatch.setenv("A_SERVER", url)
    assert environment.email("A_SERVER") == mail


@pytest.mark.parametrize(
    "value",
    [
        "X-Team",
        "hidden",
        ":hidden",
        "X Team:hidden",
        "X-Team:ü hidden",
        "X-Team:hidden,Content-Length:5",
        "X-Team:hidden,x-team:hidden",
        "Host:hidden",
        "X-Ä:hidden",
    ],
)
def test_headers_that_could_not_be_sent_are_refused_and_no_value_is_shown(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HEADERS", value)
    with pytest.raises(Misconfigured, match="HEADERS") as refused:
        environment.headers("HEADERS")
    assert "hidden" not in str(refused.value)


def test_headers_are_read_as_they_will_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADERS", " x-team:ledger , Authorization: Bearer a:b,X-Empty:")
    assert environment.headers("HEADERS") == {"X-Team": "ledger", "Authorization": "Bearer a:b", "X-Empty": ""}
    monkeypatch.delenv("HEADERS")
    assert environment.headers("HEADERS") == {}
