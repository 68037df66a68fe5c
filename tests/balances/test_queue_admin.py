"""The pages of the queue: who may look, who may jump it, and what a transaction's page says came of it."""

from __future__ import annotations

import pytest

from balances.models import Transaction
from balances.models.queue import Entry
from balances.posting import Posting
from balances.posting.enqueuing import enqueue
from balances.queueing import draining
from tests.people import VIEW, signed_in

pytestmark = pytest.mark.django_db
PAGE = "/admin/queueing/entry/"


def queued(
    reference: str, source: str = "@world", *, allow_overdraft: bool = True, inflight: bool = False
) -> Transaction:
    posting = Posting(
        source=source,
        destination="@shop",
        currency="USD",
        reference=reference,
        description="test",
        precise_amount=500,
        precision=100,
        allow_overdraft=allow_overdraft,
        inflight=inflight,
    )
    return enqueue(posting).rows[0]


def apply_now(client: object, *rows: Transaction) -> str:
    chosen = list(Entry.objects.filter(transaction_id__in=[row.pk for row in rows]).values_list("pk", flat=True))
    answer = client.post(PAGE, {"action": "apply_now", "_selected_action": chosen}, follow=True)  # type: ignore[attr-defined]
    return f"{answer.status_code} {answer.content.decode()}"


def test_who_may_not_look_sees_no_queue_and_who_may_only_look_jumps_none() -> None:
    waits = queued("waits")
    assert signed_in(*VIEW).get(PAGE).status_code == 403
    assert apply_now(signed_in(*VIEW, "view_entry"), waits).startswith("403")
    assert Entry.objects.count() == 1


@pytest.mark.parametrize("path", ["add/", "1/delete/"])
def test_nobody_adds_or_deletes_entries_by_hand(path: str) -> None:
    queued("waits")
    staff = signed_in("view_entry", "add_entry", "delete_entry", "apply_entry")
    assert staff.post(f"{PAGE}{path}", {"post": "yes"}).status_code in (403, 404, 302)
    assert Entry.objects.count() == 1


def test_the_queue_is_listed_in_order_found_by_id_and_applied_by_permission() -> None:
    first, second = queued("first"), queued("second", "@poor", allow_overdraft=False)
    staff = signed_in(*VIEW, "view_entry", "apply_entry")
    shown = staff.get(PAGE).content.decode()
    assert shown.index(first.pk) < shown.index(second.pk)
    found = staff.get(f"{PAGE}?q={second.pk}").content.decode()
    assert second.pk in found
    assert first.pk not in found
    said = apply_now(staff, first, second)
    assert "2 were taken out of the queue; 1 of them were rejected." in said
    assert not Entry.objects.exists()
    assert set(Transaction.objects.values_list("status", flat=True)) == {"QUEUED", "APPLIED", "REJECTED"}


def test_the_page_of_a_queued_transaction_says_what_came_of_it_and_that_of_its_outcome_where_it_came_from() -> None:
    row = queued("hold", inflight=True)
    draining.drain()
    outcome = Transaction.objects.get(reference="hold_q")
    staff = signed_in(*VIEW)
    page = staff.get(f"/admin/balances/transaction/{row.pk}/change/").content.decode()
    assert "Resulting transactions" in page
    assert f"/admin/balances/transaction/{outcome.pk}/change/" in page
    page = staff.get(f"/admin/balances/transaction/{outcome.pk}/change/").content.decode()
    assert f"/admin/balances/transaction/{row.pk}/change/" in page
