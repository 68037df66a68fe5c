"""The edit journal: triggers on our tables that write to those of ``reconciliation``, in the SQL file of the same name.

All DDL on tables under Blnk's names stands in this app. The triggers write to tables of the other one, so this
migration depends on it: from here on an edit of a total needs the journal to be there. The code of this app still
knows nothing of ``reconciliation``.
"""

from pathlib import Path

from django.db import migrations

GUARDS = Path(__file__).with_name("0002_guards.sql").read_text()
EARLIER_REFUSAL = (
    "CREATE OR REPLACE FUNCTION" + GUARDS.partition("CREATE FUNCTION")[2].partition("END $$;")[0] + "END $$;"
)
REVERSE = (
    EARLIER_REFUSAL
    + """
DROP FUNCTION journal_moved_totals() CASCADE;
DROP FUNCTION journal_whole_rows() CASCADE;
DROP FUNCTION journal_truncation() CASCADE;
DROP FUNCTION journal_forced_change() CASCADE;
DROP FUNCTION six_totals(balances);
DROP SEQUENCE refused_transaction_changes;
"""
)


class Migration(migrations.Migration):
    """Triggers that journal edits, and a count of refused ones."""

    dependencies = (("balances", "0005_api_keys"), ("reconciliation", "0006_who_edits"))
    operations = (migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(), REVERSE),)
