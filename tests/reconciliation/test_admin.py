from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from balances.models import Balance
from reconciliation.backoffice.balances import ReconstructableBalanceAdmin
from reconciliation.correcting.rebuilding import reconstruct
from reconciliation.models import Reconstruction
from reconciliation.records.comparison import RESULT_LABELS, last_result
from tests import world
from tests.people import VIEW, signed_in

pytestmark = pytest.mark.django_db
RECORDS = "admin:reconciliation_reconstruction_changelist"


def page_of(balance: Balance) -> str:
    url = reverse("admin:balances_balance_change", args=[balance.pk])
    return str(signed_in(*VIEW).get(url).content.decode())


def rebuilt(credit: int = 5, **fields: Any) -> tuple[Balance, Reconstruction]:
    balance = world.balance(**fields)
    world.post("@payer", balance, 700)
    world.drift(balance, credit=credit)
    return balance, reconstruct(balance.pk, world.request(reason="Ticket 4711"))


# --- refused


@pytest.mark.parametrize("what", ["change", "delete"])
def test_nobody_touches_a_record_not_even_with_every_permission(what: str) -> None:
    _, record = rebuilt()
    client = signed_in(*VIEW, "change_reconstruction", "delete_reconstruction")
    url = reverse(f"admin:reconciliation_reconstruction_{what}", args=[record.pk])
    assert client.post(url, {"reason": "another", "post": "yes"}).status_code == 403
    assert Reconstruction.objects.get().reason == "Ticket 4711"


# --- the page of a balance


def test_the_balance_admin_of_this_app_stands_in_for_the_plain_one() -> None:
    assert type(admin.site._registry[Balance]) is ReconstructableBalanceAdmin
    names = [each.name for each in apps.get_app_configs()]
    assert names.index("balances") < names.index("reconciliation")


def test_the_page_shows_the_eight_fields_in_plain_words() -> None:
    balance, record = rebuilt(5)
    page = page_of(balance)
    for label in RESULT_LABELS.values():
        assert f"<dt>{label}</dt>" in page
    result = {each.label: each for each in last_result(Balance.objects.get(pk=balance.pk))}
    assert result["Previous credit"].units == 705
    assert result["Recalculated balance"].units == 700
    assert result["Difference"].units == -5
    assert str(record.executed_at.year) in result["Executed at"].text


@pytest.mark.parametrize(("credit", "colour"), [(5, "money-differs"), (0, "money-agrees")])
def test_the_difference_has_its_colour(credit: int, colour: str) -> None:
    balance = world.balance()
    world.post("@payer", balance, 700)
    world.drift(balance, credit=credit)
    reconstruct(balance.pk, world.request(leave_result=True))
    panel = page_of(balance).split('id="last-result"')[1].split("</section>")[0]
    assert colour in panel


@pytest.mark.parametrize(
    "forged",
    [
        None,
        "text",
        7,
        [1, {}],
        {"difference": "<script>alert(1)</script>"},
        {"difference": None, "previous_credit": {"a": [1]}},
        {"difference": "1e5", "executed_at": 12},
        {"difference": True, "previous_debit": Decimal("1.5")},
        {"difference": "9" * 5000},
        {"difference": "٣", "previous_credit": "+5"},
        {},
    ],
)
def test_nonsense_in_the_place_of_the_result_is_shown_as_text_and_breaks_nothing(forged: Any) -> None:
    balance = world.balance(meta_data={"BLNK_RECONCILIATION_RESULT": forged})
    page = page_of(balance)
    assert "<script>alert(1)</script>" not in page
    panel = page.split('id="last-result"')[1].split("</section>")[0]
    assert "9" * 300 not in panel
    if isinstance(forged, dict) and forged.get("difference"):
        assert "money-unclear" in panel


@pytest.mark.parametrize("meta_data", [[1], "text", 5, None])
def test_metadata_that_is_no_object_has_no_result(meta_data: Any) -> None:
    balance = world.balance()
    Balance.objects.filter(pk=balance.pk).update(meta_data=meta_data)
    assert "The metadata holds no result" in page_of(balance)


