"""The read-only lists of evidence, and who finds them in the sidebar."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from balances.history.snapshots import take_snapshots
from balances.models import BalanceSnapshot
from ledgerproj.sidebar import SECTIONS
from reconciliation.correcting.planning import Choice, Proposal, propose
from reconciliation.correcting.rebuilding import reconstruct
from reconciliation.models import BalanceEdit, Origin, Plan, Refusal, Seal, Step, TransactionEdit
from reconciliation.records import MODELS
from tests import world
from tests.people import CASES, VIEW, signed_in

pytestmark = pytest.mark.django_db
LISTS = {
    "balances_balancesnapshot": BalanceSnapshot,
    "reconciliation_balanceedit": BalanceEdit,
    "reconciliation_transactionedit": TransactionEdit,
    "reconciliation_refusal": Refusal,
    "reconciliation_step": Step,
    "reconciliation_seal": Seal,
}
EVIL = "<script>alert(1)</script>"
NUMBERS = itertools.count()


def evidence(indicator: str) -> Plan:
    """Leave a row of each kind."""
    owner = world.ledger()
    alice, bob = world.balance(owner, indicator=indicator), world.balance(owner)
    posted = world.post(alice, bob, 10**20, description=EVIL)
    take_snapshots()
    world.drift(bob, credit=10**20)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE transactions SET description = 'edited' WHERE transaction_id = %s", [posted.pk])
        cursor.execute("SET LOCAL session_replication_role = origin")
    Refusal.objects.create(actor=EVIL, door="admin", what=EVIL, why=EVIL, address="10.0.0.7")
    plan = propose(Choice(balance_ids=(bob.pk,)), Proposal(actor="alice", origin=Origin.API, reason="x"))
    reconstruct(bob.pk, world.request())
    return plan


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_closed_to_those_who_may_not_look_and_nobody_writes_there(name: str) -> None:
    evidence("@alice")
    row = LISTS[name].objects.first()
    assert row is not None
    model = name.split("_")[1]
    stranger = signed_in(*VIEW)
    urls = [reverse(f"admin:{name}_changelist"), reverse(f"admin:{name}_change", args=[row.pk])]
    assert [stranger.get(url).status_code for url in urls] == [403, 403]
    client = signed_in(*CASES, f"add_{model}", f"change_{model}", f"delete_{model}")
    assert [client.get(url).status_code for url in urls] == [200, 200]
    assert client.post(urls[1], {"note": "another"}).status_code == 403
    assert client.post(reverse(f"admin:{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert client.post(reverse(f"admin:{name}_add"), {}).status_code == 403
    assert client.post(urls[0], {"action": "delete_selected", "_selected_action": row.pk}).status_code == 403


@pytest.mark.parametrize("name", LISTS)
def test_a_list_asks_as_often_for_many_rows_as_for_one_and_hostile_text_is_text(name: str) -> None:
    client = signed_in(*CASES)
    url = reverse(f"admin:{name}_changelist")
    counts = []
    for number in range(2):
        for _ in range(1 + 3 * number):
            evidence(f"@{EVIL}{next(NUMBERS)}")
        client.get(url)
        with CaptureQueriesContext(connection) as captured:
            page = client.get(url).content.decode()
        counts.append(len(captured))
        assert EVIL not in page
    assert counts[0] == counts[1]
    for row in LISTS[name].objects.all()[:3]:
        assert EVIL not in client.get(reverse(f"admin:{name}_change", args=[row.pk])).content.decode()


def test_evidence_is_found_by_what_has_an_index() -> None:
    plan, other = evidence("@alice"), evidence("@bob")
    client = signed_in(*CASES)

    def found(name: str, **given: str) -> list[Any]:
        return list(client.get(reverse(f"admin:{name}_changelist"), given).context["cl"].result_list)

    balance_id = plan.items.get().balance_id
    assert {each.balance_id for each in found("balances_balancesnapshot", q=balance_id)} == {balance_id}
    assert {each.balance.indicator for each in found("balances_balancesnapshot", q="alice")} == {"@alice"}
    assert {each.balance_id for each in found("reconciliation_balanceedit", q=balance_id)} == {balance_id}
    assert len(found("reconciliation_balanceedit", operation__exact="DELETE")) == 0
    for term in (balance_id, "@alice"):
        (edit,) = found("reconciliation_transactionedit", q=term)
        assert edit.destination == balance_id
    assert {each.plan_id for each in found("reconciliation_step", q=plan.pk)} == {plan.pk}
    assert {each.plan_id for each in found("reconciliation_step", actor="alice")} == {plan.pk, other.pk}
    (refusal, _) = found("reconciliation_refusal", actor=EVIL)
    assert found("reconciliation_refusal", q=refusal.pk) == [refusal]
    seal = Seal.objects.filter(kind="step").first()
    assert seal is not None
    assert found("reconciliation_seal", q=seal.record_id) == found("reconciliation_seal", q=str(seal.pk)) == [seal]
    assert found("reconciliation_seal", q="9" * 30) == []


def test_edits_say_what_changed_in_every_digit() -> None:
    evidence("@alice")
    client = signed_in(*CASES)
    for edit, texts in (
        (BalanceEdit.objects.get(), (str(10**20), str(2 * 10**20), "Credit", "ledger-backoffice")),
        (TransactionEdit.objects.get(), ("description", "edited", "&lt;script&gt;")),
    ):
        url = reverse(f"admin:reconciliation_{edit._meta.model_name}_change", args=[edit.pk])
        page = client.get(url).content.decode()
        assert not [text for text in texts if text not in page]


def test_a_step_and_a_seal_lead_to_what_they_are_about() -> None:
    plan = evidence("@alice")
    client = signed_in(*CASES)
    step = Step.objects.get(plan_id=plan.pk)
    page = client.get(reverse("admin:reconciliation_step_change", args=[step.pk])).content.decode()
    assert reverse("admin:reconciliation_plan_change", args=[plan.pk]) in page
    seal = Seal.objects.get(record_id=step.pk)
    page = client.get(reverse("admin:reconciliation_seal_change", args=[seal.pk])).content.decode()
    assert reverse("admin:reconciliation_step_change", args=[step.pk]) in page
    assert seal.hash in page


@pytest.mark.parametrize(
    ("app", "model"), [(app, model) for entries in SECTIONS.values() for *_, app, model in entries]
)
def test_an_entry_of_the_sidebar_is_there_for_those_who_may_look_and_only_for_them(app: str, model: str) -> None:
    url = reverse(f"admin:{app}_{model}_changelist")
    entry = f'<a href="{url}"'
    assert entry in signed_in(f"view_{model}").get(reverse("admin:index")).content.decode()
    assert entry not in signed_in().get(reverse("admin:index")).content.decode()


def test_each_kind_of_record_is_linked_from_the_chain() -> None:
    for number, kind in enumerate(MODELS, start=1):
        Seal.objects.create(sequence=number, kind=kind, record_id=f"{kind}_1", digest="x", hash="x" * 64)
    page = signed_in(*CASES).get(reverse("admin:reconciliation_seal_changelist")).content.decode()
    for kind, model in MODELS.items():
        assert reverse(f"admin:reconciliation_{model._meta.model_name}_change", args=[f"{kind}_1"]) in page
