"""Fund lineage: whose money a balance holds, by provider.

Each provider of an identity has a shadow balance, and each identity an aggregate; ordinary movements between the two
record what came in and what was spent. ``recording.lineage`` notes movements to trace, and ``tracing`` traces them.
"""

from balances.lineage import outbox, tasks
from balances.lineage.reading import balance_lineage, transaction_lineage, untraced
