"""What people read where something is refused, missing or broken: in the frame, with the reason and what to do next."""

from __future__ import annotations

import logging

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from balances.backoffice import ledger
from tests import world
from tests.people import person, signed_in

pytestmark = pytest.mark.django_db(transaction=True)
LIST = reverse("admin:balances_balance_changelist")


def page_of(view: str, *args: str) -> str:
    return reverse(f"admin:{view}", args=args)


def test_who_lacks_a_permission_reads_which_one_and_who_can_give_it() -> None:
    User.objects.create_superuser("rosa", password="a long password")
    answer = signed_in("view_ledger").get(LIST)
    text = answer.content.decode()
    assert answer.status_code == 403
    assert "“Can view balance”" in text
    assert "rosa can give it to you" in text
    assert "Ledgers" in text  # the sidebar is there


def test_a_permission_that_one_has_is_not_called_missing() -> None:
    answer = signed_in("view_balance").post(LIST, {"action": "reconstruct_balances", "index": "0"})
    text = answer.content.decode()
    assert answer.status_code == 403
    assert "Can view balance" not in text
    assert "“Can reconstruct a balance”" in text


def test_the_permission_that_a_page_itself_asks_for_is_the_one_that_is_named() -> None:
    text = signed_in("view_instruction").get(page_of("instructions_instruction_add")).content.decode()
    assert "“Can move money by hand”" in text
    assert "Can add instruction" not in text


@pytest.mark.parametrize(
    ("rights", "address", "sent", "said"),
    [
        (("view_balance",), LIST, {"action": "", "_selected_action": "\0"}, "No row has such an id."),
        (
            ("view_transaction",),
            "/admin/balances/transaction/export.csv?no=1",
            None,
            "The list has no such filter.",
        ),
        (
            ("view_openhold", "move_money"),
            reverse("admin:instructions_holdplan_ask"),
            {"holds": ""},
            "No hold was chosen.",
        ),
    ],
)
def test_what_no_page_of_ours_asks_is_answered_in_the_frame(
    rights: tuple[str, ...], address: str, sent: dict[str, str] | None, said: str
) -> None:
    client = signed_in(*rights)
    answer = client.get(address) if sent is None else client.post(address, sent)
    text = answer.content.decode()
    assert answer.status_code == 400
    assert said in text
    assert "Nothing was done." in text
    assert "Back to the start" in text


def test_an_address_of_the_api_or_a_host_that_is_not_ours_is_refused_without_the_frame(client: Client) -> None:
    answer = Client(headers={"host": "evil.example"}).get("/admin/")
    assert answer.status_code == 400
    assert b"Back to the start" not in answer.content


def test_who_may_do_what_is_not_offered_reads_that_it_is_not_offered() -> None:
    answer = signed_in("view_balance").post(LIST, {"action": "nothing", "index": "0"})
    assert answer.status_code == 403
    assert "is not offered to you here" in answer.content.decode()


@pytest.mark.parametrize("view", ["balances_balance_change", "balances_transaction_change", "balances_ledger_change"])
def test_a_wrong_id_is_said_to_be_wrong_and_leads_to_no_other_page(view: str) -> None:
    answer = signed_in("view_balance", "view_transaction", "view_ledger").get(page_of(view, "x_22y"))
    text = answer.content.decode()
    assert (answer.status_code, answer.headers.get("Location")) == (404, None)
    assert "has the id x_22y" in text
    assert page_of(view.replace("_change", "_changelist")) in text


def test_an_address_without_a_page_is_said_to_have_none() -> None:
    answer = signed_in("view_ledger").get("/admin/balances/nothing/")
    assert answer.status_code == 404
    assert "There is no page at /admin/balances/nothing/" in answer.content.decode()


def test_the_api_says_in_its_own_way_what_is_not_there(client: Client) -> None:
    assert client.get("/nothing").headers["Content-Type"].startswith(("application/json", "text/plain"))


def test_a_form_without_its_token_is_answered_in_the_frame() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("view_balance"))
    answer = client.post(LIST, {"action": "reconstruct_balances"})
    assert answer.status_code == 403
    assert "This form is out of date" in answer.content.decode()
    assert "style=" not in answer.content.decode().partition("<main")[2]


def test_who_signs_in_with_an_old_form_is_shown_no_sidebar() -> None:
    answer = Client(enforce_csrf_checks=True).post(reverse("admin:login"), {"username": "x"})
    text = answer.content.decode()
    assert answer.status_code == 403
    assert "This form is out of date" in text
    assert "nav-sidebar-apps" not in text


def test_an_error_has_a_number_that_the_log_has(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    balance = world.balance(world.ledger())
    monkeypatch.setattr(ledger, "last_transactions", broken)
    client = signed_in("view_balance")
    client.raise_request_exception = False
    with caplog.at_level(logging.ERROR):
        answer = client.get(page_of("balances_balance_change", balance.pk))
    assert answer.status_code == 500
    logged = [each.getMessage() for each in caplog.records if "is what follows" in each.getMessage()]
    assert len(logged) == 1
    assert logged[0].split()[1] in answer.content.decode()
