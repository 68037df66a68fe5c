"""The state of the live proof: what it refuses to call green, and the sentence that it says."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection

from balances.models import now
from reconciliation.measuring import Scope
from reconciliation.models import Break, Gap, Origin, Proof, Sweep, as_lsn, from_lsn
from reconciliation.proving import Light, standing
from reconciliation.proving.full_proofs import FullProofs
from reconciliation.proving.opening import open_ripe
from reconciliation.sweeping import create_sweep, run_sweep
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)


def proved(**changed: object) -> Proof:
    at = now()
    sweep = Sweep.objects.create(
        state=Sweep.State.FINISHED,
        scope={"everything": True},
        actor="watch",
        origin=Origin.COMMAND,
        started_at=at - timedelta(hours=1),
        finished_at=at,
    )
    values = {"state": Proof.State.PROVED, "since": at - timedelta(hours=2), "full_proof": sweep, "commits": 41_022_118}
    values |= {"proved_until": at, "seen_at": at, "position": from_lsn("1A/2B3C4D5E")}
    return Proof.objects.create(**values | changed)


def broken(at: datetime, **changed: object) -> Break:
    values = {"kind": Break.Kind.TOTAL_CHANGED, "state": Break.State.OPEN, "stream": 1, "position": 77, "xid": 812}
    return Break.objects.create(**values | {"committed_at": at, "balance_id": "bln_1", "credit_balance": 5} | changed)


def test_a_proof_that_was_never_switched_on_is_not_green() -> None:
    found = standing()

    assert (found.light, found.state, found.is_green) == (Light.GREY, "off", False)


def test_what_must_be_set_is_said_in_its_own_words() -> None:
    Proof.objects.create(state=Proof.State.BLOCKED, reason="Set wal_level to logical.")

    assert (standing().light, standing().sentence) == (Light.GREY, "Set wal_level to logical.")


def test_a_gap_is_never_green_before_a_full_proof_has_followed() -> None:
    at = now()
    proved(state=Proof.State.PROVING, full_proof=None)
    Gap.objects.create(started_at=at - timedelta(minutes=5), stream=1, position=1, reason="The slot is gone.")

    found = standing()

    assert (found.light, found.state) == (Light.AMBER, "proving")
    assert f"Not proved from {at - timedelta(minutes=5):%Y-%m-%d %H:%M:%S} UTC on: The slot is gone." in found.sentence


def test_a_full_proof_that_waits_for_old_transactions_says_so() -> None:
    proof = proved(state=Proof.State.PROVING, full_proof=None, identity={"xid": 2**62})
    Sweep.objects.update(total=5)  # which it measured before the stream began

    FullProofs(proof).tend(0)

    assert " The full proof waits for " in standing().sentence  # of whatever else runs on the server
    assert not Sweep.objects.filter(actor=Sweep.OF_LIVE_PROOF).exists()


def test_a_log_that_no_one_reads_is_not_green() -> None:
    proved(seen_at=now() - timedelta(seconds=40))

    assert (standing().light, standing().state) == (Light.AMBER, "silent")


def test_what_was_proved_long_ago_is_not_proved_now() -> None:
    proved(proved_until=now() - timedelta(seconds=40), behind=4_096)

    assert (standing().light, standing().state) == (Light.AMBER, "behind")


@pytest.mark.parametrize(("written", "state"), [("seen_at", "silent"), ("proved_until", "behind")])
def test_what_was_written_before_the_clock_went_back_is_not_of_now(written: str, state: str) -> None:
    proved(**{written: now() + timedelta(hours=1)})

    found = standing()

    assert (found.light, found.state) == (Light.AMBER, state)
    if written == "proved_until":
        assert "which is still to come: the clock of the database went back" in found.sentence


def test_a_break_of_before_the_clock_went_back_opens_at_once() -> None:
    proof = proved(stream=1)
    late = broken(now() + timedelta(hours=1), state=Break.State.WAITING)
    waits = broken(now(), state=Break.State.WAITING, position=78)

    assert open_ripe(proof, proof.proved_until)

    states = dict(Break.objects.values_list("pk", "state"))
    assert states == {late.pk: Break.State.OPEN, waits.pk: Break.State.WAITING}


def test_an_open_break_is_red_and_one_within_its_time_of_grace_is_amber() -> None:
    proved()
    broken(now(), state=Break.State.WAITING, position=78)
    assert (standing().light, standing().state, standing().waiting_breaks) == (Light.AMBER, "waiting", 1)

    broken(now())

    found = standing()
    assert (found.light, found.state, found.open_breaks) == (Light.RED, "broken", 1)
    assert found.sentence.startswith("Broken: 1 open break on 1 balance; proved until ")


def test_a_balance_that_cannot_be_judged_is_not_green() -> None:
    balance = world.balance()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE balances SET credit_balance = 'NaN', balance = 'NaN' WHERE balance_id = %s", [balance.pk]
        )
    run_sweep(create_sweep(Scope(everything=True), actor="ann", origin=Origin.COMMAND).pk)
    proved()

    found = standing()

    assert (found.light, found.state) == (Light.AMBER, "unjudged")
    assert found.sentence.startswith(
        "1 balance that cannot be proved right or wrong, as the findings say; proved until "
    )


def test_the_sentence_gives_instant_commits_and_open_breaks() -> None:
    proof = proved()

    found = standing()

    instant = f"{proof.proved_until:%H:%M:%S}.{proof.proved_until.microsecond // 1000:03d}"
    assert found.is_green
    assert found.sentence.startswith(f"Proved until {instant} (")
    assert "41,022,118 commits since the full proof of " in found.sentence
    assert found.sentence.endswith(", 0 open breaks.")
    assert found.as_json()["green"] is True


def test_a_break_says_what_by_how_much_where_and_by_whom() -> None:
    at = datetime.fromisoformat("2026-12-01T14:02:03.120000+00:00")
    author = {"database_user": "ann", "client_address": "10.0.0.7", "application_name": "psql"}

    found = broken(at, debit_balance=-1_000, author=author, position=from_lsn("0/1A2B3C"))

    assert found.sentence == (
        "Totals changed without a transaction: credit +5, debit -1,000, in commit 0/1A2B3C of "
        "2026-12-01 14:02:03.120000 UTC (transaction 812), by database user ann from 10.0.0.7 through psql."
    )


def test_positions_are_written_as_postgresql_writes_them() -> None:
    assert as_lsn(from_lsn("1A/2B3C4D5E")) == "1A/2B3C4D5E"
    assert as_lsn(0) == "0/0"
