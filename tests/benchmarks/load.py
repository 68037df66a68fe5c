"""Clients that send requests as fast as they are answered: wrk where it is installed, otherwise processes of Python.

wrk takes a few microseconds of CPU a request, and a Python client about half a millisecond, which the server on the
same machine then lacks. So what Python clients measure is a lower bound, and ratios come out nearer to 1.
"""

from __future__ import annotations

import http.client
import itertools
import json
import math
import multiprocessing
import re
import shutil
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PATIENCE_SECONDS = 300
REFERENCE = "REFERENCE"
"""Stands in a body for a reference that is used once."""
SCRIPT = """
local headers = {["X-Blnk-Key"] = %(key)s, ["Content-Type"] = "application/json"}
local targets = {%(targets)s}
local bodies = {%(bodies)s}
local prefix, number, made = %(prefix)s, 0, {}
request = function()
  number = number + 1
  local target, body = targets[number %% #targets + 1], bodies[number %% #bodies + 1]
  if #body == 2 then
    return wrk.format(%(method)s, target, headers, body[1] .. prefix .. number .. body[2])
  end
  made[target] = made[target] or wrk.format(%(method)s, target, headers, body[1])
  return made[target]
end
done = function(summary, latency)
  local failed = summary.errors
  print(string.format("MEASURED %%d %%d %%d %%d %%d %%d", summary.requests, failed.status, summary.duration,
    latency:percentile(50), latency:percentile(99),
    failed.connect + failed.read + failed.write + failed.timeout))
end
"""


@dataclass(frozen=True)
class Server:
    """Where requests go."""

    name: str
    url: str
    key: str

    def connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        return http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_SECONDS)


@dataclass(frozen=True)
class Work:
    """What clients send: the n-th target with the n-th body, again from the first after the last."""

    method: str
    targets: Sequence[str]
    bodies: Sequence[str] = ("",)

    def request(self, number: int, prefix: str) -> tuple[str, str]:
        body = self.bodies[number % len(self.bodies)]
        return self.targets[number % len(self.targets)], body.replace(REFERENCE, f"{prefix}{number}")


@dataclass(frozen=True)
class Load:
    """What came of it: requests done and refused, in so many seconds; latencies in milliseconds, where measured."""

    done: int
    refused: int
    seconds: float
    p50: float = math.nan
    p99: float = math.nan

    @property
    def rate(self) -> float:
        return self.done / self.seconds


def send(server: Server, line: http.client.HTTPConnection, method: str, path: str, body: Any = None) -> Any:
    line.request(method, path, None if body is None else json.dumps(body), {"X-Blnk-Key": server.key})
    answer = line.getresponse()
    text = answer.read()
    if answer.status >= 400:
        raise RuntimeError(f"{server.name}: {method} {path} answered {answer.status}: {text[:300]!r}")
    return json.loads(text)


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


def measure(server: Server, work: Work, clients: int, seconds: int) -> Load:
    """Have so many clients, one connection each, send one request after the other until the time is over."""
    return (by_wrk if has_wrk() else by_processes)(server, work, clients, seconds)


def by_wrk(server: Server, work: Work, clients: int, seconds: int) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "requests.lua"
        script.write_text(lua(server, work, uuid.uuid4().hex))
        words = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", f"--timeout={PATIENCE_SECONDS}s", "-s", str(script)]
        printed = subprocess.run([*words, server.url], capture_output=True, text=True, check=True).stdout
    found = re.search(r"MEASURED (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", printed)
    if found is None:
        raise RuntimeError(f"{server.name}: wrk said: {printed}")
    answered, refused, microseconds, p50, p99, broken = map(int, found.groups())
    if broken:
        raise RuntimeError(f"{server.name}: {broken} requests were not answered: {printed}")
    return Load(answered - refused, refused, microseconds / 1e6, p50 / 1000, p99 / 1000)


def lua(server: Server, work: Work, prefix: str) -> str:
    """Return a script for wrk that sends this work."""
    bodies = ("{" + ", ".join(map(quoted, body.split(REFERENCE))) + "}" for body in work.bodies)
    return SCRIPT % {
        "key": quoted(server.key),
        "method": quoted(work.method),
        "targets": ", ".join(map(quoted, work.targets)),
        "bodies": ",\n".join(bodies),
        "prefix": quoted(f"{prefix}-"),
    }


def quoted(text: str) -> str:
    return f"[==[{text}]==]"


def by_processes(server: Server, work: Work, clients: int, seconds: float) -> Load:
    context = multiprocessing.get_context("fork")
    start, results = context.Barrier(clients), context.Queue()
    crew = [context.Process(target=client, args=(server, work, seconds, start, results)) for _ in range(clients)]
    for each in crew:
        each.start()
    came = [results.get(timeout=seconds + PATIENCE_SECONDS) for _ in crew]
    for each in crew:
        each.join()
    taken = [one for times, _ in came for one in times]
    refused = sum(count for _, count in came)
    quantiles = statistics.quantiles(taken, n=100)
    return Load(len(taken) - refused, refused, seconds, quantiles[49], quantiles[98])


def client(server: Server, work: Work, seconds: float, start: Any, results: Any) -> None:
    """Send requests until the time is over; put how long each took, in milliseconds, and how many were refused."""
    line, prefix, taken, refused = server.connection(), f"{uuid.uuid4().hex}-", [], 0
    headers = {"X-Blnk-Key": server.key, "Content-Type": "application/json"}
    start.wait()
    until = time.perf_counter() + seconds
    for number in itertools.count():
        began = time.perf_counter()
        if began > until:
            break
        target, body = work.request(number, prefix)
        line.request(work.method, target, body or None, headers)
        answer = line.getresponse()
        answer.read()
        refused += answer.status >= 400
        taken.append((time.perf_counter() - began) * 1000)
    results.put((taken, refused))
