"""Kinds of differences that COMPATIBILITY.md lists, each by a pattern and the words of its row there."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent.parent.parent / "COMPATIBILITY.md"
KNOWN: list[tuple[str, str]] = [
    # everywhere
    (r" as a float: ", "Numbers beyond 17 digits are shown rounded"),
    (r"^\w+ (/balances//|/refund-transaction/|/transactions/filter/) .*: 30[17]", "Where the last part of a path"),
    (r"json: more than|into Go value of type float64", "A body may hold any number of values"),
    # transactions
    (r": 200 effective_date: - / |\[\]\.effective_date: - / ", "leave out `effective_date`"),
    (r"scheduled_for: #T00:#:#Z / #T", "the zero time as `scheduled_for`"),
    (r"/transactions/reference/.* 200 (precision: 0|hash: ) ", "shows precision 0 and no hash"),
    (r"^POST /transactions \[queued.*\]: 201 / 4(04|09|00) ", "answers 201 and leaves nothing (10)"),
    (r"^POST /transactions/bulk \[.*atomic.*\]: 201 / 4(04|09|00) ", "answers 201 and leaves nothing (10)"),
    (r"^POST /transactions/bulk .*: 201 (failed|results): - / ", "goes on without such items and says nothing of them"),
    (r"409 error_detail\.details|results\[\]\.details", "A 409 for a used reference has no details"),
    (r"no whole number of minor units", "An amount that is no whole number of minor units is rounded"),
    (r"overdraft_limit", "`overdraft_limit` is rounded"),
    (r"is (not taken here|said for the whole batch)", "Commits, voids and refunds ignore any key"),
    (r"the holds under .* several precisions", "is converted by the precision of any of them"),
    (r"amount and precise_amount|contradict", "Of an `amount` and a `precise_amount` of one commit"),
    (r"/bulk/(commit|void).*(LOCKED|already held|failed to acquire lock)", "which one fails is random (`LOCKED`)"),
    (r"/bulk/(commit|void).*(INTERNAL_ERROR|saving transaction to db error)", "settled twice through two ids (6)"),
    (r"identifier|must name a part|distribution", "gets nothing; of two that contradict each other one counts"),
    (r"failed to queue transaction # .* / (\w+ )?failed to queue transaction # ", "names balances by ids, or as they"),
    (r"failed to record split transaction .* / (\w+ )?failed to record split", "identifier and leg are random (4)"),
    (r"409 GEN_CONFLICT Balance already exists for indicator .* / 201", "may leave a new indicator balance behind"),
    (r"^(GET /balances|POST /balances/filter)( .*)?: 200 (data)?\[\] length", "may leave a new indicator balance"),
    (r"/balances/indicator/.*: 200 / 404", "may leave a new indicator balance behind"),
    (r"balances\[\]\.(balance_id: <(bln|balance)> / @|virtual: - / true)", "may leave a new indicator balance behind"),
    (r"\[split, .*\]: 20[01] (amount|amount_string|destination|source|precise_amount|reference|transaction_id|parent)",
     "identifier and leg are random (4)"),
    (r"/refund-transaction/.*at once.*: 409 .*already been refunded\] / 201", "The first refund with `skip_queue`"),
    (r"after the queue: .*overdraft limit", "get lost in the queue (7)"),
    (r"after the queue: .*some left out", "answers 201 and leaves nothing (10)"),
    (r"after the queue: .*atomic", "is undone after the fact, through the queue"),
    (r"blnk_rejection_reason: .* / not applied, because", "they are REJECTED together, each with its reason"),
    (r"already been refunded transaction…? / ", "A refund called twice refunds the refund (defect 1)"),
    (r"/refund-transaction/\{id\} \[(batch|split), .*\]: 404 .* / 20[01]", "A refund by the id of a batch"),
    (r"/ 400 TXN_VALIDATION_ERROR precision: precision is too large", "A precision beyond 64 bits"),
    (r"begins or ends with a blank|NFC|invisible", "References, indicators and currencies that look alike"),
    (r"\[\]\.parent_transaction: <txn> / <batch>", "Legs of a split in a queued batch hang under"),
    (r"/inflight/\{id\} \[(hold|split|batch), queued\]: 200 / 40[09]", "settled twice through two ids (6)"),
    (r"/inflight/bulk/\w+ \[\w+, queued\]: 200 (failed|succeeded|results)", "settled twice through two ids (6)"),
    (r"/transactions/recover.* recovered: ", "A queued row is recovered up to three times"),
    # dry runs
    (r"inflight/(bulk/\w+|\{id\}) \[.*dry run.*\]: 200 ", "split parents and empty ids are projected"),
    (r"dry.run.*rejection\..* insufficient.* / .*(DUPLICATE|already been used|other)", "lack of funds hides"),
    (r"dry.run.*\]: 200 (notes|results\[\]\.notes)", "Notes that would be untrue here are worded anew"),
    (r"bulk \[.*(atomic|skip_queue).*dry_run.*\]: 200 (cumulative|balances|results\[\]\.balances|notes)",
     "its balances stop where the real one does"),
    (r"bulk \[.*atomic.*dry_run.*\]: 200 (results|would_apply)", "an atomic batch or split is projected"),
    (r"bulk \[.*dry_run.*\]: 404 .* / 200", "that item is rejected, as by the real call"),
    (r"refund-transaction/\{id\} \[.*dry run.*\]: 200 ", "a refund can be refunded again"),
    # balances and what belongs to them
    (r"version: ", "by one for whatever is recorded in one commit"),
    (r"allocation_strategy: - / ", "Lists show version 0, no lineage, no strategy"),
    (r"track_fund_lineage: ", "Lists show version 0, no lineage, no strategy"),
    (r"/balances/indicator/.* meta_data: null / ", "a balance read by its indicator shows no metadata"),
    (r"include=.*(identity|ledger)\.(identity_type|meta_data): ", "An included identity shows no `identity_type`"),
    (r"include=balance.*balance\.(inflight|version|allocation)", "the included balance of an account"),
    (r"include=identity.*: 500 .* / 200", "`include=identity` without an identity answers 500"),
    (r"/balance-monitors.*(description: - / |call_back_url: - / )", "A monitor loses its description"),
    (r"/balance-monitors.*precise_value", "keeps its old threshold after a change"),
    (r"/balance-monitors.*(: 500 .*/ 400|: 20[01] / 400|condition: )", "An operator that does not exist"),
    (r"^GET /balances/\{id\}/at ", "starts from wrong snapshots"),
    # identities and accounts
    (r"^DELETE /identities/\{id\}: 500 .* / 409", "Deleting an identity that a balance or an account refers to"),
    (r"Invalid ledger ID / Invalid identity ID", "An unknown identity of a new balance answers"),
    (r"^POST /accounts.*: 500 .* / (201|409)", "An account whose number is taken answers 500"),
    (r"detokenize.*: 500 .* / 409", "A token that cannot be read is 500"),
    # hooks, filters
    (r"/hooks.* 400 .*details\.", "`details` of a malformed hook holds the decoder's fields"),
    (r"/hooks.*: 500 HOOK_OPERATION_FAILED .* / 400 HOOK_INVALID", "A hook without a URL or of an unknown type"),
    (r"/filter.*: 500 GEN_INTERNAL .* / 400 GEN_BAD_REQUEST", "A filter value that cannot be compared with its field"),
    (r"^GET /(transactions|balances|ledgers|identities|accounts) .*: 500 GEN_INTERNAL .* / 400 GEN_BAD_REQUEST",
     "A filter value that cannot be compared with its field"),
    (r"^GET /api-keys: 200 \[\]\.key", "Lists of keys show their hashes"),
]  # fmt: skip


def listed(kind: str) -> str:
    """Return the words of the page that list a kind of difference, or nothing."""
    return next((words for pattern, words in KNOWN if re.search(pattern, kind)), "")


def missing_words() -> list[str]:
    """Return what is said here to be listed, and is not."""
    page = PAGE.read_text()
    return [words for _, words in KNOWN if words not in page]
