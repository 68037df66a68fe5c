"""Where clients find the server's socket: in the data directory, or through a short link to it."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ledgerproj.embedded.errors import ServerFailed

PLAIN = re.compile(r"/[\w/.+-]*", re.ASCII)
"""What libpq takes for one directory: a comma would make two of it, and a space need not survive every client."""
LONGEST_DIRECTORY = 80
"""A socket's path may have some 100 bytes, its name included."""


def client_directory(directory: Path) -> Path:
    """Return a path by which clients reach the socket in a directory. Raises ``ServerFailed``."""
    if _is_plain(directory):
        return directory
    name = "ledger-" + hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    for runtime in _runtime_directories():
        link = runtime / name
        if _is_plain(link):
            _point(link, directory)
            return link
    raise ServerFailed(
        f"The path {directory} cannot be that of a socket, and there is no private directory for a link to it; "
        "set LEDGER_DATA_DIR to a shorter path of letters and digits."
    )


def _is_plain(directory: Path) -> bool:
    return len(os.fsencode(directory)) <= LONGEST_DIRECTORY and PLAIN.fullmatch(str(directory)) is not None


def _runtime_directories() -> Iterator[Path]:
    """Yield private directories of this user: the session's if it is ours, then one of our own under a temporary."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    if given and _is_private(Path(given)):
        yield Path(given)
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - the directory in it is checked to be ours
        own = Path(parent) / f"ledger-runtime-{os.geteuid()}"
        try:
            own.mkdir(mode=0o700, exist_ok=True)
        except OSError:
            continue
        if _is_private(own):
            yield own


def _is_private(directory: Path) -> bool:
    """Return whether a directory is ours and only we may write there: others could lead us to their server."""
    try:
        status = directory.lstat()
    except OSError:
        return False
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return ours and not status.st_mode & 0o022 and os.access(directory, os.W_OK | os.X_OK)


def _point(link: Path, directory: Path) -> None:
    if link.is_symlink() and link.readlink() == directory:
        return
    new = link.with_name(f"{link.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    new.symlink_to(directory)
    new.replace(link)
