"""Fund lineage in the back-office: whose money a balance holds, and what could not be traced."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from balances.models import Transaction
from balances.models.lineage import LineageOutbox
from tests import world
from tests.balances.test_lineage import came, commit, hold, kept, spent, trace_all, tracks
from tests.people import VIEW, signed_in

pytestmark = pytest.mark.django_db
PAGE = "/admin/balances/lineageoutbox/"
LOOK = (*VIEW, "view_lineageoutbox")


def page(target: Any, *codenames: str) -> str:
    answer = signed_in(*(codenames or VIEW)).get(f"/admin/balances/balance/{target.pk}/change/", follow=True)
    text: str = answer.content.decode()
    return " ".join(text.split())


def given_up(units: int = 70) -> tuple[Any, Transaction]:
    """Return a balance and what came in, which cannot be traced because something else has its reference."""
    alice = tracks()
    row = came(alice, units, reference="in")
    world.post("@a", "@b", 1, reference="in_shadow_stripe")
    for _ in range(5):
        trace_all()
        LineageOutbox.objects.update(locked_until=None)
    assert LineageOutbox.objects.get().status == "failed"
    return alice, row


def trace_again(client: Any, *ids: int) -> str:
    answer = client.post(PAGE, {"action": "trace_again", "_selected_action": ids}, follow=True)
    return f"{answer.status_code} {answer.content.decode()}"


def test_who_may_not_look_sees_no_list_and_who_may_only_look_has_nothing_traced_again() -> None:
    given_up()
    (noted,) = LineageOutbox.objects.values_list("pk", flat=True)
    assert signed_in(*VIEW).get(PAGE).status_code == 403
    assert trace_again(signed_in(*LOOK), noted).startswith("403")
    assert LineageOutbox.objects.get().status == "failed"


@pytest.mark.parametrize("path", ["add/", "1/delete/"])
def test_nobody_adds_or_deletes_by_hand(path: str) -> None:
    assert signed_in(*LOOK, "add_lineageoutbox", "delete_lineageoutbox").get(f"{PAGE}{path}").status_code in {302, 403}


def test_a_balance_that_does_not_track_has_no_panel() -> None:
    assert 'id="lineage"' not in page(world.balance())


def test_the_panel_shows_received_spent_available_and_held_of_each_provider() -> None:
    alice = tracks("LIFO")
    assert "Nothing has come in from a provider yet." in page(alice)
    came(alice, 10_000, "stripe")
    came(alice, 5_000, "b&nk")
    spent(alice, 2_000)
    hold(alice, "@shop", 4_000)
    assert "4 movements are still to be traced" in page(alice)
    trace_all()
    shown = page(alice)
    panel = shown[shown.index('id="lineage"') : shown.index('id="as-of"')]
    for text in (
        "newest provider first",
        "b&amp;nk",
        ">2000<",
        ">3000<",
        ">10000<",
        ">13000<",
        "All providers",
        ">1000<",
    ):
        assert text in panel, text
    assert "still to be traced" not in panel


def test_the_panel_says_that_its_figures_are_not_complete() -> None:
    alice, _ = given_up()
    assert "1 movement could not be traced, so the figures are not complete:" in page(alice)


def test_the_list_shows_why_and_leads_to_the_row() -> None:
    alice, row = given_up()
    client = signed_in(*LOOK)
    for path in (f"{PAGE}?status__exact=failed", f"{PAGE}?q={row.pk}"):
        text = client.get(path).content.decode()
        assert "reference in_shadow_stripe has already been used" in text
        assert f"/admin/balances/transaction/{row.pk}/change/" in text
    held = hold("@world", alice, 5, "stripe")
    settled = commit(held)
    found = client.get(f"{PAGE}?q={settled.pk}").content.decode()
    assert f"/admin/balances/transaction/{settled.pk}/change/" in found
    one = LineageOutbox.objects.get(transaction_id=f"{settled.pk}_shadow_commit")
    assert f"/admin/balances/balance/{alice.pk}/change/" in client.get(f"{PAGE}{one.pk}/change/").content.decode()


def test_what_was_given_up_is_traced_again_by_permission_and_that_is_written_down() -> None:
    alice, _ = given_up()
    came(alice, 5, "bank")
    trace_all()
    client = signed_in(*LOOK, "retry_lineageoutbox")
    ids = list(LineageOutbox.objects.order_by("pk").values_list("pk", flat=True))
    assert "None of these was given up" in trace_again(client, ids[1])
    other = Transaction.objects.get(reference="in_shadow_stripe")
    assert "The background worker traces 1 movement again." in trace_again(client, *ids)
    assert LogEntry.objects.count() == 1
    trace_all()
    assert LineageOutbox.objects.get(pk=ids[0]).attempts == 1  # what stood in the way stands there still
    assert kept(alice) == {"bank": (5, 5, 0)}
    assert other.status == "APPLIED"
