"""Fund lineage: whose money a balance holds, by provider (transactions 14, platform 8).

Each provider of an identity has a shadow balance, and each identity an aggregate; ordinary movements between the two
say what came in and what was spent. ``posting.lineage`` notes what is to be traced, ``tracing`` does it.
"""

from pathlib import Path

SQL = Path(__file__).parent / "sql"
"""The statements of lineage."""
