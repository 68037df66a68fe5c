"""What is published of what was written: webhooks, hooks and their deliveries."""

from balances.events import publishing, registry
from balances.events.delivering import LONGEST_SECONDS
from balances.events.exceptions import HookError, HookOperationFailed, InvalidHook, MasterKeyRequired
from balances.events.fetching import check_fetching, keep_fetching_fast
from balances.events.publishing import announced
from balances.events.retrying import retry_now
from balances.events.sending import NoAnswer, is_address, post, recipient, signed
from balances.events.tasks import QUEUE, WAITING
