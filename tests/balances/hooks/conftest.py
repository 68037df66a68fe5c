"""What tests of webhooks and hooks share: a receiver, and a worker that runs what waits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.receiver import Receiver, listening


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as server:
        yield server


@pytest.fixture
def webhook(receiver: Receiver, settings: Any) -> Receiver:
    """Let the receiver get all events."""
    settings.BLNK_WEBHOOK_URL = f"{receiver.url}?token=hidden"
    settings.BLNK_WEBHOOK_HEADERS = {}
    return receiver
