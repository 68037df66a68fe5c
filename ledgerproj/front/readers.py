"""Ends connections whose clients take their answers too slowly: granian itself has no deadline for an answer.

It hands an answer to the kernel as fast as the client takes it, and says nothing of how fast that is. The kernel knows
(``TCP_INFO``, Linux): how long a connection has had something to send, and how much of it has arrived.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import psutil  # type: ignore[import-untyped]

logger = logging.getLogger(__name__)

SLOWEST = 1024
"""Bytes a second that a client takes at least, while there is anything for it to take."""
BUSY = 0.9
"""Share of the time between two looks in which something was to be sent; a client that asks now and then has less."""
INFO = struct.Struct("=120x Q 40x Q")
"""``bytes_acked`` and ``busy_time`` (microseconds) out of ``struct tcp_info`` of Linux 4.10 and later."""
DROP = struct.pack("ii", 1, 0)
"""Closes a connection without keeping what has not been sent."""
OPEN_FILES = Path("/proc/self/fd")


class Readers(Thread):
    """Looks every so many seconds; ends what takes nothing for as long, and what takes too little from look to look."""

    def __init__(self, seconds: float) -> None:
        """Find the ports on which this process listens."""
        super().__init__(name="readers", daemon=True)
        self.seconds = seconds
        self.ports = set[int]()
        self._seen: dict[int, tuple[int, int]] = {}
        """Of each connection, by its inode, what had arrived and how long it had been busy at the last look."""
        for found in psutil.Process().net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN:
                self.ports.add(found.laddr.port)
                _end_the_deaf(found.fd, seconds)

    def run(self) -> None:
        """Look again and again, where the kernel can say."""
        while OPEN_FILES.exists() and hasattr(socket, "TCP_INFO"):
            time.sleep(self.seconds)
            try:
                self.look()
            except Exception:  # whatever it was, the next look may succeed
                logger.exception("Slow readers could not be looked for")

    def look(self) -> None:
        """Compare each connection with the last look, and end it where its client was too slow since."""
        seen: dict[int, tuple[int, int]] = {}
        for inode, line, acked, busy in _connections():
            acked_before, busy_before = self._seen.get(inode, (acked, busy))
            seen[inode] = acked, busy
            is_busy = busy - busy_before >= BUSY * self.seconds * 1_000_000
            if is_busy and acked - acked_before < SLOWEST * self.seconds and _is_of(line, self.ports):
                logger.warning("A client was cut off that took less than %d bytes a second of its answer", SLOWEST)
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, DROP)
                line.shutdown(socket.SHUT_RDWR)
        self._seen = seen


def _connections() -> Iterator[tuple[int, socket.socket, int, int]]:
    """Yield the TCP connections of this process: inode, socket, bytes that have arrived, microseconds busy."""
    for file in OPEN_FILES.iterdir():
        # What is closed by now, or no socket, is passed over. The copy's number means nothing else meanwhile.
        with suppress(OSError), _copy(int(file.name)) as line:
            info = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO.size)
            if len(info) == INFO.size:
                acked, busy = INFO.unpack(info)
                yield os.fstat(line.fileno()).st_ino, line, acked, busy


def _copy(file: int) -> socket.socket:
    copy = os.dup(file)
    try:
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=copy)
    except OSError:  # no socket
        os.close(copy)
        raise


def _is_of(line: socket.socket, ports: Collection[int]) -> bool:
    """Return whether a connection came from a client; this process has others, such as those to the database."""
    return line.getsockname()[1] in ports


def _end_the_deaf(listening: int, seconds: float) -> None:
    """Have the kernel end a connection whose client takes nothing at all for so long, where it can (Linux).

    Sockets that listen hand the option on to those that they accept.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        with socket.socket(fileno=os.dup(listening)) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))
