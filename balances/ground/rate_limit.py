"""How many requests an address may send to a path: a token bucket for each pair.

Buckets live in the memory of one process, as the original's do. They are written here because no library fits:
`limits` has no token bucket; that of `pyrate-limiter` counts whole microseconds for each token, so it cannot do five
million a second; that of `throttled-py` counts whole seconds, so rates below one a second never fill up. Its GCRA would
do, but like the others it does not drop buckets after a configurable idle time.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from threading import Lock

from django.http import HttpRequest

from balances.ground.addresses import client_address, network_of

MOST_BUCKETS = 100_000
"""Limit for one process, about 20 MB; beyond it the bucket idle longest is dropped, which makes it full again."""


class RateLimiter:
    """Token buckets by key: ``rate`` tokens a second flow in, up to ``burst``; each request takes one."""

    def __init__(
        self, *, rate: float, burst: int, idle_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Keep the limits; a bucket not used for ``idle_seconds`` is dropped."""
        self.rate, self.burst, self.idle_seconds = rate, burst, idle_seconds
        self._clock = clock
        self._buckets: OrderedDict[int, tuple[float, float]] = OrderedDict()
        """Tokens and when they were counted; longest idle first."""
        self._lock = Lock()

    def take(self, *key: str) -> int | None:
        """Take a token and return how many are left, or ``None`` where there is none to take."""
        # The hash is keyed by this process, so clients cannot aim at each other's buckets, and long paths cost nothing.
        bucket = hash(key)
        with self._lock:
            now = self._clock()
            tokens, counted = self._buckets.pop(bucket, (self.burst, now))
            tokens = min(self.burst, tokens + (now - counted) * self.rate)
            left = tokens - 1 if tokens >= 1 else None
            self._buckets[bucket] = (tokens if left is None else left, now)
            self._drop_idle(now)
        return left if left is None else int(left)

    def _drop_idle(self, now: float) -> None:
        """Drop at most two buckets, so that no request pays for many; each request adds at most one."""
        for _ in range(2):
            bucket, (_, counted) = next(iter(self._buckets.items()))
            if now - counted <= self.idle_seconds and len(self._buckets) <= MOST_BUCKETS:
                return
            del self._buckets[bucket]


def bucket_of(request: HttpRequest) -> tuple[str, str]:
    """Return whose bucket a request takes from: the network of its client, and its path."""
    return network_of(client_address(request)), request.path


def headers_of(limiter: RateLimiter, request: HttpRequest, left: int | None) -> Iterator[tuple[str, str]]:
    """Yield the headers of an answer that name the limit and the remaining tokens."""
    peer, port = request.META.get("REMOTE_ADDR", ""), request.META.get("REMOTE_PORT")
    if port:  # granian gives none
        peer = f"[{peer}]:{port}" if ":" in peer else f"{peer}:{port}"
    yield "X-Rate-Limit-Limit", f"{limiter.rate:.2f}"
    yield "X-Rate-Limit-Duration", "1"
    yield "X-Rate-Limit-Request-Remote-Addr", peer
    if forwarded := request.META.get("HTTP_X_FORWARDED_FOR", "").strip():
        yield "X-Rate-Limit-Request-Forwarded-For", forwarded
    yield "RateLimit-Limit", str(math.floor(limiter.rate + 0.5))
    yield "RateLimit-Reset", "1"
    yield "RateLimit-Remaining", str(left or 0)
