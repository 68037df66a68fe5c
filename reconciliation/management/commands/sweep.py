"""``manage.py sweep``: measure every balance of a scope and say what is wrong; change nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import chain
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reconciliation.archiving import DAMAGES, Proof, compare
from reconciliation.checks import CHECKS
from reconciliation.management.ledger_command import LedgerCommand, operator
from reconciliation.measuring import replica
from reconciliation.models import Origin, Sweep
from reconciliation.sweeping import FINDINGS, as_row, out_of_balance, proved, service, tasks, unproved, verdict

NOT_HEALTHY = 3
"""Exit status when something was found or a balance could not be judged, for cron."""


class Command(LedgerCommand):
    """Adapter: starts, goes on with, pauses or cancels a sweep."""

    help = "Measure every balance of a scope and report what is wrong. Exit status 3: something was found."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare scope, what to do with an existing sweep, and the report."""
        self.add_scope_arguments(parser)
        existing = parser.add_mutually_exclusive_group()
        for word, what in (
            ("resume", "go on with this sweep where it stopped"),
            ("pause", "stop this sweep after its current chunk"),
            ("cancel", "end this sweep for good"),
            ("report", "report what this sweep has found"),
        ):
            existing.add_argument(f"--{word}", metavar="SWEEP_ID", help=what)
        existing.add_argument("--list-checks", action="store_true", help="say what a sweep looks for besides drift")
        existing.add_argument("--archive", action="store_true", help="prove the archive, and it with hot rows")
        parser.add_argument(
            "--spark", default="", metavar="MASTER", help="have Spark add up the archive, such as local[*]"
        )
        parser.add_argument("--deep", action="store_true", help="run the checks that read every transaction as well")
        parser.add_argument("--background", action="store_true", help="leave it to the worker (manage.py work)")
        parser.add_argument("--pace", type=int, choices=range(1, 101), default=100, metavar="1-100")
        parser.add_argument("--reason", default="", help="why; kept with the sweep")
        self.add_report_arguments(parser)

    def handle(self, **options: Any) -> None:
        """Start, pause or resume a sweep, report, and write one line on how it ended."""
        if options["list_checks"]:
            for check in CHECKS.values():
                self.stdout.write(
                    f"{check.title} ({check.name}, {check.verdict}, {check.runs})\n    {check.description}"
                )
            return
        self.sweep: Sweep | None = None
        if options["spark"] and not options["archive"]:
            raise CommandError("--spark is for --archive.")
        if options["archive"]:
            self._prove_archive(options)
            return
        with self.refusals_for_people(options):
            if standby := replica():
                self.stderr.write(f"Balances are measured on {standby}.")
            sweep = self._requested(options)
            if options["pause"] or options["cancel"] or options["background"]:
                self.stderr.write(f"Sweep {sweep.sweep_id} is {sweep.state}.")
                return
            findings = sweep.findings.order_by("balance_id").iterator(chunk_size=1_000)
            self.report(options, FINDINGS, map(as_row, findings))
        self._conclude(sweep)

    def _prove_archive(self, options: dict[str, Any]) -> None:
        """Report what is wrong with the archive or with totals over it. Nothing is written down."""
        began = time.monotonic()
        with self.refusals_for_people(options):
            proof = Proof(settings.LEDGER_ARCHIVE_DIR, options["spark"])
            found = [asdict(damage) for damage in chain(proof, compare(proof))]
            self.report(options, DAMAGES, found)
        took = time.monotonic() - began
        self.stderr.write(f"{proof.files:,} files with {proof.legs:,} legs are as they were archived, in {took:.1f} s.")
        if proof.last is None:
            self.stderr.write("Nothing is archived.")
        elif proof.checkpoint is None:
            self.stderr.write("Not proved: archive and rows since against totals, for want of the last checkpoint.")
        elif not found:
            end = f"the end of {proof.last.month}"
            self.stderr.write(f"Proved: what was archived until {end}, and the rows since, are the stored totals.")
        if found:
            sys.exit(NOT_HEALTHY)

    def _requested(self, options: dict[str, Any]) -> Sweep:
        if options["pause"]:
            return service.pause_sweep(options["pause"])
        if options["cancel"]:
            return service.cancel_sweep(options["cancel"])
        if options["report"]:
            return service.find_sweep(options["report"])
        if options["resume"]:
            existing = service.find_sweep(options["resume"])
            if existing.state not in (Sweep.State.RUNNING, Sweep.State.QUEUED):
                existing = service.resume_sweep(existing.sweep_id)
            return self._run(existing, options)
        new = {"actor": operator(), "origin": Origin.COMMAND, "reason": options["reason"], "deep": options["deep"]}
        if options["background"]:
            return tasks.request_sweep(self.scope(options), **new)
        return self._run(service.create_sweep(self.scope(options), **new), options)

    def _run(self, sweep: Sweep, options: dict[str, Any]) -> Sweep:
        self.sweep = sweep
        self.stderr.write(f"Sweep {sweep.sweep_id}")
        with _bar(sweep) as progress:
            return service.run_sweep(sweep.sweep_id, pace=options["pace"], progress=progress)

    def so_far(self) -> str:
        """Say how to go on."""
        return f"Go on with: manage.py sweep --resume {self.sweep.sweep_id}" if self.sweep else ""

    def _conclude(self, sweep: Sweep) -> None:
        took = ""
        if sweep.started_at and sweep.finished_at:
            took = f" in {(sweep.finished_at - sweep.started_at).total_seconds():.1f} s"
        self.stderr.write(
            f"{sweep.measured:,} balances measured{took}: {sweep.drifted:,} with drift, {sweep.faulty:,} with other "
            f"faults, {sweep.not_proved:,} not proved, {sweep.remarked:,} with remarks. Verdict: {_judged(sweep)}."
        )
        if proved(sweep):
            self.stderr.write(f"Proved: {proved(sweep)}")
        for sentence in out_of_balance(sweep):
            self.stderr.write(sentence)
        for sentence in unproved(sweep):
            self.stderr.write(f"Not proved: {sentence}")
        if sweep.drifted or sweep.faulty or sweep.not_proved or out_of_balance(sweep):
            sys.exit(NOT_HEALTHY)


def _judged(sweep: Sweep) -> str:
    """Return the verdict in words, which say so where only a part of the ledger is proved."""
    is_part = not sweep.scope.get("everything") and proved(sweep)
    return "what is in scope is proved, what is not in it is not" if is_part else verdict(sweep)


@contextmanager
def _bar(sweep: Sweep) -> Iterator[service.Progress]:
    """Show a bar on a terminal, and nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, get_time=time.monotonic) as bar:
        task = bar.add_task("measuring", total=sweep.total or None)

        def moved(now: Sweep) -> None:
            stage = "checking and explaining" if now.measured_all else "measuring"
            bar.update(task, completed=now.measured, description=stage)

        yield moved
