"""Fund lineage: whose money a balance holds, whatever is asked, in whatever order workers come and go."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import given
from hypothesis import strategies as st

from balances.books.holds import Part, Settlement
from balances.ground.exceptions import LedgerError
from balances.lineage import following, outbox, tracing
from balances.lineage.allocation import in_order, proportional, share
from balances.lineage.reading import balance_lineage, transaction_lineage
from balances.models import Balance, Transaction
from balances.models.lineage import LineageMapping, LineageOutbox
from balances.models.people import Identity
from balances.people import identities
from balances.posting import Posting, Share, post
from balances.posting.batches import Batch, new_batch_id, post_batch
from balances.posting.enqueuing import enqueue
from balances.posting.refunding import Refund, refund
from balances.posting.settling import settle
from balances.queueing import draining
from reconciliation.measuring.measurement import measure_all
from tests import world

ROOT = Path(__file__).resolve().parent.parent.parent
PROVIDER = "BLNK_LINEAGE_PROVIDER"
Status = LineageOutbox.Status


def holder(first: str = "Jane", last: str = "Doe", organization: str = "", identity_id: str = "") -> Identity:
    named = {"identity_id": identity_id} if identity_id else {}
    return Identity.objects.create(first_name=first, last_name=last, organization_name=organization, **named)


def tracks(strategy: str = "FIFO", owner: Identity | None = None, **fields: Any) -> Balance:
    """Open a balance that tracks its funds."""
    identity = owner or holder()
    return world.balance(identity_id=identity.pk, track_fund_lineage=True, allocation_strategy=strategy, **fields)


def came(target: Balance, units: int, provider: Any = "stripe", **fields: Any) -> Transaction:
    """Post what comes in from a provider."""
    return world.post("@world", target, units, meta_data={PROVIDER: provider} if provider else {}, **fields)


def spent(source: Balance, units: int, to: str | Balance = "@shop", **fields: Any) -> Transaction:
    return world.post(source, to, units, **fields)


def hold(source: str | Balance, to: str | Balance, units: int, provider: str = "", **fields: Any) -> Transaction:
    meta_data = {PROVIDER: provider} if provider else {}
    return world.post(source, to, units, inflight=True, meta_data=meta_data, **fields)


def commit(held: Transaction, units: int | None = None) -> Transaction:
    return settle(Settlement(transaction_id=held.pk, action="commit", part=Part(precise_amount=units)))


def void(held: Transaction) -> Transaction:
    return settle(Settlement(transaction_id=held.pk, action="void"))


def trace_all(size: int = outbox.WINDOW) -> None:
    while draining.drain():
        pass
    while tracing.trace(size=size):
        pass


def kept(target: Balance) -> dict[str, tuple[int, int, int]]:
    """Return amount, available and spent of each provider, oldest first, once all is traced."""
    trace_all()
    return {each.provider: (each.amount, each.available, each.spent) for each in balance_lineage(target.pk).providers}


def shadows(row: Transaction) -> list[tuple[str, str, int]]:
    """Return the shadow rows of a transaction: what follows its own reference, status and units."""
    return [
        (str(each.reference).removeprefix(str(row.reference)), str(each.status), each.precise_amount or 0)
        for each in transaction_lineage(row.pk).shadow_transactions
    ]


def sound() -> None:
    """Check that no total drifts, that the books balance, and that providers and aggregates say the same."""
    balances = list(Balance.objects.all())
    assert [each.balance_id for each in measure_all([each.pk for each in balances]) if each.has_drift] == []
    assert Balance.objects.aggregate(net=Sum("balance"), held=Sum("inflight_balance")) in (
        {"net": 0, "held": 0},
        {"net": None, "held": None},
    )
    of_aggregates: dict[str, set[str]] = {}
    for mapping in LineageMapping.objects.all():
        of_aggregates.setdefault(mapping.aggregate_balance_id, set()).add(mapping.shadow_balance_id)
    by_id = {each.pk: each for each in balances}
    for aggregate, kept_in in of_aggregates.items():
        of_shadows = [by_id[shadow] for shadow in kept_in]
        assert by_id[aggregate].balance == -sum(each.balance for each in of_shadows)
        assert by_id[aggregate].inflight_balance == -sum(each.inflight_balance for each in of_shadows)
        for each in of_shadows:
            assert each.debit_balance - each.credit_balance - each.inflight_credit_balance >= 0


class TestSharing:
    """Arithmetic, in whole minor units."""

    @pytest.mark.parametrize(
        ("available", "units", "given_in_order", "given_by_share"),
        [
            ([], 5, [], []),
            ([0, 0], 5, [0, 0], [0, 0]),
            ([100, 50], 120, [100, 20], [80, 40]),
            ([100, 50], 50, [50, 0], [33, 17]),
            ([100, 50], 500, [100, 50], [100, 50]),
            ([1, 1, 1], 2, [1, 1, 0], [0, 1, 1]),
            ([3, 10**40, 7], 10**40, [3, 10**40 - 3, 0], [2, 10**40 - 10, 8]),
        ],
    )
    def test_worked_examples(
        self, available: list[int], units: int, given_in_order: list[int], given_by_share: list[int]
    ) -> None:
        assert in_order(available, units) == given_in_order
        by_share = proportional(available, units)
        assert sum(by_share) == min(units, sum(available))
        if sum(available) < 10**20:
            assert by_share == given_by_share

    @given(available=st.lists(st.integers(0, 10**30), max_size=8), units=st.integers(0, 10**31))
    def test_nobody_gives_more_than_it_has_and_all_is_given_that_can_be(self, available: list[int], units: int) -> None:
        for give in (in_order, proportional):
            gives = give(available, units)
            assert sum(gives) == min(units, sum(available))
            assert all(0 <= each <= has for each, has in zip(gives, available, strict=True))

    @given(held=st.lists(st.integers(1, 10**20), min_size=1, max_size=6), parts=st.lists(st.integers(1, 10**20)))
    def test_a_hold_that_is_settled_bit_by_bit_leaves_nothing_and_exceeds_nothing(
        self, held: list[int], parts: list[int]
    ) -> None:
        whole, remaining = sum(held), list(held)
        for wanted in [*parts, 10**30]:
            left = sum(remaining)
            part = min(wanted, left)
            if not part:
                break
            settled = share(remaining, part, left)
            assert sum(settled) == part
            assert all(0 <= each <= rest for each, rest in zip(settled, remaining, strict=True))
            for each, rest in zip(settled, remaining, strict=True):
                assert abs(each * left - rest * part) < left  # less than one unit away from its exact part
            remaining = [rest - each for rest, each in zip(remaining, settled, strict=True)]
        assert sum(remaining) == 0
        assert whole == sum(held)


@pytest.mark.django_db
class TestNoting:
    """What is noted, with which movement."""

    def noted(self) -> list[tuple[Any, ...]]:
        return list(LineageOutbox.objects.order_by("id").values_list("lineage_type", "provider", "inflight", "status"))

    def test_nothing_is_noted_or_asked_where_nobody_tracks(self, django_assert_num_queries: Callable[..., Any]) -> None:
        alice, bob = world.balance(), world.balance()
        came(alice, 100)
        with django_assert_num_queries(4):  # savepoint, lock, write, release
            world.post(alice, bob, 10)
        commit(hold(alice, bob, 10, "stripe"))
        assert self.noted() == []

    @pytest.mark.parametrize("provider", ["", None, 7, ["stripe"], True])
    def test_money_whose_provider_is_not_said_in_words_is_not_noted(self, provider: Any) -> None:
        target = tracks()
        world.post("@world", target, 5, meta_data={PROVIDER: provider})
        assert self.noted() == []

    def test_credit_debit_and_both_each_with_its_payload(self) -> None:
        alice, bob = tracks(), tracks()
        came(alice, 12550, reference="in")
        held = hold(alice, "@shop", 50)
        world.post(alice, bob, 20, meta_data={PROVIDER: "stripe"})
        assert self.noted() == [
            ("credit", "stripe", False, "pending"),
            ("debit", "", True, "pending"),
            ("both", "stripe", False, "pending"),
        ]
        first, second, _ = LineageOutbox.objects.order_by("id")
        assert first.payload == {
            "amount": Decimal("125.5"),
            "precise_amount": "12550",
            "currency": "USD",
            "precision": 100,
            "reference": "in",
            "skip_queue": True,
            "inflight": False,
        }
        assert (second.transaction_id, second.source_balance_id) == (held.pk, alice.pk)
        assert (first.attempts, first.max_attempts, first.destination_balance_id) == (0, 5, alice.pk)

    def test_a_batch_is_noted_by_one_statement_and_in_order(
        self, django_assert_num_queries: Callable[..., Any]
    ) -> None:
        target = tracks()
        came(target, 1)

        def batch(count: int) -> Batch:
            one: dict[str, Any] = {"source": "@world", "destination": target.pk, "currency": "USD", "description": "d"}
            one |= {"precise_amount": 7, "precision": 100, "allow_overdraft": True, "meta_data": {PROVIDER: "stripe"}}
            postings = [Posting(reference=f"{count}-{number}", **one) for number in range(count)]
            return Batch(batch_id=new_batch_id(), postings=postings, skip_queue=True)

        with django_assert_num_queries(7):  # savepoint, lock, announce, called?, note, write, release
            post_batch(batch(2))
        with django_assert_num_queries(7):
            post_batch(batch(50))
        references = [each.payload["reference"] for each in LineageOutbox.objects.order_by("id")]
        assert references[3:] == [f"50-{number}" for number in range(50)]

    def test_what_is_refused_or_rolled_back_is_not_noted(self) -> None:
        target = tracks()
        with pytest.raises(LedgerError):
            spent(target, 5, allow_overdraft=False)
        with pytest.raises(RuntimeError), transaction.atomic():
            came(target, 5)
            raise RuntimeError
        assert self.noted() == []

    def test_queued_movements_are_noted_when_they_are_applied(self) -> None:
        target = tracks()
        one: dict[str, Any] = {"currency": "USD", "description": "d", "precise_amount": 7, "precision": 100}
        enqueue(Posting(source="@world", destination=target.pk, reference="q", allow_overdraft=True,
                        meta_data={PROVIDER: "stripe"}, **one))  # fmt: skip
        enqueue(Posting(source=target.pk, destination="@shop", reference="poor", **one | {"precise_amount": 8}))
        assert self.noted() == []
        draining.drain()
        assert self.noted() == [("credit", "stripe", False, "pending")]
        assert LineageOutbox.objects.get().payload["reference"] == "q_q"
        assert kept(target) == {"stripe": (7, 7, 0)}


@pytest.mark.django_db
class TestTracing:
    """What comes of it."""

    def test_a_worked_example(self) -> None:
        alice = tracks()
        came(alice, 10_000, "stripe")
        came(alice, 5_000, "bank")
        assert kept(alice) == {"stripe": (10_000, 10_000, 0), "bank": (5_000, 5_000, 0)}
        paid = spent(alice, 12_000)
        assert kept(alice) == {"stripe": (10_000, 0, 10_000), "bank": (5_000, 3_000, 2_000)}
        assert shadows(paid) == [("_release_stripe", "APPLIED", 10_000), ("_release_bank", "APPLIED", 2_000)]
        paid.refresh_from_db()
        assert paid.meta_data["BLNK_FUND_ALLOCATION"] == [
            {"amount": 10_000, "provider": "stripe"},
            {"amount": 2_000, "provider": "bank"},
        ]
        sound()

    @pytest.mark.parametrize(
        ("strategy", "expected"),
        [
            ("FIFO", {"a": 1000, "b": 100, "c": 0}),
            ("LIFO", {"c": 1000, "b": 100, "a": 0}),
            ("PROPORTIONAL", {"a": 366, "b": 366, "c": 368}),
        ],
    )
    def test_a_balance_spends_by_its_strategy(self, strategy: str, expected: dict[str, int]) -> None:
        alice = tracks(strategy)
        for provider in "abc":
            came(alice, 1000, provider)
        paid = spent(alice, 1100)
        assert {provider: each[2] for provider, each in kept(alice).items()} == expected
        given_by = [each["provider"] for each in transaction_lineage(paid.pk).fund_allocation]
        assert given_by == [provider for provider, units in expected.items() if units]
        sound()

    def test_more_than_providers_have_is_paid_from_money_nobody_knows(self) -> None:
        alice = tracks()
        came(alice, 100)
        came(alice, 100, "")
        paid = spent(alice, 150)
        assert kept(alice) == {"stripe": (100, 0, 100)}
        assert transaction_lineage(paid.pk).fund_allocation == [{"amount": 100, "provider": "stripe"}]
        assert shadows(spent(alice, 50)) == []
        sound()

    def test_between_tracked_balances_money_keeps_its_provider_and_is_counted_once(self) -> None:
        """In the original a provider that the request names is credited beside what arrives, so money doubles."""
        alice, bob = tracks(), tracks(owner=holder("", "", "Acme Co Ltd"))
        came(alice, 100, "stripe")
        came(alice, 50, "bank")
        moved = world.post(alice, bob, 120, meta_data={PROVIDER: "bank"})
        assert kept(alice) == {"stripe": (100, 0, 100), "bank": (50, 30, 20)}
        assert kept(bob) == {"stripe": (100, 100, 0), "bank": (20, 20, 0)}
        assert [each[:2] for each in shadows(moved)] == [
            ("_release_stripe", "APPLIED"),
            ("_receive_stripe", "APPLIED"),
            ("_release_bank", "APPLIED"),
            ("_receive_bank", "APPLIED"),
        ]
        receive = Transaction.objects.get(reference=f"{moved.reference}_receive_bank")
        assert receive.meta_data == {
            "_shadow_for": moved.pk,
            "_provider": "bank",
            "_lineage_type": "receive",
            "_main_balance": bob.pk,
            "_from_balance": alice.pk,
            "allow_overdraft": True,
        }
        sound()

    def test_what_a_tracked_source_cannot_explain_is_the_named_providers(self) -> None:
        alice, bob = tracks(), tracks(owner=holder("Bob", "Roe"))
        came(alice, 100, "bank")
        came(alice, 60, "")
        moved = world.post(alice, bob, 160, meta_data={PROVIDER: "bank"})
        assert kept(bob) == {"bank": (160, 160, 0)}
        assert [each[0] for each in shadows(moved)] == ["_release_bank", "_receive_bank", "_shadow_bank"]
        sound()

    def test_a_provider_that_has_paid_a_tracked_source_nothing_is_ignored(self) -> None:
        alice, bob = tracks(), tracks(owner=holder("Bob", "Roe"))
        came(alice, 100, "bank")
        came(alice, 100, "")
        world.post(alice, bob, 150, meta_data={PROVIDER: "nobody"})
        assert kept(bob) == {"bank": (100, 100, 0)}
        sound()

    def test_legs_of_a_split_and_items_of_a_batch_are_traced_one_by_one(self) -> None:
        alice, bob = tracks(), tracks(owner=holder("Bob", "Roe"))
        post(Posting(source="@world", destinations=(Share(identifier=alice.pk, distribution="60%"),
                     Share(identifier=bob.pk, distribution="left")), currency="USD", reference="split", description="d",
                     precise_amount=1000, precision=100, allow_overdraft=True,
                     meta_data={PROVIDER: "stripe"}))  # fmt: skip
        assert (kept(alice), kept(bob)) == ({"stripe": (600, 600, 0)}, {"stripe": (400, 400, 0)})
        assert Transaction.objects.filter(reference="split-2_shadow_stripe").exists()
        sound()

    def test_a_refund_gives_back_what_arrived(self) -> None:
        alice, bob = tracks(), tracks(owner=holder("Bob", "Roe"))
        came(alice, 100)
        moved = world.post(alice, bob, 40)
        refund(Refund(transaction_id=moved.pk, queued=False))
        assert kept(alice) == {"stripe": (140, 100, 40)}
        assert kept(bob) == {"stripe": (40, 0, 40)}
        sound()

    def test_refunds_of_parts_give_back_what_arrived_part_by_part(self) -> None:
        alice, bob = tracks(), tracks(owner=holder("Bob", "Roe"))
        came(alice, 100)
        moved = world.post(alice, bob, 40)
        for units, back in ((15, 15), (25, 40)):
            refund(Refund(transaction_id=moved.pk, part=Part(precise_amount=units), queued=False))
            assert kept(alice) == {"stripe": (100 + back, 60 + back, 40)}
            assert kept(bob) == {"stripe": (40, 40 - back, back)}
        sound()

    def test_balances_of_one_holder_share_what_is_kept_and_currencies_do_not(self) -> None:
        jane = holder()
        first, second, euros = (tracks(owner=jane, currency=each) for each in ("USD", "USD", "EUR"))
        came(first, 100)
        came(second, 10)
        came(euros, 7, currency="EUR")
        assert kept(first) == kept(second) == {"stripe": (110, 110, 0)}
        assert kept(euros) == {"stripe": (7, 7, 0)}
        world.post(first, second, 30)
        assert kept(first) == {"stripe": (140, 110, 30)}
        sound()

    def test_figures_of_any_size_are_exact(self) -> None:
        alice = tracks("PROPORTIONAL")
        came(alice, 10**40 + 1, "a", precision=10**18)
        came(alice, 3, "b", precision=10**18)
        spent(alice, 10**40, precision=10**18)
        assert sum(each[1] for each in kept(alice).values()) == 4
        sound()


@pytest.mark.django_db
class TestNames:
    """What the balances that keep money are called."""

    def indicators(self) -> set[str | None]:
        trace_all()
        return set(Balance.objects.filter(indicator__endswith="_lineage").values_list("indicator", flat=True))

    @pytest.mark.parametrize(
        ("names", "who"),
        [
            (("Jane", "Doe", "Acme"), "jane_doe_idt_4dd1"),
            (("Mary Ann", "O'Neil", ""), "mary ann_o'neil_idt_4dd1"),
            (("Jane", "", "Acme Co Ltd"), "acme_co_ltd_idt_4dd1"),
            (("", "Doe", ""), "idt_4dd1c7d4-8a44-4b5e-8f52-6f2f4c6f9a11"),
        ],
    )
    def test_a_holder_is_called_as_in_the_original(self, names: tuple[str, str, str], who: str) -> None:
        came(tracks(owner=holder(*names, identity_id="idt_4dd1c7d4-8a44-4b5e-8f52-6f2f4c6f9a11")), 5)
        assert self.indicators() == {f"@{who}_lineage", f"@stripe_{who}_lineage"}

    @pytest.mark.parametrize("traced_between", [True, False])
    def test_two_people_of_one_name_whose_ids_begin_alike_keep_their_money_apart(self, traced_between: bool) -> None:
        """In the original they share it."""
        ids = [f"idt_4dd1{number}000-8a44-4b5e-8f52-6f2f4c6f9a11" for number in (1, 2)]
        first, second = (tracks(owner=holder(identity_id=each)) for each in ids)
        came(first, 100)
        if traced_between:
            trace_all()
        came(second, 7)
        assert kept(first) == {"stripe": (100, 100, 0)}
        assert kept(second) == {"stripe": (7, 7, 0)}
        if traced_between:
            came(second, 1, "bank")
            assert self.indicators() >= {"@jane_doe_idt_4dd1_lineage", f"@bank_jane_doe_{ids[1]}_lineage"}
        sound()

    def test_money_stays_where_it_is_when_its_holder_is_renamed_or_changes(self) -> None:
        """In the original the next credit starts at zero, and what was there before is forgotten."""
        jane = holder()
        alice = tracks(owner=jane)
        came(alice, 100)
        trace_all()
        identities.revise(jane.pk, last_name="Roe")
        came(alice, 20)
        assert kept(alice) == {"stripe": (120, 120, 0)}
        identities.link_balance(balance_id=alice.pk, identity_id=holder("Bob", "Roe").pk)
        came(alice, 5)
        came(alice, 3, "bank")
        spent(alice, 126)
        assert kept(alice) == {"stripe": (125, 0, 125), "bank": (3, 2, 1)}
        assert len(set(LineageMapping.objects.values_list("aggregate_balance_id", flat=True))) == 1
        sound()


@pytest.mark.django_db
class TestHolds:
    """What is held, committed and voided."""

    def test_money_of_a_hold_is_promised_once(self) -> None:
        """In the original two holds count on the same money, and their provider ends below zero."""
        alice = tracks()
        came(alice, 100, "stripe")
        came(alice, 100, "bank")
        holds = [hold(alice, "@shop", 80) for _ in range(2)]
        assert kept(alice) == {"stripe": (100, 100, 0), "bank": (100, 100, 0)}
        assert [shadows(each) for each in holds] == [
            [("_release_stripe", "INFLIGHT", 80)],
            [("_release_stripe", "INFLIGHT", 20), ("_release_bank", "INFLIGHT", 60)],
        ]
        for each in holds:
            commit(each)
        assert kept(alice) == {"stripe": (100, 0, 100), "bank": (100, 40, 60)}
        sound()

    def test_a_partial_commit_settles_a_part_the_last_one_the_rest_a_void_nothing(self) -> None:
        """The original commits all of the shadows with the first part."""
        alice, bob = tracks(), tracks(owner=holder("Bob", "Roe"))
        came(alice, 50, "stripe")
        came(alice, 50, "bank")
        held = hold(alice, bob, 100)
        commit(held, 33)
        assert kept(alice) == {"stripe": (50, 34, 16), "bank": (50, 33, 17)}
        assert kept(bob) == {"stripe": (16, 16, 0), "bank": (17, 17, 0)}
        commit(held, 1)
        assert sum(each[2] for each in kept(alice).values()) == 34
        commit(held)
        assert kept(alice) == {"stripe": (50, 0, 50), "bank": (50, 0, 50)}
        assert kept(bob) == {"stripe": (50, 50, 0), "bank": (50, 50, 0)}
        sound()

    def test_what_is_voided_can_be_spent_again(self) -> None:
        alice = tracks()
        came(alice, 100)
        held = hold(alice, "@shop", 90)
        trace_all()
        commit(held, 30)
        void(held)
        assert kept(alice) == {"stripe": (100, 70, 30)}
        spent(alice, 70)
        assert kept(alice) == {"stripe": (100, 0, 100)}
        assert [each[1:] for each in shadows(held)] == [("INFLIGHT", 90), ("APPLIED", 30), ("VOID", 60)]
        sound()

    def test_money_that_is_held_for_a_balance_is_not_there_before_it_is_committed(self) -> None:
        alice = tracks()
        held = hold("@world", alice, 100, "stripe")
        assert kept(alice) == {"stripe": (0, 0, 0)}
        assert shadows(spent(alice, 10)) == []
        commit(held, 60)
        assert kept(alice) == {"stripe": (60, 60, 0)}
        sound()

    @pytest.mark.parametrize("settlement", ["commit", "void"])
    def test_a_hold_settled_before_it_is_traced_leaves_no_open_shadow(self, settlement: str) -> None:
        """In the original its shadows are held for ever."""
        alice = tracks()
        came(alice, 100)
        held = hold(alice, "@shop", 40)
        commit(held) if settlement == "commit" else void(held)
        assert kept(alice) == {"stripe": (100, 60, 40) if settlement == "commit" else (100, 100, 0)}
        assert not Balance.objects.exclude(inflight_debit_balance=0, inflight_credit_balance=0).exists()
        sound()

    def test_a_shadow_that_somebody_settled_by_hand_is_left_alone(self) -> None:
        alice = tracks()
        came(alice, 100)
        held = hold(alice, "@shop", 40)
        trace_all()
        void(transaction_lineage(held.pk).shadow_transactions[0])
        commit(held)
        assert kept(alice) == {"stripe": (100, 100, 0)}
        assert set(LineageOutbox.objects.values_list("status", flat=True)) == {"completed"}

    def test_the_allocation_stands_on_the_hold_and_on_what_settled_it_before(self) -> None:
        alice = tracks()
        came(alice, 100)
        held = hold(alice, "@shop", 40)
        before = commit(held, 10)
        trace_all()
        after = commit(held)
        for row in (held, before, after):
            assert transaction_lineage(row.pk).fund_allocation == [{"amount": 40, "provider": "stripe"}], row.reference

    def test_what_the_original_noted_of_a_settlement_means_all_that_remains(self) -> None:
        alice = tracks()
        came(alice, 100)
        held = hold(alice, "@shop", 40)
        trace_all()
        LineageOutbox.objects.create(
            transaction_id=f"{held.pk}_shadow_commit",
            source_balance_id="",
            lineage_type="shadow_commit",
            payload={"parent_transaction_id": held.pk},
        )
        assert kept(alice) == {"stripe": (100, 60, 40)}


@pytest.mark.django_db
class TestFailing:
    """What happens where something cannot be traced."""

    def due_again(self) -> None:
        LineageOutbox.objects.update(locked_until=None)

    def test_it_is_counted_put_off_and_at_last_given_up_and_others_go_on(self) -> None:
        alice, bob = tracks(), tracks(owner=holder("Bob", "Roe"))
        bad = came(alice, 100, reference="taken")
        world.post("@a", "@b", 1, reference="taken_shadow_stripe")
        came(bob, 7)
        later = came(alice, 5, "bank")
        assert kept(bob) == {"stripe": (7, 7, 0)}
        for attempt in range(1, 5):
            row = LineageOutbox.objects.get(transaction_id=bad.pk)
            assert (row.status, row.attempts) == ("pending", attempt)
            assert "taken_shadow_stripe has already been used" in str(row.last_error)
            assert row.locked_until is not None
            # What follows on the same balance waits, so that it is not traced out of order.
            assert LineageOutbox.objects.get(transaction_id=later.pk).status == "pending"
            self.due_again()
            trace_all()
        row = LineageOutbox.objects.get(transaction_id=bad.pk)
        assert (row.status, row.attempts, row.locked_until) == ("failed", 5, None)
        assert kept(alice) == {"bank": (5, 5, 0)}
        sound()

    def test_it_succeeds_where_the_cause_is_gone(self) -> None:
        alice = tracks()
        came(alice, 100)
        trace_all()
        aggregate = LineageMapping.objects.get().aggregate_balance
        world.drift(aggregate, credit=-90)
        paid = spent(alice, 30)
        trace_all()
        assert "insufficient funds" in str(LineageOutbox.objects.get(transaction_id=paid.pk).last_error)
        world.drift(aggregate, credit=90)
        self.due_again()
        assert kept(alice) == {"stripe": (100, 70, 30)}

    def test_a_balance_that_is_nobodys_fails_in_the_originals_words(self) -> None:
        alice = tracks()
        Balance.objects.filter(pk=alice.pk).update(identity=None)
        came(alice, 5)
        trace_all()
        assert LineageOutbox.objects.get().last_error == (
            f"destination balance {alice.pk} has no identity_id for lineage tracking"
        )

    def test_what_the_original_did_by_half_is_done_the_other_half(self) -> None:
        alice, bob = tracks(), tracks(owner=holder("Bob", "Roe"))
        came(alice, 100, "stripe")
        came(alice, 100, "bank")
        trace_all()
        moved = world.post(alice, bob, 150)
        of_stripe = LineageMapping.objects.get(balance=alice, provider="stripe")
        world.post(
            of_stripe.aggregate_balance,
            of_stripe.shadow_balance,
            100,
            reference=f"{moved.reference}_release_stripe",
            meta_data={"_shadow_for": moved.pk, "_lineage_type": "release"},
        )
        assert kept(alice) == {"stripe": (100, 0, 100), "bank": (100, 50, 50)}
        assert kept(bob) == {"stripe": (100, 100, 0), "bank": (50, 50, 0)}
        assert transaction_lineage(moved.pk).fund_allocation == [
            {"amount": 100, "provider": "stripe"},
            {"amount": 50, "provider": "bank"},
        ]
        sound()

    @pytest.mark.parametrize("where", ["writing.write", "MAP.execute", "MERGE_ALLOCATIONS.execute", "outbox.finish"])
    def test_what_breaks_in_the_middle_leaves_each_movement_traced_or_not(
        self, where: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alice = tracks()
        came(alice, 100)
        held = hold(alice, "@shop", 30)
        commit(held, 10)

        def broken(*_: Any, **__: Any) -> None:
            raise RuntimeError("broken")

        owner, name = where.split(".")
        with monkeypatch.context() as patch:
            patch.setattr(outbox if owner == "outbox" else getattr(following, owner), name, broken)
            while tracing.trace():
                pass
        sound()
        for noted in LineageOutbox.objects.exclude(lineage_type="shadow_commit"):
            assert bool(transaction_lineage(noted.transaction_id).shadow_transactions) == (noted.status == "completed")
        assert LineageOutbox.objects.filter(attempts=1, last_error="broken").exists()
        self.due_again()
        assert kept(alice) == {"stripe": (100, 90, 10)}
        sound()
