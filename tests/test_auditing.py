"""Every change of users, groups, keys, hooks and schedules leaves one sealed record with what was there before."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

import ledgerproj.urls  # noqa: F401 - finds the admin pages
from balances.ground import BalanceLocked
from balances.models import Hook
from balances.models.keys import ApiKey
from reconciliation.models import AuditEntry, Schedule, Seal
from reconciliation.records import auditing
from reconciliation.records.verifying import Verification
from tests.people import person, signed_in

pytestmark = pytest.mark.django_db(transaction=True)


def superuser() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="a long password"))
    return client


def entry(**wanted: Any) -> AuditEntry:
    """Return the only entry, which is sealed."""
    found = AuditEntry.objects.get(**wanted)
    assert Seal.objects.filter(kind="audit", record_id=found.pk).count() == 1
    return found


def test_where_the_record_cannot_be_written_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: Any) -> None:
        raise BalanceLocked

    client = superuser()
    monkeypatch.setattr(auditing, "seal", locked)
    client.raise_request_exception = False
    client.post(reverse("admin:auth_group_add"), {"name": "secret society"})
    assert not Group.objects.filter(name="secret society").exists()
    assert not AuditEntry.objects.exists()


def test_a_page_saved_as_it_was_is_no_change() -> None:
    group = Group.objects.create(name="finance")
    superuser().post(reverse("admin:auth_group_change", args=[group.pk]), {"name": "finance"})
    assert not AuditEntry.objects.exists()


def test_giving_the_right_to_approve_is_on_record_with_both_sides() -> None:
    approve, user = Permission.objects.get(codename="approve_plan"), person("view_plan")
    group = Group.objects.create(name="deciders")
    client = superuser()
    client.post(reverse("admin:auth_group_change", args=[group.pk]), {"name": "deciders", "permissions": [approve.pk]})
    given = entry(subject="group")
    assert (given.actor, given.action, given.subject_id, given.name) == ("root", "changed", str(group.pk), "deciders")
    assert json.loads(given.before) == {"permissions": ""}
    assert "Can approve and reject plans" in json.loads(given.after)["permissions"]
    fields = {"username": user.username, "is_staff": "on", "is_active": "on", "groups": [group.pk]}
    at = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00", "user_permissions": []}
    client.post(reverse("admin:auth_user_change", args=[user.pk]), fields | at)
    joined = entry(subject="user")
    assert json.loads(joined.after)["groups"] == "deciders"
    assert json.loads(joined.before)["groups"] == ""


def test_a_password_is_never_in_a_record_but_its_change_is() -> None:
    user = person()
    page = reverse("admin:auth_user_password_change", args=[user.pk])
    password = "another long password"
    superuser().post(page, {"password1": password, "password2": password, "usable_password": "true"})
    changed = entry(subject="user", action="changed")
    assert json.loads(changed.before) == json.loads(changed.after) == {"password": "not shown"}
    user.refresh_from_db()
    assert user.check_password(password)


def test_ones_own_password_too() -> None:
    user = person()
    client = Client()
    client.force_login(user)
    page, password = reverse("admin:password_change"), "another long password"
    given = {"old_password": "a long password", "new_password1": password, "new_password2": password}
    assert client.post(page, given).status_code == 302
    changed = entry(subject="user", action="changed")
    assert (changed.actor, changed.subject_id) == (user.username, str(user.pk))
    assert json.loads(changed.after) == {"password": "not shown"}


def test_a_deleted_group_and_a_deleted_selection_are_on_record_as_they_were() -> None:
    groups = [Group.objects.create(name=f"group {number}") for number in range(3)]
    for group in groups:
        group.permissions.add(Permission.objects.get(codename="view_plan"))
    client = superuser()
    client.post(reverse("admin:auth_group_delete", args=[groups[0].pk]), {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": [each.pk for each in groups[1:]], "post": "yes"}
    client.post(reverse("admin:auth_group_changelist"), chosen)
    assert not Group.objects.filter(pk__in=[each.pk for each in groups]).exists()
    gone = AuditEntry.objects.filter(action="deleted", subject="group")
    assert {each.name for each in gone} == {each.name for each in groups}
    assert all("Can view plan" in json.loads(each.before)["permissions"] for each in gone)
    assert Seal.objects.filter(kind="audit", record_id__in=gone.values("pk")).count() == 3


def test_keys_are_on_record_when_issued_and_revoked_without_the_key() -> None:
    client = superuser()
    expires = {"expires_at_0": "2090-01-01", "expires_at_1": "00:00:00"}
    client.post(
        reverse("admin:balances_apikey_add"), {"name": "shop", "owner_id": "team", "scopes": "*:read"} | expires
    )
    key = ApiKey.objects.get()
    issued = entry(subject="API key", action="added")
    assert json.loads(issued.after)["scopes"] == '["*:read"]'
    assert json.loads(issued.after)["key"] == "not shown"
    assert key.key not in issued.after
    client.post(reverse("admin:balances_apikey_changelist"), {"action": "revoke_keys", "_selected_action": key.pk})
    revoked = entry(action="acted")
    assert (revoked.subject_id, json.loads(revoked.after)["done"]) == (key.pk, "Revoked.")


def test_hooks_are_on_record_without_their_address() -> None:
    hook = Hook.objects.create(name="h", url="https://example.org/token", type="POST_TRANSACTION", active=True)
    fields = {"name": "h", "url": "https://example.org/other-token", "type": "POST_TRANSACTION"}
    superuser().post(reverse("admin:hooks_hook_change", args=[hook.pk]), fields | {"timeout": "30", "retry_count": "1"})
    changed = entry(subject="hook")
    assert "token" not in changed.before + changed.after
    assert json.loads(changed.after) == {"active": "False", "retry_count": "1", "url": "not shown"}


def test_schedules_are_on_record() -> None:
    schedule = Schedule.objects.order_by("pk").first()
    assert schedule is not None
    page = reverse("admin:reconciliation_schedule_change", args=[schedule.pk])
    client = superuser()
    form = client.get(page).context["adminform"].form
    given = {name: form.initial.get(name) or "" for name in form.fields} | {"cron": "7 3 * * *"}
    client.post(page, given)
    changed = entry(subject__icontains="schedule")
    assert json.loads(changed.after)["cron"] == "7 3 * * *"


def test_signing_in_and_out_are_on_record_with_the_address() -> None:
    user = person()
    client = Client(REMOTE_ADDR="192.0.2.7")
    client.post(reverse("admin:login"), {"username": user.username, "password": "a long password"})
    client.post(reverse("admin:logout"))
    found = AuditEntry.objects.order_by("done_at").values_list("action", "actor", "address")
    assert list(found) == [("signed in", user.username, "192.0.2.7"), ("signed out", user.username, "192.0.2.7")]


def test_the_log_is_read_with_its_own_permission_and_shows_both_sides() -> None:
    made = auditing.record_audit(actor="eve", action="changed", subject="user", before={"a": "<1>"}, after={"a": "2"})
    page = reverse("admin:reconciliation_auditentry_change", args=[made.pk])
    assert signed_in("view_refusal").get(page).status_code == 403
    client = signed_in("view_auditentry")
    text = client.get(page).content.decode()
    assert "&lt;1&gt;" in text
    assert made.pk in client.get(reverse("admin:reconciliation_auditentry_changelist"), {"q": "eve"}).content.decode()


def test_a_large_selection_is_recorded_at_once_when_it_is_deleted(django_assert_max_num_queries: Any) -> None:
    groups = Group.objects.bulk_create(Group(name=f"group {number}") for number in range(60))
    client = superuser()
    chosen = {"action": "delete_selected", "_selected_action": [each.pk for each in groups], "post": "yes"}
    with django_assert_max_num_queries(40):
        client.post(reverse("admin:auth_group_changelist"), chosen)
    gone = AuditEntry.objects.filter(action="deleted", subject="group")
    assert gone.count() == 60
    assert Seal.objects.filter(kind="audit", record_id__in=gone.values("pk")).count() == 60
    assert list(Verification()) == []
