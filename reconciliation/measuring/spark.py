"""Legs in Parquet files, added up by Spark: on this machine, or on a cluster that reaches the same files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from reconciliation.measuring.duck import DIGITS, SUMS_OF_LEGS, EngineMissing, NotProved
from reconciliation.measuring.measures import Sums, Witness, read_sums
from reconciliation.measuring.scope import Scope

MISSING = "Spark is not installed: pip install pyspark==4.3.0, which needs Java 17 or later"
SETTINGS = {
    "spark.app.name": "ledger archive",
    "spark.sql.ansi.enabled": "true",  # a sum that overflows is an error, not NULL
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}


@dataclass(frozen=True)
class SparkMeasure:
    """Files of legs, by path or by a URL that Spark reads; every worker of the cluster must reach them.

    ``master`` is Spark's URL of a cluster, or ``local[*]`` for this machine. What is lost with a worker is computed
    again by the others. Whether the files are what was archived is for ``sweep --archive`` to say, not for the sums.
    """

    files: tuple[str, ...]
    master: str = "local[*]"

    def sums(self, scope: Scope, until: datetime | None = None) -> Iterator[Sums]:
        """Yield the sums of balances that have a leg in the files, in key order.

        Raises ``EngineMissing``, and ``NotProved`` where a sum has more than 38 digits, a file cannot be read, or the
        cluster cannot be reached.
        """
        ids = None if scope.everything else [(balance_id,) for balance_id in scope.ids()]
        if not self.files or ids == []:
            return
        with _session(self.master) as session:
            legs = session.read.parquet(*self.files)
            if ids is not None:
                legs = legs.join(session.createDataFrame(ids, "balance string"), "balance", "left_semi")
            if until is not None:
                before = until.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
                legs = legs.where(f"instant < TIMESTAMP_NTZ '{before}'")
            legs.createOrReplaceTempView("legs")
            found = session.sql(SUMS_OF_LEGS.format(legs="legs")).orderBy("balance_id")
            for row in found.toLocalIterator():
                yield read_sums(row.asDict())

    def witness(self) -> Witness:
        """Return the files."""
        return Witness("spark", self.files)


@contextmanager
def _session(master: str) -> Iterator[Any]:
    """Open a session on a cluster and end it. Raises ``EngineMissing``, and ``NotProved`` for what Spark refuses."""
    try:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException, PySparkRuntimeError
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise EngineMissing(MISSING) from error
    builder = SparkSession.builder.master(master)
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    try:
        session = builder.getOrCreate()
    except PySparkRuntimeError as error:
        raise EngineMissing(f"Spark did not start ({_said(error)}). {MISSING}.") from error
    except Py4JError as error:
        raise NotProved(f"Spark did not start on {master} ({_said(error)}).") from error
    try:
        yield session
    except (PySparkException, Py4JError) as error:
        if "ARITHMETIC_OVERFLOW" in str(error) or "NUMERIC_VALUE_OUT_OF_RANGE" in str(error):
            raise NotProved(f"a sum has more than {DIGITS} digits.") from error
        raise NotProved(f"Spark could not read it ({_said(error)}).") from error
    finally:
        session.stop()


def _said(error: Exception) -> str:
    """Return what went wrong; of an error of Java's the line after the first, which names the call alone."""
    return " ".join(str(error).splitlines()[:2]).rstrip(".")
