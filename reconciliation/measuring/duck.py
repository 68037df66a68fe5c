"""DuckDB: opened where it is needed, with bounded memory, and its refusals in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings

from balances.ground import LedgerError

SQL = Path(__file__).parent / "sql"
SUMS_OF_LEGS = (SQL / "sums_of_legs.sql").read_text()
SESSION = (
    (SQL / "session.sql")
    .read_text()
    .format(sums_of_legs=SUMS_OF_LEGS.format(legs="legs_of(files, balance_ids, until)"))
)
DIGITS = 38
"""Digits that an amount or a sum may have in an archive; PostgreSQL allows any number."""
AT_ONCE = 10_000
"""Rows that are fetched at once."""


class EngineMissing(LedgerError):
    """An engine that is asked for is not installed."""

    code = "GEN_NOT_IMPLEMENTED"
    text = "Archives need DuckDB, which is not installed: uv sync --extra archive, or pip install duckdb==2.0.1"


class NotProved(LedgerError):
    """Something could not be judged, and nothing was guessed in its place."""

    code = "GEN_CONFLICT"

    def __init__(self, why: str) -> None:
        super().__init__(f"Not proved: {why}")


class Duck:
    """A session of DuckDB's; its statements are files, with parameters as ``$name``."""

    def __init__(self, engine: Any, errors: Any) -> None:
        self._engine, self._errors = engine, errors

    def rows(self, statement: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Run a statement and yield its rows by column name, fetched in portions; one result at a time.

        Raises ``NotProved`` where a sum has too many digits, or DuckDB refuses for another reason.
        """
        with self._refusals():
            result = self._engine.execute(statement, parameters)
            columns = [column[0] for column in result.description]
            while portion := result.fetchmany(AT_ONCE):
                for row in portion:
                    yield dict(zip(columns, row, strict=True))

    def run(self, statement: str, **parameters: Any) -> None:
        """Run a statement for what it does. Raises ``NotProved`` as ``rows`` does."""
        with self._refusals():
            self._engine.execute(statement, parameters)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except (self._errors.OutOfRangeException, self._errors.ConversionException) as error:
            raise NotProved(f"an amount or a sum has more than {DIGITS} digits ({_first_line(error)}).") from error
        except self._errors.Error as error:  # a damaged file may name columns that are none, or end too soon
            raise NotProved(f"DuckDB could not read it ({_first_line(error)}).") from error


@contextmanager
def duck(scratch: Path | None = None) -> Iterator[Duck]:
    """Open a session that takes no more memory than the settings allow, and goes on in files beyond that.

    ``scratch`` is where these lie, a temporary directory by default. Nothing is fetched from the network. Raises
    ``EngineMissing``.
    """
    try:
        import duckdb
    except ImportError as error:
        raise EngineMissing from error
    with TemporaryDirectory(prefix="duck-", dir=scratch) as beside:
        config = {
            "memory_limit": f"{settings.LEDGER_ARCHIVE_MEMORY // 2**20}MiB",
            "temp_directory": beside,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        engine = duckdb.connect(":memory:", config=config)  # type: ignore[arg-type]
        try:
            engine.execute(SESSION)
            yield Duck(engine, duckdb)
        finally:
            engine.close()


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")
