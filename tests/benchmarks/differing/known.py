"""Kinds of differences that COMPATIBILITY.md lists, each by a pattern and the words of its row there.

A pattern names the route, the field and, where the answer tells it, the reason: one that is wider would hide others.
"""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent.parent.parent / "COMPATIBILITY.md"
TOTAL = r"resulting_(available|balance|credit_balance|debit_balance|inflight_\w+_balance)"
SHOWN = r"(amount|amount_string|precise_amount|precision|source|destination|reference|transaction_id|description)"
SETTLED = r"(already|not in inflight|ALREADY|NOT_INFLIGHT)"
"""What ours says of a hold that the original settles twice."""
KNOWN: list[tuple[str, str]] = [
    # everywhere
    (r" as a float: ", "Numbers beyond 17 digits are shown rounded"),
    (r"^\w+ (/balances//|/refund-transaction/|/transactions/filter/) .*: 30[17]", "Where the last part of a path"),
    (r"parsing time .*\\\\u[0-9a-f]{4}", "quotes it as the JSON escaped it"),
    (r"json: more than|into Go value of type float64", "A body may hold any number of values"),
    (r"^(POST /balances|PUT /balances/\{id\}/identity) \[odd\]: 20[01] / 400 .*(cannot be blank|'required' tag)",
     "Of a key that is there twice, the second time as `null`, the first value stays"),
    (r"^POST /identities/\{id\}/tokenize \[odd\]: 200 / 400 IDT_FIELD_NOT_TOKENIZABLE field  is not",
     "Of a key that is there twice, the second time as `null`, the first value stays"),
    # transactions
    (r": 200 effective_date: - / |\[\]\.effective_date: - / ", "leave out `effective_date`"),
    (r"scheduled_for: #T00:#:#Z / #T", "the zero time as `scheduled_for`"),
    (r"/transactions/reference/.* 200 (precision: 0|hash: ) ", "shows precision 0 and no hash"),
    (r"^POST /transactions \[(queued|at once, odd).*\]: 201 / 4(04|09|00) (TXN_(NOT_F|DUPL|VALID)|GEN_CONFLICT Opt)",
     "answers 201 and leaves nothing (10)"),
    (r"^POST /transactions/bulk \[.*atomic.*\]: 20[12] / "
     r"(404 TXN_NOT_FOUND|409 TXN_DUPLICATE_REFERENCE|400 GEN_BAD_REQUEST) failed to queue transaction # ",
     "answers 201 and leaves nothing (10)"),
    (r"^POST /transactions/bulk .*: 201 (failed|results): - / ", "goes on without such items and says nothing of them"),
    (r"^POST /transactions/bulk .*: 400 error_detail\.details\.(failed|results): - / ",
     "goes on without such items and says nothing of them"),
    (r"^POST /transactions/bulk \[skip_queue.*\]: 409 TXN_DUPLICATE_REFERENCE .* / 201",
     "A batch with `skip_queue` that is not atomic ends at the first item"),
    (r"409 error_detail\.details|results\[\]\.details", "A 409 for a used reference has no details"),
    (r"no whole number of minor units", "An amount that is no whole number of minor units is rounded"),
    (r"/ 400 TXN_VALIDATION_ERROR (transactions\[#\]: )?overdraft_limit: ", "`overdraft_limit` is rounded"),
    (r"is (not taken here|said for the whole batch)", "Commits, voids and refunds ignore any key"),
    (r"the holds under .* several precisions", "is converted by the precision of any of them"),
    (r"/inflight/\{id\} \[batch, .*\]: 200 / 400 TXN_COMMIT_AMOUNT_EXCEEDED",
     "is converted by the precision of any of them"),
    (r"/ (400 )?\w+ .*contradicts precise_amount", "Of an `amount` and a `precise_amount` of one commit"),
    (r"/bulk/(commit|void).*(LOCKED|already held|failed to acquire lock)", "which one fails is random (`LOCKED`)"),
    (rf"/bulk/(commit|void) .*(INTERNAL_ERROR|saving transaction to db error).* / {SETTLED}|/bulk/(commit|void) .*"
     rf"saving transaction to db error.* / .*{SETTLED}", "settled twice through two ids (6)"),
    (r"failed to split transaction: .* has (neither|both) ",
     "gets nothing; of two that contradict each other one counts"),
    (r"failed to queue transaction # .* / (\w+ )?failed to queue transaction # ", "names balances by ids, or as they"),
    (r"failed to record split transaction .* / (\w+ )?failed to record split", "identifier and leg are random (4)"),
    (r"^POST /transactions \[at once, split.*\]: (409|400) .* / (409|400) \w+ (failed to record split|Optimistic)",
     "identifier and leg are random (4)"),
    (r"409 GEN_CONFLICT Balance already exists for indicator .* / 201", "may leave a new indicator balance behind"),
    (r"^(GET /balances|POST /balances/filter)( .*)?: 200 (data)?\[\] length", "may leave a new indicator balance"),
    (r"/balances/indicator/.*: 200 / 404", "may leave a new indicator balance behind"),
    (r"^POST /(balances|transactions)/filter( .*)?: 200 total_count: # / #|: 201 (source|destination): @\w+ / <bln>",
     "may leave a new indicator balance behind"),
    (r"balances\[\]\.(balance_id: <(bln|balance)> / @|virtual: - / true)", "may leave a new indicator balance behind"),
    (rf"^POST /transactions \[(at once|queued), split.*\]: 201 {SHOWN}: ", "identifier and leg are random (4)"),
    (rf"^(PUT /transactions/inflight|POST /refund-transaction)/\{{id\}} \[split, .*\]: 20[01] ({SHOWN}|parent_tr\w+): ",
     "identifier and leg are random (4)"),
    (rf"^(PUT /transactions/inflight|POST /refund-transaction)/\{{id\}} \[batch, .*\]: 20[01] "
     rf"({SHOWN}|meta_data[.\w]*): ",
     "What is queued is applied in any order"),
    (r"/refund-transaction/.*at once.*: 409 .*already been refunded\] / 201", "The first refund with `skip_queue`"),
    (r": 500 GEN_INTERNAL Failed to update balance / 20", "can end one of them with 500 `deadlock detected`"),
    (r"already been refunded transaction", "A refund called twice refunds the refund (defect 1)"),
    (r"/refund-transaction/\{id\} \[(batch|split), .*\]: 404 .* / 20[01]", "A refund by the id of a batch"),
    (r"/ 400 TXN_VALIDATION_ERROR precision: precision is too large", "A precision beyond 64 bits"),
    (r"begins or ends with a blank|NFC|invisible", "References, indicators and currencies that look alike"),
    (r"\[\]\.parent_transaction: <txn> / <batch>", "Legs of a split in a batch hang under"),
    (r"/inflight/\{id\} \[batch, dry run.*\]: 200 legs\[\] length", "Legs of a split in a batch hang under"),
    (r"^POST /\{id\}/metadata \[batch, .*\]: 404 META_ENTITY_NOT_FOUND .* / 200",
     "Legs of a split in a batch hang under"),
    (r"parent_transaction: <hold> / <txn>", "settlements of a queued id hang under its hold"),
    (rf"/inflight/\{{id\}} \[(hold|split|batch), queued\]: 200 / 40[09] .*{SETTLED}",
     "settled twice through two ids (6)"),
    (r"/inflight/bulk/\w+ \[\w+, at once.*\]: 200 results\[\]\.(status: (failed|succeeded)|code: -|message: -) / "
     r"(succeeded|failed|ALREADY|cannot|transaction has already)", "which one fails is random (`LOCKED`)"),
    (r"/inflight/bulk/\w+ \[\w+, queued.*\]: 200 results\[\]\.(code: (ALREADY_)?QUEUED|message: (-|a commit or void)).*"
     r" / .*NOT_FOUND",
     "A bulk commit or void of an empty id is queued"),
    (r"/inflight/bulk/\w+ \[\w+, queued, odd\]: 200 (results\[\]\.status: queued / failed|(failed|succeeded): )",
     "A bulk commit or void of an empty id is queued"),
    (rf"/inflight/bulk/\w+ \[\w+, queued\]: 200 results\[\]\.(code: QUEUED|message: -) / .*{SETTLED}",
     "settled twice through two ids (6)"),
    (r"/inflight/bulk/\w+ \[\w+, queued\]: 200 (results\[\]\.status: queued / failed|(failed|succeeded): )",
     "settled twice through two ids (6)"),
    (rf"/inflight/\{{id\}} \[(hold|split|batch), queued\]: 400 TXN_COMMIT_AMOUNT_EXCEEDED .* / .*{SETTLED}",
     "settled twice through two ids (6)"),
    (r"/transactions/recover.* recovered: ", "A queued row is recovered up to three times"),
    (r"^(POST /\{id\}/metadata|GET /\S+) .*: 200 meta_data\.b: x / -$",
     "Of a key that is there twice, the second time as `null`, the first value stays"),
    # after the queue: what only the original has / what only we have
    (r"^after the queue: .*/refund-transaction/\{id\} \[(batch|split), .*: - / .*refund",
     "A refund by the id of a batch or a split misses"),
    (r"^after the queue: .*atomic.* / SCHEDULED$",
     "it waits for the last of its dates"),
    (r"^after the queue: .*atomic.* / .*REJECTED not applied, because",
     "they are REJECTED together, each with its reason"),
    (r"^after the queue: /transactions/bulk .* atomic.*: [^/]*(VOID|refund)[^/]* / -$",
     "that says `atomic` itself undoes"),
    (r"^after the queue: .*atomic.*: .*(refund|REJECTED [^/]*) / ", "is undone after the fact, through the queue"),
    (r"^after the queue: .*: [^/]*of one balance[^/]* / ",
     "A leg with one balance on both sides is applied in the queue"),
    (r"^after the queue: .*: (QUEUED|APPLIED|INFLIGHT)(, (QUEUED|APPLIED|INFLIGHT))* / -$",
     "answers 201 and leaves nothing (10)"),
    (r"^after the queue: .*: [^/]*insufficient funds[^/]* / (APPLIED|INFLIGHT)",
     "What is queued is applied in any order"),
    (r"^after the queue: .*: (APPLIED|INFLIGHT) / REJECTED .*insufficient funds",
     "What is queued is applied in any order"),
    (r"^after the queue: .*overdraft limit.*: .*(overdraft limit|APPLIED|INFLIGHT)", "get lost in the queue (7)"),
    (r"blnk_rejection_reason: .* / not applied, because", "they are REJECTED together, each with its reason"),
    # dry runs
    (rf"/inflight/\S+ \[.*dry run.*\]: 200 (results\[\]\.)?rejection\.(code|message): "
     rf".*(VALIDATION|inflight d|inflight …).* / .*{SETTLED}", "settled twice through two ids (6)"),
    (rf"/inflight/\{{id\}} \[(hold|split|batch), at once\]: 400 .*saving transaction to db error.* / .*{SETTLED}",
     "settled twice through two ids (6)"),
    (r"/inflight/\{id\} \[(split|batch), at once\]: 400 error(_detail\.message)?: .*commit more.* / .*commit more",
     "identifier and leg are random (4)"),
    (r"/inflight/\S+ \[.*dry run.*\]: 200 (results\[\]\.)?balances\[\] length: # / 0",
     "settled twice through two ids (6)"),
    (r"dry.run.*\]: 200 (results\[\]\.)?rejection\.(code|message|reason): .*(nsufficient|INSUFFICIENT|Optimistic).*"
     r" / .*(DUPLICATE|already been used|other)", "lack of funds, or an exceeded limit, hides"),
    (r"dry.run.*\]: 200 (results\[\]\.)?rejection\.(code|message|reason): .*(TXN_VALIDATION|overdraft.limit).*"
     r" / .*(DUPLICATE|already been used|other)", "lack of funds, or an exceeded limit, hides"),
    (r"dry.run.*\]: 200 (results\[\]\.)?notes(\[\])?: .*(legs are queued|dispatched|compensates|settle the same hold)",
     "Notes that would be untrue here have other words"),
    (r"bulk \[skip_queue.*dry_run.*\]: 200 notes(: - / ..the batch stops|\[\] length: )",
     "its balances stop where the real one does"),
    (r"/inflight/bulk/\w+ \[\w+, dry run, odd.*\]: 200 results\[\]\."
     r"((precise_)?amount|precision|currency|balances|rejection\.\w+): .* / (0|null|GEN_NOT_FOUND|NOT_FOUND.*|)$",
     "parents of splits and empty ids are projected"),
    (r"/bulk \[.*dry_run.*odd.*\]: 200 (results\[\]\.(amount: # / #|precise_amount: # / $|status: \w+ / -"
     r"|would_apply: true / false|balances: \[.* / null)|would_apply: true / false)",
     "An amount that is no whole number of minor units is rounded"),
    (r"\[dry run, split.*\]: 400 TXN_VALIDATION_ERROR source is required / 404",
     "a split of both sides lacks a `source`"),
    (r"(refund-transaction|inflight)/\{id\} \[(batch|split), dry run.*\]: 200 "
     r"(amount: |precision: |balances\[\](\.| length))",
     "legs and projections in random order"),
    (rf"bulk \[skip_queue.*dry_run.*\]: 200 balances\[\]( length|\.{TOTAL}): ",
     "its balances stop where the real one does"),
    (r"bulk \[.*atomic.*dry_run.*\]: 200 (cumulative: false|balances: -|results\[\]\.balances: \[.*\]?) / ",
     "an atomic batch or split is projected"),
    (r"bulk \[.*atomic.*dry_run.*\]: 200 notes(\[\] length)?: ", "an atomic batch or split is projected"),
    (r"bulk \[.*atomic.*dry_run.*\]: 200 results\[\]\.(rejection|status|would_apply|notes|legs): |"
     r"bulk \[.*atomic.*dry_run.*\]: 200 would_apply: ", "an atomic batch or split is projected"),
    (r"\[(.*, )?dry.run.*\]: 200 (results\[\]\.)?(rejection\.\w+: .*Optimistic|rejection\.reason: other / |legs: )",
     "legs and projections in random order"),
    (r"\[dry run, split.*\]: 200 (balances\[\] length: |rejection\.(code|reason): )",
     "legs and projections in random order"),
    (r"bulk \[.*dry_run.*\]: 200 results\[\]\.(balances\[\] length|notes|rejection\.(code|reason)): ",
     "legs and projections in random order"),
    (r"bulk \[.*dry_run.*\]: 200 (results\[\]\.rejection: .*DUPLICATE_REFERENCE.* / -|results\[\]\.balances: null / )",
     "that of a split itself, which no row bears"),
    (r"bulk \[dry_run.*\]: 200 (results\[\]\.status: - / |(results\[\]\.)?would_apply: false / true)",
     "that of a split itself, which no row bears"),
    (r"bulk \[.*dry_run.*\]: 200 (results\[\]\.(status: - / |would_apply: false / true|balances: null / )"
     r"|results\[\]\.rejection: .*DUPLICATE_REFERENCE.* / -)", "is used up by an item that is itself rejected"),
    (rf"^POST /transactions \[dry run, split.*, refused\]: 200 balances\[\]\.{TOTAL}: ",
     "an atomic batch or split is projected"),
    (r"bulk \[.*dry_run.*\]: 404 .* / 200", "that item is rejected, as by the real call"),
    (r"bulk \[.*dry_run.*\]: 400 TXN_VALIDATION_ERROR .* / TXN_VALIDATION_ERROR failed to split transaction: ",
     "says of shares that make no sense only why"),
    (r"refund-transaction/\{id\} \[.*dry run.*\]: 200 (amount|precise_amount|precision|currency): .* / (0|)$",
     "a refund can be refunded again"),
    (r"refund-transaction/\{id\} \[.*dry run.*\]: 200 (balances\[\] length: # / 0|legs: .* / -|reference: .* / -)",
     "a refund can be refunded again"),
    (r"refund-transaction/\{id\} \[.*dry run.*\]: 200 notes\[\]: projected refund of # .* / projected refund of tr",
     "a refund can be refunded again"),
    # balances and what belongs to them
    (r"^GET /balances/(\{id\}|indicator/).*: 200 version: # / #", "by one for whatever is recorded in one commit"),
    (r"/balances(/filter)?( .*)?: 200 (data)?\[\]\.version: 0 / #", "Lists show version 0, no lineage, no strategy"),
    (r"/balances.*allocation_strategy: - / (FIFO|LIFO|PROPORTIONAL)|track_fund_lineage: false / true",
     "Lists show version 0, no lineage, no strategy"),
    (r"/balances/indicator/.* meta_data: null / ", "a balance read by its indicator shows no metadata"),
    (r"include=.*(identity|ledger)\.(identity_type|meta_data): ", "An included identity shows no `identity_type`"),
    (r"include=balance.*balance\.(inflight|version|allocation|indicator)", "the included balance of an account"),
    (r"include=identity.*: 500 .* / 200", "`include=identity` without an identity answers 500"),
    (r"/balance-monitors.*(description: - / |call_back_url: - / )", "A monitor loses its description"),
    (r"/balance-monitors.* \[odd\]: .*/ .*BalanceMonitor\.description of type string",
     "A monitor loses its description"),
    (r"/balance-monitors.*condition\.(precise_value|precision): ", "keeps its old threshold after a change"),
    (r"/balance-monitors.*: (500|20[01]|400) .*/ (400 )?(GEN_\w+ )?condition: ", "An operator that does not exist"),
    (r"/balance-monitors.*: 500 GEN_INTERNAL .*/ (40[04] |20)", "An operator that does not exist"),
    (r"^GET /balances/\{id\}/at ", "starts from wrong snapshots"),
    # identities and accounts
    (r"^DELETE /identities/\{id\}: 500 .* / 409", "Deleting an identity that a balance or an account refers to"),
    (r"Invalid ledger ID / (GEN_BAD_REQUEST )?Invalid identity ID", "An unknown identity of a new balance answers"),
    (r"^POST /accounts.*: 500 .* / (201|409)", "An account whose number is taken answers 500"),
    (r"detokenize.*: 500 .* / 409", "A token that cannot be read is 500"),
    (r"^\w+ /(identities|accounts)\S*( .*)?: 20[01] .*(name|email_address|phone_number|street): .* / <token>",
     "An update writes plain text into a tokenized field"),
    (r"^GET /identities\S*( .*)?: 200 (\[\]\.)?meta_data(\.tokenized_fields)?: (-|{}) / ",
     "New metadata of an identity forgets"),
    # hooks, filters
    (r"/hooks.* 400 .*details\.", "`details` of a malformed hook holds the decoder's fields"),
    (r"/hooks.*: 500 HOOK_OPERATION_FAILED .* / 400 HOOK_INVALID", "A hook without a URL or of an unknown type"),
    (r"/filter.*: 500 GEN_INTERNAL .* / 400 GEN_BAD_REQUEST", "A filter value that cannot be compared with its field"),
    (r"/filter \[meta_data\.\w+ \w+ (int|float)\]: 500 GEN_INTERNAL .* / 200",
     "A number that is compared with a key of the metadata"),
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
