"""Lists saved as they are filtered: one's own, and shared by those who may; of lists that one may see."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from reconciliation.casework import save_view, views
from reconciliation.models import SavedView
from tests.people import person

pytestmark = pytest.mark.django_db
LIST = "admin:balances_ledger_changelist"
SENT = {"listed": "balances.ledger", "query": "q=wallets&p=3", "name": " Wallets  only "}


def of(*codenames: str) -> Client:
    client = Client()
    client.force_login(person(*codenames))
    return client


def send(client: Client, **sent: Any) -> Any:
    return client.post(reverse("saved_views"), SENT | sent)


def menu(client: Client, **given: str) -> str:
    with CaptureQueriesContext(connection) as queries:
        page = client.get(reverse(LIST), given).content.decode()
    assert len(queries) <= 20
    return str(page.split('id="saved-views"')[1].split("</details>")[0])


# --- refused


def test_no_view_is_saved_of_a_list_that_one_may_not_see_or_that_is_none() -> None:
    assert send(of("view_balance", "share_savedview")).status_code == 403
    assert send(of("view_ledger"), listed="balances.nothing").status_code == 404
    assert send(of("view_ledger"), listed="").status_code == 404
    assert of("view_ledger").get(reverse("saved_views")).status_code == 405
    assert Client().post(reverse("saved_views"), SENT).status_code == 302
    assert not SavedView.objects.exists()


def test_only_those_who_may_share_do() -> None:
    assert send(of("view_ledger"), shared="on").status_code == 403
    assert not SavedView.objects.exists()


@pytest.mark.parametrize("name", ["", "  ", "x" * 61])
def test_a_view_has_a_name(name: str) -> None:
    client = of("view_ledger")
    assert send(client, name=name).status_code == 302
    assert "A view has a name" in client.get(reverse(LIST)).content.decode()
    assert not SavedView.objects.exists()


def test_filters_without_end_and_views_without_end_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    send(of("view_ledger"), query="q=" + "x" * 2_001)
    assert not SavedView.objects.exists()
    monkeypatch.setattr(views, "MOST_VIEWS", 1)
    client = of("view_ledger")
    send(client)
    send(client, name="another")
    send(client, query="q=other")
    assert SavedView.objects.get().query == "q=other"


def test_no_one_deletes_the_view_of_another() -> None:
    view = save_view("balances.ledger", "alice", "hers", "q=x", shared=True)
    for view_id in (str(view.pk), "x", "99999999"):
        send(of("view_ledger", "share_savedview"), view_id=view_id)
    assert SavedView.objects.filter(pk=view.pk).exists()


# --- saved


def test_a_view_is_saved_picked_and_deleted() -> None:
    client, other = of("view_ledger"), of("view_ledger")
    assert send(client).url == f"{reverse(LIST)}?q=wallets"
    assert 'href="?q=wallets" aria-current="true">Wallets only</a>' in menu(client, q="wallets", p="0")
    assert "View: Wallets only" in menu(client, q="wallets")
    assert "View: standard" in menu(client)
    assert "Wallets only" not in menu(other)
    send(client, view_id=str(SavedView.objects.get().pk))
    assert not SavedView.objects.exists()


def test_a_shared_view_is_seen_by_all_who_see_the_list() -> None:
    send(of("view_ledger", "share_savedview"), shared="on")
    seen = menu(of("view_ledger"))
    assert "Wallets only" in seen
    assert "by person-" in seen
    assert "Delete the view" not in seen
