"""Imports through a page of the back-office."""

from django.apps import AppConfig


class UploadsConfig(AppConfig):
    """Uploaded files, the reports of their trials and imports; tables that Blnk does not have."""

    name = "balances.apps.uploads"
    label = "uploads"
    verbose_name = "Imports"
