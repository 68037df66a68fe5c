"""Which tests of the wire also run on an adopted Blnk 0.15 in mode serve, and which of them cannot hold there.

Our own tables have checks, indexes, triggers and column types that Blnk's do not, and one table of Blnk's can do less.
"""

from __future__ import annotations

API, SDKS = "tests/balances/api/", "tests/clients/"
WIRE = (API, SDKS)
"""Where the tests of the wire are. With ``--adopted`` all of them run on an adopted database, and only there."""
ALWAYS = (
    f"{API}test_bulk_again.py",
    f"{API}test_transaction_contract.py",
    f"{API}test_transactions.py",
)
"""The modules that run there as well whenever all tests run."""

NUMBERS = "Blnk keeps the numbers of accounts unique, an empty one too"
WHOLE = "Blnk keeps the value of a monitor in whole units of 64 bits; others are refused (adopting/test_serving.py)"
CHECKS = "Blnk's table has no such check; requests are checked before it"
ROOM = "Blnk's notification holds 8,000 bytes; more is refused (adopting/test_serving.py)"
TRACED = "Blnk itself traces the funds of what is posted here"
INDEXES = "it reads plans for indexes of ours"
LOCKS = "it locks the tables of our schema, where views are none"
TRIGGERS = "it puts triggers on the table, which a view cannot have, or reads sequences of ours"
RECOVERS = "Blnk itself recovers what its queue lost (adopting/test_serving.py)"
CANNOT = {
    f"{API}test_accounts.py::test_there_may_be_many_accounts_without_a_number": NUMBERS,
    f"{API}test_accounts.py::test_all_accounts_are_listed_newest_first": NUMBERS,
    f"{API}test_balance_at.py::test_a_long_history_is_summed_in_one_statement": INDEXES,
    f"{API}test_balance_at.py::test_rows_without_a_date_or_minor_units_are_read_by_index": INDEXES,
    f"{API}test_filter_plans.py::": INDEXES,
    f"{API}test_body_limits.py::test_a_long_text_is_not_taken_for_many_values": ROOM,
    f"{API}test_filtering.py::test_a_number_in_metadata_is_compared_and_anything_else_fails_nobody[adopted-9": ROOM,
    f"{API}test_hostile_input.py::test_metadata_under_the_names_of_the_ledger": ROOM,
    f"{API}test_hostile_input.py::test_what_another_writer_stored_is_read_without_limits": ROOM,
    f"{API}test_lineage.py::test_a_payment_says_what_it_was_paid_from": TRACED,
    f"{API}test_lineage.py::test_reading_takes_a_fixed_number_of_statements": TRACED,
    f"{API}test_lineage.py::test_settlements_over_the_api_reach_the_shadows": TRACED,
    f"{API}test_lineage.py::test_the_lineage_of_a_": TRACED,
    f"{SDKS}test_lineage.py::test_shadows_of_a_hold_are_settled_with_it": TRACED,
    f"{SDKS}test_lineage.py::test_what_is_spent_is_allocated_to_who_gave_it": TRACED,
    f"{API}test_monitors.py::test_a_change_computes_the_threshold_anew": WHOLE,
    f"{API}test_monitors.py::test_the_threshold_is_exact_and_truncated_toward_zero": WHOLE,
    f"{API}test_monitors.py::test_the_database_refuses_what_no_monitor_can_be": CHECKS,
    f"{API}test_monitors.py::test_a_monitor_is_read_and_changed_in_the_columns_of_a_blnk_database": CHECKS,
    f"{API}test_read_timeout.py::test_a_page_of_the_admin_ends_in_time": LOCKS,
    f"{API}test_read_timeout.py::test_every_read_of_many_rows_ends_in_time": LOCKS,
    f"{API}test_read_timeout.py::test_the_server_says_when_a_client_has_gone": LOCKS,
    f"{API}test_refund_contract.py::test_what_another_writer_left_queued_is_applied": RECOVERS,
    f"{API}test_dry_run.py::test_no_row_changes_no_sequence_moves": TRIGGERS,
    f"{API}test_posting_lane.py::test_what_the_database_refuses_": TRIGGERS,
}
"""What does not hold there, by how the id of a test begins, and why."""
EMPTIED = ("transactions", "balance_snapshots", "accounts", "balance_monitors", "lineage_mappings", "lineage_outbox",
           "balances", "identity", "api_keys", "ledgers", "transaction_journal")  # fmt: skip
"""Blnk's tables into which tests write, in the order in which they can be emptied."""


def runs_adopted(path: str, *, wanted: bool) -> list[str]:
    """Return on which tables the tests of a module run: our own, or those of an adopted Blnk."""
    if wanted:
        return ["adopted"] if path.startswith(WIRE) else []
    return ["own", "adopted"] if path in ALWAYS else []


def why_not(nodeid: str) -> str | None:
    """Return why a test cannot hold on Blnk's tables, if it cannot."""
    return next((why for start, why in CANNOT.items() if nodeid.startswith(start)), None)
