"""A scratch database for one measurement, on the server of the settings, and alternating timings."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import django

from ledgerproj.scratch import Scratch, scratch_database


def set_up() -> None:
    """Let Django know the settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ledgerproj.settings")
    django.setup()


@contextmanager
def database() -> Iterator[Scratch]:
    """Make an empty database with all tables; drop it at the end."""
    set_up()
    with scratch_database("benchmark") as made:
        yield made


def medians(rounds: int, **contestants: Callable[[], object]) -> dict[str, float]:
    """Run the contestants in turn, so that noise hits all alike; return each one's median in milliseconds."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            started = time.perf_counter()
            run()
            taken[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(times) for name, times in taken.items()}


def report(title: str, times: dict[str, float], ours: str, theirs: str, target: float) -> None:
    """Print one line a contestant and the ratio against its target."""
    print(f"\n{title}")
    for name, milliseconds in times.items():
        print(f"  {name:<34}{milliseconds:>10.2f} ms")
    ratio = times[ours] / times[theirs]
    print(f"  ratio {ratio:.2f} (target at most {target}): {'met' if ratio <= target else 'MISSED'}")
