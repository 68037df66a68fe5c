"""The project as a Django app, for its commands and background tasks."""

from django.apps import AppConfig


class LedgerProjectConfig(AppConfig):
    """Commands that start things: ``quickstart``, ``serve`` and ``work``."""

    name = "ledgerproj"
    verbose_name = "Ledger back-office"

    def ready(self) -> None:
        """Connect the receivers for refused sign-ins."""
        from axes.signals import user_locked_out
        from django.contrib.auth.signals import user_login_failed

        from ledgerproj.signing_in import report_failed, report_locked_out

        user_login_failed.connect(report_failed, dispatch_uid="report_failed_sign_in")
        user_locked_out.connect(report_locked_out, dispatch_uid="report_locked_out")
