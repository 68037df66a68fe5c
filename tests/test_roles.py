"""Who may do what after a migrate, and the page that shows it."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

import ledgerproj.urls  # noqa: F401 - finds the admin pages
from ledgerproj.roles import ADMINISTERING, APPROVING, OPERATING, PERMISSIONS, ROLES, ensure_roles, permissions
from tests.people import signed_in

pytestmark = pytest.mark.django_db
PAGE = "admin:auth_group_who_may_do_what"


@pytest.fixture(autouse=True)
def _made() -> None:
    ensure_roles()


def names(group: Group) -> set[str]:
    return {f"{each.content_type.app_label}.{each.codename}" for each in permissions() & group.permissions.all()}


def test_the_page_refuses_those_who_may_not_see_groups() -> None:
    assert signed_in("view_user").get(reverse(PAGE)).status_code == 403


def test_each_role_is_a_group_with_its_permissions_and_no_others() -> None:
    assert set(Group.objects.filter(name__in=ROLES).values_list("name", flat=True)) == set(ROLES)
    for name, wanted in ROLES.items():
        group = Group.objects.get(name=name)
        assert names(group) == set(wanted)
        assert group.permissions.count() == len(wanted)


def test_what_a_house_took_from_a_role_does_not_come_back() -> None:
    group = Group.objects.get(name="Operator")
    group.permissions.clear()
    Group.objects.get(name="Viewer").delete()
    ensure_roles()
    assert group.permissions.count() == 0
    assert Group.objects.get(name="Viewer").permissions.count() == len(ROLES["Viewer"])


def test_the_rights_to_ask_and_to_approve_lie_in_different_roles_and_an_administrator_has_neither() -> None:
    for name, wanted in ROLES.items():
        assert not (
            set(wanted) & set(APPROVING) and set(wanted) & (set(OPERATING) | {"reconciliation.propose_plan"})
        ), name
    assert not set(ROLES["Administrator"]) & (set(OPERATING) | set(APPROVING) | {"reconciliation.propose_plan"})
    assert all("view_" in each for each in ROLES["Auditor"])
    assert not set(ROLES["Auditor"]) & set(ADMINISTERING)


def test_every_permission_that_is_offered_exists_and_every_page_can_be_allowed() -> None:
    assert permissions().count() == len(PERMISSIONS)
    pages = {f"{model._meta.app_label}.view_{model._meta.model_name}" for model in admin.site._registry}
    assert pages - set(PERMISSIONS) == set()
    own = {
        f"{model._meta.app_label}.{codename}"
        for model in admin.site._registry
        for codename, _ in model._meta.permissions
    }
    assert own - set(PERMISSIONS) == set()


def test_the_page_shows_each_permission_in_words_with_groups_users_and_superusers() -> None:
    User.objects.create_superuser("root-of-all", password="x")
    own = User.objects.create_user("carla", password="x", is_staff=True)
    own.user_permissions.add(Permission.objects.get(codename="approve_plan"))
    own.groups.add(Group.objects.get(name="Viewer"))
    page = signed_in("view_group").get(reverse(PAGE))
    assert page.status_code == 200
    rows = {row["words"]: row for row in page.context["rows"]}
    approving = rows["Approve and reject plans of others"]
    assert [name for name, may in approving["groups"] if may] == ["Approver"]
    assert approving["users"] == "carla"
    assert page.context["superusers"] == ["root-of-all"]
    assert {group.name: group.members for group in page.context["groups"]}["Viewer"] == 1


def test_forms_of_users_and_groups_offer_only_what_means_something() -> None:
    client = signed_in("view_group", "add_group", "change_group", "view_user", "change_user")
    for page in (
        reverse("admin:auth_group_add"),
        reverse("admin:auth_user_change", args=[User.objects.create_user("x").pk]),
    ):
        text = client.get(page).content.decode()
        assert "Approve and reject plans of others" in text
        assert "Can delete seal" not in text


def test_the_page_costs_a_fixed_number_of_queries(django_assert_max_num_queries: object) -> None:
    client = signed_in("view_group")
    with django_assert_max_num_queries(20):  # type: ignore[operator]
        client.get(reverse(PAGE))


@pytest.fixture
def administrator() -> Client:
    user = User.objects.create_user("adele", password="a long password", is_staff=True)
    user.groups.add(Group.objects.get(name="Administrator"))
    client = Client()
    client.force_login(user)
    return client


def test_an_administrator_cannot_raise_themselves(administrator: Client) -> None:
    own, group = User.objects.get(username="adele"), Group.objects.get(name="Administrator")
    approver = Group.objects.get(name="Approver")
    fields = {"username": "adele", "is_staff": "on", "is_active": "on", "is_superuser": "on"}
    fields |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    right = Permission.objects.get(codename="approve_plan")
    more = {"groups": [group.pk, approver.pk], "user_permissions": [right.pk]}
    administrator.post(reverse("admin:auth_user_change", args=[own.pk]), fields | more)
    administrator.post(
        reverse("admin:auth_group_change", args=[group.pk]), {"name": group.name, "permissions": [right.pk]}
    )
    own = User.objects.get(pk=own.pk)
    assert not own.is_superuser
    assert list(own.groups.all()) == [group]
    assert not own.has_perm("reconciliation.approve_plan")


def test_superusers_are_out_of_an_administrators_reach(administrator: Client) -> None:
    boss = User.objects.create_superuser("boss", password="a long password")
    other = User.objects.create_user("ben", password="a long password", is_staff=True)
    password = "another long password"
    given = {"password1": password, "password2": password, "usable_password": "true"}
    fields = {"is_staff": "on", "is_active": "on", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    administrator.post(reverse("admin:auth_user_password_change", args=[boss.pk]), given)
    administrator.post(reverse("admin:auth_user_change", args=[boss.pk]), fields | {"is_active": ""})
    administrator.post(reverse("admin:auth_user_delete", args=[boss.pk]), {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": [boss.pk], "post": "yes"}
    administrator.post(reverse("admin:auth_user_changelist"), chosen)
    administrator.post(reverse("admin:auth_user_change", args=[other.pk]), fields | {"is_superuser": "on"})
    administrator.post(reverse("admin:auth_user_password_change", args=[other.pk]), given)
    boss, other = User.objects.get(pk=boss.pk), User.objects.get(pk=other.pk)
    assert boss.is_active
    assert boss.check_password("a long password")
    assert not other.is_superuser
    assert other.check_password(password)


def test_a_user_keeps_the_name_by_which_records_know_them(administrator: Client) -> None:
    user = User.objects.create_user("ben", password="a long password")
    fields = {"username": "renamed", "first_name": "Ben", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    root = Client()
    root.force_login(User.objects.create_superuser("root-of-all", password="a long password"))
    for client in (administrator, root):
        client.post(reverse("admin:auth_user_change", args=[user.pk]), fields)
        user.refresh_from_db()
        assert (user.username, user.first_name) == ("ben", "Ben")