@pytest.mark.django_db(transaction=True)  # the clock of a record is its transaction's
def test_the_page_shows_the_history_newest_first_and_who_did_it_why() -> None:
    balance, first = rebuilt(5)
    second = reconstruct(balance.pk, world.request(dry_run=True, actor="olga"))
    history = page_of(balance).split('id="history"')[1].split("</section>")[0]
    assert history.index(second.pk) < history.index(first.pk)
    for text in ("Corrected", "Ticket 4711", "alice", "olga", ">-5<", "Command"):
        assert text in history


def test_the_page_asks_as_often_for_a_long_history_as_for_a_short_one() -> None:
    balance, _ = rebuilt()
    client = signed_in(*VIEW)
    url = reverse("admin:balances_balance_change", args=[balance.pk])
    counts = []
    for _ in range(2):
        client.get(url)
        with CaptureQueriesContext(connection) as captured:
            client.get(url)
        counts.append(len(captured))
        for _ in range(5):
            reconstruct(balance.pk, world.request(dry_run=True))
    assert counts[0] == counts[1]


# --- the records


def test_the_page_of_a_record_shows_all_six_totals_before_and_after() -> None:
    balance, record = rebuilt(5, indicator="@alice")
    url = reverse("admin:reconciliation_reconstruction_change", args=[record.pk])
    page = signed_in(*VIEW).get(url).content.decode()
    for label in ("Credit", "Debit", "Balance", "Inflight credit", "Inflight debit", "Inflight balance"):
        assert f"<th>{label}</th>" in page
    for text in (">705<", ">700<", ">-5<", "Ticket 4711", "alice", balance.pk):
        assert text in page


@pytest.mark.parametrize("typed", ["{balance}", "{record}", "@alice", "alice"])
def test_a_record_is_found_by_balance_indicator_or_id(typed: str) -> None:
    balance, record = rebuilt(indicator="@alice")
    rebuilt(indicator="@bob")
    answer = signed_in(*VIEW).get(reverse(RECORDS), {"q": typed.format(balance=balance.pk, record=record.pk)})
    assert list(answer.context["cl"].result_list) == [record]


def test_records_are_narrowed_by_outcome_origin_and_day() -> None:
    balance, corrected = rebuilt()
    preview = reconstruct(balance.pk, world.request(dry_run=True, origin="admin"))
    client = signed_in(*VIEW)
    for given, found in (
        ({"outcome__exact": "corrected"}, [corrected]),
        ({"origin__exact": "admin"}, [preview]),
        ({"executed_at_to": "2001-01-01"}, []),
    ):
        assert list(client.get(reverse(RECORDS), given).context["cl"].result_list) == found


def test_drift_of_holds_alone_is_told_beside_a_net_difference_of_zero() -> None:
    balance = world.balance()
    world.post("@payer", balance, 700)
    world.drift(balance, hold_debit=-9000)
    reconstruct(balance.pk, world.request(reason="hold released twice"))
    for page in (page_of(balance), signed_in(*VIEW).get(reverse(RECORDS)).content.decode()):
        assert "inflight debit" in page
        assert "+9000" in page or "9000 minor units" in page  # the list has them on hover


@pytest.mark.parametrize(
    "path",
    [
        "/admin/balances/balance/?created_at_to=9999-12-31",
        "/admin/balances/transaction/?created_at_to=9999-12-31",
        "/admin/reconciliation/reconstruction/?executed_at_to=9999-12-31",
        "/admin/balances/balance/?currency=%00",
        "/admin/balances/transaction/?status__exact=%00",
        "/admin/balances/balance/%00/change/",
    ],
)
def test_odd_addresses_are_answered_and_never_a_surprise(path: str) -> None:
    assert signed_in(*VIEW).get(path).status_code in (200, 302, 400)


def test_odd_posts_are_refused_and_never_a_surprise() -> None:
    client = signed_in(*VIEW, "change_balance", "preview_reconstruction")
    action = {"action": "preview_reconstruction", "index": 0, "_selected_action": "\x00"}
    assert client.post(reverse("admin:balances_balance_changelist"), action).status_code == 400
    balance = world.balance()
    assert client.post(f"/admin/balances/balance/{balance.pk}/history/").status_code in (200, 302, 403, 404, 405)
