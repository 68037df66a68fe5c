"""The project as a Django app, for its commands and background tasks."""

from django.apps import AppConfig


class LedgerProjectConfig(AppConfig):
    """Commands that start things: ``quickstart``, ``serve`` and ``work``."""

    name = "ledgerproj"
    verbose_name = "Ledger back-office"

    def ready(self) -> None:
        """Connect the receivers for sign-ins and the checks of a deployment, and make the roles after a migrate."""
        from axes.signals import user_locked_out
        from django.contrib.auth.models import User
        from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
        from django.core import checks
        from django.db.models.signals import post_migrate, pre_delete, pre_save

        from balances.ground import approving
        from ledgerproj.deploy_checks import check_database, check_settings
        from ledgerproj.independence import require_independent
        from ledgerproj.names import refuse_deletion, refuse_taken_name
        from ledgerproj.own_password import remember_given
        from ledgerproj.roles import ensure_roles
        from ledgerproj.second_factor.policy import require_to_approve
        from ledgerproj.sessions import begin
        from ledgerproj.signing_in import report_failed, report_locked_out, report_signed_in, report_signed_out

        user_login_failed.connect(report_failed, dispatch_uid="report_failed_sign_in")
        user_locked_out.connect(report_locked_out, dispatch_uid="report_locked_out")
        user_logged_in.connect(report_signed_in, dispatch_uid="report_signed_in")
        user_logged_in.connect(begin, dispatch_uid="begin_session")
        user_logged_in.connect(remember_given, dispatch_uid="remember_given_password")
        user_logged_out.connect(report_signed_out, dispatch_uid="report_signed_out")
        approving.connect(require_to_approve, dispatch_uid="second_factor_to_approve")
        approving.connect(require_independent, dispatch_uid="independence_to_approve")
        checks.register(check_settings, checks.Tags.security, deploy=True)
        checks.register(check_database, checks.Tags.database, deploy=True)
        pre_save.connect(refuse_taken_name, sender=User, dispatch_uid="refuse_taken_name")
        pre_delete.connect(refuse_deletion, sender=User, dispatch_uid="refuse_deletion_of_users")
        post_migrate.connect(ensure_roles, dispatch_uid="ensure_roles")
