"""What tests of Blnk's SDKs share: each test runs with the Python and with the TypeScript SDK."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as configured
from django.core.management import call_command
from procrastinate.contrib.django import app

from tests import world
from tests.clients.sdks import Client, Node, NoNode, PythonSdk, TypeScriptSdk, install


@pytest.fixture(scope="session")
def node() -> Iterator[Node | str]:
    """Yield a process with the TypeScript SDK, or why there is none."""
    try:
        process = Node(install(configured.LEDGER_DATA_DIR / "typescript-sdk"))
    except NoNode as reason:
        yield str(reason)
        return
    yield process
    process.close()


@pytest.fixture(params=["python", "typescript"])
def connect(request: pytest.FixtureRequest, live_server: Any) -> Callable[[str], Client]:
    """Return what makes a client for a key."""
    if request.param == "python":
        return lambda key: Client(PythonSdk(key, live_server.url))
    process = request.getfixturevalue("node")
    if isinstance(process, str):
        pytest.skip(process)
    return lambda key: Client(TypeScriptSdk(process, key, live_server.url))


@pytest.fixture
def blnk(connect: Callable[[str], Client]) -> Client:
    """Return a client that holds the master key."""
    return connect(world.MASTER_KEY)


@pytest.fixture
def drained(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what lets a worker do all that is due; what starts by the clock stays out of it."""
    monkeypatch.setattr(app.periodic_registry, "periodic_tasks", {})
    return lambda: call_command("work", "--once", verbosity=0)
