"""Sweeps: refusals, what they find, their life cycle, and that they go on exactly where they stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from balances.ground.exceptions import BalanceNotFound
from balances.models import Balance, Transaction, now
from reconciliation.correcting.rebuilding import reconstruct_many
from reconciliation.measuring.measurement import measure
from reconciliation.measuring.scope import Scope, ScopeRefused
from reconciliation.models import Finding, Origin, Sweep
from reconciliation.sweeping import service, tasks
from reconciliation.sweeping.service import SweepRefused, create_sweep, run_sweep
from reconciliation.sweeping.status import progress, unproved, verdict
from tests import world

ALL = Scope(everything=True)


def swept(scope: Scope = ALL, *, deep: bool = False) -> Sweep:
    sweep = create_sweep(scope, actor="alice", origin=Origin.COMMAND, deep=deep)
    return run_sweep(sweep.sweep_id)


class TestRefusals:
    pytestmark = pytest.mark.django_db

    @pytest.mark.parametrize(
        ("scope", "refusal"),
        [
            (Scope(), ScopeRefused),
            (Scope(everything=True, ledger="x"), ScopeRefused),
            (Scope(ledger="nobody's"), ScopeRefused),
            (Scope(balance_ids=("bln_x",)), BalanceNotFound),
            (Scope(created_from="yesterday"), ScopeRefused),
        ],
    )
    def test_a_scope_that_means_nothing_starts_no_sweep(self, scope: Scope, refusal: type[Exception]) -> None:
        with pytest.raises(refusal):
            create_sweep(scope, actor="alice", origin=Origin.COMMAND)
        assert not Sweep.objects.exists()

    def test_a_word_that_a_scope_does_not_know_is_refused(self) -> None:
        with pytest.raises(ScopeRefused, match="knows no colour"):
            Scope.from_json({"colour": "red"})

    def test_a_second_sweep_of_the_same_scope_is_refused_while_the_first_is_open(self) -> None:
        first = create_sweep(ALL, actor="alice", origin=Origin.COMMAND)
        with pytest.raises(SweepRefused, match=first.sweep_id):
            create_sweep(ALL, actor="bob", origin=Origin.API)
        service.cancel_sweep(first.sweep_id)
        create_sweep(ALL, actor="bob", origin=Origin.API)

    def test_what_is_over_cannot_be_paused_resumed_or_run(self) -> None:
        sweep = create_sweep(ALL, actor="alice", origin=Origin.COMMAND)
        service.cancel_sweep(sweep.sweep_id)
        for move in (service.pause_sweep, service.resume_sweep, service.cancel_sweep, service.run_sweep):
            with pytest.raises(SweepRefused, match="is cancelled"):
                move(sweep.sweep_id)

    def test_an_unknown_sweep_is_not_found(self) -> None:
        with pytest.raises(service.SweepNotFound):
            service.find_sweep("swp_x")


@pytest.mark.django_db(transaction=True)
class TestWhatItFinds:
    def test_a_ledger_that_is_right_has_no_findings_and_is_healthy_only_if_all_was_looked_for(self) -> None:
        alice, bob = world.balance(), world.balance()
        world.post("@world", alice, 500)
        world.post(alice, bob, 200)
        plain = swept()
        assert (plain.state, plain.measured, plain.drifted, verdict(plain)) == ("finished", 3, 0, "not proved")
        assert unproved(plain)[0].startswith("Not looked for:")
        deep = swept(deep=True)
        assert (verdict(deep), unproved(deep), Finding.objects.count()) == ("healthy", [], 0)

    def test_each_drifted_balance_is_a_finding_with_both_totals(self) -> None:
        alice, bob = world.balance(), world.balance()
        world.post("@world", alice, 500)
        world.post(alice, bob, 200)
        world.drift(alice, credit=30, hold_debit=4)
        before = list(Balance.objects.order_by("pk").values())
        sweep = swept()
        finding = Finding.objects.get()
        assert (finding.balance_id, finding.drifted, sweep.drifted) == (alice.pk, True, 1)
        assert finding.previous.credit_balance == 530
        assert finding.difference.credit_balance == -30
        assert finding.difference.inflight_debit_balance == -4
        assert verdict(sweep) == "findings"
        assert list(Balance.objects.order_by("pk").values()) == before

    def test_equal_errors_on_both_sides_are_found_although_the_net_is_right(self) -> None:
        alice = world.balance()
        world.post("@world", alice, 500)
        world.drift(alice, credit=30, debit=30)
        swept()
        assert Finding.objects.get().difference.balance == 0

    def test_totals_that_are_no_number_are_not_proved_and_never_healthy(self) -> None:
        alice = world.balance()
        world.post("@world", alice, 500)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE balances SET credit_balance = 'NaN', balance = 'NaN' WHERE balance_id = %s", [alice.pk]
            )
        sweep = swept(deep=True)
        finding = Finding.objects.get()
        assert (finding.drifted, finding.not_proved[0]["check"]) == (False, "unreadable_totals")
        assert (sweep.not_proved, verdict(sweep)) == (1, "not proved")

    def test_infinite_rows_under_infinite_totals_are_not_proved_and_never_healthy(self) -> None:
        alice, bob = world.balance(), world.balance()
        world.post(bob, alice, 500)
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("UPDATE transactions SET precise_amount = 'Infinity'")
            cursor.execute(
                "UPDATE balances SET credit_balance = 'Infinity', balance = 'Infinity' WHERE indicator IS NULL"
            )
            cursor.execute("RESET session_replication_role")
        sweep = swept(deep=True)
        assert {each.not_proved[0]["check"] for each in Finding.objects.all()} == {"unreadable_totals"}
        assert (sweep.not_proved, sweep.drifted) == (2, 0)
        assert verdict(sweep) == "findings"  # the rows were edited by force

    def test_a_balance_whose_ledger_is_gone_is_judged_all_the_same(self) -> None:
        alice = world.balance()
        world.post("@world", alice, 500)
        world.drift(alice, credit=30)
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("DELETE FROM ledgers WHERE ledger_id = %s", [alice.ledger_id])
            cursor.execute("RESET session_replication_role")
        sweep = swept(deep=True)
        assert (sweep.drifted, verdict(sweep), Finding.objects.get().balance_id) == (1, "findings", alice.pk)

    def test_totals_without_rows_are_found_and_not_proved(self) -> None:
        alice = world.balance()
        world.drift(alice, credit=30)
        swept()
        finding = Finding.objects.get()
        assert (finding.drifted, finding.not_proved[0]["check"]) == (True, "no_rows")

    def test_scopes_leave_others_out_and_say_so(self) -> None:
        wallets = world.ledger("Shops")
        inside = world.balance(wallets, currency="EUR")
        outside = world.balance(currency="USD")
        for each in (inside, outside):
            world.drift(each, credit=1)
        for scope in (
            Scope(ledger="Shops"),
            Scope(currency="EUR"),
            Scope(balance_ids=(inside.pk,)),
            Scope(ledger="Shops", currency="EUR", created_from="2020-01-01"),
        ):
            sweep = swept(scope, deep=True)
            assert [finding.balance_id for finding in sweep.findings.all()] == [inside.pk]
            assert (sweep.total, sweep.measured, sweep.out_of_scope) == (1, 1, 1)
            assert "1 balance not in scope." in unproved(sweep)
            assert sweep.trial_balance[0]["recalculated"] is None

    def test_the_trial_balance_shows_both_truths_of_one_snapshot(self) -> None:
        alice = world.balance()
        world.post("@world", alice, 500)
        world.drift(alice, credit=30)
        line = swept().trial_balance[0]
        assert line["currency"] == "USD"
        assert (line["stored"]["credit"], line["stored"]["debit"], line["stored"]["agrees"]) == (530, 500, False)
        assert (line["recalculated"]["credit"], line["recalculated"]["agrees"]) == (500, True)

    @hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["APPLIED", "INFLIGHT", "VOID", "COMMIT", "LEGACY", "QUEUED", "REJECTED"]),
                st.integers(0, 3),
                st.integers(1, 10**30),
            ),
            max_size=12,
        )
    )
    def test_the_screen_finds_exactly_what_measuring_finds(self, history: list[tuple[str, int, int]]) -> None:
        cast = [world.balance() for _ in range(4)]
        holds: list[Transaction] = []
        for kind, number, units in history:
            source, destination = cast[number], cast[(number + 1) % 4]
            parent = holds[-1].pk if holds else ""
            if kind == "COMMIT":
                world.row("APPLIED", units, source, destination, parent_transaction=parent)
            elif kind == "LEGACY":
                world.row("APPLIED", None, source, destination, amount=units % 10**6, precision=100)
            else:
                made = world.row(kind, units, source, destination, parent_transaction=parent if kind == "VOID" else "")
                holds += [made] if kind in ("INFLIGHT", "QUEUED") else []
        list(reconstruct_many([each.pk for each in cast[:2]], world.request(allow_empty=True)))
        world.drift(cast[3], hold_credit=1)
        keys = sorted(Balance.objects.values_list("pk", flat=True))
        screened = [row["balance_id"] for row in service.SCREEN.rows(after="", through=keys[-1])]
        assert screened == [each.balance_id for each in measure(keys) if each.has_drift]


@pytest.mark.django_db(transaction=True)
class TestLifeCycle:
    @pytest.fixture(autouse=True)
    def _small_chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(service, "FIRST_CHUNK", 2)
        monkeypatch.setattr(service, "SMALLEST_CHUNK", 2)
        monkeypatch.setattr(service, "LARGEST_CHUNK", 2)

    @pytest.fixture
    def drifted(self) -> list[Balance]:
        cast = [world.balance() for _ in range(9)]
        for each in cast:
            world.post("@world", each, 100)
            world.drift(each, credit=1)
        return cast

    def test_a_paused_sweep_stops_after_its_chunk_and_goes_on_from_there(self, drifted: list[Balance]) -> None:
        sweep = create_sweep(ALL, actor="alice", origin=Origin.COMMAND)
        stopped = run_sweep(
            sweep.sweep_id, progress=lambda sweep: service.pause_sweep(sweep.pk) if sweep.measured == 4 else None
        )
        paused = service.find_sweep(sweep.sweep_id)
        assert (stopped.measured, paused.state, paused.measured) == (4, "paused", 4)
        assert (progress(paused)["percent"], Finding.objects.count()) == (40, paused.drifted)
        service.resume_sweep(sweep.sweep_id)
        done = run_sweep(sweep.sweep_id)
        assert (done.state, done.measured, done.drifted, Finding.objects.count()) == ("finished", 10, 9, 9)

    @pytest.mark.parametrize("balance_id", ["bln_0", "bln_z"])
    def test_balances_opened_while_a_sweep_runs_are_measured_wherever_their_keys_lie(self, balance_id: str) -> None:
        done = self.with_a_newcomer(balance_id)
        assert [finding.balance_id for finding in done.findings.all()] == [balance_id]
        assert (done.measured, done.total, done.drifted, verdict(done)) == (7, 7, 1, "findings")

    def test_a_balance_put_in_at_an_earlier_date_behind_a_sweep_is_said_to_be_not_measured(self) -> None:
        done = self.with_a_newcomer("bln_0", days_ago=9)
        assert unproved(done)[0].startswith("1 balance was not measured: it came in behind the sweep")
        assert (done.drifted, verdict(done)) == (1, "findings")  # by a check of its edits, which measured it

    def with_a_newcomer(self, balance_id: str, days_ago: int = 0) -> Sweep:
        """Sweep six balances, and put in a drifted one after the first chunk."""
        ledger = world.ledger()
        for _ in range(6):
            world.balance(ledger)
        sweep = create_sweep(ALL, actor="alice", origin=Origin.COMMAND, deep=True)
        run_sweep(sweep.sweep_id, progress=lambda sweep: service.pause_sweep(sweep.pk))
        created_at = now() - timedelta(days=days_ago)
        Balance.objects.create(balance_id=balance_id, ledger=ledger, currency="USD", created_at=created_at)
        world.drift(Balance(pk=balance_id), credit=999)
        service.resume_sweep(sweep.sweep_id)
        return run_sweep(sweep.sweep_id)

    def test_a_named_balance_that_is_gone_meanwhile_does_not_stop_a_sweep_for_ever(self) -> None:
        cast = [world.balance() for _ in range(3)]
        named = Scope(balance_ids=tuple(each.pk for each in cast))
        sweep = create_sweep(named, actor="alice", origin=Origin.COMMAND)
        cast[1].delete()
        done = run_sweep(sweep.sweep_id)
        assert (done.state, done.measured, verdict(done)) == ("finished", 2, "not proved")
        assert unproved(done)[0].startswith("1 balance was not measured")

    def test_a_cancelled_sweep_ends_and_keeps_what_it_found(self, drifted: list[Balance]) -> None:
        sweep = create_sweep(ALL, actor="alice", origin=Origin.COMMAND)
        done = run_sweep(
            sweep.sweep_id, progress=lambda sweep: service.cancel_sweep(sweep.pk) if sweep.measured == 4 else None
        )
        assert (done.state, done.measured, Finding.objects.count()) == ("cancelled", 4, done.drifted)

    def test_of_many_who_ask_for_the_same_sweep_at_once_one_gets_it(self, drifted: list[Balance]) -> None:
        together = threading.Barrier(6)
        answers: list[str] = []

        def ask() -> None:
            try:
                together.wait(60)
                answers.append(tasks.request_sweep(ALL, actor="alice", origin=Origin.API).state)
            except SweepRefused:
                answers.append("refused")
            finally:
                connection.close()

        askers = [threading.Thread(target=ask) for _ in range(6)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join(60)
        assert sorted(answers) == ["queued", *["refused"] * 5]

    def test_two_workers_on_one_sweep_measure_every_balance_once(self, drifted: list[Balance]) -> None:
        sweep = create_sweep(ALL, actor="alice", origin=Origin.COMMAND)
        service._start(sweep.sweep_id)
        problems: list[Exception] = []

        def work() -> None:
            try:
                run_sweep(sweep.sweep_id)
            except SweepRefused:
                pass  # the other one had finished it before this one began
            except Exception as error:
                problems.append(error)
            finally:
                connection.close()

        workers = [threading.Thread(target=work) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        done = service.find_sweep(sweep.sweep_id)
        assert problems == []
        assert (done.state, done.measured, done.drifted, Finding.objects.count()) == ("finished", 10, 9, 9)

    def test_a_surprise_ends_it_as_errored_with_its_words_and_it_can_be_resumed(
        self, drifted: list[Balance], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sweep = create_sweep(ALL, actor="alice", origin=Origin.COMMAND)
        with monkeypatch.context() as broken:
            broken.setattr(service, "findings_of", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                run_sweep(sweep.sweep_id)
        errored = service.find_sweep(sweep.sweep_id)
        assert (errored.state, errored.error, errored.measured) == ("errored", "division by zero", 0)
        service.resume_sweep(sweep.sweep_id)
        assert run_sweep(sweep.sweep_id).drifted == 9

    def test_an_interrupted_sweep_is_paused(self, drifted: list[Balance]) -> None:
        def interrupt(sweep: Sweep) -> None:
            raise KeyboardInterrupt

        sweep = create_sweep(ALL, actor="alice", origin=Origin.COMMAND)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(sweep.sweep_id, progress=interrupt)
        assert service.find_sweep(sweep.sweep_id).state == "paused"

    def test_the_worker_runs_what_was_requested_and_takes_up_what_lost_its_worker(self, drifted: list[Balance]) -> None:
        forget_jobs()
        sweep = tasks.request_sweep(ALL, actor="alice", origin=Origin.API)
        assert waiting_jobs() == [("sweep", {"sweep_id": sweep.sweep_id})]
        tasks.sweep(sweep.sweep_id)
        assert service.find_sweep(sweep.sweep_id).state == "finished"
        Sweep.objects.filter(pk=sweep.pk).update(state="running", heartbeat_at="2020-01-01T00:00:00Z")
        forget_jobs()
        tasks.resume_lost_sweeps(0)
        tasks.resume_lost_sweeps(0)
        assert waiting_jobs() == [("sweep", {"sweep_id": sweep.sweep_id})]

    def test_a_sweep_whose_worker_died_before_it_began_is_taken_up_as_well(self, drifted: list[Balance]) -> None:
        fresh = create_sweep(Scope(currency="USD"), actor="alice", origin=Origin.COMMAND)
        lost = create_sweep(ALL, actor="alice", origin=Origin.COMMAND)
        Sweep.objects.filter(pk=lost.pk).update(requested_at="2020-01-01T00:00:00Z")
        forget_jobs()
        tasks.resume_lost_sweeps(0)
        assert waiting_jobs() == [("sweep", {"sweep_id": lost.sweep_id})]
        assert service.find_sweep(fresh.pk).state == "queued"

    def test_a_request_that_is_refused_leaves_no_job(self) -> None:
        forget_jobs()
        with pytest.raises(BalanceNotFound):
            tasks.request_sweep(Scope(balance_ids=("bln_x",)), actor="alice", origin=Origin.API)
        assert (waiting_jobs(), Sweep.objects.count()) == ([], 0)

    def test_killed_in_the_middle_it_goes_on_where_it_stopped_and_finds_nothing_twice(
        self, drifted: list[Balance]
    ) -> None:
        sweep = create_sweep(ALL, actor="alice", origin=Origin.COMMAND)
        script = (
            "import django, time; django.setup()\n"
            "from reconciliation.sweeping import service\n"
            "service.FIRST_CHUNK = service.SMALLEST_CHUNK = service.LARGEST_CHUNK = 2\n"
            f"service.run_sweep({sweep.sweep_id!r}, progress=lambda s: time.sleep(60) if s.measured >= 6 else None)\n"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", script], cwd=settings.BASE_DIR, env=environment_of_this_database()
        )
        deadline = time.monotonic() + 60
        while service.find_sweep(sweep.sweep_id).measured < 6 and time.monotonic() < deadline:
            assert child.poll() is None
            time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
        child.wait()
        killed = service.find_sweep(sweep.sweep_id)
        assert (killed.state, killed.measured, Finding.objects.count()) == ("running", 6, killed.drifted)
        done = run_sweep(sweep.sweep_id)
        assert (done.state, done.measured, done.drifted) == ("finished", 10, 9)
        assert sorted(Finding.objects.values_list("balance_id", flat=True)) == sorted(each.pk for each in drifted)


def waiting_jobs() -> list[tuple[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_name, args FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id")
        return [(name, json.loads(args)) for name, args in cursor]


def forget_jobs() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


def environment_of_this_database() -> dict[str, str]:
    info = connection.connection.info
    url = f"postgresql://{info.user}@/{info.dbname}?host={info.host}&port={info.port}"
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "ledgerproj.settings",
        "DATABASE_URL": url,
        "DJANGO_SECRET_KEY": "k" * 50,
        "BLNK_SERVER_SECRET_KEY": "k" * 50,
    }


@pytest.mark.django_db(transaction=True)
class TestStatements:
    def test_the_screen_reads_both_sides_from_their_indexes_alone(self) -> None:
        cast = [world.balance() for _ in range(20)]
        world.many_rows(cast, 20_000)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE balances")
            cursor.execute("EXPLAIN " + service.SCREEN.text, {"after": "", "through": "bln_g"})
            plan = "\n".join(line for (line,) in cursor.fetchall())
        for index in ("applied_debits", "applied_credits"):
            assert f"Index Only Scan using {index}" in plan, plan
        assert "Seq Scan on transactions" not in plan, plan

    def test_the_number_of_statements_does_not_grow_with_the_findings(self) -> None:
        def count() -> int:
            with CaptureQueriesContext(
                connection,
            ) as captured:
                swept()
            return len(captured)

        cast = [world.balance() for _ in range(30)]
        for each in cast[:3]:
            world.post("@world", each, 100)
            world.drift(each, credit=1)
        few = count()
        for each in cast[3:]:
            world.post("@world", each, 100)
            world.drift(each, credit=1)
        assert count() == few
