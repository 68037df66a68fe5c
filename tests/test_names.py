"""A name stays with its first holder, and no one signs in as somebody who may do more."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.test import Client
from django.urls import reverse

from ledgerproj.models import Factor, GivenPassword
from ledgerproj.names import NameTaken, UsersStay
from ledgerproj.roles import ensure_roles
from reconciliation.models import AuditEntry

pytestmark = pytest.mark.django_db
OLD, NEW = "a long password", "another long password"
GIVEN = {"password1": NEW, "password2": NEW, "usable_password": "true"}


@pytest.fixture
def administrator() -> Client:
    ensure_roles()
    return signed_in("adele", "Administrator")


def somebody(name: str, *groups: str) -> User:
    user = User.objects.create_user(name, password=OLD, is_staff=True)
    user.groups.set(Group.objects.filter(name__in=groups))
    return user


def signed_in(name: str, *groups: str) -> Client:
    client = Client()
    client.force_login(somebody(name, *groups))
    return client


def boss() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("boss", password=OLD))
    return client


def test_no_one_deletes_a_user_by_page_action_or_program() -> None:
    user, client = somebody("ben"), boss()
    assert client.post(reverse("admin:auth_user_delete", args=[user.pk]), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [user.pk], "post": "yes"}
    assert client.post(reverse("admin:auth_user_changelist"), chosen).status_code == 403
    with pytest.raises(UsersStay, match="Take “Active” from ben"), transaction.atomic():
        user.delete()
    with pytest.raises(UsersStay), transaction.atomic():
        User.objects.filter(username="ben").delete()
    assert User.objects.filter(username="ben").exists()


@pytest.mark.parametrize("name", ["ben", "BEN", "\uff22en"])  # a wide B
def test_a_name_in_another_spelling_is_taken(name: str) -> None:
    somebody("ben")
    page = boss().post(reverse("admin:auth_user_add"), {"username": name, **GIVEN})
    assert page.status_code == 200
    assert User.objects.count() == 2
    with pytest.raises(NameTaken):
        User.objects.create_user(name)


def test_the_name_of_one_who_was_deleted_is_not_given_again() -> None:
    AuditEntry.objects.create(actor="gone", action="signed in", subject="user", subject_id="7", name="gone")
    page = boss().post(reverse("admin:auth_user_add"), {"username": "gone", **GIVEN})
    assert "Records know somebody else by this name" in page.content.decode()
    with pytest.raises(NameTaken):
        User.objects.create_superuser("gone", password=OLD)


def test_an_administrator_does_not_make_themselves_able_to_sign_in_as_an_approver(administrator: Client) -> None:
    user = somebody("ann", "Approver")
    factor = Factor.objects.create(user=user, kind=Factor.Kind.CODES, name="Phone")
    for active in (True, False):  # whoever is switched off holds their rights still
        User.objects.filter(pk=user.pk).update(is_active=active)
        answer = administrator.post(reverse("admin:auth_user_password_change", args=[user.pk]), GIVEN)
        assert answer.status_code == 403
        assert "rights that you do not have" in answer.content.decode()
        chosen = {"action": "reset_second_factor", "_selected_action": [user.pk]}
        administrator.post(reverse("admin:auth_user_changelist"), chosen)
    user.refresh_from_db()
    assert user.check_password(OLD)
    assert Factor.objects.filter(pk=factor.pk).exists()
    assert boss().post(reverse("admin:auth_user_password_change", args=[user.pk]), GIVEN).status_code == 302


def test_a_password_that_somebody_else_set_opens_one_page_until_it_is_changed(administrator: Client) -> None:
    user = somebody("vera", "Viewer")
    administrator.post(reverse("admin:auth_user_password_change", args=[user.pk]), GIVEN)
    assert GivenPassword.objects.get().by == "adele"
    browser = Client()
    browser.post(reverse("admin:login"), {"username": "vera", "password": NEW})
    page = reverse("admin:password_change")
    for address in ("/admin/", reverse("admin:balances_ledger_changelist"), reverse("second_factor"), "/admin/guide/"):
        assert browser.get(address).headers["Location"] == page
    assert browser.get(page).status_code == 200
    browser.post(page, {"old_password": NEW, "new_password1": "one of my own", "new_password2": "one of my own"})
    assert browser.get("/admin/").status_code == 200
    assert not GivenPassword.objects.exists()


def test_a_new_user_chooses_a_password_and_one_who_sets_their_own_need_not(administrator: Client) -> None:
    administrator.post(reverse("admin:auth_user_add"), {"username": "new", **GIVEN})
    assert GivenPassword.objects.get().user.username == "new"
    own = User.objects.get(username="adele")
    administrator.post(reverse("admin:auth_user_password_change", args=[own.pk]), GIVEN)
    assert not GivenPassword.objects.filter(user=own).exists()
