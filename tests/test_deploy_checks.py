"""What ``check --deploy`` says of a careless deployment, and that it is silent about a careful one."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import checks
from django.utils import timezone

from ledgerproj import deploy_checks
from ledgerproj.models import Factor
from reconciliation.models import Step
from tests.world import unguarded

ROOT = Path(__file__).resolve().parent.parent
CAREFUL: dict[str, Any] = {
    "SECRET_KEY": "k" * 64,
    "BLNK_SERVER_SECURE": True,
    "BLNK_SERVER_SECRET_KEY": "m" * 32,
    "DEBUG": False,
    "ALLOWED_HOSTS": ["ledger.example.com"],
    "LEDGER_PUBLIC_URL": "https://ledger.example.com",
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "SESSION_COOKIE_HTTPONLY": True,
    "LEDGER_SECOND_FACTOR": "approvers",
    "LEDGER_INDEPENDENT_DAYS": 30,
    "LEDGER_FOUR_EYES_AMOUNTS": {"*": 0},
    "LEDGER_FOUR_EYES_DIRECT": True,
    "LEDGER_FOUR_EYES_BY_HAND": {"*": 0},
    "LEDGER_SESSION_IDLE": 1800,
    "SESSION_COOKIE_AGE": 12 * 3600,
    "LEDGER_TRUSTED_PROXIES": ["10.0.0.7"],
    "EMAIL_HOST": "mail.example.com",
    "EMBEDDED": False,
}


@pytest.fixture(autouse=True)
def careful(settings: Any) -> Any:
    for name, value in CAREFUL.items():
        setattr(settings, name, value)
    return settings


def ids() -> list[str]:
    return [str(each.id) for each in deploy_checks.check_settings()]


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("SECRET_KEY", "django-insecure-" + "x" * 60, 1),
        ("SECRET_KEY", "changeme", 1),
        ("BLNK_SERVER_SECRET_KEY", "short", 2),
        ("BLNK_SERVER_SECRET_KEY", "", 2),
        ("BLNK_SERVER_SECURE", False, 3),
        ("DEBUG", True, 4),
        ("ALLOWED_HOSTS", ["*"], 5),
        ("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"], 5),
        ("ALLOWED_HOSTS", [], 5),
        ("LEDGER_PUBLIC_URL", "http://ledger.example.com", 6),
        ("SESSION_COOKIE_SECURE", False, 7),
        ("SECURE_HSTS_SECONDS", 0, 7),
        ("LEDGER_SECOND_FACTOR", "off", 8),
        ("LEDGER_FOUR_EYES_AMOUNTS", {"*": None}, 9),
        ("LEDGER_FOUR_EYES_DIRECT", False, 9),
        ("LEDGER_FOUR_EYES_BY_HAND", {}, 10),
        ("LEDGER_FOUR_EYES_BY_HAND", {"USD": 5, "*": None}, 10),
        ("LEDGER_SESSION_IDLE", 8 * 3600, 11),
        ("SESSION_COOKIE_AGE", 168 * 3600, 11),
        ("LEDGER_TRUSTED_PROXIES", [], 12),
        ("EMAIL_HOST", "", 13),
        ("EMBEDDED", True, 14),
    ],
)
def test_what_was_forgotten_is_said_by_name(careful: Any, name: str, value: Any, number: int) -> None:
    setattr(careful, name, value)
    assert ids() == [f"ledger.W{number:03}"]


def test_a_careful_deployment_hears_nothing() -> None:
    assert ids() == []


def test_without_secure_mode_there_is_no_master_key_to_be_weak(careful: Any) -> None:
    careful.BLNK_SERVER_SECURE, careful.BLNK_SERVER_SECRET_KEY = False, ""
    assert ids() == ["ledger.W003"]


@pytest.mark.django_db
def test_the_database_is_looked_at_only_where_it_is_asked_for() -> None:
    assert deploy_checks.check_database(databases=None) == []


def found() -> dict[str, str]:
    return {str(each.id): each.msg for each in deploy_checks.check_database(databases=["default"])}


@pytest.mark.django_db(transaction=True)
def test_a_superuser_of_the_database_and_what_it_owns_are_named() -> None:
    said = found()
    assert set(said) == {"ledger.W015", "ledger.I001"}  # the embedded server's user is one


@pytest.mark.django_db(transaction=True)
def test_a_guard_that_is_switched_off_is_named() -> None:
    with unguarded("transactions"):
        assert "of transactions" in found()["ledger.W016"]
    assert "ledger.W016" not in found()


@pytest.mark.django_db
def test_superusers_without_a_second_factor_are_named_until_they_have_one() -> None:
    root = User.objects.create_superuser("root-of-all", password="x")
    User.objects.create_superuser("gone", password="x", is_active=False)
    assert found()["ledger.W017"].startswith("Superusers without a second factor: root-of-all.")
    Factor.objects.create(user=root, kind=Factor.Kind.CODES, name="Phone")
    assert "ledger.W017" not in found()


@pytest.mark.django_db
def test_the_master_key_is_seen_by_the_steps_that_it_took_of_late() -> None:
    step = {"plan_id": "pln_1", "kind": Step.Kind.values[0], "actor": "master key", "origin": "api"}
    Step.objects.create(**step, taken_at=timezone.now() - timedelta(days=40))
    assert "ledger.W018" not in found()
    Step.objects.create(**step)
    assert "ledger.W018" in found()


def test_each_id_is_explained_where_operators_read() -> None:
    code = (ROOT / "ledgerproj" / "deploy_checks.py").read_text()
    numbers = re.findall(r"warning\(\s*(\d+),", code)
    raised = {f"ledger.W{int(each):03}" for each in numbers} | set(re.findall(r"ledger\.I\d{3}", code))
    assert len(raised) == 20
    assert set(re.findall(r"ledger\.[WI]\d{3}", (ROOT / "docs" / "operating.md").read_text())) == raised


def test_both_are_part_of_a_check_of_the_deployment() -> None:
    assert {deploy_checks.check_settings, deploy_checks.check_database} <= checks.registry.registry.deployment_checks
