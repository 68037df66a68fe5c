"""No request gives a 500: ``uv run python -m tests.benchmarks.fuzz [--bodies 20000] [--seed 1]``.

Requests to every route of the API, made by a seed out of its OpenAPI document, with extreme numbers, texts and shapes
(``tests/fuzzing.py``), in a scratch database; what was queued is applied in between. Prints how many answers had which
status, and each request that was answered 500 or 503 or took more than a second of the processor, and fails if any.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter

from tests.benchmarks import scratch

LONGEST = 1.0
"""Seconds of the processor that a request may take."""
REFUSED = {500, 502, 503, 504}
EVERY = 500
"""Requests between two turns of the queue."""


def main(bodies: int, seed: int) -> int:
    """Send the requests; return how many of them went wrong."""
    with scratch.database():
        from django.test import Client

        from balances.queueing.draining import drain
        from tests.fuzzing import Fuzzer, populate, send

        logging.disable(logging.WARNING)
        client, fuzzer = Client(raise_request_exception=False, SERVER_NAME="localhost"), Fuzzer(seed)
        populate(fuzzer)
        statuses: Counter[int] = Counter()
        wrong, slowest, slowest_call, sent = 0, 0.0, "", 0
        for number, call in enumerate(fuzzer.calls(sys.maxsize)):
            if sent >= bodies:
                break
            sent += bool(call.body)
            started = time.process_time()
            answer = send(client, call)
            taken = time.process_time() - started
            statuses[answer.status_code] += 1
            fuzzer.learn(answer)
            if taken > slowest:
                slowest, slowest_call = taken, str(call)
            if answer.status_code in REFUSED or taken > LONGEST:
                wrong += 1
                print(f"#{number} {answer.status_code} after {taken:.2f} s: {call}\n", flush=True)
            if number % EVERY == EVERY - 1:
                while drain():
                    pass
        print(f"seed {seed}: {sum(statuses.values()):,} requests, {sent:,} with a body, to {len(fuzzer.routes)} routes")
        print("statuses: " + ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items())))
        print(f"slowest: {slowest:.2f} s of the processor, {slowest_call[:300]}")
        print(f"wrong: {wrong}")
        return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bodies", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sys.exit(1 if main(given.bodies, given.seed) else 0)
