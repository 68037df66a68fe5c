"""``manage.py explain``: why balances are wrong, because of which rows, and since when. It changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.management.base import CommandParser

from balances.ground import UnreadableTotals
from reconciliation.explaining import CAUSES, Explained, explain_many
from reconciliation.management.ledger_command import LedgerCommand
from reconciliation.records import Report

REPORT = Report(
    fields=(
        "balance_id",
        "indicator",
        "currency",
        "credit",
        "debit",
        "inflight_credit",
        "inflight_debit",
        "cause",
        "explained",
        "unexplained",
        "last_right_at",
        "first_wrong_at",
        "summary",
        "explanations",
    ),
    columns={
        "Balance": "name",
        "Currency": "currency",
        "Drift": "drift",
        "Unexplained": "unexplained",
        "Cause": "title",
        "Why": "summary",
        "First wrong": "first_wrong_at",
    },
    numbers=frozenset({"Drift", "Unexplained"}),
)
"""One row a balance that drifts; amounts are minor units, drift is stored less recalculated."""


class Command(LedgerCommand):
    """Adapter: reads the arguments, calls the service, writes the report and one line of summary."""

    help = "Say why balances are wrong: ranked explanations with rows and evidence. Nothing is written."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare scope and report."""
        self.add_scope_arguments(parser)
        self.add_report_arguments(parser)

    def handle(self, **options: Any) -> None:
        """Explain, report, and say in one line how much is explained."""
        self.drifted = self.wholly = 0
        self.unread: list[str] = []
        with self.refusals_for_people(options):
            explained = self._count(explain_many(self.scope(options).ids()))
            self.report(options, REPORT, map(as_row, explained))
        self.stderr.write(f"{self.drifted:,} balances with drift, {self.wholly:,} of them fully explained.")
        for balance_id in self.unread:
            self.stderr.write(f"Not proved: {UnreadableTotals(balance_id).message}")

    def _count(self, explained: Iterable[Explained]) -> Iterator[Explained]:
        for each in explained:
            if not each.measurement.is_readable:
                self.unread.append(each.measurement.balance_id)
                continue
            self.drifted += 1
            self.wholly += not each.unexplained
            yield each


def as_row(each: Explained) -> dict[str, Any]:
    """Return one balance as the report has it."""
    instants = {"last_right_at": each.last_right_at, "first_wrong_at": each.first_wrong_at}
    row: dict[str, Any] = {name: str(getattr(each.drift, name)) for name in REPORT.fields[3:7]}
    row |= {name: getattr(each.measurement, name) for name in ("balance_id", "indicator", "currency")}
    row |= {name: at.isoformat(timespec="seconds") if at else None for name, at in instants.items()}
    row |= {"cause": each.cause, "explained": str(each.explained), "unexplained": str(each.unexplained)}
    row["explanations"] = each.as_json()
    row["name"] = each.measurement.indicator or each.measurement.balance_id
    row["drift"] = each.measurement.drift_in_words
    row["title"] = CAUSES[each.cause].title
    row["summary"] = each.summary
    return row
