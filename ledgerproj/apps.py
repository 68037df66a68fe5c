"""The project as a Django app, for its commands and background tasks."""

from django.apps import AppConfig


class LedgerProjectConfig(AppConfig):
    """Commands that start things: ``quickstart``, ``serve`` and ``work``."""

    name = "ledgerproj"
    verbose_name = "Ledger back-office"

    def ready(self) -> None:
        """Connect what listens for refused sign-ins."""
        from axes.signals import user_locked_out
        from django.contrib.auth.signals import user_login_failed

        from ledgerproj.signing_in import tell_failed, tell_locked_out

        user_login_failed.connect(tell_failed, dispatch_uid="tell_failed_sign_in")
        user_locked_out.connect(tell_locked_out, dispatch_uid="tell_locked_out")
