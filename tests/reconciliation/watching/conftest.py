"""What tests of watching share."""

from __future__ import annotations

import pytest
from procrastinate.contrib.django import app


@pytest.fixture
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker start nothing by the clock: the watchdog would look at what a test makes up in mid-air."""
    monkeypatch.setattr(app.periodic_registry, "periodic_tasks", {})
