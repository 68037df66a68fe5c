"""The embedded server's data directory: made at one stroke, configured, never left half done."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ledgerproj.embedded import programs
from ledgerproj.embedded.errors import ServerFailed

NAME = "postgres"
NEW = "postgres.new-"
MARK = "# ledger back-office"
CONFIGURATION = f"""
{MARK}
unix_socket_permissions = 0700   # the server trusts its socket, so only its owner may open it
max_connections = 200
shared_buffers = 256MB
max_wal_size = 2GB               # fewer checkpoints while a ledger is filled
jit = off                        # compiling costs more than the short sums it would speed up
random_page_cost = 1.1           # data sits on solid state or in memory: sums should read indexes
"""
LIVE_PROOF_MARK = "# live proof of the ledger"
LIVE_PROOF = f"""
{LIVE_PROOF_MARK}
wal_level = logical              # the log then says which totals and rows each commit changed
max_slot_wal_keep_size = 4GB     # no more of it is kept for one who does not read it
"""
CONFIGURATIONS = {MARK: CONFIGURATION, LIVE_PROOF_MARK: LIVE_PROOF}
"""What is appended to the server's own settings, by the line that shows that it is there."""


def ensure(data_dir: Path) -> Path:
    """Return the complete and configured data directory of PostgreSQL; the caller holds the start lock.

    Raises ``ServerFailed`` or ``OSError``.
    """
    cluster = data_dir / NAME
    for left_over in data_dir.glob(f"{NEW}*"):
        shutil.rmtree(left_over, ignore_errors=True)  # an initdb that outlived us may still write there
    if not _is_complete(cluster):
        _make(cluster)
    _configure(cluster)
    programs.open_the_way(cluster)
    return cluster


def _is_complete(cluster: Path) -> bool:
    if not cluster.exists() or not any(cluster.iterdir()):
        return False
    if (cluster / "PG_VERSION").exists() and (cluster / "global" / "pg_control").exists():
        return True
    raise ServerFailed(f"{cluster} is no complete data directory of PostgreSQL; remove it, or move it away.")


def _make(cluster: Path) -> None:
    """Run initdb beside the final place and move the result there, so that no half of it is ever found."""
    new = Path(tempfile.mkdtemp(prefix=NEW, dir=cluster.parent))
    programs.give_to_system_user(new)
    programs.open_the_way(new)
    try:
        # The C locale sorts text alike on every machine; trust is safe behind a socket of the owner's.
        programs.run("initdb", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username=postgres", cluster=new)
    except subprocess.SubprocessError as error:
        raise ServerFailed(f"PostgreSQL's initdb failed in {cluster.parent}: {_reason(error)}") from error
    _configure(new)
    new.rename(cluster)
    _sync(cluster.parent)


def _configure(cluster: Path) -> None:
    """Append those of our settings that are missing, whole or not at all, for the same owner.

    A server that runs already takes them up when it is started next.
    """
    path = cluster / "postgresql.conf"
    lines = path.read_text().splitlines()
    missing = "".join(text for mark, text in CONFIGURATIONS.items() if mark not in lines)
    if not missing:
        return
    new = cluster / "postgresql.conf.new"
    owner = path.stat()
    with new.open("w") as file:
        file.write(path.read_text() + missing)
        file.flush()
        os.fsync(file.fileno())
    new.chmod(owner.st_mode & 0o777)
    os.chown(new, owner.st_uid, owner.st_gid)
    new.replace(path)
    _sync(cluster)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: subprocess.SubprocessError) -> str:
    lines = [line for line in str(getattr(error, "stderr", "") or error).splitlines() if line.strip()]
    return next((line for line in lines if "error" in line.lower() or "FATAL" in line), lines[-1])
