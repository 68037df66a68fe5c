"""Plans: who may do what with them, refusals first; then correcting, and taking back."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from procrastinate.contrib.django.models import ProcrastinateJob

from balances.ground.exceptions import BalanceNotFound, LedgerError, NotFound
from balances.ground.principals import ANYBODY, MASTER
from balances.models import Balance, BalanceSnapshot, now
from reconciliation.correcting import applying
from reconciliation.correcting.applying import apply, apply_in_background, carry_on_with_lost_ones, outcomes
from reconciliation.correcting.deciding import (
    NotPossibleNow,
    PlanNotFound,
    ReasonRequired,
    SecondPersonNeeded,
    approve,
    cancel,
    reject,
)
from reconciliation.correcting.planning import (
    WRONG_SNAPSHOTS,
    Choice,
    ChoiceRefused,
    NothingToCorrect,
    Proposal,
    propose,
)
from reconciliation.correcting.rebuilding import ReasonTooLong, reconstruct
from reconciliation.correcting.undoing import CannotBeUndone, propose_undo
from reconciliation.measuring.measurement import Measurement, measure
from reconciliation.models import Finding, Incident, Origin, Plan, PlanItem, Reconstruction, Step, Sweep
from reconciliation.records.verifying import Verification
from tests import world
from tests.balances.api.test_statements import explain

API = Origin.API


@pytest.fixture(autouse=True)
def _policy(settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_AMOUNTS = {"*": 0}
    settings.LEDGER_FOUR_EYES_BALANCES = 1
    settings.LEDGER_FOUR_EYES_LEDGERS = []


def drifted(count: int = 1, credit: int = 7, **fields: Any) -> list[Balance]:
    owner = world.ledger()
    balances = [world.balance(owner, **fields) for _ in range(count)]
    for each in balances:
        world.post("@world", each, 1000, currency=each.currency)
        world.drift(each, credit=credit, hold_debit=2)
    return balances


def proposal(**fields: Any) -> Proposal:
    return Proposal(**({"actor": "alice", "origin": API, "reason": "month end"} | fields))


def plan_for(balances: list[Balance], **fields: Any) -> Plan:
    return propose(Choice(balance_ids=tuple(each.pk for each in balances)), proposal(**fields))


def approved(balances: list[Balance], **fields: Any) -> Plan:
    return approve(plan_for(balances, **fields).pk, "bob", API)


def applied(balances: list[Balance], **fields: Any) -> Plan:
    return apply(approved(balances, **fields).pk, "alice", API)


def steps(plan: Plan) -> list[tuple[str, str]]:
    return list(Step.objects.filter(plan_id=plan.pk).values_list("kind", "actor"))


def chain_holds() -> bool:
    return not list(Verification())


# --- refusals


@pytest.mark.django_db
@pytest.mark.parametrize("actor", ["alice", "ALICE"])
def test_the_one_who_asked_cannot_approve_and_the_attempt_is_recorded(actor: str) -> None:
    plan = plan_for(drifted())
    with pytest.raises(SecondPersonNeeded, match="proposed this plan: a second person must approve it") as refused:
        approve(plan.pk, actor, Origin.ADMIN)
    assert refused.value.code == "AUTH_INSUFFICIENT_PERMISSIONS"
    assert Plan.objects.get().state == "proposed"
    assert steps(plan) == [("proposed", "alice"), ("refused", actor)]
    assert Step.objects.get(kind="refused").origin == "admin"
    assert chain_holds()


@pytest.mark.django_db
def test_who_asked_stands_in_the_sealed_step_whatever_the_plan_says() -> None:
    plan = plan_for(drifted())
    Plan.objects.update(actor="somebody else")
    with pytest.raises(SecondPersonNeeded, match="alice proposed this plan"):
        approve(plan.pk, "alice", Origin.ADMIN)
    assert Plan.objects.get().state == "proposed"


@pytest.mark.django_db
def test_the_master_key_is_one_actor_and_an_unknown_caller_is_none() -> None:
    plan = plan_for(drifted(), actor=MASTER.actor)
    for actor in (MASTER.actor, ANYBODY.actor):
        with pytest.raises(SecondPersonNeeded):
            approve(plan.pk, actor, API)
    asked_by_nobody = plan_for(drifted(), actor=ANYBODY.actor)
    with pytest.raises(SecondPersonNeeded, match="Approving needs a key or a login"):
        approve(asked_by_nobody.pk, ANYBODY.actor, API)
    assert approve(asked_by_nobody.pk, MASTER.actor, API).state == "approved"


@pytest.mark.django_db
@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_rejection_needs_a_reason(reason: str) -> None:
    plan = plan_for(drifted())
    with pytest.raises(ReasonRequired, match="Say why"):
        reject(plan.pk, "bob", API, reason)
    assert Plan.objects.get().state == "proposed"
    assert steps(plan)[-1] == ("refused", "bob")


@pytest.mark.django_db
def test_a_plan_that_is_not_approved_cannot_be_applied() -> None:
    (alice,) = drifted()
    before = world.totals(alice)
    plan = plan_for([alice])
    for start in (apply, apply_in_background):
        with pytest.raises(NotPossibleNow, match="waits for approval” and cannot be applied"):
            start(plan.pk, "alice", API)
    assert world.totals(alice) == before
    assert steps(plan)[1:] == [("refused", "alice")] * 2
    assert not jobs(plan).exists()


@pytest.mark.django_db
@pytest.mark.parametrize("end", ["rejected", "cancelled", "applied"])
def test_what_is_decided_stays_decided(end: str) -> None:
    plan = approved(drifted()) if end == "applied" else plan_for(drifted())
    {
        "rejected": lambda: reject(plan.pk, "bob", API, "not now"),
        "cancelled": lambda: cancel(plan.pk, "alice", API),
        "applied": lambda: apply(plan.pk, "alice", API),
    }[end]()
    attempts: list[Callable[[], Any]] = [
        lambda: approve(plan.pk, "carol", API),
        lambda: reject(plan.pk, "carol", API, "no"),
        lambda: cancel(plan.pk, "carol", API),
        lambda: apply(plan.pk, "carol", API),
    ]
    for attempt in attempts:
        with pytest.raises(NotPossibleNow, match=plan.pk):
            attempt()
    assert Plan.objects.get().state == end
    assert steps(plan)[-4:] == [("refused", "carol")] * 4


@pytest.mark.django_db
def test_a_plan_that_is_not_there_is_not_found_and_leaves_no_step() -> None:
    for attempt in (
        lambda: approve("pln_x", "bob", API),
        lambda: reject("pln_x", "bob", API, "no"),
        lambda: cancel("pln_x", "bob", API),
        lambda: apply("pln_x", "bob", API),
    ):
        with pytest.raises(PlanNotFound, match="Plan with ID 'pln_x' not found"):
            attempt()
    assert not Step.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"reason": " "}, ReasonRequired),
        ({"reason": "x" * 1001}, ReasonTooLong),
        ({"ticket": "x" * 201}, LedgerError),
    ],
)
def test_a_plan_needs_a_reason_that_can_be_kept(fields: dict[str, str], error: type[LedgerError]) -> None:
    with pytest.raises(error):
        proposal(**fields)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("choice", "error"),
    [
        ({}, ChoiceRefused),
        ({"sweep_id": "swp_x", "incident_id": "inc_x"}, ChoiceRefused),
        ({"balance_ids": ("bln_x",), "cause": "rounding"}, ChoiceRefused),
        ({"balance_ids": ("bln_x",)}, BalanceNotFound),
        ({"finding_ids": ("fnd_x",)}, NotFound),
        ({"sweep_id": "swp_x"}, NotFound),
        ({"incident_id": "inc_x"}, NotFound),
    ],
)
def test_a_plan_says_exactly_what_it_is_about(choice: dict[str, Any], error: type[LedgerError]) -> None:
    with pytest.raises(error):
        propose(Choice(**choice), proposal())
    assert not Plan.objects.exists()


@pytest.mark.django_db
def test_without_drift_there_is_nothing_to_plan() -> None:
    alice = world.balance()
    world.post("@world", alice, 100)
    with pytest.raises(NothingToCorrect) as refused:
        plan_for([alice])
    assert refused.value.code == "GEN_CONFLICT"
    assert not Plan.objects.exists()
    assert not PlanItem.objects.exists()
    assert not Step.objects.exists()


@pytest.mark.django_db
def test_an_incomplete_source_is_refused_unless_somebody_says_so() -> None:
    (wrong, archived), empty = drifted(2), world.balance()
    world.drift(empty, credit=500)
    why = {"cause": "archived_rows", "certainty": "strong", "sentence": "Older ones were archived."}
    finding(archived, explained_at=now(), explanations=[why | {"certainty": "possible"}, why])
    with pytest.raises(NothingToCorrect, match="2 of these balances drift, and the transactions of each are known"):
        plan_for([archived, empty])

    for watched in (wrong, archived, empty):
        world.monitor(watched)
    plan = applied([wrong, archived, empty])
    assert (plan.balances, plan.monitors) == (1, 1)
    notes = dict(plan.items.values_list("balance_id", "note"))
    assert notes[archived.pk] == "Not corrected: rows archived away: Older ones were archived."
    assert notes[empty.pk] == "Not corrected: the balance has totals but no transactions."
    assert outcomes(plan) == {"waiting": 0, "applied": 1, "unchanged": 0, "stale": 0, "refused": 2}
    assert world.totals(empty)["credit_balance"] == 500

    assert outcomes(applied([archived, empty], allow_incomplete=True))["applied"] == 2
    assert world.totals(empty)["credit_balance"] == 0


@pytest.mark.django_db
def test_drift_that_is_not_the_one_that_was_seen_is_stale_and_nothing_is_written() -> None:
    alice, bob, carol = drifted(3)
    plan = approved([alice, bob, carol])
    world.drift(alice, debit=5)
    reconstruct(bob.pk, world.request())
    before = world.totals(alice)
    version = Balance.objects.get(pk=alice.pk).version

    plan = apply(plan.pk, "alice", API)

    ends = dict(plan.items.values_list("balance_id", "outcome"))
    assert ends == {alice.pk: "stale", bob.pk: "unchanged", carol.pk: "applied"}
    stale = plan.items.get(balance_id=alice.pk)
    assert stale.note == ("The drift is now credit +7, debit +5, inflight debit +2; make a new plan.")
    assert stale.record_id is None
    assert (world.totals(alice), Balance.objects.get(pk=alice.pk).version) == (before, version)
    assert Reconstruction.objects.filter(plan_id=plan.pk).count() == 1
    assert Step.objects.get(kind="finished").note == "1 applied, 1 unchanged, 1 stale."


@pytest.mark.django_db
def test_items_that_were_changed_after_the_approval_are_not_applied() -> None:
    (alice,) = drifted()
    plan = approved([alice])
    PlanItem.objects.update(recalculated_credit_balance=5)
    with pytest.raises(NotPossibleNow, match="not those that were approved"):
        apply(plan.pk, "alice", API)


@pytest.mark.django_db
def test_a_correction_is_taken_back_once() -> None:
    (alice,) = drifted()
    world.monitor(alice)
    applied([alice])
    record = Reconstruction.objects.get()
    first = propose_undo([record.pk], proposal())
    assert first.monitors == 1
    with pytest.raises(CannotBeUndone, match=f"taken back by plan {first.pk}, which is open"):
        propose_undo([record.pk], proposal())
    apply(approve(first.pk, "bob", API).pk, "bob", API)
    with pytest.raises(CannotBeUndone, match="taken back already") as refused:
        propose_undo([record.pk], proposal())
    assert refused.value.code == "GEN_CONFLICT"
    assert Reconstruction.objects.filter(undoes=record.pk).count() == 1


@pytest.mark.django_db
def test_an_undo_whose_record_was_taken_back_meanwhile_is_stale() -> None:
    (alice,) = drifted()
    applied([alice])
    record = Reconstruction.objects.get()
    first = propose_undo([record.pk], proposal())
    cancel(first.pk, "alice", API)
    second = propose_undo([record.pk], proposal())
    Plan.objects.filter(pk=first.pk).update(state="approved")
    apply(first.pk, "alice", API)
    before = world.totals(alice)
    apply(approve(second.pk, "bob", API).pk, "alice", API)
    item = second.items.get()
    assert (item.outcome, world.totals(alice)) == ("stale", before)
    assert item.note.startswith("Taken back already, by rcn_")


@pytest.mark.django_db
def test_what_changed_nothing_cannot_be_taken_back() -> None:
    (alice,) = drifted()
    preview = reconstruct(alice.pk, world.request(dry_run=True))
    reconstruct(alice.pk, world.request())
    right = reconstruct(alice.pk, world.request())
    for record in (preview, right):
        with pytest.raises(CannotBeUndone, match="changed nothing"):
            propose_undo([record.pk], proposal())
    with pytest.raises(NotFound):
        propose_undo(["rcn_x"], proposal())
    with pytest.raises(NotFound):
        propose_undo([], proposal())


@pytest.mark.django_db
def test_a_total_that_became_no_number_is_neither_corrected_nor_taken_back() -> None:
    alice, bob = drifted(2)
    applied([bob])
    plan = approved([alice])
    nan = Decimal("NaN")
    Balance.objects.filter(pk__in=[alice.pk, bob.pk]).update(credit_balance=nan, balance=nan)
    assert outcomes(apply(plan.pk, "alice", API))["refused"] == 1
    with pytest.raises(CannotBeUndone, match="no number"):
        propose_undo([Reconstruction.objects.get().pk], proposal())


# --- what they do


def finding(balance: Balance, sweep: Sweep | None = None, **fields: Any) -> Finding:
    measured: Measurement = measure([balance.pk])[0]
    sweep = sweep or Sweep.objects.create(actor="alice", origin="command")
    counted = {name: getattr(measured, name) for name in ("version", "credit_rows", "debit_rows", "hold_rows")}
    given = {"drifted": measured.has_drift, "found_at": measured.executed_at, "sweep": sweep}
    return Finding.objects.create(**Finding.copied(measured), **counted, **(given | fields))


@pytest.mark.django_db
def test_a_plan_says_before_and_after_of_every_total_and_of_the_trial_balance() -> None:
    (alice,) = drifted()
    (euro,) = drifted(credit=-3, currency="EUR")
    take_snapshot(alice)
    for watched in (alice, alice, euro, world.balance()):
        world.monitor(watched)
    plan = plan_for([alice, euro], ticket="OPS-7")
    item = plan.items.get(balance_id=alice.pk)
    assert (item.previous_credit_balance, item.recalculated_credit_balance) == (1007, 1000)
    assert (item.previous_inflight_debit_balance, item.recalculated_inflight_debit_balance) == (2, 0)
    assert plan.trial_balance["before"]["USD"]["credit"] - plan.trial_balance["after"]["USD"]["credit"] == 7
    assert plan.trial_balance["after"]["EUR"] == {
        "credit": 1000,
        "debit": 1000,
        "inflight_credit": 0,
        "inflight_debit": 0,
        "agrees": True,
    }
    assert plan.trial_balance["before"]["EUR"]["agrees"] is False
    assert (plan.balances, plan.snapshots, plan.monitors, plan.ticket) == (2, 1, 3, "OPS-7")
    assert plan.policy == (
        "A second person must approve: 5 minor units of EUR are more than the limit of 0; "
        "9 minor units of USD are more than the limit of 0; "
        "2 balances are more than the limit of 1."
    )
    assert len(plan.fingerprint) == 64
    assert plan_for([alice]).fingerprint != plan_for([euro]).fingerprint
    assert plan_for([alice]).fingerprint == plan_for([alice]).fingerprint


def take_snapshot(balance: Balance) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO balance_snapshots (balance_id, ledger_id, balance, credit_balance, debit_balance, "
            "inflight_balance, inflight_credit_balance, inflight_debit_balance, currency, snapshot_time, created_at, "
            "meta_data) SELECT balance_id, ledger_id, balance, credit_balance, debit_balance, inflight_balance, "
            "inflight_credit_balance, inflight_debit_balance, currency, clock_timestamp(), now(), '{}' FROM balances "
            "WHERE balance_id = %s",
            [balance.pk],
        )
    assert BalanceSnapshot.objects.exists()


@pytest.mark.django_db
def test_plans_come_from_findings_a_sweep_a_cause_or_an_incident() -> None:
    first, second, third = drifted(3)
    right = world.balance()
    sweep = Sweep.objects.create(actor="alice", origin="command")
    incident = Incident.objects.create(sweep=sweep, cause="rounding", title="t", balances=1)
    found = [
        finding(first, sweep, cause="lost_update"),
        finding(second, sweep, cause="rounding", incident=incident),
        finding(third, sweep, cause="lost_update"),
    ]
    finding(right, sweep)

    def chosen(**choice: Any) -> set[str]:
        plan = propose(Choice(**choice), proposal())
        assert {plan.sweep_id, plan.incident_id} <= {None, sweep.pk, incident.pk}
        return set(plan.items.values_list("balance_id", flat=True))

    assert chosen(finding_ids=(found[0].pk, found[1].pk)) == {first.pk, second.pk}
    assert chosen(sweep_id=sweep.pk) == {first.pk, second.pk, third.pk}
    assert chosen(sweep_id=sweep.pk, cause="lost_update") == {first.pk, third.pk}
    assert chosen(incident_id=incident.pk) == {second.pk}
    assert Plan.objects.get(incident=incident).sweep == sweep
    reconstruct(first.pk, world.request())
    assert chosen(sweep_id=sweep.pk) == {second.pk, third.pk}  # measured anew


@pytest.mark.django_db
def test_an_approved_plan_corrects_by_difference_whatever_was_posted_meanwhile() -> None:
    alice, bob = drifted(2)
    plan = approved([alice, bob])
    world.post(alice, bob, 250)
    plan = apply(plan.pk, "carol", Origin.COMMAND)

    assert plan.state == "applied"
    assert not any(each.has_drift for each in measure([alice.pk, bob.pk]))
    assert world.totals(bob)["credit_balance"] == 1250
    record = Reconstruction.objects.get(balance_id=alice.pk)
    assert (record.plan_id, record.actor, record.origin, record.reason) == (plan.pk, "carol", "command", "month end")
    assert record.version_after == record.version_before + 1 == Balance.objects.get(pk=alice.pk).version
    assert plan.items.get(balance_id=alice.pk).record_id == record.pk
    assert steps(plan) == [
        ("proposed", "alice"),
        ("approved", "bob"),
        ("started", "carol"),
        ("finished", "carol"),
    ]
    assert plan.fingerprint in Step.objects.get(kind="approved").note
    assert chain_holds()


@pytest.mark.django_db
def test_a_plan_within_the_policy_is_approved_at_once_and_its_step_says_why(settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_AMOUNTS = {"USD": 9}
    (alice,) = drifted()
    plan = plan_for([alice])
    assert (plan.state, plan.needs_approval) == ("approved", False)
    assert steps(plan) == [("proposed", "alice"), ("approved", "policy")]
    assert "No second person is needed" in Step.objects.get(kind="approved").note
    assert apply(plan.pk, "alice", API).state == "applied"
    assert plan_for(drifted(credit=8)).state == "proposed"
    assert plan_for(drifted(currency="EUR")).state == "proposed"  # a currency without a limit


@pytest.mark.django_db
def test_undo_brings_back_exactly_the_drift_that_was_there_and_can_be_undone_itself() -> None:
    (alice,) = drifted()
    planted = measure([alice.pk])[0].difference
    applied([alice])
    record = Reconstruction.objects.get()
    world.post("@world", alice, 40)

    undo = propose_undo([record.pk], proposal(reason="wrong balance"))
    assert (undo.undoing, undo.state, undo.items.get().undoes) == (True, "proposed", record.pk)
    apply(approve(undo.pk, "bob", API).pk, "alice", API)

    assert measure([alice.pk])[0].difference == planted
    taking_back = Reconstruction.objects.get(undoes=record.pk)
    assert (taking_back.outcome, taking_back.plan_id) == ("undone", undo.pk)
    assert taking_back.difference == record.previous - record.recalculated
    again = propose_undo([taking_back.pk], proposal())
    apply(approve(again.pk, "bob", API).pk, "alice", API)
    assert not measure([alice.pk])[0].has_drift
    assert chain_holds()


@pytest.mark.django_db
def test_several_corrections_of_one_balance_are_taken_back_in_one_plan() -> None:
    (alice,) = drifted()
    reconstruct(alice.pk, world.request())
    world.drift(alice, debit=30)
    reconstruct(alice.pk, world.request())
    ids = list(Reconstruction.objects.values_list("pk", flat=True))
    plan = propose_undo(ids, proposal())
    seen: list[int] = []
    apply(approve(plan.pk, "bob", API).pk, "alice", API, seen.append)
    assert seen == [1, 1]
    difference = measure([alice.pk])[0].difference
    assert (difference.credit_balance, difference.debit_balance) == (-7, -30)


@pytest.mark.django_db
def test_applying_takes_the_same_statements_a_chunk_however_many_items(
    django_assert_num_queries: Callable[..., Any],
) -> None:
    plan = approved(drifted(20))
    applying._start(plan.pk, "alice", API)
    # savepoint, limit, a look for rows to be booked again, claim, serialise, plan, measure, three looks for rows
    # that were changed since they were written, heartbeat, items, records, the chain and its last seal, seals;
    # then the rows of the balances are locked, for one update and the commit
    with django_assert_num_queries(19) as ran:
        assert applying._apply_chunk(plan.pk, "alice", API) == 20
    statements = [query["sql"] for query in ran.captured_queries]
    assert ["FOR NO KEY UPDATE" in statements[-3], "UPDATE balances" in statements[-2]] == [True, True]
    assert statements[-1].startswith("RELEASE SAVEPOINT")


@pytest.mark.django_db(transaction=True)
def test_the_statements_of_plans_use_their_indexes() -> None:
    plan = approved(drifted(3))
    item = plan.items.first()
    assert item is not None
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
    try:
        parameters = {"balance_ids": [item.balance_id], "since": [None]}
        text = "\n".join(next(iter(row.values())) for row in explain(WRONG_SNAPSHOTS, parameters))
        assert "snapshots_of_balance" in text or "one_snapshot_a_day" in text
        latest = Finding.objects.filter(balance_id__in=[item.balance_id], drifted=True)
        assert "findings_of_balance" in latest.order_by("balance_id", "-found_at").distinct("balance_id").explain()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET enable_seqscan")


@pytest.mark.django_db(transaction=True)
def test_what_is_still_to_be_applied_is_read_from_its_own_index() -> None:
    plan = approved(drifted(2))
    (item, _) = plan.items.all()
    done = {"outcome": "applied", "pk": None}
    copies = [PlanItem(**model_values(item) | done | {"balance_id": f"bln_{number}"}) for number in range(3_000)]
    PlanItem.objects.bulk_create(copies)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE reconciliation_planitem")
    waiting = PlanItem.objects.filter(plan=plan.pk, outcome=None).order_by("balance_id")
    assert "Index Scan using items_to_apply" in waiting[:500].explain()


def model_values(item: PlanItem) -> dict[str, Any]:
    return {field.attname: getattr(item, field.attname) for field in PlanItem._meta.concrete_fields}


def jobs(plan: Plan) -> Any:
    return ProcrastinateJob.objects.filter(task_name=applying.TASK, args__plan_id=plan.pk)


@pytest.mark.django_db(transaction=True)
def test_the_worker_applies_and_goes_on_with_a_plan_whose_worker_died() -> None:
    (alice,) = drifted()
    plan = approved([alice])
    assert apply_in_background(plan.pk, "alice", API).state == "applying"
    assert apply_in_background(plan.pk, "alice", API).state == "applying"
    assert jobs(plan).count() == 1
    assert carry_on_with_lost_ones() == 0
    jobs(plan).delete()  # as if its worker had died
    Plan.objects.update(heartbeat_at="2020-01-01T00:00:00Z")
    assert carry_on_with_lost_ones() == 1
    call_command("work", "--once")
    assert Plan.objects.get().state == "applied"
    assert not measure([alice.pk])[0].has_drift
    assert Reconstruction.objects.get().actor == "alice"
    assert carry_on_with_lost_ones() == 0


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("post"), st.integers(1, 10**6), st.booleans()),
        st.tuples(st.just("drift"), st.integers(-(10**30), 10**30), st.integers(-1000, 1000)),
        st.tuples(st.just("correct"), st.booleans(), st.booleans()),
        st.tuples(st.just("undo"), st.randoms(use_true_random=False), st.just(0)),
    ),
    max_size=12,
)


@pytest.mark.django_db
@given(moves=MOVES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_posted_corrected_and_taken_back_drift_is_what_was_planted_less_what_was_corrected(
    moves: list[tuple[str, Any, Any]],
) -> None:
    alice, bob = world.balance(), world.balance()
    world.post("@world", alice, 100)
    expected = {alice.pk: [0, 0], bob.pk: [0, 0]}  # drift of credit and of debit
    open_records: list[Reconstruction] = []
    for what, first, second in moves:
        if what == "post":
            world.post(*((alice, bob) if second else (bob, alice)), first)
        elif what == "drift":
            world.drift(alice, credit=first, debit=second)
            expected[alice.pk][0] += first
            expected[alice.pk][1] += second
        elif what == "correct":
            try:
                plan = approved([alice, bob], allow_incomplete=True)
            except NothingToCorrect:
                assert expected == {alice.pk: [0, 0], bob.pk: [0, 0]}
                continue
            if first:
                world.post("@world", bob, 5)
            apply(plan.pk, "alice", API)
            open_records += Reconstruction.objects.filter(plan_id=plan.pk)
            expected = {key: [0, 0] for key in expected}
        elif open_records:
            record = open_records.pop(first.randrange(len(open_records)))
            plan = apply(approve(propose_undo([record.pk], proposal()).pk, "bob", API).pk, "alice", API)
            open_records += Reconstruction.objects.filter(plan_id=plan.pk)
            expected[record.balance_id][0] -= record.difference.credit_balance
            expected[record.balance_id][1] -= record.difference.debit_balance
        for measured in measure([alice.pk, bob.pk]):
            assert expected[measured.balance_id] == [
                -measured.difference.credit_balance,
                -measured.difference.debit_balance,
            ]
            assert measured.stored.balance == measured.stored.credit_balance - measured.stored.debit_balance
