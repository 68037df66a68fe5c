"""The page of a transaction, with the work on it."""

from django.contrib import admin

from balances.backoffice import TransactionAdmin
from balances.models import Transaction
from reconciliation.backoffice.work import Worked
from reconciliation.models import Subject

admin.site.unregister(Transaction)


@admin.register(Transaction)
class WorkedTransactionAdmin(Worked, TransactionAdmin):
    """Transactions, which staff assign and write notes on."""

    work_on = Subject.TRANSACTION
