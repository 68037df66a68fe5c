"""Reading bodies in the event loop: within a deadline, up to a length, and not too many large ones at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

from granian.rsgi import HTTPProtocol, ProtocolClosed, ProtocolError, Scope

SMALL_BYTES = 64 * 1024
"""Up to this length a body is not counted: as many as there are connections fit into memory."""
HELD_BYTES = 256 * 1024 * 1024
"""What larger bodies may take together, from their first byte to their answer."""
DRAINED_BYTES = 16 * 1024 * 1024
"""What is read and dropped of a body that is too large, so that its sender gets an answer and no broken pipe."""


class Slow(Exception):
    """The body was not there when its time was over."""


class Crowded(Exception):
    """Large bodies take all the memory that they may."""


class Incomplete(Exception):
    """The client left in the middle of its body."""


@dataclass(frozen=True, slots=True)
class Body:
    """What was sent, and its length. Of a body that is too large nothing is kept but the length."""

    content: bytes = b""
    length: int = 0

    @property
    def held(self) -> int:
        """Return how many bytes of it count."""
        return len(self.content) if len(self.content) > SMALL_BYTES else 0


NOTHING = Body()


async def parts_of(proto: HTTPProtocol) -> AsyncIterator[bytes]:
    """Yield what arrives of a body; granian lets one iterate over it only once."""
    async for part in proto:
        yield part


class Bodies:
    """Reads bodies up to ``most`` bytes within ``seconds``."""

    def __init__(self, *, most: int, seconds: float) -> None:
        """Keep the limits."""
        self.most, self.seconds = most, seconds
        self.held = 0

    async def read(self, scope: Scope, proto: HTTPProtocol) -> Body:
        """Return the body of a request. Raises ``Slow``, ``Crowded`` or ``Incomplete``.

        The caller must give it back with ``release``.
        """
        announced = scope.headers.get("content-length")
        if announced == "0" or (announced is None and "transfer-encoding" not in scope.headers):
            return NOTHING
        length = None if announced is None else int(announced)
        if length is not None and length > self.most:
            if "expect" not in scope.headers and length <= self.most + DRAINED_BYTES:
                await self._drain(parts_of(proto))
            return Body(length=length)
        try:
            async with asyncio.timeout(self.seconds):
                if length is not None and length <= SMALL_BYTES:
                    return Body(await proto(), length)
                return await self._read_in_parts(proto, length)
        except TimeoutError as error:
            raise Slow from error
        except (ProtocolClosed, ProtocolError) as error:
            raise Incomplete from error

    async def _read_in_parts(self, proto: HTTPProtocol, length: int | None) -> Body:
        """Read a long body, or one of unknown length."""
        coming, parts = parts_of(proto), list[bytes]()
        received = held = empty = 0
        try:
            async for part in coming:
                received += len(part)
                empty += not part
                if received > self.most:
                    await self._drain(coming)
                    return Body(length=received)
                self._hold(len(part))
                held += len(part)
                parts.append(part)
            if empty > 1 or length not in {None, received}:
                raise Incomplete  # granian ends a body with one empty part, and one that broke off with two
        finally:
            self.held -= held
        body = Body(b"".join(parts), received)
        self.held += body.held
        return body

    async def _drain(self, coming: AsyncIterator[bytes]) -> None:
        """Read and drop what is left of a body that is too large: a while, and so much."""
        drained = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(self.seconds):
                async for part in coming:
                    drained += len(part)
                    if drained > DRAINED_BYTES:
                        return

    def _hold(self, count: int) -> None:
        if self.held + count > HELD_BYTES:
            raise Crowded
        self.held += count

    def release(self, body: Body) -> None:
        """Let others have the memory of a body."""
        self.held -= body.held
