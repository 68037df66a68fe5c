"""``manage.py plan``, ``apply`` and ``undo``: refusals in one sentence, reports, exit statuses."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from reconciliation.correcting.deciding import approve
from reconciliation.management.ledger_command import operator
from reconciliation.measuring.measurement import measure
from reconciliation.models import Finding, Origin, Plan, Reconstruction, Step, Sweep
from tests import world
from tests.reconciliation.test_plans import drifted, finding

pytestmark = pytest.mark.django_db


def run(name: str, *words: str) -> tuple[str, str, int]:
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        call_command(name, *words, stdout=out, stderr=err)
    except SystemExit as ended:
        status = int(ended.code or 0)
    return out.getvalue(), err.getvalue(), status


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["plan", "--reason", "r"], "Say what to correct"),
        (["plan", "--balance", "bln_x"], "Say why"),
        (["plan", "--balance", "bln_x", "--sweep", "swp_x", "--reason", "r"], "exactly one of them"),
        (["plan", "--balance", "bln_x", "--reason", "r"], "Balance with ID 'bln_x' not found"),
        (["plan", "--incident", "inc_x", "--reason", "r"], "There is no incident with ID 'inc_x'"),
        (["plan", "--finding", "fnd_x", "--reason", "r"], "There is no finding with ID 'fnd_x'"),
        (["apply", "pln_x"], "Plan with ID 'pln_x' not found"),
        (["undo", "rcn_x", "--reason", "r"], "Reconstruction with ID 'rcn_x' not found"),
    ],
)
def test_words_that_mean_nothing_are_refused_in_one_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        run(*words)
    assert not Plan.objects.exists()


def test_a_plan_that_waits_is_not_applied_and_the_attempt_is_recorded() -> None:
    (alice,) = drifted()
    _, said, _ = run("plan", "--balance", alice.pk, "--reason", "month end")
    plan = Plan.objects.get()
    assert f"Plan {plan.pk} would correct 1 balances. A second person must approve" in said
    with pytest.raises(CommandError, match="waits for approval"):
        run("apply", plan.pk)
    assert Step.objects.filter(plan_id=plan.pk, kind="refused", actor=operator(), origin="command").count() == 1


def test_from_a_sweep_to_the_undo_in_three_formats() -> None:
    alice, bob, carol = drifted(3)
    sweep = Sweep.objects.create(actor="alice", origin="command")
    for each in (alice, bob, carol):
        finding(each, sweep, cause="rounding" if each is carol else "lost_update")
    assert Finding.objects.count() == 3

    words = ("--sweep", sweep.pk, "--cause", "lost_update", "--reason", "month end", "--ticket", "OPS-7")
    out, _, status = run("plan", *words, "--format", "json")
    rows = {row["balance_id"]: row for row in json.loads(out)}
    plan = Plan.objects.get()
    assert (set(rows), status) == ({alice.pk, bob.pk}, 0)
    assert (rows[alice.pk]["previous_credit"], rows[alice.pk]["recalculated_credit"]) == ("1007", "1000")
    assert (rows[alice.pk]["difference"], rows[alice.pk]["outcome"]) == ("-7", None)
    assert (plan.actor, plan.origin, plan.ticket) == (operator(), "command", "OPS-7")

    approve(plan.pk, "somebody else", Origin.ADMIN)
    world.drift(bob, credit=1)
    out, said, status = run("apply", plan.pk, "--format", "csv")
    ends = {row["balance_id"]: row["outcome"] for row in csv.DictReader(io.StringIO(out))}
    assert (ends, status) == ({alice.pk: "applied", bob.pk: "stale"}, 3)
    assert "1 applied, 1 stale" in said

    record = Reconstruction.objects.get(plan_id=plan.pk)
    out, said, status = run("undo", record.pk, "--reason", "it was right before")
    assert (status, "A second person must approve" in said) == (0, True)
    undo = Plan.objects.get(undoing=True)
    approve(undo.pk, "somebody else", Origin.ADMIN)
    assert run("apply", undo.pk)[2] == 0
    assert measure([alice.pk])[0].difference.credit_balance == -7


def test_a_plan_that_needs_nobody_else_says_how_to_apply_it(settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_AMOUNTS = {"*": None}
    (alice,) = drifted()
    _, said, _ = run("plan", "--balance", alice.pk, "--reason", "r")
    assert f"Apply it with: manage.py apply {Plan.objects.get().pk}" in said
